/**
 * Registry items from a folder of a log's public files: bundles of 256 under `registry/` (formats.md section 7).
 *
 * @module
 */
import { dirname } from "node:path";
import {
  decodeEntries,
  EvidenceError,
  isEvidenceError,
  registryPath,
  TILE_WIDTH as WIDTH,
} from "@tallystick/evidence";
import { directoryPlace, type Place } from "@tallystick/evidence/node";
import { MAX_ITEM_BYTES, type RegistrySource } from "./source.ts";

const MAX_BUNDLE_BYTES = WIDTH * (2 + MAX_ITEM_BYTES);

export function folderSource(folder: string): RegistrySource {
  const place = directoryPlace(folder);
  return {
    name: folder,
    async items(from) {
      const index = Math.floor(from / WIDTH);
      const bundle = await widestBundle(place, index);
      // Whoever asks for the last item of a full bundle, to see that it is still the same, wants to know what comes after it too.
      const next = from % WIDTH === WIDTH - 1 && bundle.length === WIDTH;
      return [...bundle.slice(from % WIDTH), ...(next ? await widestBundle(place, index + 1) : [])];
    },
  };
}

async function widestBundle(place: Place, index: number): Promise<readonly Uint8Array[]> {
  // Twice: the log removes narrower bundles when it has written a wider one.
  for (let attempt = 0; attempt < 2; attempt++) {
    for (const width of [WIDTH, await widestPartial(place, index)]) {
      if (width === 0) continue;
      const path = registryPath(index, width);
      const bytes = await place.read(path, MAX_BUNDLE_BYTES);
      if (bytes !== undefined) return decoded(bytes, width, path);
    }
  }
  return [];
}

async function widestPartial(place: Place, index: number): Promise<number> {
  let widest = 0;
  for await (const path of place.list?.(dirname(registryPath(index, 1))) ?? []) {
    const [width] = /\/[1-9][0-9]{0,2}$/.exec(path) ?? [];
    if (width !== undefined) widest = Math.max(widest, Number(width.slice(1)));
  }
  return widest < WIDTH ? widest : 0;
}

function decoded(bytes: Uint8Array, width: number, path: string): readonly Uint8Array[] {
  try {
    return decodeEntries(bytes, width);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    throw new EvidenceError(error.code, `${path}: ${error.message}`, { ...error.where, path }, error);
  }
}
