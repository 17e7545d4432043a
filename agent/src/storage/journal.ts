/**
 * The journal: what was read and not yet sealed, so that a power cut loses no more than a source's `maxLossMs` of it.
 *
 * Entries are written together: when the first of them is due, all that wait are written in one transaction. What is sealed
 * before it is due is never written here at all, which spares the flash.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import {
  decodeEvent,
  decodePack,
  encodeEvent,
  encodePack,
  EvidenceError,
  isEvidenceError,
  type Event,
  type Level,
  type Reading,
  type TimeQuality,
} from "@tallystick/evidence";
import type { Timer } from "@tallystick/evidence/node";
import type { Clock } from "../clock/clock.ts";
import type { Line, Lines } from "../programs/lines.ts";
import { OBSERVED } from "../seal/seal.ts";
import type { Standing } from "../sample/standing.ts";
import type { Storage } from "./storage.ts";

/** When something was taken. Two entries of different `scale` were timed by clocks that differ by a step or a restart. */
export type Stamp = { readonly atUnixMs: number; readonly tq: TimeQuality; readonly scale: number };

/** What was read at one moment: readings that go into a pack, or an event that becomes a statement of its own. */
export type Entry = {
  readonly sub: string;
  readonly what:
    | { readonly kind: "readings"; readonly readings: readonly Reading[] }
    | { readonly kind: "event"; readonly event: Event };
  /** A pack of these readings alone, or the event, as encoded. */
  readonly bytes: Uint8Array;
  readonly stamp: Stamp;
  /** `lvl` of the statement that says it. */
  readonly level: Level;
  /** The line that a program brought it in; noted together with it. */
  readonly line?: Line;
  /** Row of that line, for an entry that an earlier run journalled. */
  readonly lineRow?: number;
  /** Row in the journal, once it is written there. */
  id: number | undefined;
};

/** Largest payload that surely fits into a statement beside its header, whose longest names leave it over 31 KiB. */
export const MAX_PAYLOAD_BYTES = 31_000;

const READINGS = 0;
const EVENT = 1;

/** A pack of these readings; undefined where they are too many bytes for one statement. @throws EvidenceError as {@link encodePack} */
export function packOf(base: string, readings: readonly Reading[]): Uint8Array | undefined {
  try {
    const bytes = encodePack(base, readings);
    return bytes.length <= MAX_PAYLOAD_BYTES ? bytes : undefined;
  } catch (error) {
    if (isEvidenceError(error) && error.code === "too-large") return undefined;
    throw error;
  }
}

/**
 * Makes entries of readings: usually one, more where they are more than `maxItems` or too large for one statement.
 *
 * @throws EvidenceError what {@link encodePack} throws; `too-large` for a single reading that no statement can hold
 */
export function readingEntries(
  base: string,
  {
    sub,
    readings,
    stamp,
    maxItems,
    level = OBSERVED,
  }: { sub: string; readings: readonly Reading[]; stamp: Stamp; maxItems: number; level?: Level },
): readonly Entry[] {
  const bytes = readings.length <= maxItems ? packOf(base, readings) : undefined;
  if (bytes !== undefined)
    return [{ sub, what: { kind: "readings", readings }, bytes, stamp, level, id: undefined }];
  if (readings.length === 1) throw new EvidenceError("too-large", "a reading is larger than a statement");
  const half = Math.ceil(readings.length / 2);
  const part = (some: readonly Reading[]): readonly Entry[] =>
    readingEntries(base, { sub, readings: some, stamp, maxItems, level });
  return [...part(readings.slice(0, half)), ...part(readings.slice(half))];
}

/** @throws EvidenceError what {@link encodeEvent} throws; `too-large` for an event that no statement can hold */
export function eventEntry(sub: string, event: Event, stamp: Stamp, level: Level = OBSERVED): Entry {
  const bytes = encodeEvent(event);
  if (bytes.length > MAX_PAYLOAD_BYTES) {
    throw new EvidenceError("too-large", "an event is larger than a statement", {
      kind: event.kind,
      bytes: bytes.length,
    });
  }
  return { sub, what: { kind: "event", event }, bytes, stamp, level, id: undefined };
}

type Row = {
  id: number;
  kind: number;
  at: number;
  tq: number;
  scale: number;
  level: number;
  line: number | null;
  bytes: Uint8Array;
};

export type JournalParts = {
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly timer: Timer;
  /** Told when a write that nobody waits for fails. */
  readonly fail: (error: unknown) => void;
  /** Told of each statement's entries, within its transaction. */
  readonly standing: Pick<Standing, "sealed">;
  readonly lines: Pick<Lines, "note" | "sealed">;
};

