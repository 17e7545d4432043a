/**
 * The threads that check signatures. Jobs go round robin; verdicts come back in the order in which the jobs were given, so that a device's
 * statements are sequenced in the order in which it sent them.
 *
 * @module
 */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { packJob, type SignatureCheck } from "./signature-job.ts";

type Job = { readonly done: (verdicts: Uint8Array) => void; verdicts?: Uint8Array };

/** Sources run as they are, or built: the worker's file has the ending of this one. */
const WORKER = new URL(`./signature-worker${extname(import.meta.url)}`, import.meta.url);

export class SignatureThreads {
  readonly #workers: Worker[] = [];
  /** By worker: jobs that it has not answered, oldest first. A worker answers in order. */
  readonly #asked: Job[][] = [];
  /** All jobs not handed back yet, oldest first. */
  readonly #open: Job[] = [];
  readonly #onFault: (error: Error) => void;
  #turn = 0;
  #idle: (() => void)[] = [];

  /** @param onFault - a thread died: the process can't go on */
  constructor(count: number, onFault: (error: Error) => void) {
    this.#onFault = onFault;
    for (let i = 0; i < count; i++) this.#start(i);
  }

  /** Checks signatures and hands back one byte each, 1 for a good one. */
  check(checks: readonly SignatureCheck[], done: (verdicts: Uint8Array) => void): void {
    const job: Job = { done };
    const buffer = packJob(checks);
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
    const worker = new Worker(WORKER);
    const asked: Job[] = [];
    this.#workers.push(worker);
    this.#asked.push(asked);
    worker.on("message", (buffer: ArrayBuffer) => {
      const job = asked.shift();
      if (job !== undefined) job.verdicts = new Uint8Array(buffer);
      this.#handBack();
    });
    worker.on("error", (cause) => {
      this.#onFault(new Error(`signature thread ${place} failed`, { cause }));
    });
  }

  #handBack(): void {
    for (let job = this.#open[0]; job?.verdicts !== undefined; job = this.#open[0]) {
      this.#open.shift();
      job.done(job.verdicts);
    }
    if (this.#open.length > 0) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }
}
