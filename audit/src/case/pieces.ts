/**
 * The numbered files of a case in pieces of whole items: read once from the front to the back, so that memory stays the same however large they are.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { EvidenceError } from "@tallystick/evidence";
import { numbered, openPlain, type CaseFiles } from "./folder.ts";
import { itemEnd, malformed, MAX_FILE_BYTES } from "./sequence.ts";
import type { Sum } from "./sums.ts";

/** Bytes of a piece: some hundred statements. */
const PIECE_BYTES = 1 << 18;

/** Consecutive items of a file. */
export type Piece = {
  readonly path: string;
  /** Where in the file it begins. */
  readonly offset: number;
  /** Nobody else's: they may be handed over to another thread. What stands behind the items is of no meaning. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of each item, one after the other from the beginning of `bytes`. */
  readonly lengths: Uint32Array<ArrayBuffer>;
};

/**
 * The files of statements, each compared with its sum when its last piece was given: before that, nothing of it may count.
 *
 * @throws EvidenceError `case-mismatch`, `case-malformed`, `too-large`, `unreachable`
 */
export async function* statementPieces(files: CaseFiles): AsyncGenerator<Piece & { readonly file: number }> {
  for (const [file, sum] of numbered(files, "statements").entries())
    for await (const piece of piecesOf(files.folder, sum)) yield { file, ...piece };
}

async function* piecesOf(folder: string, { path, sha256 }: Sum): AsyncGenerator<Piece> {
  const handle = await openPlain(join(folder, path), path);
  try {
    const hash = createHash("sha256");
    let offset = 0;
    let rest: Uint8Array = new Uint8Array();
    for (let isEnd = false; !isEnd;) {
      // An item that is larger than what was read so far is read in growing steps: that is no statement, but its reader says so.
      const bytes = new Uint8Array(rest.length + Math.max(PIECE_BYTES, rest.length));
      bytes.set(rest);
      let filled = rest.length;
      while (filled < bytes.length && !isEnd) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled);
        isEnd = bytesRead === 0;
        hash.update(bytes.subarray(filled, filled + bytesRead));
        filled += bytesRead;
      }
      if (offset + filled > MAX_FILE_BYTES)
        throw new EvidenceError("too-large", `${path} has more than 64 MiB`, { path });
      const { lengths, end } = itemsIn(bytes.subarray(0, filled), offset, path);
      if (isEnd && end < filled) throw malformed(path, offset + end);
      rest = bytes.slice(end, filled);
      if (lengths.length > 0) yield { path, offset, bytes, lengths };
      offset += end;
    }
    if (hash.digest("hex") !== sha256)
      throw new EvidenceError("case-mismatch", `${path} has other bytes than SHA256SUMS says`, { path });
  } finally {
    await handle.close();
  }
}

/** The whole items from the beginning on, and where they end. */
function itemsIn(
  bytes: Uint8Array,
  offset: number,
  path: string,
): { readonly lengths: Uint32Array<ArrayBuffer>; readonly end: number } {
  const lengths: number[] = [];
  let end = 0;
  while (end < bytes.length) {
    const next = itemEnd(bytes, end, path, offset);
    if (next < 0) break;
    lengths.push(next - end);
    end = next;
  }
  return { lengths: Uint32Array.from(lengths), end };
}
