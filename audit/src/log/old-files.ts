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
import type { Place } from "@tallystick/evidence/node";
import { counted, type LogFindings } from "../judgement.ts";

/** Files that are named; the rest are counted. */
const MAX_NAMED = 5;
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
  const beyond = new Named();
  const strange = new Named();
  for (const folder of ["tile", "registry"]) {
    for await (const path of place.list(folder)) {
      const part = parse(path);
      if (part === undefined) {
        strange.add(path);
        continue;
      }
      const width = part.kind === "registry" ? tileWidth(0, part.index, items) : widthOf(part, size);
      if (part.width === width) continue;
      if (part.width > width) {
        beyond.add(path);
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
  if (beyond.count > 0)
    findings.notDone("old-files", `beyond the checkpoint, not covered by it (yet): ${beyond.text}`);
  if (strange.count > 0) findings.notDone("old-files", `not a log's file: ${strange.text}`);
  if (old > 0) findings.passed("old-files", `${counted(old, "partial file")} of earlier sizes`);
}

/** Paths, of which the first few are named. */
class Named {
  readonly #first: string[] = [];
  count = 0;

  add(path: string): void {
    this.count++;
    if (this.#first.length < MAX_NAMED) this.#first.push(path);
  }

  get text(): string {
    const more = this.count - this.#first.length;
    return this.#first.join(", ") + (more > 0 ? ` and ${more} more` : "");
  }
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
