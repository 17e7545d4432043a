/**
 * Looks at the files of a log's folder that its present size does not demand. Partial files of earlier sizes must be the beginnings of
 * what is there now; files beyond the checkpoint are not covered by it, for a log writes its tiles first.
 *
 * @module
 */
import {
  EvidenceError,
  formatTilePath,
  isEvidenceError,
  parseTilePath,
  tileWidth,
  type TilePath,
} from "@tallystick/evidence";
import { counted, type LogFindings } from "../judgement.ts";
import type { Place } from "../place/place.ts";

/** Most bytes of a bundle of 256 registry items; the other files are far smaller. */
const MAX_FILE_BYTES = 256 * (2 + 32_768);

/**
 * @param size - of the checkpoint
 * @param items - registry items in the tree of that size
 */
export async function checkOldFiles(
  place: Place,
  size: number,
  items: number,
  findings: LogFindings,
): Promise<void> {
  if (place.list === undefined) {
    findings.notDone(
      "old-files",
      "a server's files can't be listed: only what the checkpoint demands was read",
    );
    return;
  }
  let old = 0;
  let beyond = 0;
  let strange = 0;
  for (const folder of ["tile", "registry"]) {
    for await (const path of place.list(folder)) {
      const part = parse(path);
      if (part === undefined) {
        strange++;
        continue;
      }
      const width = part.kind === "registry" ? tileWidth(0, part.index, items) : widthOf(part, size);
      if (part.width === width) continue;
      if (part.width > width) {
        beyond++;
        continue;
      }
      const current = formatTilePath({ ...part, width });
      if (await isBeginning(place, path, current)) old++;
      else
        findings.failed(
          "old-files",
          "tile-mismatch",
          `${path} is not the beginning of ${current}: an earlier state differs`,
        );
    }
  }
  if (beyond > 0)
    findings.notDone(
      "old-files",
      `${counted(beyond, "file")} beyond the checkpoint: not covered by it (yet)`,
    );
  if (strange > 0)
    findings.notDone("old-files", `${counted(strange, "file")} under tile/ and registry/ that no log has`);
  if (old > 0) findings.passed("old-files", `${counted(old, "partial file")} of earlier sizes`);
}

const widthOf = (part: TilePath, size: number): number =>
  tileWidth(part.kind === "hashes" ? part.level : 0, part.index, size);

function parse(path: string): TilePath | undefined {
  try {
    return parseTilePath(path);
  } catch (error) {
    if (isEvidenceError(error)) return undefined;
    throw error;
  }
}

async function isBeginning(place: Place, path: string, current: string): Promise<boolean> {
  const [old, now] = await Promise.all([
    place.read(path, MAX_FILE_BYTES),
    place.read(current, MAX_FILE_BYTES),
  ]);
  if (old === undefined) return true; // removed meanwhile
  if (now === undefined)
    throw new EvidenceError("unreachable", `${current} went away while the log was read`);
  return old.length <= now.length && old.every((byte, i) => byte === now[i]);
}
