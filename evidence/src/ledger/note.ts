/**
 * Signed notes (c2sp.org/signed-note v1.0.0): a text that people can read, and signatures under it.
 *
 *     example.com/log          the text, to the newline before the last empty line
 *     20852163
 *     CsUYapGG…
 *                              an empty line
 *     — example.com/log Az3g…  em dash, key name, base64(key id: 4 bytes || signature), one or more
 *
 * There is one encoding of each: `formatNote(parseNote(x))` is `x`. A text is not to be believed before a signature was verified.
 *
 * @module
 */
import { concatBytes, decodeUtf8, encodeUtf8, equalBytes, toBase64 } from "../bytes.ts";
import { cosignedMessage, splitCosignature } from "./cosigned-message.ts";
import { EvidenceError, isEvidenceError } from "../errors.ts";
import { ALG_ED25519, ed25519Key } from "../keys/keys.ts";
import type { SignatureProvider, Signer } from "../keys/signature.ts";
import {
  base64Or,
  CONTROL,
  COSIGNATURE_ED25519,
  isKeyName,
  KEY_ID_BYTES,
  keyIdOf,
  NOTE_ED25519,
  type VerifierKey,
} from "../keys/vkey.ts";

/** Room for a checkpoint with 16 post-quantum signatures, twice over. */
export const MAX_NOTE_BYTES = 256 * 1024;

/** More than the 16 that a verifier must accept; each of them can cost a verification. */
const MAX_SIGNATURES = 100;

export type NoteSignature = {
  readonly name: string;
  readonly keyId: Uint8Array;
  /** What follows the key id: 64 bytes of Ed25519, or a timestamp and a signature, or what a type unknown here has. */
  readonly blob: Uint8Array;
};

export type Note = { readonly text: string; readonly signatures: readonly NoteSignature[] };

/**
 * Reads a note, checks its form, and verifies nothing.
 *
 * @throws EvidenceError `too-large` beyond 256 KiB; `note-malformed`
 */
export function parseNote(source: Uint8Array | string): Note {
  const whole = textOf(source);
  // The last empty line: the text before it may have empty lines of its own.
  const split = whole.lastIndexOf("\n\n");
  if (split === -1 || !whole.endsWith("\n") || split + 2 === whole.length) {
    throw malformed("expected a text, an empty line, and signature lines");
  }
  const lines = whole.slice(split + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) throw malformed(`more than ${MAX_SIGNATURES} signatures`);
  return { text: whole.slice(0, split + 1), signatures: lines.map(parseSignature) };
}

function parseSignature(line: string, number: number): NoteSignature {
  const where = { signature: number + 1 };
  const [, name = "", encoded = ""] =
    /^— ([^ ]+) ([A-Za-z0-9+/=]+)$/.exec(line) ?? refuse("not a signature line", where);
  if (!isKeyName(name)) refuse("a key name with a space or a plus", where);
  const bytes = base64Or(encoded, (cause) => refuse("a signature that is not base64", where, cause));
  if (bytes.length <= KEY_ID_BYTES) refuse("a signature without bytes", where);
  return { name, keyId: bytes.slice(0, KEY_ID_BYTES), blob: bytes.slice(KEY_ID_BYTES) };
}

/** Text and signatures as one note: the inverse of {@link parseNote}. @throws EvidenceError `too-large`, `note-malformed` */
export function formatNote({ text, signatures }: Note): string {
  const lines = signatures.map(({ name, keyId, blob }) => {
    return `— ${name} ${toBase64(concatBytes(keyId, blob))}\n`;
  });
  const note = `${text}\n${lines.join("")}`;
  const read = parseNote(note);
  if (read.text !== text || read.signatures.length !== signatures.length) {
    throw malformed("a note's text ends in a newline, and its key names have no spaces");
  }
  return note;
}

