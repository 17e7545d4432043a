/**
 * Many devices that together offer statements at a rate, whatever comes back.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { percentile } from "../../bench/figures.ts";
import { issOf } from "../../bench/load/keys.ts";
import { presignAll } from "../../bench/load/presign-all.ts";
import type { PresignJob } from "../../bench/load/presign.ts";
import type { LogWitness } from "../support/log-witness.ts";
import { Device } from "./device.ts";

export const DEVICES = 40;
/** Statements in a message. */
const PER_MESSAGE = 8;
const TICK_MS = 5;
const REMIND_MS = 500;

export type Latency = { readonly count: number; readonly p50: number; readonly p99: number };

export class Fleet {
  readonly refusals = new Map<string, number>();
  readonly #devices: readonly Device[];
  readonly #timers: readonly NodeJS.Timeout[];
  #latencies: number[] = [];
  #receipted = 0;
  /** Statements a second; 0: none. */
  #rate = 0;
  #owed = 0;
  #tickedMs = performance.now();
  #turn = 0;
  #offered = 0;
  #sent = 0;
  #loads = 0;

  constructor(port: number, witness: LogWitness) {
    this.#devices = Array.from(
      { length: DEVICES },
      (_, i) =>
        new Device(issOf(i), port, {
          receipted: (latencyMs) => {
            this.#receipted += 1;
            this.#latencies.push(latencyMs);
          },
          receipt: (receipt, hashes) => witness.receipt(receipt, hashes, "on its way down"),
          refused: (code) => void this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1),
        }),
    );
    for (const device of this.#devices) device.connect();
    this.#timers = [
      setInterval(() => this.#tick(), TICK_MS),
      setInterval(() => {
        for (const device of this.#devices) device.remind(performance.now());
      }, REMIND_MS),
    ];
  }

  /** Signs so many statements for all devices together, each device's on a new chain. Nothing may be under way. */
  async load(statements: number, seen: PresignJob["seen"]): Promise<void> {
    const presigned = await presignAll({
      host: "",
      port: 0,
      devices: DEVICES,
      stream: `meter/load-${++this.#loads}`,
      statements,
      readings: 1,
      perMessage: PER_MESSAGE,
      inFlight: 1,
      warmUp: 0,
      maxSeconds: 0,
      verifyEvery: 1,
      seen,
      log: { origin: "", key: "" },
    });
    for (const [i, device] of this.#devices.entries()) {
      const own = presigned[i];
      if (own !== undefined) device.load(own);
    }
  }

  /** Offers at this rate from now on. */
  offer(rate: number): void {
    this.#tickedMs = performance.now();
    this.#owed = 0;
    this.#rate = rate;
  }

  get connected(): boolean {
    return this.#devices.every((device) => device.connected);
  }

  get open(): number {
    return this.#devices.reduce((sum, device) => sum + device.open, 0);
  }

  get counts(): { readonly offered: number; readonly sent: number; readonly receipted: number } {
    return { offered: this.#offered, sent: this.#sent, receipted: this.#receipted };
  }

  /** Whether somebody had nothing left to send. */
  get ranOut(): boolean {
    return this.#devices.every((device) => device.isEmpty);
  }

  /** Latencies of what was receipted during the next `ms`, milliseconds from when it was due. */
  async latency(ms: number): Promise<Latency> {
    this.#latencies = [];
    await delay(ms);
    const sorted = Float64Array.from(this.#latencies).toSorted();
    return { count: sorted.length, p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
  }

  end(): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const device of this.#devices) device.end();
  }

  /** What is due goes out; what finds no room stays with its device, and is not owed any more. */
  #tick(): void {
    const nowMs = performance.now();
    this.#owed += (this.#rate * (nowMs - this.#tickedMs)) / 1000;
    this.#tickedMs = nowMs;
    while (this.#owed >= PER_MESSAGE) {
      this.#owed -= PER_MESSAGE;
      this.#offered += PER_MESSAGE;
      const device = this.#devices[this.#turn++ % DEVICES];
      this.#sent += device?.offer(nowMs) ?? 0;
    }
  }
}
