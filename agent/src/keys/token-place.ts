/**
 * Where a key is: which module, which token, whose PIN.
 *
 * @module
 */
import { readFileSync, statSync } from "node:fs";
import type { Handle, Pkcs11, TokenInfo } from "./pkcs11.ts";
import { TokenFault, tokenFault } from "./token-faults.ts";

/** Where a key is. Exactly one of `token` and `slot`; at least one of `label` and `id`. */
export type TokenPlace = {
  /** Path of the module, a shared library. */
  readonly module: string;
  /** The token's label, or the number of its slot. */
  readonly token?: string | undefined;
  readonly slot?: number | undefined;
  /** CKA_LABEL and CKA_ID (hexadecimal) of the key. */
  readonly label?: string | undefined;
  readonly id?: string | undefined;
  /** File with the user's PIN; absent for a token that wants none. */
  readonly pinFile?: string | undefined;
};

const MAX_PIN_FILE_BYTES = 1024;

/** The slot that the configuration names, with what its token says of itself. @throws TokenFault */
export function findSlot(p11: Pkcs11, { token, slot }: TokenPlace): { slot: Handle; info: TokenInfo } {
  try {
    const slots = p11.C_GetSlotList(true).flatMap((handle) => {
      const info = infoOf(p11, handle);
      return info === undefined ? [] : [{ slot: handle, number: numberOf(handle), info }];
    });
    const named = slots.filter(({ number, info }) =>
      slot === undefined ? info.label.trim() === token : number === BigInt(slot),
    );
    const [one, another] = named;
    const wanted = slot === undefined ? `token "${token}"` : `token in slot ${slot}`;
    if (one === undefined) {
      const there = slots.map(({ number, info }) => `"${info.label.trim()}" in slot ${number}`).join(", ");
      throw new TokenFault(
        `there is no ${wanted}: plug it in, or correct pkcs11; there is: ${there || "none"}`,
        true,
      );
    }
    if (another !== undefined)
      throw new TokenFault(`there are several tokens "${token}": name one by pkcs11.slot`);
    return one;
  } catch (cause) {
    throw tokenFault(cause, "looking for the token");
  }
}

/** Undefined for a token that the module can't read: another one may be meant. */
function infoOf(p11: Pkcs11, slot: Handle): TokenInfo | undefined {
  try {
    return p11.C_GetTokenInfo(slot);
  } catch {
    return undefined;
  }
}

/** A CK_ULONG, in the machine's own order; every machine that the agent runs on has the low byte first. */
const numberOf = (handle: Handle): bigint =>
  handle.length === 8 ? handle.readBigUInt64LE() : BigInt(handle.readUInt32LE());

/** @throws TokenFault where the file is not there, or not its owner's alone */
export function readPin(path: string): string {
  try {
    const { mode, size } = statSync(path);
    if ((mode & 0o077) !== 0)
      throw new TokenFault(`${path}: others can read this PIN; run: chmod 600 ${path}`);
    if (size > MAX_PIN_FILE_BYTES) throw new TokenFault(`${path}: too large for a PIN`);
    const pin = readFileSync(path, "utf8").replace(/\r?\n$/, "");
    if (pin === "") throw new TokenFault(`${path}: there is no PIN in it`);
    return pin;
  } catch (cause) {
    if (cause instanceof TokenFault) throw cause;
    throw new TokenFault(`${path}: can't read the PIN: ${cause instanceof Error ? cause.message : ""}`);
  }
}
