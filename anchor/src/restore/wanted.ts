/**
 * Asking for statements that a restored log has only the hashes of (`[3, [hash…]]`).
 *
 * Whose they are the ledger doesn't say. What does: a device's own statements, each of which names the one before it, the heads of its
 * streams, or the chain before. So a device is asked first for what it has named itself, and each statement that comes back names the next. That costs on
 * the air what is missing of this device, and no more.
 *
 * Beside that every device is offered the rest, a bounded piece at a time whenever it is heard from, at pauses that double for as long as
 * nothing comes of it: for statements that nothing later names.
 *
 * @module
 */
import { downTopic, encodeDown, toHex, fromHex, type Event } from "@tallystick/evidence";
import type { Downlink } from "../receipts/downlink.ts";
import type { Recovery } from "./recovery.ts";
import type { Tally } from "../tally.ts";

export type WantedParts = {
  readonly recovery: Pick<Recovery, "missing" | "find" | "after" | "hearing">;
  readonly downlink: Downlink;
  readonly tally: Tally;
  /** True for a device that has, or had, a key here. */
  readonly isKnown: (iss: string) => boolean;
  /** An entry that nobody can have sent: it is asked for where a device is to be heard and nothing is missing. */
  readonly anyHash: Uint8Array;
  readonly nowMs: () => number;
};

/** What a statement names: the one before it, the heads that it attests, the head that its chain continues. */
export type Naming = {
  readonly hash: Uint8Array;
  readonly claims: { readonly prev?: Uint8Array };
  readonly event?: Event;
};

type Asked = {
  /** Hashes that this device has named, as hexadecimal. */
  readonly named: Set<string>;
  dueMs: number;
  pauseMs: number;
  /** Log index up to which the rest was offered. */
  offered: number;
  piece: number;
};

/** Entries offered at once: 2 kB; more while they bear fruit. */
const PIECE = 64;
const MAX_PIECE = 512;
/** Pause between two pieces that bore no fruit; doubled from then on. An hour's 2 kB is what a metered line can bear. */
const FIRST_PAUSE_MS = 2000;
const MAX_PAUSE_MS = 3_600_000;
/** Named hashes kept of one device, and devices remembered. Whoever is forgotten is asked anew when heard from. */
const MAX_NAMED = 4096;
const MAX_DEVICES = 10_000;

export class Wanted {
  readonly #parts: WantedParts;
  readonly #devices = new Map<string, Asked>();

  constructor(parts: WantedParts) {
    this.#parts = parts;
  }

  /** A device was heard from. */
  turnedUp(iss: string): void {
    if (!this.#isOn() || !this.#parts.isKnown(iss)) return;
    const asked = this.#of(iss);
    if (this.#parts.nowMs() < asked.dueMs) return;
    asked.piece = PIECE;
    this.#ask(iss, asked, true);
    asked.pauseMs = Math.min(asked.pauseMs * 2, MAX_PAUSE_MS);
  }

  /** A device sent these: what they name is asked for, where it is missing; at once, unless some of them are what was asked for. */
  named(iss: string, sent: readonly Naming[]): void {
    const { recovery, isKnown } = this.#parts;
    if (recovery.missing === 0 || !isKnown(iss)) return;
    const asked = this.#of(iss);
    const here = new Set(sent.map(({ hash }) => toHex(hash)));
    let isNew = false;
    for (const hash of sent.flatMap(hashesIn)) {
      const name = toHex(hash);
      if (asked.named.size >= MAX_NAMED) break;
      if (here.has(name) || asked.named.has(name) || recovery.find(hash) === undefined) continue;
      asked.named.add(name);
      isNew = true;
    }
    const isAnswer = sent.some(({ hash }) => recovery.find(hash) !== undefined);
    if (isNew && !isAnswer) this.#ask(iss, asked, false);
  }

  /** Statements of this device came back: where there were some, there are more. */
  filled(iss: string): void {
    if (this.#parts.recovery.missing === 0) {
      this.#devices.clear();
      return;
    }
    const asked = this.#of(iss);
    asked.pauseMs = FIRST_PAUSE_MS;
    asked.piece = Math.min(asked.piece * 2, MAX_PIECE);
    this.#ask(iss, asked, true);
  }

  #isOn(): boolean {
    return this.#parts.recovery.missing > 0 || this.#parts.recovery.hearing;
  }

  #of(iss: string): Asked {
    let asked = this.#devices.get(iss);
    if (asked !== undefined) return asked;
    if (this.#devices.size >= MAX_DEVICES) {
      for (const oldest of this.#devices.keys()) {
        this.#devices.delete(oldest);
        break;
      }
    }
    asked = { named: new Set(), dueMs: 0, pauseMs: FIRST_PAUSE_MS, offered: -1, piece: PIECE };
    this.#devices.set(iss, asked);
    return asked;
  }

  #ask(iss: string, asked: Asked, offering: boolean): void {
    const { recovery, downlink, tally, anyHash, nowMs } = this.#parts;
    asked.dueMs = nowMs() + asked.pauseMs;
    const hashes = new Map<string, Uint8Array>();
    for (const name of asked.named) {
      if (hashes.size >= asked.piece) break;
      const hash = fromHex(name);
      if (recovery.find(hash) === undefined) asked.named.delete(name);
      else hashes.set(name, hash);
    }
    if (offering && hashes.size < asked.piece) {
      const room = asked.piece - hashes.size;
      let some = recovery.after(asked.offered, room);
      if (some.length === 0) some = recovery.after(-1, room); // at the end it begins anew
      for (const { hash } of some) hashes.set(toHex(hash), hash);
      asked.offered = some.at(-1)?.index ?? -1;
    }
    const all = [...hashes.values()];
    if (all.length === 0 && !recovery.hearing) return;
    const message = encodeDown({ kind: "wanted", hashes: all.length === 0 ? [anyHash] : all });
    tally.count(downlink.send(downTopic(iss), message) ? "wanted-sent" : "wanted-dropped", all.length);
  }
}

function hashesIn({ claims, event }: Naming): readonly Uint8Array[] {
  const hashes = claims.prev === undefined ? [] : [claims.prev];
  if (event?.kind === "heads") hashes.push(...event.heads.map(({ hash }) => hash));
  else if (event?.kind === "key-rotated") hashes.push(...event.heads.map(({ hash }) => hash));
  else if (event?.kind === "stream-opened" && typeof event.before === "object" && "hash" in event.before)
    hashes.push(event.before.hash);
  return hashes;
}