export class Journal {
  readonly #storage: Storage;
  readonly #standing: Pick<Standing, "sealed">;
  readonly #lines: JournalParts["lines"];
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #timer: Timer;
  readonly #fail: (error: unknown) => void;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #unwritten = new Set<Entry>();
  /** Lines that say nothing new, and of which stream. */
  #repeats: { readonly line: Line; readonly sub: string }[] = [];
  #dueMs = Infinity;
  #cancel = (): void => {};

  constructor(storage: Storage, { clock, timer, fail, standing, lines }: JournalParts) {
    this.#storage = storage;
    this.#lines = lines;
    this.#standing = standing;
    this.#clock = clock;
    this.#timer = timer;
    this.#fail = fail;
    this.#insert = storage.prepare(
      "INSERT INTO journal (sub, kind, at, tq, scale, count, bytes, level, line) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
    this.#delete = storage.prepare("DELETE FROM journal WHERE id = ?");
  }

  /** Takes an entry in. It is on disk after at most `maxLossMs`; at 0, when this returns. */
  append(entry: Entry, maxLossMs: number): void {
    this.#unwritten.add(entry);
    if (maxLossMs === 0) return this.write();
    const dueMs = this.#clock.monotonicMs() + maxLossMs;
    if (dueMs >= this.#dueMs) return;
    this.#cancel();
    this.#dueMs = dueMs;
    this.#cancel = this.#timer.after(maxLossMs, () => {
      try {
        this.write();
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  /** Takes a line in that says nothing new; it is noted with the next that is written. */
  repeat(line: Line, sub: string): void {
    this.#repeats.push({ line, sub });
  }

  /** Writes all that waits, now. @throws EvidenceError `storage-failed` */
  write(): void {
    this.#cancel();
    this.#dueMs = Infinity;
    if (this.#unwritten.size === 0 && this.#repeats.length === 0) return;
    this.#storage.transaction(() => {
      for (const entry of this.#unwritten) {
        const { sub, what, stamp, bytes, level } = entry;
        const line = this.#noteLine(entry);
        const [kind, count] = what.kind === "event" ? [EVENT, 1] : [READINGS, what.readings.length];
        const { atUnixMs, tq, scale } = stamp;
        const { lastInsertRowid } = this.#insert.run(
          sub,
          kind,
          atUnixMs,
          tq,
          scale,
          count,
          bytes,
          level,
          line,
        );
        entry.id = Number(lastInsertRowid);
      }
      for (const { line, sub } of this.#repeats) this.#lines.note(line, sub);
    });
    this.#unwritten.clear();
    this.#repeats = [];
  }

  #noteLine({ line, lineRow, sub }: Entry): number | null {
    if (line === undefined) return lineRow ?? null;
    return line.row ?? this.#lines.note(line, sub);
  }

  /**
   * Removes the entries that one statement says, within its transaction. Until then they are due as they were: a key in hardware may take its time to sign.
   *
   * @param hash - the statement's
   */
  remove(entries: readonly Entry[], hash: Uint8Array): void {
    this.#standing.sealed(entries);
    for (const entry of entries) {
      const line = this.#noteLine(entry);
      if (line !== null) this.#lines.sealed(line, hash);
      this.#unwritten.delete(entry);
      if (entry.id !== undefined) this.#delete.run(entry.id);
    }
    if (this.#unwritten.size > 0) return;
    this.#cancel();
    this.#dueMs = Infinity;
  }

  /** What an earlier run read and didn't seal, by stream, in order. */
  recover(iss: string): ReadonlyMap<string, readonly Entry[]> {
    const found = new Map<string, Entry[]>();
    const rows = this.#storage.query<Row & { sub: string }>(
      "SELECT id, sub, kind, at, tq, scale, level, line, bytes FROM journal ORDER BY id",
    );
    for (const row of rows.iterate()) {
      const entries = found.get(row.sub) ?? [];
      entries.push(entryOf(row, iss));
      found.set(row.sub, entries);
    }
    return found;
  }
}

function entryOf(row: Row & { sub: string }, iss: string): Entry {
  const { id, sub, kind, at, tq, scale, level, line, bytes } = row;
  const stamp: Stamp = { atUnixMs: at, tq: tq as TimeQuality, scale };
  const what =
    kind === EVENT
      ? { kind: "event" as const, event: decodeEvent(bytes) }
      : { kind: "readings" as const, readings: decodePack(bytes, baseName(iss, sub)) };
  const entry = { sub, what, bytes, stamp, level: level as Level, id };
  return line === null ? entry : { ...entry, lineRow: line };
}

/** SenML base name of a stream. */
export const baseName = (iss: string, sub: string): string => `${iss}/${sub}/`;
