/**
 * The threads that check signatures. Jobs go round robin; verdicts come back in the order in which the jobs were given, so that a device's
 * statements are sequenced in the order in which it sent them.
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import { runJob, SignatureJob, verdictsOf } from "./signature-job.ts";
import { signatureThread } from "./signature-thread.ts";

type Job = { readonly done: (verdicts: Uint8Array) => void; answer?: ArrayBuffer };

/** As text, since a thread that reads a TypeScript file loads Node's reader for it: 20 MB each. */
const PROGRAM = `(${signatureThread.toString()})(require, ${runJob.toString()})`;
/** A thread needs a heap of a few megabytes: what it works on is not in it. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 } as const;
/** Buffers kept for the next jobs. */
const MAX_SPARE = 64;

export class SignatureThreads {
  readonly #workers: Worker[] = [];
  /** By worker: jobs that it has not answered, oldest first. A worker answers in order. */
  readonly #asked: Job[][] = [];
  /** All jobs not handed back yet, oldest first. */
  readonly #open: Job[] = [];
  readonly #spare: ArrayBuffer[] = [];
  readonly #onFault: (error: Error) => void;
  #turn = 0;
  #idle: (() => void)[] = [];

  /** @param onFault - a thread died: the process can't go on */
  constructor(count: number, onFault: (error: Error) => void) {
    this.#onFault = onFault;
    for (let i = 0; i < count; i++) this.#start(i);
  }

  /** An empty job, to be filled and given to `check`. */
  job(): SignatureJob {
    return new SignatureJob(this.#spare.pop());
  }

  /**
   * Has a job's signatures checked.
   *
   * @param done - gets one byte for each, 1 for a good one; they are gone when it returns
   */
  check(filled: SignatureJob, done: (verdicts: Uint8Array) => void): void {
    const job: Job = { done };
    const buffer = filled.take();
    this.#turn = (this.#turn + 1) % this.#workers.length;
    this.#asked[this.#turn]?.push(job);
    this.#open.push(job);
    this.#workers[this.#turn]?.postMessage(buffer, [buffer]);
  }

  /** Resolves when every job given so far was handed back. */
  idle(): Promise<void> {
    if (this.#open.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #start(place: number): void {
    const worker = new Worker(PROGRAM, {
      eval: true,
      workerData: import.meta.url,
      resourceLimits: RESOURCE_LIMITS,
    });
    const asked: Job[] = [];
    this.#workers.push(worker);
    this.#asked.push(asked);
    worker.on("message", (buffer: ArrayBuffer) => {
      const job = asked.shift();
      if (job !== undefined) job.answer = buffer;
      this.#handBack();
    });
    worker.on("error", (cause) => {
      this.#onFault(new Error(`signature thread ${place} failed`, { cause }));
    });
  }

  #handBack(): void {
    for (let job = this.#open[0]; job?.answer !== undefined; job = this.#open[0]) {
      this.#open.shift();
      job.done(verdictsOf(job.answer));
      if (this.#spare.length < MAX_SPARE) this.#spare.push(job.answer);
    }
    if (this.#open.length > 0) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }
}
