/**
 * What grows with the log, and what must not: proofs may grow as its logarithm, memory and start-up not at all.
 *
 * One log is grown by bench/growth/grow.ts from size to size. At each the real anchor is started on it, started again after a kill between
 * commit and publishing, and given a real load.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { figuresOver, median, type Context, type Figure, type Row } from "../figures.ts";
import type { Grown, GrowOptions } from "../growth/grow.ts";
import { startOnce } from "../growth/start.ts";
import { Town } from "../town.ts";
import { DEVICES, measure, ORIGIN, rateOf } from "./load.ts";

const SCRIPT = join(import.meta.dirname, "..", "growth", "grow.ts");
const SIZES = { full: [10_000, 100_000, 1_000_000, 10_000_000], quick: [10_000, 100_000] };
const STARTS = { full: 5, quick: 3 };
const MIB = 2 ** 20;

/** All that was measured at one size. */
type At = Grown & {
  readonly startMs: number;
  readonly startBytes: number;
  readonly rss: number;
  readonly recoveryMs: number;
  readonly diskBytes: number;
  readonly loadRate: number;
  readonly loadCpuUs: number;
  readonly loadPeak: number;
};

async function atSize(context: Context, data: string, size: number): Promise<At> {
  context.say(`growing the log to ${size}`);
  const options: GrowOptions = { data, origin: ORIGIN, size, devices: DEVICES, crash: false };
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, JSON.stringify(options)]);
  const grown = JSON.parse(stdout) as Grown;
  const diskBytes = bytesBelow(data) / size;
  const folder = join(context.folder, "growth");
  const starts = [];
  for (let i = 0; i < (context.quick ? STARTS.quick : STARTS.full); i++)
    starts.push(await startOnce(folder, data));
  const committed = await crash({ ...options, crash: true });
  const recovered = await startOnce(folder, data);
  if (recovered.size !== committed) {
    throw new Error(`committed were ${committed} entries, and after the kill ${recovered.size} are served`);
  }
  const load = await underLoad(context, data, size);
  return {
    ...grown,
    diskBytes,
    startMs: median(starts.map(({ ms }) => ms)),
    startBytes: median(starts.map(({ readBytes }) => readBytes)),
    rss: median(starts.map(({ rss }) => rss)),
    recoveryMs: recovered.ms,
    ...load,
  };
}

/** Commits a batch that is not published. Returns the size that was committed. */
async function crash(options: GrowOptions): Promise<number> {
  try {
    await promisify(execFile)(process.execPath, [SCRIPT, JSON.stringify(options)]);
  } catch (error) {
    const { signal, stdout } = error as { signal?: string; stdout?: string };
    if (signal === "SIGKILL") return Number(stdout);
    throw error;
  }
  throw new Error("it was not killed");
}

async function underLoad(
  context: Context,
  data: string,
  size: number,
): Promise<Pick<At, "loadRate" | "loadCpuUs" | "loadPeak">> {
  const folder = join(context.folder, `growth-town-${size}`);
  const town = await Town.start({ folder, origin: ORIGIN, devices: [], data });
  try {
    const statements = context.quick ? 60_000 : 120_000;
    const shape = { readings: 1, perMessage: 32, inFlight: 1, statements };
    const measured = await measure(context, `size-${size}`, shape, town);
    const { anchor, receipted, anchorPeak } = measured;
    return {
      loadRate: rateOf(measured),
      loadCpuUs: (anchor.totalS * 1e6) / receipted,
      loadPeak: anchorPeak,
    };
  } finally {
    await town.stop();
  }
}

const bytesBelow = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);

const sizeName = (size: number): string => `10^${Math.round(Math.log10(size))}`;

export const growth: Row = {
  name: "growth",
  what: `the same log at ${SIZES.full.map(sizeName).join(", ")} entries`,
  async run(context): Promise<readonly Figure[]> {
    const data = join(context.folder, "growth", "data");
    const all: At[] = [];
    for (const size of context.quick ? SIZES.quick : SIZES.full) all.push(await atSize(context, data, size));
    const figure = figuresOver(all, ({ size }) => ({
      key: `at${size}`,
      name: sizeName(size),
      last: `at ${sizeName(size)}`,
    }));
    return [
      figure(
        "receipted statements under load",
        "/s",
        (at) => at.loadRate,
        0,
        "the whole way, 400 devices, 32 a message",
      ),
      figure("anchor CPU a statement under load", "us", (at) => at.loadCpuUs, 1),
      figure("anchor RSS under load, peak", "MiB", (at) => at.loadPeak / MIB, 0),
      figure("anchor RSS after start", "MiB", (at) => at.rss / MIB, 0),
      figure("anchor start, spawn to serving", "ms", (at) => at.startMs, 0, "without a broker"),
      figure(
        "bytes read until it serves",
        "MB",
        (at) => at.startBytes / 1e6,
        2,
        "rchar of /proc/PID/io: its own sources are most of it",
      ),
      figure(
        "anchor start after SIGKILL, a batch committed and not published",
        "ms",
        (at) => at.recoveryMs,
        0,
      ),
      figure(
        "appended by sequencer and publisher alone",
        "entries/s",
        (at) => at.entriesPerS,
        0,
        "batches as large as the anchor's own, one after the other, each committed and published with fsync; no MQTT, no strict reading, no signatures",
      ),
      figure("CPU of that an entry", "us", (at) => at.cpuUs, 1),
      figure("bytes written for that an entry", "bytes", (at) => at.writtenBytes, 0),
      figure("bytes on disk an entry, of 325 signed", "bytes", (at) => at.diskBytes, 0),
      figure("inclusion proof of a random entry, median", "us", (at) => at.inclusionUs.p50, 1),
      figure("consistency proof from a random size, median", "us", (at) => at.consistencyUs.p50, 1),
      figure("hashes in a path", "hashes", (at) => at.pathLength, 0),
      figure("receipt of one statement", "bytes", (at) => at.receiptBytes, 0),
    ];
  },
};
