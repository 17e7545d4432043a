/**
 * What can be wrong with a token, in words that say what to do, and whether it may mend itself: a token that was pulled out comes back, a wrong PIN doesn't
 * become right, and each try of it counts.
 *
 * @module
 */
import { CKR } from "./pkcs11.ts";

/** A fault of the token, as it crosses from its thread. */
export class TokenFault extends Error {
  /** True where it is worth opening the token anew: it may be back. */
  readonly isPassing: boolean;

  constructor(message: string, isPassing = false) {
    super(message);
    this.isPassing = isPassing;
  }
}

type Words = { readonly text: string; readonly isPassing?: true };

const AWAY: Words = { text: "the token is not there: plug it in", isPassing: true };
const FAILED: Words = { text: "the token or its module failed", isPassing: true };
const PIN: Words = {
  text: "the PIN is wrong: put the right one into pkcs11.pinFile before it is tried again, each try counts",
};
const LOCKED: Words = { text: "the PIN is locked: unlock it with the token's own tool (SO PIN)" };

const WORDS = new Map<number, Words>([
  [CKR.slotIdInvalid, AWAY],
  [CKR.generalError, FAILED],
  [CKR.functionFailed, FAILED],
  [CKR.deviceError, FAILED],
  [CKR.deviceMemory, FAILED],
  [CKR.deviceRemoved, AWAY],
  [CKR.keyHandleInvalid, FAILED],
  [CKR.objectHandleInvalid, FAILED],
  [CKR.pinIncorrect, PIN],
  [CKR.pinInvalid, PIN],
  [CKR.pinLenRange, PIN],
  [CKR.pinExpired, { text: "the PIN has expired: set a new one with the token's own tool" }],
  [CKR.pinLocked, LOCKED],
  [CKR.sessionClosed, FAILED],
  [CKR.sessionHandleInvalid, FAILED],
  [CKR.tokenNotPresent, AWAY],
  [CKR.tokenNotRecognized, AWAY],
  [CKR.tokenWriteProtected, { text: "the token is write-protected" }],
  [CKR.mechanismInvalid, { text: "the token can't do this algorithm: try key make --type p256" }],
  [CKR.userNotLoggedIn, FAILED],
  [CKR.userPinNotInitialized, { text: "the token has no user PIN yet: set one with its own tool" }],
  [CKR.cryptokiNotInitialized, FAILED],
]);

/** @param doing - what was being done, for the message; nothing secret is in the result */
export function tokenFault(cause: unknown, doing: string): TokenFault {
  if (cause instanceof TokenFault) return cause;
  const code = codeOf(cause);
  const name = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
  const { text, isPassing } = WORDS.get(code) ?? { text: "the module refused" };
  return new TokenFault(`${doing}: ${text} (${name})`, isPassing ?? false);
}

/** The CKR number of what pkcs11js threw; 0 where there is none. */
export const codeOf = (error: unknown): number =>
  error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : 0;
