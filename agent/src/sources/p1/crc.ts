/**
 * CRC-16/ARC: polynomial 8005 reflected (A001), start 0, nothing inverted at the end.
 * A P1 telegram carries it in hexadecimal over its raw bytes from `/` up to and including `!`.
 *
 * @module
 */

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  return crc;
});

/** The checksum of `bytes`; `crc` continues an earlier one. The check value of "123456789" is bb3d. */
export function crc16(bytes: Uint8Array, crc = 0): number {
  let value = crc;
  for (const byte of bytes) value = (value >>> 8) ^ (TABLE[(value ^ byte) & 0xff] ?? 0);
  return value;
}
