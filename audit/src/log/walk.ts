/**
 * Re-derives a log from its entries: entry bundles → leaf hashes → every hash tile → the root, each file compared with the one
 * that is published. What is missing or altered is named, which of two disagreeing files is at fault is found out by hashing both up
 * to the checkpoint, and the walk goes on with the right one, so that one bad file gives one finding.
 *
 * Streams: a fixed number of files is read ahead, and nothing is kept but one tile for each level.
 *
 * @module
 */
import {
  entriesPath,
  equalBytes,
  HASH_BYTES,
  isEvidenceError,
  TILE_WIDTH as WIDTH,
  tilePath,
  tileWidth,
  type EvidenceCode,
  type Hash,
} from "@tallystick/evidence";
import type { Place, Progress } from "@tallystick/evidence/node";
import { AuthenticTiles } from "./authentic.ts";
import { Levels, type Tile } from "./levels.ts";
import { leafHashes, readEntries, readTile } from "./tile-files.ts";

/** A file that is not what it should be. */
export type Finding = { readonly code: EvidenceCode; readonly path: string; readonly reason: string };

export type Walk = {
  readonly place: Place;
  /** The checkpoint's. */
  readonly size: number;
  readonly root: Uint8Array;
  /** Sizes whose roots are wanted, rising, each from 1 to `size`. */
  readonly sizes: readonly number[];
  /** Sees each good bundle of entries once, in order: 34 bytes an entry, the first two its length. */
  readonly onEntries: (first: number, bundle: Uint8Array) => void;
  readonly hash: Hash;
  readonly progress: Progress;
};

export type Walked = {
  /** Of `size`; undefined where too much is missing to derive it. */
  readonly root: Uint8Array | undefined;
  /** By size, the whole log's included; a size is absent where its root can't be derived. */
  readonly roots: ReadonlyMap<number, Uint8Array>;
  /** The first {@link MAX_FINDINGS} of them. */
  readonly findings: readonly Finding[];
  readonly findingCount: number;
  /** Files read and found right. */
  readonly entryBundles: number;
  readonly tiles: number;
};

const MAX_FINDINGS = 20;

/** Leaf tiles, each with its entry bundle, on their way while the one before is hashed. */
const AHEAD = 24;

/** @throws EvidenceError `unreachable`, `http-answer` where a file can't be judged at all */
export async function walkLog(walk: Walk): Promise<Walked> {
  const walker = new Walker(walk);
  await walker.run();
  return walker.result();
}

type Read = { readonly bytes: Uint8Array } | { readonly finding: Finding };

class Walker {
  readonly #walk: Walk;
  readonly #authentic: AuthenticTiles;
  readonly #levels: Levels;
  readonly #findings: Finding[] = [];
  readonly #roots = new Map<number, Uint8Array>();
  #findingCount = 0;
  #wanted = 0;
  #entryBundles = 0;
  #tiles = 0;
  #root: Uint8Array | undefined;

