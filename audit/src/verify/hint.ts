/**
 * What a file that is no evidence seems to be instead: the strict reader's cause is right, and of no help to somebody who took the wrong file.
 *
 * @module
 */
import { decodeUtf8, isBundle, isEvidenceError, parseSign1 } from "@tallystick/evidence";
import { isCertificate } from "../certificate/seal.ts";

const TYP = 16;
const TYP_RECEIPT = 278;
const TAG_SIGN1 = 0xd2;

/** A sentence, or undefined where the file begins as evidence does. */
export function hint(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return "the file is empty";
  if (isBundle(bytes)) return undefined;
  if (bytes[0] === TAG_SIGN1) {
    if (isCertificate(bytes)) return "a completeness certificate: give --auditor, and not --policy";
    return isReceipt(bytes)
      ? "a receipt without its statement: tally-audit log --receipts lays it beside a log"
      : undefined;
  }
  const text = beginning(bytes);
  if (text === undefined) return "neither a statement nor a bundle: it begins as neither of them does";
  if (/\n\n— /.test(text)) return "a signed note: tally-audit log --since compares it with its log";
  return "a text, neither a statement nor a bundle";
}

function isReceipt(bytes: Uint8Array): boolean {
  try {
    return parseSign1(bytes, bytes.length).header.get(TYP) === TYP_RECEIPT;
  } catch (error) {
    if (isEvidenceError(error)) return false;
    throw error;
  }
}

/** The first characters, where the bytes are a text. */
function beginning(bytes: Uint8Array): string | undefined {
  for (let length = Math.min(bytes.length, 4096), least = length - 4; length > least; length--) {
    try {
      const text = decodeUtf8(bytes.subarray(0, length)); // the cut may fall within a character
      return /[^\P{Cc}\n\r\t]/u.test(text) ? undefined : text;
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
    }
  }
  return undefined;
}
