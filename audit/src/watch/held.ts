/**
 * What others hold of the log, laid beside it: receipts and statements in files, and the newest statements of watched streams. A tree that the log signed, or that a device saw,
 * and that is none of its past, shows a fork.
 *
 * @module
 */
import { stat } from "node:fs/promises";
import {
  HASH_BYTES,
  isEvidenceError,
  TILE_WIDTH,
  tileWidth,
  type Hash,
  type SignatureProvider,
} from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";
import { LogFindings, type CheckRow } from "../judgement.ts";
import type { AuthenticTiles } from "../log/authentic.ts";
import { nothingWanted, Timeline, type LogFacts, type Wanted } from "../log/facts.ts";
import { GivenCheck } from "../log/given-check.ts";
import { noteDown } from "../log/given-gather.ts";
import { filesOf, readGiven, type Given } from "../log/given.ts";
import type { OpenLog } from "../log/note.ts";
import { ENTRY_BYTES, readEntries } from "../log/tile-files.ts";
import { beginningOf } from "../log/tree-reads.ts";
import type { RegistryFollower } from "./registry.ts";

/** Sizes and entries that one piece of evidence may make us derive. */
const MAX_DERIVED = 20_000;
/** Files remembered as compared. */
const MAX_FILES = 100_000;

export type HeldMeans = {
  readonly place: Place;
  readonly log: OpenLog;
  /** Of this log at this size. */
  readonly tiles: AuthenticTiles;
  readonly registry: RegistryFollower;
  readonly provider: SignatureProvider;
  readonly hash: Hash;
};

/** What was found about one piece of evidence: what doesn't fit, and whether all of it was compared. */
export type Compared = { readonly failed: readonly CheckRow[]; readonly whole: boolean };

/** Lays one piece beside the log. @throws EvidenceError `tile-…`, `unreachable`, `http-answer`, where the log can't be compared */
export async function compareHeld(bytes: Uint8Array, name: string, means: HeldMeans): Promise<Compared> {
  const findings = new LogFindings();
  const { provider, hash } = means;
  try {
    const all = [...readGiven(bytes)];
    const check = new GivenCheck(await factsFor(all, means), provider, hash, findings);
    for (const given of all) check.check(given, name);
  } catch (error) {
    if (!isEvidenceError(error) || error.disposition === "retry" || error.code.startsWith("tile-"))
      throw error;
    findings.failed("receipts", error.code, `${name}: ${error.message}`);
  }
  const { checks } = findings.judgement();
  return {
    failed: checks.filter(({ result }) => result === "failed"),
    // Key states before the present one are for `tally-audit log`.
    whole: checks.every(({ name: check, result }) => result !== "not-done" || check === "key-state"),
  };
}

async function factsFor(all: readonly Given[], means: HeldMeans): Promise<LogFacts> {
  const { log, tiles, registry, hash } = means;
  const wanted = nothingWanted();
  for (const given of all) {
    noteDown(given, log, wanted);
    if (wanted.sizes.size + wanted.indexes.size > MAX_DERIVED) break;
  }
  const roots = new Map<number, Uint8Array>([[log.size, log.root]]);
  for (const size of wanted.sizes)
    if (size < log.size) roots.set(size, (await beginningOf(size, log.size, tiles, hash)).root);
  const { keys, indexes, hashes } = registry;
  return {
    log,
    roots,
    entries: await entriesFor(wanted, means),
    timeline: new Timeline(hashes, indexes, registry.waiting === 0),
    keysRoots: new Map([[keys.count, keys.root()]]),
    keyOf: (kid) => keys.get(kid)?.key,
  };
}

/** Entries that bare receipts speak of. They are compared with a signature: a false one can't lead to it. */
async function entriesFor(
  { indexes }: Wanted,
  { place, log }: HeldMeans,
): Promise<ReadonlyMap<number, Uint8Array>> {
  const entries = new Map<number, Uint8Array>();
  for (const index of indexes) {
    const number = Math.floor(index / TILE_WIDTH);
    const bundle = await readEntries(place, number, tileWidth(0, number, log.size));
    const at = (index % TILE_WIDTH) * ENTRY_BYTES + 2;
    entries.set(index, bundle.slice(at, at + HASH_BYTES));
  }
  return entries;
}

/** Files and folders that are looked through at each look; what was compared and hasn't changed isn't read again. */
export class HeldFiles {
  readonly #names: readonly string[];
  readonly #done = new Set<string>();

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  /** All files that are there; one is fresh until it was told to be {@link settled}, and again when it changes. */
  async *all(): AsyncGenerator<{ readonly file: string; readonly stamp: string; readonly isFresh: boolean }> {
    for await (const file of filesOf(this.#names)) {
      const status = await stat(file).catch(() => undefined);
      const stamp = `${file} ${status?.mtimeMs} ${status?.size}`;
      if (status !== undefined) yield { file, stamp, isFresh: !this.#done.has(stamp) };
    }
  }

  /** Nothing is left to be compared in it. */
  settled(stamp: string): void {
    if (this.#done.size >= MAX_FILES) this.#done.clear();
    this.#done.add(stamp);
  }
}
