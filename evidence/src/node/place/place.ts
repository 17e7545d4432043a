/**
 * Where a log's public files are read from: a folder or a web server, behind one small interface. A place is hostile:
 * each read states the most it may give, ends in bounded time, and what comes back is believed only after it was hashed.
 *
 * @module
 */
import { EvidenceError } from "../../errors.ts";
import { directoryPlace } from "./directory.ts";
import { HTTP_LIMITS, httpPlace } from "./http.ts";

export interface Place {
  /** As the user wrote it; reports call it by this name. */
  readonly name: string;
  /** True where the files come over the network, where neighbours may change while they are read. */
  readonly remote: boolean;
  /**
   * The file at `path` (relative, `/` between its parts), or undefined where there is none.
   *
   * @throws EvidenceError `too-large` beyond `maxBytes`; `unreachable` or `http-answer` where nothing can be said
   */
  read(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** Relative paths of all files below `folder`, in no order. Absent where a place can't list its files. */
  readonly list?: (folder: string) => AsyncIterable<string>;
}

/** True for what `openPlace` would ask over HTTP. */
export const isUrl = (text: string): boolean => /^https?:\/\//i.test(text);

/**
 * Opens a folder or an `http(s)://` address; nothing is read yet.
 *
 * @throws EvidenceError `text-malformed` for an address that is none
 */
export const openPlace = (text: string): Place =>
  isUrl(text) ? httpPlace(text, HTTP_LIMITS) : directoryPlace(text);

/**
 * The file at `path`, which must be there.
 *
 * @throws EvidenceError `tile-missing` where it is not, or what {@link Place.read} throws
 */
export async function readRequired(place: Place, path: string, maxBytes: number): Promise<Uint8Array> {
  const bytes = await place.read(path, maxBytes);
  if (bytes === undefined) throw new EvidenceError("tile-missing", `${path} is not there`, { path });
  return bytes;
}
