/**
 * Heads of CBOR items (RFC 8949 section 3), written in their shortest form into bytes that are there already: for the few shapes that are
 * made so often that a codec would cost more than their content.
 *
 * @module
 */

export const UINT = 0;
export const BYTE_STRING = 2;
export const ARRAY = 4;

/** Bytes that a head takes. @param argument - 0 to 2^53 - 1 */
export function headLength(argument: number): number {
  if (argument < 24) return 1;
  if (argument < 0x100) return 2;
  if (argument < 0x1_0000) return 3;
  return argument < 0x1_0000_0000 ? 5 : 9;
}

/** Additional information by the number of bytes that follow it. */
const INFO = [0, 24, 25, 0, 26, 0, 0, 0, 27] as const;

/**
 * Writes a head.
 *
 * @param argument - 0 to 2^53 - 1
 * @returns where it ends
 */
export function writeHead(bytes: Uint8Array, at: number, major: number, argument: number): number {
  const more = headLength(argument) - 1;
  bytes[at] = (major << 5) | (more === 0 ? argument : (INFO[more] as number));
  for (let end = at + more, left = argument; end > at; end--, left = Math.floor(left / 256))
    bytes[end] = left % 256;
  return at + 1 + more;
}
