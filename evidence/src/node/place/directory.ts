/**
 * A log's public files in a folder of this machine.
 *
 * @module
 */
import { constants } from "node:fs";
import { open, opendir } from "node:fs/promises";
import { join, sep } from "node:path";
import { EvidenceError } from "../../errors.ts";
import type { Place } from "./place.ts";

const absent = new Set(["ENOENT", "ENOTDIR"]);

const systemCode = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "unknown fault";

/** A folder as a {@link Place}. That it exists is found out by the first read. */
export function directoryPlace(folder: string): Place {
  return {
    name: folder,
    remote: false,
    read: (path, maxBytes) => readBounded(join(folder, path), maxBytes, path),
    list: (below) => files(folder, below),
  };
}

/**
 * Reads a file of at most `maxBytes`; undefined where there is none. O_NONBLOCK, so that a named pipe can't hold us.
 *
 * @param label - what messages call the file
 * @throws EvidenceError `too-large`; `unreachable` where it can't be read or is no file
 */
export async function readBounded(
  path: string,
  maxBytes: number,
  label: string,
): Promise<Uint8Array | undefined> {
  try {
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = await handle.stat();
    if (!status.isFile()) throw new EvidenceError("unreachable", `${label} is not a file`, { path: label });
    if (status.size > maxBytes) throw tooLarge(label, maxBytes, status.size);
    const buffer = new Uint8Array(status.size + 1); // one byte more than it said: a file that grew is seen
    let length = 0;
    while (length !== status.size || length === 0) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
      if (bytesRead === 0) break;
      length += bytesRead;
      if (length > status.size)
        throw new EvidenceError("unreachable", `${label} grew while it was read`, { path: label });
    }
    return buffer.subarray(0, length);
  } catch (error) {
    if (error instanceof EvidenceError) throw error;
    const code = systemCode(error);
    if (absent.has(code)) return undefined;
    throw new EvidenceError("unreachable", `${label} can't be read: ${code}`, { path: label }, error);
  }
}

const tooLarge = (label: string, maxBytes: number, size: number): EvidenceError =>
  new EvidenceError("too-large", `${label} has ${size} bytes, at most ${maxBytes} are allowed`, {
    path: label,
  });

async function* files(folder: string, below: string): AsyncGenerator<string> {
  try {
    for await (const item of await opendir(join(folder, below), { recursive: true })) {
      if (item.isDirectory()) continue;
      const path = join(item.parentPath, item.name).slice(join(folder, ".").length + 1);
      yield path.split(sep).join("/");
    }
  } catch (error) {
    const code = systemCode(error);
    if (absent.has(code)) return;
    throw new EvidenceError("unreachable", `${below} can't be listed: ${code}`, { path: below }, error);
  }
}
