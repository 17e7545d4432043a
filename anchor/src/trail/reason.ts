/**
 * What people give as a reason, and the ledger keeps for ever.
 *
 * @module
 */
import { encodeUtf8 } from "@tallystick/evidence";

/** One line of 1 to `maxBytes`: nothing in it moves a cursor where it is shown. */
export function isReason(text: string, maxBytes: number): boolean {
  const { length } = encodeUtf8(text);
  return length >= 1 && length <= maxBytes && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text);
}
