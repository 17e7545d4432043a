/**
 * What a witness signs (c2sp.org/tlog-cosignature v1.0.1, Ed25519): its time and the whole text of the checkpoint.
 *
 *     cosignature/v1
 *     time 1679315147
 *     example.com/behind-the-sofa
 *     20852163
 *     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
 *
 * In the note its signature stands as big-endian uint64 time || 64 bytes.
 *
 * @module
 */
import { concatBytes, encodeUtf8 } from "../bytes.ts";
import { SIGNATURE_BYTES } from "../keys/signature.ts";

const TIME_BYTES = 8;

/** A cosignature as it stands in a note, behind the key id. */
export type CosignatureParts = { readonly timeUnixS: number; readonly signature: Uint8Array };

/** @param text - the note's text, including its last newline and without signature lines */
export const cosignedMessage = (text: string, timeUnixS: number): Uint8Array =>
  encodeUtf8(`cosignature/v1\ntime ${timeUnixS}\n${text}`);

/** The inverse of {@link splitCosignature}. @param timeUnixS - a safe integer, from 0 */
export function joinCosignature({ timeUnixS, signature }: CosignatureParts): Uint8Array {
  const time = new Uint8Array(TIME_BYTES);
  new DataView(time.buffer).setBigUint64(0, BigInt(timeUnixS));
  return concatBytes(time, signature);
}

/** `undefined` where the length is another, or the time is beyond 2^53 - 1: no witness's clock shows that. */
export function splitCosignature(blob: Uint8Array): CosignatureParts | undefined {
  if (blob.length !== TIME_BYTES + SIGNATURE_BYTES) return undefined;
  const time = new DataView(blob.buffer, blob.byteOffset, blob.byteLength).getBigUint64(0);
  if (time > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  return { timeUnixS: Number(time), signature: blob.subarray(TIME_BYTES) };
}
