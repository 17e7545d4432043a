/**
 * Grows a log by the anchor's own sequencer and publisher, every batch committed and published with its fsyncs, and measures it at the size
 * it was asked for. A process of its own, so that its memory and its writes are those of the log. By-passed are MQTT, the strict reading of
 * statements and their signatures; and until the last batches, their size: large ones make a large log sooner.
 *
 *     node bench/growth/grow.ts '{"data": DIR, "origin": …, "size": N, "devices": N, "crash": false}'
 *
 * @module
 */
import { existsSync, writeSync } from "node:fs";
import process from "node:process";
import { consistencyPath, encodeReceipt, inclusionPath } from "@tallystick/evidence";
import { loadSigner, nodeSha256 } from "@tallystick/evidence/node";
import { defaultConfig, placesOf } from "../../anchor/src/config.ts";
import { createLog } from "../../anchor/src/log/create-log.ts";
import { openLog, type OpenLog } from "../../anchor/src/log/open-log.ts";
import { signedBatch } from "../../anchor/src/publish/sign.ts";
import { createSodiumProvider } from "../../anchor/src/admission/sodium.ts";
import { issOf, signerOf } from "../load/keys.ts";
import { median, percentile } from "../figures.ts";
import { bytesWritten } from "../procfs.ts";
import { enrolments, OPERATOR } from "./enrolments.ts";
import { Entrants } from "./entrants.ts";

export type GrowOptions = {
  readonly data: string;
  readonly origin: string;
  /** Entries that the log shall have. */
  readonly size: number;
  /** Enrolled where the log does not exist yet. */
  readonly devices: number;
  /** Then commits one more batch and ends by SIGKILL before it is published. */
  readonly crash: boolean;
};

export type Grown = {
  readonly size: number;
  /** Batches of the anchor's own size, at the end of the growth. */
  readonly entriesPerS: number;
  readonly cpuUs: number;
  readonly writtenBytes: number;
  readonly commitMs: number;
  readonly publishMs: number;
  /** Of an entry, or an earlier size, chosen at random; microseconds. */
  readonly inclusionUs: { readonly p50: number; readonly p99: number };
  readonly consistencyUs: { readonly p50: number; readonly p99: number };
  /** Hashes in the path of the middle entry, and bytes of its receipt. */
  readonly pathLength: number;
  readonly receiptBytes: number;
};

const LARGE_BATCH = 32_768;
/** The anchor's own. */
const BATCH = defaultConfig("here").batch.maxItems;
const MEASURED_BATCHES = 20;
const PROOFS = 2000;

/** @returns milliseconds that commit and publishing took */
async function append({ sequencer, publisher }: OpenLog, entrants: Entrants, count: number) {
  const given = entrants.next(count);
  const startedMs = performance.now();
  const { batch, admitted } = sequencer.sequence([], given);
  const committedMs = performance.now();
  if (batch === undefined || admitted.length !== count) throw new Error("the log refused its own statements");
  await publisher.publish({ ...batch, signature: null });
  const publishedMs = performance.now();
  void publisher.tidy();
  return { commitMs: committedMs - startedMs, publishMs: publishedMs - committedMs };
}

async function measureAppends(opened: OpenLog, entrants: Entrants, batches: number) {
  const [cpu, written, startedMs] = [process.cpuUsage(), bytesWritten(process.pid), performance.now()];
  const times: Awaited<ReturnType<typeof append>>[] = [];
  for (let i = 0; i < batches; i++) times.push(await append(opened, entrants, BATCH));
  await opened.publisher.tidy();
  const entries = batches * BATCH;
  const used = process.cpuUsage(cpu);
  return {
    entriesPerS: entries / ((performance.now() - startedMs) / 1000),
    cpuUs: (used.user + used.system) / entries,
    writtenBytes: (bytesWritten(process.pid) - written) / entries,
    commitMs: median(times.map(({ commitMs }) => commitMs)),
    publishMs: median(times.map(({ publishMs }) => publishMs)),
  };
}

async function measureProofs({ store, log, sequencer: { size } }: OpenLog) {
  const read = (level: number, index: number): Uint8Array => store.tiles.node(level, index);
  // The same pseudo-random places at every size, relative to it.
  let state = 1;
  const below = (limit: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return Math.floor((state / 2_147_483_647) * limit);
  };
  const time = (work: () => void): { p50: number; p99: number } => {
    const samples = Array.from({ length: PROOFS }, () => {
      const startedMs = performance.now();
      work();
      return (performance.now() - startedMs) * 1000;
    });
    const sorted = Float64Array.from(samples).toSorted();
    return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
  };
  const inclusionUs = time(() => inclusionPath(below(size), size, read, nodeSha256));
  const consistencyUs = time(() => consistencyPath(1 + below(size - 1), size, read, nodeSha256));
  const index = Math.floor(size / 2);
  const path = inclusionPath(index, size, read, nodeSha256);
  const row = store.batches.last();
  if (row === undefined) throw new Error("no batch");
  const receipt = encodeReceipt(await signedBatch(log, row), [{ index, path }]);
  return { inclusionUs, consistencyUs, pathLength: path.length, receiptBytes: receipt.length };
}

async function open({ data, origin, devices }: GrowOptions): Promise<OpenLog> {
  const config = defaultConfig(data);
  const nowUnixS = (): number => Math.floor(Date.now() / 1000);
  const exists = existsSync(placesOf(config).database);
  if (!exists) await createLog({ config, origin, operatorIss: OPERATOR, actsFor: "*", nowUnixS });
  const opened = await openLog({ config, provider: createSodiumProvider(), nowUnixS });
  if (!exists) {
    const load = Array.from({ length: devices }, (_, i) => ({ iss: issOf(i), key: signerOf(i).key }));
    const items = await enrolments(load, opened.keys, loadSigner(placesOf(config).operatorKey));
    const { batch } = opened.sequencer.sequence(items, []);
    if (batch !== undefined) await opened.publisher.publish({ ...batch, signature: null });
  }
  return opened;
}

const options = JSON.parse(process.argv[2] ?? "") as GrowOptions;
const opened = await open(options);
const entrants = await Entrants.of(options.devices, opened.store);
if (options.crash) {
  opened.sequencer.sequence([], entrants.next(BATCH));
  writeSync(1, `${opened.sequencer.size}\n`);
  process.kill(process.pid, "SIGKILL");
}
const missing = options.size - opened.sequencer.size;
const batches = Math.max(1, Math.min(MEASURED_BATCHES, Math.floor(missing / 4 / BATCH)));
for (let left = missing - batches * BATCH; left > 0;) {
  const count = Math.min(left, LARGE_BATCH);
  await append(opened, entrants, count);
  left -= count;
}
const appends = await measureAppends(opened, entrants, batches);
const proofs = await measureProofs(opened);
opened.close();
const grown: Grown = { size: options.size, ...appends, ...proofs };
process.stdout.write(`${JSON.stringify(grown)}\n`);
