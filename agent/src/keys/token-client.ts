/**
 * The token as the rest of the agent sees it: questions to its thread, a bounded number of them, each with an answer or a reason in bounded time.
 *
 * @module
 */
import process from "node:process";
import { Worker } from "node:worker_threads";
import { EvidenceError } from "@tallystick/evidence";
import { sleep, type Timer } from "@tallystick/evidence/node";
import type { Log } from "../log.ts";
import type { TokenKey } from "./token-key.ts";
import type { TokenPlace } from "./token-place.ts";
import type { Answer, Question, ThreadData } from "./token-thread.ts";

/** Questions that wait or are being answered; sealing asks one at a time, each connection one more. */
const MAX_ASKED = 16;
/** A token that takes longer is stuck: the slowest chips need a second. */
const ANSWER_WITHIN_MS = 20_000;
/** A token that was pulled out, or a module that failed, is waited for this long before the agent gives up; readings are journalled meanwhile. */
const BACK_WITHIN_MS = 30_000;
const TRY_EVERY_MS = 1000;
/** How long a goodbye may take. */
const CLOSE_WITHIN_MS = 2000;
/** The thread keeps nothing but a session. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 } as const;

export type TokenClientParts = {
  readonly timer: Timer;
  readonly log?: Log | undefined;
  readonly answerWithinMs?: number;
};

type Asked = { readonly resolve: (answer: Answer) => void; readonly reject: (error: unknown) => void };

export class TokenClient {
  readonly #place: TokenPlace;
  readonly #timer: Timer;
  readonly #log: Log | undefined;
  readonly #answerWithinMs: number;
  #worker: Promise<Worker> | undefined;
  /** In the order in which the thread will answer. */
  #asked: Asked[] = [];
  #broken: EvidenceError | undefined;
  #isClosed = false;

  constructor(place: TokenPlace, { timer, log, answerWithinMs = ANSWER_WITHIN_MS }: TokenClientParts) {
    this.#place = place;
    this.#timer = timer;
    this.#log = log;
    this.#answerWithinMs = answerWithinMs;
  }

  /** @throws EvidenceError `hardware-key` */
  async keys(select: Pick<TokenPlace, "label" | "id">, afresh = false): Promise<readonly TokenKey[]> {
    const answer = await this.#ask({ do: "keys", select, afresh });
    return "keys" in answer ? answer.keys : [];
  }

  /** @throws EvidenceError `hardware-key` */
  async make(question: Omit<Question & { do: "make" }, "do">): Promise<TokenKey> {
    const answer = await this.#ask({ do: "make", ...question });
    const [key] = "keys" in answer ? answer.keys : [];
    if (key === undefined) throw this.#error("the token made no key");
    return key;
  }

  /**
   * Signs; where the token is gone, waits for it to come back.
   *
   * @throws EvidenceError `hardware-key`
   */
  async sign(key: Pick<TokenKey, "type" | "point">, data: Uint8Array): Promise<Uint8Array> {
    const answer = await this.#ask({ do: "sign", key, data }, BACK_WITHIN_MS);
    return "signature" in answer ? answer.signature : new Uint8Array();
  }

  /** Ends the thread once it has answered what it is being asked; whoever still waits is told at once. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const isStuck = this.#broken !== undefined;
    this.#end(this.#error("the agent stops"));
    const worker = await this.#worker?.catch(() => undefined);
    if (worker === undefined || isStuck) return;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    worker.once("exit", () => resolve());
    const cancel = this.#timer.after(CLOSE_WITHIN_MS, resolve);
    // The module is left in order: what other threads of it would still use is not for this one to pull away.
    worker.postMessage({ do: "close" } satisfies Question, []);
    await ended;
    cancel();
  }

  async #ask(question: Question, patienceMs = 0): Promise<Answer> {
    for (let leftMs = patienceMs; ; leftMs -= TRY_EVERY_MS) {
      const answer = await this.#askOnce(question);
      if (!("fault" in answer)) {
        if (leftMs < patienceMs) this.#log?.info({}, "the token with the device's key is back");
        return answer;
      }
      if (!answer.isPassing || leftMs <= 0 || this.#isClosed) throw this.#error(answer.fault);
      if (leftMs === patienceMs) {
        const seconds = BACK_WITHIN_MS / 1000;
        this.#log?.warn({ code: "hardware-key" }, `${answer.fault}; it is waited for, ${seconds} s at most`);
      }
      await sleep(this.#timer, TRY_EVERY_MS, new AbortController().signal);
    }
  }

  async #askOnce(question: Question): Promise<Answer> {
    if (this.#broken !== undefined) throw this.#broken;
    if (this.#asked.length >= MAX_ASKED) throw this.#error(`more than ${MAX_ASKED} signatures at once`);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    promise.catch(() => {}); // it may be rejected before anybody awaits it
    this.#asked.push({ resolve, reject });
    const overdueMs = this.#answerWithinMs * this.#asked.length;
    const cancel = this.#timer.after(overdueMs, () => {
      // A thread that is inside the module can't be ended, and Node would wait for it for ever.
      process.once("exit", () => process.kill(process.pid, "SIGKILL"));
      this.#end(this.#error(`the token did not answer within ${this.#answerWithinMs / 1000} s: restart it`));
    });
    try {
      // Whoever asked first awaited first, so the thread is asked in the order of `#asked`.
      const worker = await (this.#worker ??= this.#start());
      worker.postMessage(question, []);
      return await promise;
    } finally {
      cancel();
    }
  }

  async #start(): Promise<Worker> {
    const { THREAD } = await import("./token-thread.ts");
    const data: ThreadData = { tokenThread: this.#place };
    const worker = new Worker(THREAD, { workerData: data, resourceLimits: RESOURCE_LIMITS });
    worker.unref(); // a command that is done ends, whatever the token does
    worker.on("message", (answer: Answer) => this.#asked.shift()?.resolve(answer));
    worker.on("error", (error) => this.#end(this.#error(`the token's thread failed: ${error.message}`)));
    worker.on("exit", () => this.#end(this.#error("the token's thread ended")));
    return worker;
  }

  #end(error: EvidenceError): void {
    this.#broken ??= error;
    const asked = this.#asked;
    this.#asked = [];
    for (const { reject } of asked) reject(this.#broken);
  }

  #error(text: string): EvidenceError {
    return new EvidenceError("hardware-key", text);
  }
}
