/**
 * Checkpoints (c2sp.org/tlog-checkpoint v1.0.0): a log's size and root as the text of a signed note.
 *
 *     example.com/behind-the-sofa                     origin: which log this is; the name of its key
 *     20852163                                        leaves in the tree
 *     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=    root, base64
 *
 * No extension lines: our logs write none, and one that nobody can audit is refused.
 *
 * @module
 */
import { toBase64 } from "../bytes.ts";
import { EvidenceError } from "../errors.ts";
import { isCount } from "../tree/merkle.ts";
import { parseNote, verifyNote, type Note } from "./note.ts";
import type { SignatureProvider } from "../keys/signature.ts";
import { HASH_BYTES } from "../sha256.ts";
import { base64Or, CONTROL, NOTE_ED25519, type VerifierKey } from "../keys/vkey.ts";

export type Checkpoint = {
  readonly origin: string;
  /** 0 to 2^53 - 1 */
  readonly size: number;
  readonly root: Uint8Array;
};

/** The text to be signed. @throws EvidenceError `checkpoint-malformed` for an origin, size or root that no checkpoint has */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  if (!isOrigin(origin)) throw malformed("an origin is one line, not empty, without control characters");
  if (!isCount(size)) throw malformed("a size is a whole number up to 2^53 - 1");
  if (root.length !== HASH_BYTES) throw malformed(`a root has ${HASH_BYTES} bytes`);
  return `${origin}\n${size}\n${toBase64(root)}\n`;
}

/** One byte string per value: whatever is not exactly what `formatCheckpoint` writes is refused with `checkpoint-malformed`. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = "", size = "", root = "", end, ...more] = text.split("\n");
  if (end !== "" || more.length > 0) throw malformed("expected three lines: origin, size, root");
  if (!/^(0|[1-9][0-9]{0,15})$/.test(size)) throw malformed("a size is a decimal number up to 2^53 - 1");
  const refuseRoot = (): never => {
    throw malformed("a root is base64 of 32 bytes");
  };
  const checkpoint = { origin, size: Number(size), root: base64Or(root, refuseRoot) };
  if (formatCheckpoint(checkpoint) !== text) throw malformed("not in canonical form");
  return checkpoint;
}

/**
 * Reads a checkpoint and verifies that the log signed it. Witnesses' cosignatures are for `verifyCosignatures`.
 *
 * @param vkey - the log's key, type 01, whose name is its origin
 * @throws EvidenceError `too-large`, `note-malformed`, `checkpoint-malformed`; `checkpoint-origin` for another log's;
 *   `note-signature` where the log's key did not sign it; `vkey-malformed` for a key of another type
 */
export function openCheckpoint(
  noteText: Uint8Array | string,
  vkey: VerifierKey,
  provider: SignatureProvider,
): Checkpoint & { readonly note: Note } {
  if (vkey.type !== NOTE_ED25519) {
    throw new EvidenceError("vkey-malformed", "a log's key is of type 01", { key: vkey.name });
  }
  const note = parseNote(noteText);
  const checkpoint = parseCheckpoint(note.text);
  if (checkpoint.origin !== vkey.name) {
    throw new EvidenceError("checkpoint-origin", "a checkpoint of another log", { expected: vkey.name });
  }
  verifyNote(note, [vkey], provider);
  return { ...checkpoint, note };
}

const isOrigin = (origin: string): boolean =>
  origin.length > 0 && origin.isWellFormed() && !CONTROL.test(origin);

const malformed = (message: string): EvidenceError => new EvidenceError("checkpoint-malformed", message);
