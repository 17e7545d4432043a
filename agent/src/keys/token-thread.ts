/**
 * The thread in which the token is: opens it when it is first asked something, and anew after a fault that may have passed. One question at a time, in order.
 *
 * This module is the thread's program as well as the types of what it is asked; it is only ever imported dynamically, so that it is a file of its own when
 * the agent is bundled.
 *
 * @module
 */
import { createRequire } from "node:module";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { Pkcs11, Pkcs11Package } from "./pkcs11.ts";
import { finalize, Token } from "./token.ts";
import type { KeyType, TokenKey } from "./token-key.ts";
import type { TokenPlace } from "./token-place.ts";
import { TokenFault, tokenFault } from "./token-faults.ts";

export type Question =
  /** `afresh`: by a session that is opened now; some modules show what others made since only then. */
  | { readonly do: "keys"; readonly select: Pick<TokenPlace, "label" | "id">; readonly afresh?: boolean }
  | { readonly do: "sign"; readonly key: Pick<TokenKey, "type" | "point">; readonly data: Uint8Array }
  | { readonly do: "make"; readonly type: KeyType; readonly label: string; readonly id?: string | undefined }
  /** Is not answered: the thread ends. */
  | { readonly do: "close" };

export type Answer =
  | { readonly keys: readonly TokenKey[] }
  | { readonly signature: Uint8Array }
  | { readonly fault: string; readonly isPassing: boolean };

/** What the thread is started with. */
export type ThreadData = { readonly tokenThread: TokenPlace };

/** The file to start the thread from. */
export const THREAD = new URL(import.meta.url);

const PACKAGE = "pkcs11js";

/** pkcs11js is a CommonJS package with a native part: it is looked for from this file upwards, and in NODE_PATH. */
function loadPkcs11(module: string): Pkcs11 {
  let found: Pkcs11Package;
  try {
    found = createRequire(import.meta.url)(PACKAGE) as Pkcs11Package;
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : "";
    throw new TokenFault(
      `${PACKAGE} is not installed beside the agent, or was built for another machine: see docs/hardware-keys.md (${reason})`,
    );
  }
  const p11 = new found.PKCS11();
  try {
    p11.load(module);
  } catch (cause) {
    throw new TokenFault(
      `${module}: can't load this PKCS#11 module: install it, or correct pkcs11.module (${reasonOf(cause)})`,
    );
  }
  return p11;
}

const reasonOf = (cause: unknown): string =>
  cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause);

class TokenServer {
  readonly #place: TokenPlace;
  #p11: Pkcs11 | undefined;
  #token: Token | undefined;

  constructor(place: TokenPlace) {
    this.#place = place;
  }

  answer(question: Exclude<Question, { do: "close" }>): Answer {
    try {
      if (question.do === "keys" && question.afresh === true) this.close();
      this.#p11 ??= loadPkcs11(this.#place.module);
      this.#token ??= this.#open(this.#p11);
      switch (question.do) {
        case "keys":
          return { keys: this.#token.keys(question.select) };
        case "sign":
          return { signature: this.#token.sign(question.key, question.data) };
        case "make":
          return { keys: [this.#token.make(question.type, question.label, question.id)] };
      }
    } catch (cause) {
      const { message, isPassing } = tokenFault(cause, "using the token");
      if (isPassing) this.close();
      return { fault: message, isPassing };
    }
  }

  close(): void {
    this.#token?.close();
    this.#token = undefined;
  }

  #open(p11: Pkcs11): Token {
    try {
      return new Token(p11, this.#place);
    } catch (cause) {
      finalize(p11);
      throw cause;
    }
  }
}

if (!isMainThread && typeof workerData === "object" && workerData !== null && "tokenThread" in workerData) {
  const server = new TokenServer((workerData as ThreadData).tokenThread);
  parentPort?.on("message", (question: Question) => {
    if (question.do !== "close") return parentPort?.postMessage(server.answer(question), []);
    server.close();
    parentPort?.close();
  });
}
