/**
 * The published registry: numbered items in bundles of 256 under `registry/`, in the convention of entry bundles (formats.md section 7).
 *
 * @module
 */
import {
  decodeEntries,
  EvidenceError,
  isEvidenceError,
  parseTilePath,
  registryPath,
  TILE_WIDTH as WIDTH,
  type TilePath,
} from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";

/** Longest item: a statement. */
const MAX_ITEM_BYTES = 32_768;
const MAX_BUNDLE_BYTES = WIDTH * (2 + MAX_ITEM_BYTES);
/** Requests at a time where the last bundle has to be searched for. */
const SEARCH_WIDTH = 16;

/** One item as published: its number, its bytes, the file that it stands in. */
export type PublishedItem = { readonly n: number; readonly bytes: Uint8Array; readonly path: string };

/**
 * The published items from number `from` on, up to number `count` - 1.
 *
 * @throws EvidenceError `registry-missing` where a bundle is not there, `tile-malformed` where it is not `width` items of bytes,
 *   or what {@link Place.read} throws
 */
export async function* registryItems(place: Place, count: number, from = 0): AsyncGenerator<PublishedItem> {
  for (let first = from - (from % WIDTH); first < count; first += WIDTH) {
    const width = Math.min(WIDTH, count - first);
    const { bytes, path, width: held } = await readBundle(place, first / WIDTH, width);
    const items = decodeBundle(bytes, held, path);
    for (let i = Math.max(0, from - first); i < width; i++)
      yield { n: first + i, bytes: items[i] ?? new Uint8Array(), path };
  }
}

/** Item `n` of the `count` that are published. Errors as {@link registryItems}; `registry-missing` beyond the last. */
export async function registryItem(place: Place, n: number, count: number): Promise<PublishedItem> {
  const index = Math.floor(n / WIDTH);
  if (n >= count)
    throw new EvidenceError("registry-missing", `there is no item ${n} among ${count}`, { item: n });
  const { bytes, path, width } = await readBundle(place, index, Math.min(WIDTH, count - index * WIDTH));
  const item = decodeBundle(bytes, width, path)[n - index * WIDTH];
  if (item === undefined)
    throw new EvidenceError("registry-missing", `${path} has no item ${n}`, { item: n });
  return { n, bytes: item, path };
}

type RegistryBundle = { readonly bytes: Uint8Array; readonly path: string; readonly width: number };

/** A full bundle stands for any of its beginnings, for its log may have removed those. */
async function readBundle(place: Place, index: number, wanted: number): Promise<RegistryBundle> {
  for (const width of new Set([wanted, WIDTH])) {
    const path = registryPath(index, width);
    const bytes = await place.read(path, MAX_BUNDLE_BYTES);
    if (bytes !== undefined) return { bytes, path, width };
  }
  const path = registryPath(index, wanted);
  throw new EvidenceError("registry-missing", `${path} is not there`, { path });
}

function decodeBundle(bytes: Uint8Array, width: number, path: string): Uint8Array[] {
  try {
    return decodeEntries(bytes, width);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    throw new EvidenceError(error.code, `${path}: ${error.message}`, { ...error.where, path }, error);
  }
}

/**
 * How many items are published. A checkpoint does not sign that number (receipts do), so it is found out from the names of the files:
 * from the list of a folder, or by asking a server for them.
 *
 * @param atLeast - as many as a receipt has named
 */
export async function registryCount(place: Place, atLeast: number): Promise<number> {
  return place.list === undefined
    ? await searchCount(place, atLeast)
    : await listCount(place.list("registry"));
}

async function listCount(paths: AsyncIterable<string>): Promise<number> {
  let count = 0;
  for await (const path of paths) {
    const bundle = parsePath(path);
    if (bundle?.kind === "registry") count = Math.max(count, bundle.index * WIDTH + bundle.width);
  }
  return count;
}

function parsePath(path: string): TilePath | undefined {
  try {
    return parseTilePath(path);
  } catch {
    return undefined; // some other file
  }
}

async function searchCount(place: Place, atLeast: number): Promise<number> {
  let full = Math.floor(atLeast / WIDTH);
  while ((await place.read(registryPath(full, WIDTH), MAX_BUNDLE_BYTES)) !== undefined) full++;
  const least = Math.max(1, atLeast - full * WIDTH);
  for (let high = WIDTH - 1; high >= least; high -= SEARCH_WIDTH) {
    const widths = Array.from({ length: Math.min(SEARCH_WIDTH, high - least + 1) }, (_, i) => high - i);
    const answers = await Promise.all(
      widths.map((width) => place.read(registryPath(full, width), MAX_BUNDLE_BYTES)),
    );
    const found = answers.findIndex((bytes) => bytes !== undefined);
    if (found >= 0) return full * WIDTH + (widths[found] ?? 0);
  }
  return full * WIDTH;
}