  constructor(walk: Walk) {
    this.#walk = walk;
    this.#authentic = new AuthenticTiles(walk.place, walk.size, walk.root, walk.hash);
    this.#levels = new Levels(walk.hash, (level, index, tile, unknown) =>
      this.#above(level, index, tile, unknown),
    );
  }

  result(): Walked {
    return {
      root: this.#root,
      roots: this.#roots,
      findings: this.#findings,
      findingCount: this.#findingCount,
      entryBundles: this.#entryBundles,
      tiles: this.#tiles,
    };
  }

  async run(): Promise<void> {
    const { size, progress } = this.#walk;
    let last: Tile = { hashes: new Uint8Array(), width: 0 };
    for await (const { index, width, entries, tile } of this.#leafFiles()) {
      const hashes = await this.#leaves(index, width, entries, tile);
      this.#rootsWithin(index * WIDTH, hashes);
      if (width === WIDTH) await this.#levels.append(hashes);
      else if (hashes !== undefined) last = { hashes, width };
      progress.update(Math.min(size, (index + 1) * WIDTH), size, "entries");
    }
    for (const { level, index, tile, unknown } of this.#levels.partial()) {
      const settled = await this.#above(level, index, tile, unknown);
      if (settled !== undefined) this.#levels.replace(level, settled);
    }
    if (this.#levels.size + last.width === size) this.#root = this.#levels.root(last);
    if (this.#root !== undefined) this.#roots.set(size, this.#root);
    if (this.#root === undefined || equalBytes(this.#root, this.#walk.root)) return;
    this.#found({
      code: "tile-mismatch",
      path: "checkpoint",
      reason: "entries and tiles agree with one another and lead to another root than the checkpoint's",
    });
  }

  async *#leafFiles(): AsyncGenerator<{ index: number; width: number; entries: Read; tile: Read }> {
    const { place, size } = this.#walk;
    const count = Math.ceil(size / WIDTH);
    const ahead: Promise<[Read, Read]>[] = [];
    for (let index = 0; index < count; index++) {
      for (let next = index + ahead.length; next < Math.min(count, index + AHEAD); next++) {
        const width = tileWidth(0, next, size);
        const pair = Promise.all([
          attempt(readEntries(place, next, width), entriesPath(next, width)),
          attempt(readTile(place, 0, next, width), tilePath(0, next, width)),
        ]);
        pair.catch(() => undefined); // awaited in its turn; until then it must not end the process
        ahead.push(pair);
      }
      const [entries, tile] = (await ahead.shift()) as [Read, Read];
      yield { index, width: tileWidth(0, index, size), entries, tile };
    }
  }

  /** Settles a leaf tile: the hashes to go on with, or undefined where neither file gives them. */
  async #leaves(index: number, width: number, entries: Read, tile: Read): Promise<Uint8Array | undefined> {
    if ("finding" in entries) this.#found(entries.finding);
    const derived = "bytes" in entries ? leafHashes(entries.bytes, this.#walk.hash) : undefined;
    const settled = await this.#settle(0, index, width, derived, tile, () => [entriesPath(index, width)]);
    if ("bytes" in entries && settled === derived) {
      this.#entryBundles++;
      this.#walk.onEntries(index * WIDTH, entries.bytes);
    }
    return settled;
  }

  /** Settles a tile above the leaves. */
  async #above(
    level: number,
    index: number,
    { hashes, width }: Tile,
    unknown: ReadonlySet<number>,
  ): Promise<Uint8Array | undefined> {
    const tile = await attempt(
      readTile(this.#walk.place, level, index, width),
      tilePath(level, index, width),
    );
    // What lies below a gap was named when it was read; the gap is filled from this tile, which is judged as a whole.
    const derived = hashes.slice(0, width * HASH_BYTES);
    if (unknown.size > 0 && "finding" in tile) {
      this.#found(tile.finding);
      return undefined;
    }
    if ("bytes" in tile) {
      for (const at of unknown) {
        const from = at * HASH_BYTES;
        derived.set(tile.bytes.subarray(from, from + HASH_BYTES), from);
      }
    }
    return this.#settle(level, index, width, derived, tile, (published) =>
      differences(derived, published).map((at) => tilePath(level - 1, index * WIDTH + at, WIDTH)),
    );
  }

  async #settle(
    level: number,
    index: number,
    width: number,
    derived: Uint8Array | undefined,
    tile: Read,
    below: (published: Uint8Array) => readonly string[],
  ): Promise<Uint8Array | undefined> {
    if ("finding" in tile) {
      this.#found(tile.finding);
      return derived;
    }
    const published = tile.bytes;
    if (derived !== undefined && equalBytes(derived, published)) {
      this.#tiles++;
      return derived;
    }
    const path = tilePath(level, index, width);
    if (await this.#leads(level, index, published)) {
      this.#tiles++;
      if (derived === undefined) return published; // the missing file is named already
      for (const file of below(published)) {
        this.#found({
          code: "tile-mismatch",
          path: file,
          reason: `${file} was altered: ${path} leads to the checkpoint, it does not`,
        });
      }
      return published;
    }
    if (derived !== undefined && (await this.#leads(level, index, derived))) {
      this.#found({
        code: "tile-mismatch",
        path,
        reason: `${path} was altered: what lies below it leads to the checkpoint, it does not`,
      });
      return derived;
    }
    const reason =
      derived === undefined
        ? "does not lead to the checkpoint"
        : "and what lies below it disagree, and neither leads to the checkpoint";
    this.#found({ code: "tile-mismatch", path, reason: `${path} ${reason}` });
    return derived ?? published;
  }

  /** True where the hashes, in the place of that tile, are known to lead to the checkpoint's root. */
  async #leads(level: number, index: number, hashes: Uint8Array): Promise<boolean> {
    try {
      return await this.#authentic.matches(level, index, hashes);
    } catch (error) {
      if (isEvidenceError(error) && error.disposition === "refuse") return false;
      throw error;
    }
  }

  /** Notes the roots of the wanted sizes from `first` on up to the end of this leaf tile, which is not appended yet. */
  #rootsWithin(first: number, hashes: Uint8Array | undefined): void {
    for (let wanted = this.#next(); wanted !== undefined && wanted < first + WIDTH; wanted = this.#next()) {
      this.#wanted++;
      const width = wanted - first;
      if (width > 0 && hashes === undefined) continue;
      const root = this.#levels.root({ hashes: hashes ?? new Uint8Array(), width });
      if (root !== undefined) this.#roots.set(wanted, root);
    }
  }

  #next(): number | undefined {
    return this.#walk.sizes[this.#wanted];
  }

  #found(finding: Finding): void {
    this.#findingCount++;
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push(finding);
  }
}

/** Turns what a file is not into a finding; what can't be judged stays an error. */
async function attempt(bytes: Promise<Uint8Array>, path: string): Promise<Read> {
  try {
    return { bytes: await bytes };
  } catch (error) {
    if (!isEvidenceError(error) || error.disposition !== "refuse") throw error;
    return { finding: { code: error.code, path, reason: error.message } };
  }
}

/** Positions of the hashes in which two tiles of one width differ. */
function differences(a: Uint8Array, b: Uint8Array): number[] {
  const positions = [];
  for (let at = 0; at < a.length; at += HASH_BYTES) {
    if (!equalBytes(a.subarray(at, at + HASH_BYTES), b.subarray(at, at + HASH_BYTES)))
      positions.push(at / HASH_BYTES);
  }
  return positions;
}
