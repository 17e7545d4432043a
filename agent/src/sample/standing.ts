/**
 * Readings that stand: told once, and then not again for as long as the source goes on showing them, as a sub-meter's does for an hour or more. After a
 * restart they must be known for repeats, however many statements ago they were told.
 *
 * What the newest pack of a stream says is found in that pack. So a name is noted here when a pack is sealed that doesn't have it while the one before
 * did: once for each reading that stands, and never for those that every pack has.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { compareDecimal, decodePack, encodePack, RAW_NAME, type Reading } from "@tallystick/evidence";
import { baseName, type Entry } from "../storage/journal.ts";
import type { Query, Storage } from "../storage/storage.ts";

/** Names noted of one stream; beyond, the one noted longest ago is forgotten. As many as the sampler remembers. */
const MAX_NAMES = 1024;
/** Values kept of one name and time. */
const MAX_VALUES = 8;

/** By name, what was told of it last: several readings where they differ for one time. */
type Told = ReadonlyMap<string, readonly Reading[]>;

export class Standing {
  readonly #iss: string;
  readonly #note: StatementSync;
  readonly #trim: StatementSync;
  readonly #forget: StatementSync;
  readonly #rows: Query<{ bytes: Uint8Array }>;
  /** What the newest pack of each stream says. */
  readonly #newest = new Map<string, Told>();

  constructor(storage: Storage, iss: string) {
    this.#iss = iss;
    this.#note = storage.prepare("INSERT OR REPLACE INTO standing (sub, name, bytes) VALUES (?, ?, ?)");
    this.#trim = storage.prepare(
      "DELETE FROM standing WHERE sub = ?1 AND id <= (SELECT id FROM standing WHERE sub = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
    );
    this.#forget = storage.prepare("DELETE FROM standing WHERE sub = ?");
    this.#rows = storage.query("SELECT bytes FROM standing WHERE sub = ? ORDER BY id");
  }

  /** Takes up where an earlier run ended. @param newest - readings of the newest pack that it sealed */
  begin(sub: string, newest: readonly Reading[]): void {
    this.#newest.set(sub, toldIn(newest));
  }

  /** Readings that stood when they were noted, oldest first; newer ones of these names are in the newest pack, or nowhere. */
  of(sub: string): readonly Reading[] {
    return this.#rows.all(sub).flatMap(({ bytes }) => decodePack(bytes, baseName(this.#iss, sub)));
  }

  /** These entries are sealed as one statement, within whose transaction this runs. */
  sealed(entries: readonly Entry[]): void {
    const sub = entries[0]?.sub;
    if (sub === undefined) return;
    const readings = entries.flatMap(({ what }) => (what.kind === "readings" ? what.readings : []));
    if (entries.some(({ what }) => what.kind === "event" && what.event.kind === "meter-changed")) {
      this.#newest.delete(sub); // what another meter showed is no repeat
      this.#forget.run(sub);
    }
    if (readings.length === 0) return;
    const now = toldIn(readings);
    for (const [name, told] of this.#newest.get(sub) ?? []) {
      if (now.has(name)) continue;
      this.#note.run(sub, name, encodePack(baseName(this.#iss, sub), told));
      this.#trim.run(sub, MAX_NAMES);
    }
    this.#newest.set(sub, now);
  }
}

/** The last of each name; only what the device itself gave a time can be a repeat. */
function toldIn(readings: readonly Reading[]): Told {
  const told = new Map<string, Reading[]>();
  for (const reading of readings) {
    const { name, time, quality } = reading;
    if (name === RAW_NAME || time === null || quality.includes("gateway-time")) continue;
    const before = told.get(name);
    const last = before?.[0]?.time;
    if (before !== undefined && last !== undefined && last !== null && compareDecimal(last, time) === 0) {
      if (before.length < MAX_VALUES) before.push(reading);
    } else told.set(name, [reading]);
  }
  return told;
}
