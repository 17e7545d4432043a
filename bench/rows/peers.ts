/**
 * Yardsticks: what others do on this machine, in the same run. Each is skipped with a word where it is not installed.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Context, Figure, Row } from "../figures.ts";
import { findMosquitto, startMosquitto } from "../mosquitto.ts";
import { Town } from "../town.ts";
import { atFullLoad, costs, loadDevices, measure, ORIGIN, proof, rateOf, shapeOf, stage } from "./load.ts";

const skipped = (what: string, unit: string, why: string): Figure => ({
  what,
  value: null,
  unit,
  notes: [`skipped: ${why}`],
});

export const mosquitto: Row = {
  name: "mosquitto",
  what: "the same load with Mosquitto in place of our broker",
  async run(context): Promise<readonly Figure[]> {
    const what = "receipted statements with Mosquitto for a broker";
    const program = findMosquitto();
    if (program === undefined) return [skipped(what, "/s", "mosquitto is not installed")];
    const ours = await atFullLoad(context);
    const { stdout, stderr } = await promisify(execFile)(program, ["-h"]).catch(
      (error: unknown) => error as { stdout: string; stderr: string },
    );
    const version = /mosquitto version (\S+)/.exec(`${stdout}${stderr}`)?.[1] ?? "of unknown version";
    const folder = join(context.folder, "mosquitto");
    const town = await Town.start({
      folder,
      origin: ORIGIN,
      devices: loadDevices(),
      startBroker: (inFolder) => startMosquitto(program, inFolder),
    });
    try {
      const shape = shapeOf(context);
      const theirs = await measure(context, "mosquitto", shape, town);
      const cost = ({ broker, receipted }: typeof ours): string =>
        ((broker.totalS * 1e6) / receipted).toFixed(1);
      return [
        {
          what,
          value: rateOf(theirs),
          unit: "/s",
          notes: [
            `Mosquitto ${version}, nothing on disk, nobody's right to a topic checked: ${stage(theirs, shape)}`,
            `with our broker ${rateOf(ours).toFixed(0)} /s; CPU of the broker a statement: ${cost(theirs)} us, ours ${cost(ours)} us`,
            ...costs(theirs),
            proof(theirs),
          ],
        },
      ];
    } finally {
      await town.stop();
    }
  },
};

const TESSERA = join(import.meta.dirname, "..", "peers", "tessera");
const GO = ["go", "/usr/local/go/bin/go"];
const GO_LEAST = [1, 25] as const;
const BUILD_MS = 300_000;
/** As the library has it by default, and as our anchor batches. */
const BATCHES = [
  { size: 256, ageMs: 250, name: "its default" },
  { size: 4096, ageMs: 100, name: "our anchor's" },
] as const;

type TesseraResult = {
  readonly entries: number;
  readonly seconds: number;
  readonly cpuS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
};

/** Entries on their way: as many as fit the anchor's pool twice. */
const IN_FLIGHT = 8192;

export const tessera: Row = {
  name: "tessera",
  what: "entries a second of a Tessera POSIX log, durable, nothing verified",
  async run(context): Promise<readonly Figure[]> {
    const what = "Tessera POSIX log, entries";
    const program = await build(context);
    if (typeof program !== "string") return [skipped(what, "/s", program.why)];
    const entries = context.quick ? 60_000 : 600_000;
    const figures: Figure[] = [];
    for (const { size, ageMs, name } of BATCHES) {
      const folder = join(context.folder, `tessera-${size}`);
      mkdirSync(folder);
      context.say(`appending ${entries} entries to a Tessera log, batches of ${size}`);
      const args = { dir: folder, entries, "in-flight": IN_FLIGHT, batch: size, age: `${ageMs}ms` };
      const given = Object.entries(args).flatMap(([flag, value]) => [`-${flag}`, String(value)]);
      const { stdout } = await promisify(execFile)(program, given);
      const { seconds, cpuS, p50Ms, p99Ms, p999Ms } = JSON.parse(stdout) as TesseraResult;
      figures.push({
        what: `${what}, batches of ${size}`,
        value: entries / seconds,
        unit: "/s",
        notes: [
          `${name} batching: at most ${size} entries or ${ageMs} ms, a checkpoint each 100 ms; ${entries} entries of 32 bytes, ${IN_FLIGHT} on their way; ` +
            `until a checkpoint covers them p50 ${p50Ms.toFixed(0)} ms, p99 ${p99Ms.toFixed(0)} ms, p99.9 ${p999Ms.toFixed(0)} ms; ` +
            `CPU ${((cpuS * 1e6) / entries).toFixed(1)} us an entry`,
          "no network, no signature of a device, no archive, no place in a chain: the tree and its files alone",
        ],
        also: { p50Ms, p99Ms, p999Ms, cpuUsAnEntry: (cpuS * 1e6) / entries },
      });
    }
    return figures;
  },
};

/** The compiled program, or why there is none. Its modules come by way of Go's own client the first time. */
async function build(context: Context): Promise<string | { why: string }> {
  const go = await findGo();
  if (go === undefined) return { why: `Go ${GO_LEAST.join(".")} or newer is not installed` };
  const program = join(context.folder, "tessera-yardstick");
  context.say("building bench/peers/tessera");
  try {
    await promisify(execFile)(go, ["build", "-o", program, "."], { cwd: TESSERA, timeout: BUILD_MS });
  } catch (error) {
    const { stderr = "" } = error as { stderr?: string };
    return { why: `bench/peers/tessera does not build: ${stderr.trim().split("\n").at(-1) ?? ""}` };
  }
  return existsSync(program) ? program : { why: "go build left no program" };
}

async function findGo(): Promise<string | undefined> {
  for (const go of GO) {
    try {
      const { stdout } = await promisify(execFile)(go, ["version"]);
      const [, major, minor] = /go(\d+)\.(\d+)/.exec(stdout) ?? [];
      const enough =
        Number(major) > GO_LEAST[0] || (Number(major) === GO_LEAST[0] && Number(minor) >= GO_LEAST[1]);
      if (enough) return go;
    } catch {
      // Not there: the next place.
    }
  }
  return undefined;
}
