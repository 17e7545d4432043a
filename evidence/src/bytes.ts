/**
 * Byte strings and their texts. Uint8Array only, so that it runs in a browser.
 *
 * @module
 */
import { EvidenceError } from "./errors.ts";

/** True where both have the same bytes. Not constant-time: nothing compared here is secret. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Bytes of one's own. A Buffer's own `slice` gives a view: what is written into that is written into what was given. */
export const copied = (bytes: Uint8Array, from = 0, to = bytes.length): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from).slice();

type CompareRange = (
  this: Uint8Array,
  other: Uint8Array,
  from: number,
  to: number,
  ownFrom: number,
  ownTo: number,
) => number;

/** Node's comparison in C: for hundreds of bytes it takes a tenth of the time. A browser has none. */
const compareRange = (globalThis as { readonly Buffer?: { readonly prototype: { compare: CompareRange } } })
  .Buffer?.prototype.compare;
/** From so many bytes on a call into C is the shorter way. */
const LONG_BYTES = 96;

/** True where the `length` bytes from `aAt` on are those from `bAt` on. False where one of the two hasn't as many. */
export function equalRange(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number, length: number): boolean {
  if (length <= 0) return true;
  if (aAt + length > a.length || bAt + length > b.length) return false;
  if (length >= LONG_BYTES && compareRange !== undefined)
    return compareRange.call(a, b, bAt, bAt + length, aAt, aAt + length) === 0;
  for (let i = 0; i < length; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
}

/** Bytewise lexicographic order, a prefix before what it begins: the order of RFC 8949 4.2.1. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const HEX_DIGITS = Array.from("0123456789abcdef", (digit) => digit.charCodeAt(0));
/** Bytes whose digits are put together at once: a call has only so many arguments. */
const HEX_AT_ONCE = 1024;

/** A text made of one call is half the price of one put together digit by digit, and as names in maps these are made for every statement. */
export function toHex(bytes: Uint8Array): string {
  if (bytes.length > HEX_AT_ONCE) {
    return toHex(bytes.subarray(0, HEX_AT_ONCE)) + toHex(bytes.subarray(HEX_AT_ONCE));
  }
  const codes: number[] = [];
  for (const byte of bytes) codes.push(HEX_DIGITS[byte >> 4] as number, HEX_DIGITS[byte & 15] as number);
  return String.fromCharCode(...codes);
}

/** @throws EvidenceError `text-malformed` unless the text is an even number of hexadecimal digits */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw new EvidenceError("text-malformed", "not hexadecimal: expected pairs of 0-9, a-f");
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_VALUE = new Map(Array.from(BASE64, (letter, value) => [letter, value]));

/** Standard alphabet with padding (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const group = ((bytes[i] as number) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += BASE64.charAt(group >> 18) + BASE64.charAt((group >> 12) & 63);
    text += i + 1 < bytes.length ? BASE64.charAt((group >> 6) & 63) : "=";
    text += i + 2 < bytes.length ? BASE64.charAt(group & 63) : "=";
  }
  return text;
}

/**
 * One text per byte string: padding is mandatory and unused bits are zero.
 *
 * @throws EvidenceError `text-malformed`
 */
export function fromBase64(text: string): Uint8Array {
  const fault = (): never => {
    throw new EvidenceError("text-malformed", "not base64 (RFC 4648 section 4, padded)");
  };
  if (text.length % 4 !== 0) fault();
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let at = 0;
  for (let i = 0; i < text.length; i += 4) {
    let group = 0;
    for (let j = i; j < i + 4; j++) {
      const value = j >= text.length - padding ? 0 : BASE64_VALUE.get(text.charAt(j));
      group = (group << 6) | (value ?? fault());
    }
    for (let shift = 16; shift >= 0 && at < bytes.length; shift -= 8) bytes[at++] = (group >> shift) & 255;
    const last = i + 4 >= text.length;
    if (last && padding === 1 && (group & 0xff) !== 0) fault();
    if (last && padding === 2 && (group & 0xffff) !== 0) fault();
  }
  return bytes;
}

/** The alphabet for addresses and lines to be copied, without padding (RFC 4648 section 5). */
export const toBase64Url = (bytes: Uint8Array): string =>
  toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/**
 * One text per byte string: no padding, and unused bits are zero.
 *
 * @throws EvidenceError `text-malformed`
 */
export function fromBase64Url(text: string): Uint8Array {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1)
    throw new EvidenceError("text-malformed", "not base64url (RFC 4648 section 5, without padding)");
  const padded = text.padEnd(Math.ceil(text.length / 4) * 4, "=");
  return fromBase64(padded.replaceAll("-", "+").replaceAll("_", "/"));
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const encodeUtf8 = (text: string): Uint8Array => encoder.encode(text);

/** @throws EvidenceError `text-malformed` where the bytes are not UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new EvidenceError("text-malformed", "not UTF-8", {}, cause);
  }
}