/**
 * Signs a text with an Ed25519 key (type 01) and gives the note.
 *
 * @param text - ends in a newline, has no other control characters
 * @throws EvidenceError `cose-algorithm` for a key that is not Ed25519; `note-malformed` for a text or name that no note can have
 */
export async function signNote(text: string, name: string, signer: Signer): Promise<string> {
  if (signer.key.alg !== ALG_ED25519) {
    throw new EvidenceError("cose-algorithm", "only an Ed25519 key signs notes");
  }
  const keyId = keyIdOf(name, NOTE_ED25519, signer.key.x);
  const blob = await signer.sign(encodeUtf8(text));
  return formatNote({ text, signatures: [{ name, keyId, blob }] });
}

/**
 * Verifies what the given keys signed. Signatures of other keys are ignored, even if they share a name or an id with a known one.
 *
 * @param vkeys - the keys that the caller trusts: notes' (01) and witnesses' (04)
 * @returns the names of the keys that signed, each once, in the order of `vkeys`
 * @throws EvidenceError `note-signature` if none of them signed, or one of them signed badly: then the whole note is refused
 */
export function verifyNote(note: Note, vkeys: readonly VerifierKey[], provider: SignatureProvider): string[] {
  const good = vkeys.filter((vkey) => {
    const signatures = signaturesOf(note, vkey);
    for (const { blob } of signatures) verifySignature(note.text, blob, vkey, provider);
    return signatures.length > 0;
  });
  if (good.length === 0) {
    throw new EvidenceError("note-signature", "none of the expected keys signed this note");
  }
  return [...new Set(good.map(({ name }) => name))];
}

/** Those of a note's signatures that claim to be this key's: name and id are both its own. */
export const signaturesOf = (note: Note, { name, keyId }: VerifierKey): readonly NoteSignature[] =>
  note.signatures.filter((signature) => signature.name === name && equalBytes(signature.keyId, keyId));

/** @throws EvidenceError `note-signature` unless `blob` is a good signature of the key over the note's text */
export function verifySignature(
  text: string,
  blob: Uint8Array,
  vkey: VerifierKey,
  provider: SignatureProvider,
): void {
  const key = ed25519Key(vkey.publicKey);
  const signed = vkey.type === COSIGNATURE_ED25519 ? cosigned(text, blob) : plain(text, blob);
  if (signed === undefined || !provider.verify(key, signed.message, signed.signature)) {
    throw new EvidenceError("note-signature", "a signature of a known key is not good", { key: vkey.name });
  }
}

/** What was signed, and the signature over it. */
type Signed = { readonly message: Uint8Array; readonly signature: Uint8Array };

const plain = (text: string, blob: Uint8Array): Signed => ({ message: encodeUtf8(text), signature: blob });

function cosigned(text: string, blob: Uint8Array): Signed | undefined {
  const parts = splitCosignature(blob);
  return parts && { message: cosignedMessage(text, parts.timeUnixS), signature: parts.signature };
}

/** The note as text. hostile: its size is checked before anything is read. */
function textOf(source: Uint8Array | string): string {
  const isTooLong = (length: number): boolean => length > MAX_NOTE_BYTES;
  if (isTooLong(source.length) || (typeof source === "string" && isTooLong(encodeUtf8(source).length))) {
    throw new EvidenceError("too-large", "a note is too large", { length: source.length });
  }
  const text = typeof source === "string" ? source : decode(source);
  if (!text.isWellFormed() || CONTROL.test(text.replaceAll("\n", ""))) {
    throw malformed("a control character, or a surrogate that stands alone");
  }
  return text;
}

function decode(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes);
  } catch (cause) {
    if (isEvidenceError(cause)) return refuse("not UTF-8", {}, cause);
    throw cause;
  }
}

const malformed = (message: string): EvidenceError => new EvidenceError("note-malformed", message);

function refuse(message: string, where: Record<string, number>, cause?: unknown): never {
  throw new EvidenceError("note-malformed", message, where, cause);
}
