/**
 * The load: hundreds of devices that send what they signed beforehand, and take note of every receipt.
 *
 * Closed loop: each device has some messages under way; a receipt for all of one lets the next go. Open loop: messages go at a given
 * rate, whatever comes back, and their latency counts from the moment they were due, so that a stall shows.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { ed25519Key, fromHex, parseReceipt, verifyReceipt } from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { percentile } from "../figures.ts";
import { Device, type Ledger } from "./device.ts";
import type { LoadMessage, LoadOptions, LoadResult } from "./options.ts";
import type { Presigned } from "./presign.ts";

/** Agents send again after five seconds; in a run that is measured it never happens, unless something was lost. */
const RESEND_MS = 10_000;
/** Longest wait for the last receipts. */
const DRAIN_MS = 60_000;
const CONNECT_AT_ONCE = 50;

export class Load {
  readonly #options: LoadOptions;
  readonly #tell: (message: LoadMessage) => void;
  readonly #devices: readonly Device[];
  readonly #latencies: Float64Array;
  readonly #kept: { hashes: readonly Uint8Array[]; receipt: Uint8Array }[] = [];
  readonly #refusals: Record<string, number> = {};
  #latencyCount = 0;
  #receipted = 0;
  #downBytes = 0;
  #receiptMessages = 0;
  #resent = 0;
  #lastReceiptMs = 0;
  #measuring = false;
  /** Set in the measured stage. */
  #start = { ms: 0, receipted: 0, cpu: process.cpuUsage() };
  #measured: { seconds: number; receipted: number; cpuS: number } | undefined;
  #over = Promise.withResolvers<void>();

  constructor(options: LoadOptions, presigned: readonly Presigned[], tell: (message: LoadMessage) => void) {
    this.#options = options;
    this.#tell = tell;
    const ledger: Ledger = {
      receipted: (_device, dueMs, nowMs) => this.#count(dueMs, nowMs),
      twice: () => undefined,
      refused: (code) => {
        this.#refusals[code] = (this.#refusals[code] ?? 0) + 1;
      },
      messageDone: (device) => this.#next(device),
      down: (bytes) => {
        this.#downBytes += bytes;
      },
      receipt: (hashes, receipt) => this.#keep(hashes, receipt),
    };
    this.#devices = presigned.map((one) => new Device(one, ledger));
    this.#latencies = new Float64Array(presigned.reduce((sum, { hashes }) => sum + hashes.length / 32, 0));
  }

  async connect(): Promise<void> {
    const { host, port } = this.#options;
    for (let at = 0; at < this.#devices.length; at += CONNECT_AT_ONCE) {
      const some = this.#devices.slice(at, at + CONNECT_AT_ONCE);
      await Promise.all(some.map((device) => device.connect(host, port)));
    }
  }

