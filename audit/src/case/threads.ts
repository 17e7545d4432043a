/**
 * The threads that judge a case's statements beside the one that asks. Only so much is under way that memory stays flat.
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import { EvidenceError, type CheckedLog, type EvidenceCode, type TrustPolicy } from "@tallystick/evidence";
import type { KnownKey } from "../facts/judge.ts";
import type { Packed } from "../facts/packed.ts";
import { withNews, type Repeated } from "../facts/repeated.ts";
import type { Piece } from "./pieces.ts";

export type ThreadData = {
  readonly policy: TrustPolicy;
  readonly log: CheckedLog;
  /** By kid in hexadecimal. */
  readonly keys: ReadonlyMap<string, KnownKey>;
  /** Name of the signature provider. */
  readonly provider: string;
};

export type ThreadAnswer =
  { readonly packed: Packed } | { readonly code: EvidenceCode; readonly message: string };

export type JudgedPart = { readonly packed: Packed; readonly repeated: Repeated };

/** What a part leaves behind is short-lived: with room for it, it isn't copied about. */
const YOUNG_MB = 48;
/** Tasks of one thread that wait or run. */
const AHEAD = 3;

export class JudgeThreads {
  readonly #workers: Worker[];
  /** By worker: who waits for its answers, oldest first. */
  readonly #waiting: {
    readonly resolve: (answer: ThreadAnswer) => void;
    readonly reject: (error: Error) => void;
  }[][];
  /** By worker: what it has handed over once. */
  readonly #repeated: Repeated[] = [];
  #failed: Error | undefined;

  constructor(count: number, data: ThreadData) {
    this.#waiting = Array.from({ length: count }, () => []);
    this.#workers = this.#waiting.map((waiting) => {
      const worker = new Worker(new URL("./thread.ts", import.meta.url), {
        workerData: data,
        resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
      });
      worker.on("message", (answer: ThreadAnswer) => waiting.shift()?.resolve(answer));
      worker.on("error", (cause: unknown) =>
        this.#fail(new Error("a thread of the verification failed", { cause })),
      );
      return worker;
    });
  }

  /** How many tasks may be under way. */
  get most(): number {
    return this.#workers.length * AHEAD;
  }

  /** Whether that many are. */
  get isBusy(): boolean {
    return this.#waiting.every(({ length }) => length >= AHEAD);
  }

  /** Has a part judged. @throws EvidenceError what a statement of it is refused with */
  async judge(task: Piece): Promise<JudgedPart> {
    if (this.#failed !== undefined) throw this.#failed;
    const place = this.#next();
    const answer = await new Promise<ThreadAnswer>((resolve, reject) => {
      this.#waiting[place]?.push({ resolve, reject });
      this.#workers[place]?.postMessage(task, [task.bytes.buffer, task.lengths.buffer]);
    });
    if ("packed" in answer) {
      const known = withNews(this.#repeated[place] ?? { trees: [], seen: [] }, answer.packed);
      this.#repeated[place] = known;
      return { packed: answer.packed, repeated: known };
    }
    throw new EvidenceError(answer.code, answer.message, { path: task.path });
  }

  /** The one with the least to do. */
  #next(): number {
    let place = 0;
    for (const [i, { length }] of this.#waiting.entries())
      if (length < (this.#waiting[place] as unknown[]).length) place = i;
    return place;
  }

  async end(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #fail(error: Error): void {
    this.#failed = error;
    for (const waiting of this.#waiting) for (const { reject } of waiting.splice(0)) reject(error);
  }
}
