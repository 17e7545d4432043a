/**
 * The files that make up a log, as c2sp.org/tlog-tiles defines them: their names, which of them a growing tree writes, and what is
 * in them. The registry's items stand beside them in bundles of the same convention (`registry/<N>[.p/<W>]`).
 *
 *     tile/<L>/<N>[.p/<W>]       hashes of tile level L: each is the root of a full subtree of 256^L leaves
 *     tile/entries/<N>[.p/<W>]   entries, each as big-endian uint16 length and bytes
 *
 * Pure functions: no I/O. Nothing read from a tile is authenticated until a root made of it was compared.
 *
 * @module
 */
import { EvidenceError } from "../errors.ts";
import { isCount } from "./merkle.ts";

/** Hashes, entries or items in a full file. The specification fixes it; it is not a setting. */
export const TILE_WIDTH = 256;

/** The specification's largest tile level. */
const MAX_LEVEL = 63;

/** One tile of hashes; `width` below 256 names a partial one. */
export type Tile = { readonly level: number; readonly index: number; readonly width: number };

/** What a path of the log's directory names. */
export type TilePath =
  | ({ readonly kind: "hashes" } & Tile)
  | { readonly kind: "entries" | "registry"; readonly index: number; readonly width: number };

/**
 * Path of a tile of hashes, relative to the log's directory.
 *
 * @param level - 0 (leaf hashes) to 63
 * @param index - zero-based number of the tile within its level, to 2^53 - 1
 * @param width - hashes present, 1 to 256
 * @throws EvidenceError `tile-coordinates` if any of the three is out of range
 * @example tilePath(0, 1234067, 8) // "tile/0/x001/x234/067.p/8"
 */
export function tilePath(level: number, index: number, width: number): string {
  if (!isCount(level) || level > MAX_LEVEL) {
    throw new EvidenceError("tile-coordinates", "no such level", { level });
  }
  return `tile/${level}/${numberPath(index, width)}`;
}

/** Path of an entry bundle. @throws EvidenceError `tile-coordinates` */
export const entriesPath = (index: number, width: number): string =>
  `tile/entries/${numberPath(index, width)}`;

/** Path of a bundle of registry items. @throws EvidenceError `tile-coordinates` */
export const registryPath = (index: number, width: number): string => `registry/${numberPath(index, width)}`;

/** `<N>[.p/<W>]`: groups of three digits, all but the last marked `x`, so that no file is also a directory. */
function numberPath(index: number, width: number): string {
  if (!isCount(index) || !isCount(width) || width < 1 || width > TILE_WIDTH) {
    throw new EvidenceError("tile-coordinates", "no such tile", { index, width });
  }
  let path = String(index % 1000).padStart(3, "0");
  for (let n = Math.floor(index / 1000); n > 0; n = Math.floor(n / 1000)) {
    path = `x${String(n % 1000).padStart(3, "0")}/${path}`;
  }
  return width < TILE_WIDTH ? `${path}.p/${width}` : path;
}

const PATH =
  /^(?:tile\/(?<level>[0-9]{1,2}|entries)|registry)\/(?<groups>(?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/(?<width>[1-9][0-9]{0,2}))?$/;

/**
 * Reads a path that the three functions above could have written, and no other.
 *
 * @throws EvidenceError `tile-coordinates`
 */
export function parseTilePath(path: string): TilePath {
  // hostile: a path may come from a URL
  const { level, groups, width: partial } = PATH.exec(path)?.groups ?? {};
  if (groups === undefined) throw new EvidenceError("tile-coordinates", "not the path of a tile");
  const index = Number(groups.replaceAll(/[x/]/g, ""));
  const width = partial === undefined ? TILE_WIDTH : Number(partial);
  const named: TilePath =
    level === undefined
      ? { kind: "registry", index, width }
      : level === "entries"
        ? { kind: "entries", index, width }
        : { kind: "hashes", level: Number(level), index, width };
  if (formatTilePath(named) !== path) {
    throw new EvidenceError("tile-coordinates", "not the one path of this tile", { index, width });
  }
  return named;
}

/** The inverse of {@link parseTilePath}. @throws EvidenceError `tile-coordinates` */
export function formatTilePath(tile: TilePath): string {
  if (tile.kind === "hashes") return tilePath(tile.level, tile.index, tile.width);
  return tile.kind === "entries" ? entriesPath(tile.index, tile.width) : registryPath(tile.index, tile.width);
}

/**
 * The tiles of hashes to write when a tree grows, level by level: every one that has more hashes at size `to` than at size `from`,
 * in the width it has at `to`. Those of level 0 are also the entry bundles to write. One entry of the list for each 256 new leaves and
 * some: take a size from a stranger only after checking what signed it.
 *
 * @throws EvidenceError `tile-coordinates` unless 0 <= from <= to <= 2^53 - 1
 */
export function tilesForGrowth(from: number, to: number): Tile[] {
  if (!isCount(from) || !isCount(to) || from > to) {
    throw new EvidenceError("tile-coordinates", `no growth from ${from} to ${to} leaves`, { from, to });
  }
  const tiles: Tile[] = [];
  let before = from;
  let after = to;
  for (let level = 0; after > before; level++) {
    for (let index = Math.floor(before / TILE_WIDTH); index * TILE_WIDTH < after; index++) {
      tiles.push({ level, index, width: Math.min(TILE_WIDTH, after - index * TILE_WIDTH) });
    }
    before = Math.floor(before / TILE_WIDTH);
    after = Math.floor(after / TILE_WIDTH);
  }
  return tiles;
}

/** Every tile of a tree. @throws EvidenceError `tile-coordinates` */
export const tilesOfSize = (size: number): Tile[] => tilesForGrowth(0, size);

/**
 * Hashes (entries, items) in tile `index` of `level` when the tree has `size` leaves: 1 to 256, or 0 where there is no such tile.
 *
 * @throws EvidenceError `tile-coordinates`
 */
export function tileWidth(level: number, index: number, size: number): number {
  if (!isCount(level) || level > MAX_LEVEL || !isCount(index) || !isCount(size)) {
    throw new EvidenceError("tile-coordinates", "no such tile", { level, index, size });
  }
  const hashes = Math.floor(size / TILE_WIDTH ** level);
  return Math.min(TILE_WIDTH, Math.max(0, hashes - index * TILE_WIDTH));
}