  async run(): Promise<LoadResult> {
    const again = setInterval(() => this.#resendOverdue(), 1000);
    this.#lastReceiptMs = performance.now();
    if (this.#options.rate === undefined) this.#fillWindows();
    else await this.#sendAtRate(this.#options.rate);
    await Promise.race([
      this.#over.promise,
      delay(this.#options.maxSeconds * 1000 + 120_000, undefined, { ref: false }),
    ]);
    this.#endStage();
    await this.#drain();
    clearInterval(again);
    for (const device of this.#devices) device.end();
    return this.#result();
  }

  #fillWindows(): void {
    const nowMs = performance.now();
    for (let i = 0; i < this.#options.inFlight; i++) for (const device of this.#devices) device.send(nowMs);
  }

  async #sendAtRate(rate: number): Promise<void> {
    const startMs = performance.now();
    let sent = 0;
    for (let round = 0; ; round++) {
      for (const device of this.#devices) {
        const dueMs = startMs + (sent / rate) * 1000;
        while (performance.now() < dueMs) await delay(1);
        const before = device.sentStatements;
        if (!device.send(dueMs)) return;
        sent += device.sentStatements - before;
      }
    }
  }

  /** Closed loop: what was receipted makes room for the next message. The stage ends when a device has sent all it has. */
  #next(device: Device): void {
    if (this.#measured !== undefined || this.#options.rate !== undefined) return;
    if (!device.send(performance.now())) this.#endStage();
  }

  #count(dueMs: number, nowMs: number): void {
    this.#receipted++;
    this.#lastReceiptMs = nowMs;
    if (!this.#measuring && this.#receipted >= this.#options.warmUp) this.#beginStage(nowMs);
    if (!this.#measuring || this.#measured !== undefined) return;
    this.#latencies[this.#latencyCount++] = nowMs - dueMs;
    const { seconds, all } = { seconds: (nowMs - this.#start.ms) / 1000, all: this.#latencies.length };
    if (seconds >= this.#options.maxSeconds || this.#receipted === all) this.#endStage();
  }

  #beginStage(nowMs: number): void {
    this.#measuring = true;
    this.#start = { ms: nowMs, receipted: this.#receipted, cpu: process.cpuUsage() };
    this.#tell({ kind: "measuring" });
  }

  #endStage(): void {
    if (this.#measured !== undefined) return;
    const { ms, receipted, cpu } = this.#start;
    const used = process.cpuUsage(cpu);
    this.#measured = {
      seconds: (performance.now() - ms) / 1000,
      receipted: this.#receipted - receipted,
      cpuS: (used.user + used.system) / 1e6,
    };
    this.#tell({ kind: "measured" });
    this.#over.resolve();
  }

  async #drain(): Promise<void> {
    const endMs = performance.now() + DRAIN_MS;
    const sent = (): number => this.#devices.reduce((sum, device) => sum + device.sentStatements, 0);
    while (this.#receipted < sent() && performance.now() < endMs) await delay(50);
    await delay(500); // a second receipt for something would come now
  }

  #resendOverdue(): void {
    const nowMs = performance.now();
    if (nowMs - this.#lastReceiptMs < RESEND_MS) return;
    this.#lastReceiptMs = nowMs;
    for (const device of this.#devices) this.#resent += device.resend();
  }

  #keep(hashes: readonly Uint8Array[], receipt: Uint8Array): void {
    if (this.#receiptMessages++ % this.#options.verifyEvery !== 0) return;
    this.#kept.push({ hashes: hashes.map((hash) => hash.slice()), receipt: receipt.slice() });
  }

  #result(): LoadResult {
    const totals = { never: 0, once: 0, twice: 0 };
    let sent = 0;
    for (const device of this.#devices) {
      const counts = device.counts();
      totals.never += counts.never;
      totals.once += counts.once;
      totals.twice += counts.twice;
      sent += device.sentStatements;
    }
    const sorted = this.#latencies.subarray(0, this.#latencyCount).toSorted();
    const at = (p: number): number => percentile(sorted, p);
    const verified = this.#verifyKept();
    return {
      ...(this.#measured ?? { seconds: 0, receipted: 0, cpuS: 0 }),
      sent,
      ...totals,
      resent: this.#resent,
      ...verified,
      refusals: this.#refusals,
      latencyMs: { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: sorted.at(-1) ?? Number.NaN },
      upBytes: this.#devices.reduce((sum, device) => sum + device.sentBytes, 0) / sent,
      downBytes: this.#downBytes / sent,
    };
  }

  /** @throws EvidenceError where a receipt is no good: then nothing that was measured counts */
  #verifyKept(): { verifiedReceipts: number; verifiedStatements: number } {
    const { origin, key } = this.#options.log;
    const logKey = ed25519Key(fromHex(key));
    const provider = createNodeProvider();
    let verifiedStatements = 0;
    for (const { hashes, receipt } of this.#kept) {
      const parsed = parseReceipt(receipt);
      if (parsed.origin !== origin) throw new Error(`a receipt of ${parsed.origin}`);
      verifyReceipt(parsed, hashes, logKey, provider, nodeSha256);
      verifiedStatements += hashes.length;
    }
    return { verifiedReceipts: this.#kept.length, verifiedStatements };
  }
}
