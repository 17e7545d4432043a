/**
 * `SHA256SUMS`: every file of a case with its hash, as `sha256sum` writes and checks it. The case's digest is the hash of this file.
 *
 * @module
 */
import { decodeUtf8, encodeUtf8, EvidenceError } from "@tallystick/evidence";

export type Sum = { readonly sha256: string; readonly path: string };

export const SUMS_FILE = "SHA256SUMS";
/** 70 bytes a file, and each of the others up to 64 MiB: more than any disk holds. */
export const MAX_SUMS_BYTES = 16 << 20;

/** Where a case may have files: nothing here leads out of its folder. */
const PATH = /^(?:case\.json|checkpoint|policy\.txt|(?:registry|statements|consistency)\/\d{6}\.cborseq)$/;

/** The text, by names in ascending order. */
export const encodeSums = (sums: readonly Sum[]): Uint8Array =>
  encodeUtf8(
    sums
      .toSorted((a, b) => (a.path < b.path ? -1 : 1))
      .map(({ sha256, path }) => `${sha256}  ${path}\n`)
      .join(""),
  );

/** @throws EvidenceError `case-malformed` for another form, a name that no file of a case has, or names out of order */
export function parseSums(bytes: Uint8Array): Sum[] {
  const text = decodeUtf8(bytes);
  const lines = text.split("\n");
  if (lines.pop() !== "") throw malformed(lines.length + 1, "the last line is not ended");
  let before = "";
  return lines.map((line, i) => {
    const [, sha256 = "", path = ""] = /^([0-9a-f]{64}) {2}(\S+)$/.exec(line) ?? [];
    if (!PATH.test(path)) throw malformed(i + 1, "not `<sha256>  <a file of a case>`");
    if (path <= before) throw malformed(i + 1, "names are not in ascending order");
    before = path;
    return { sha256, path };
  });
}

const malformed = (line: number, what: string): EvidenceError =>
  new EvidenceError("case-malformed", `${SUMS_FILE}: line ${line}: ${what}`, { path: SUMS_FILE, line });
