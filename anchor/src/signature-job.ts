/**
 * Many signatures in one buffer, which changes hands between threads without a copy:
 * uint32 count, then for each: uint32 algorithm (0 Ed25519, 1 ESP256), 64 bytes of key (x, y), 64 bytes of signature, uint32 length and message.
 *
 * @module
 */
import { ALG_ED25519, ALG_ESP256, type PublicKey, type SignatureProvider } from "@tallystick/evidence";

/** One signature to check: `message` is what it was made over. */
export type SignatureCheck = {
  readonly key: PublicKey;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
};

const COUNT_BYTES = 4;
const FIXED_BYTES = 4 + 64 + 64 + 4;

/** Writes a job. A signature of a wrong length becomes one of zeros, which nobody's key accepts. */
export function packJob(checks: readonly SignatureCheck[]): ArrayBuffer {
  let length = COUNT_BYTES;
  for (const { message } of checks) length += FIXED_BYTES + message.length;
  const buffer = new ArrayBuffer(length);
  const bytes = new Uint8Array(buffer);
  const view = new DataView(buffer);
  view.setUint32(0, checks.length);
  let at = COUNT_BYTES;
  for (const { key, message, signature } of checks) {
    view.setUint32(at, key.alg === ALG_ED25519 ? 0 : 1);
    bytes.set(key.x, at + 4);
    if (key.y !== undefined) bytes.set(key.y, at + 36);
    if (signature.length === 64) bytes.set(signature, at + 68);
    view.setUint32(at + 132, message.length);
    bytes.set(message, at + FIXED_BYTES);
    at += FIXED_BYTES + message.length;
  }
  return buffer;
}

/** Checks every signature of a job: one byte each, 1 for a good one. */
export function runJob(buffer: ArrayBuffer, provider: SignatureProvider): Uint8Array<ArrayBuffer> {
  const view = new DataView(buffer);
  const verdicts = new Uint8Array(view.getUint32(0));
  let at = COUNT_BYTES;
  for (let i = 0; i < verdicts.length; i++) {
    const part = (offset: number, length: number): Uint8Array => new Uint8Array(buffer, at + offset, length);
    const x = part(4, 32);
    const key: PublicKey =
      view.getUint32(at) === 0
        ? { alg: ALG_ED25519, x, kid: x }
        : { alg: ALG_ESP256, x, y: part(36, 32), kid: part(4, 64) };
    const length = view.getUint32(at + 132);
    verdicts[i] = provider.verify(key, part(FIXED_BYTES, length), part(68, 64)) ? 1 : 0;
    at += FIXED_BYTES + length;
  }
  return verdicts;
}
