/**
 * A log's files in memory, for tests of whatever reads them.
 *
 * @module
 */
import { EvidenceError } from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";

/** Reads from `files` by path; what is put into the map later is seen. */
export const memoryPlace = (files: ReadonlyMap<string, Uint8Array>, name = "memory"): Place => ({
  name,
  remote: false,
  read(path, maxBytes) {
    const bytes = files.get(path);
    if (bytes !== undefined && bytes.length > maxBytes) {
      return Promise.reject(new EvidenceError("too-large", `${path} is too large`, { path }));
    }
    return Promise.resolve(bytes);
  },
  async *list(folder) {
    for (const path of files.keys()) if (path.startsWith(`${folder}/`)) yield await Promise.resolve(path);
  },
});
