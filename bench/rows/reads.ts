/**
 * How fast an anchor hands statements over to whoever reads: pages of transparent statements, two receipts each, of chains whose statements are far apart in the log. Once of a log that
 * grew in large batches, and once in batches of two, where each statement has a tree of its own.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { fromHex } from "@tallystick/evidence";
import { defaultConfig } from "../../anchor/src/config.ts";
import { Lookups } from "../../anchor/src/http/lookups.ts";
import { openLog, type OpenLog } from "../../anchor/src/log/open-log.ts";
import { Pages } from "../../anchor/src/reads/pages.ts";
import type { Read } from "../../anchor/src/reads/reads.ts";
import { Transparents } from "../../anchor/src/reads/transparent.ts";
import { KeyStates } from "../../anchor/src/registry/registry.ts";
import { signedBatch } from "../../anchor/src/publish/sign.ts";
import { createSodiumProvider } from "../../anchor/src/admission/sodium.ts";
import { Entrants } from "../growth/entrants.ts";
import type { GrowOptions } from "../growth/grow.ts";
import type { Context, Figure, Row } from "../figures.ts";
import { ORIGIN } from "./load.ts";

const SCRIPT = join(import.meta.dirname, "..", "growth", "grow.ts");
const DEVICES = 200;
const SIZE = { full: 100_000, quick: 20_000 };
const SMALL_BATCHES = { full: 25_000, quick: 5000 };
const LEAST_PER_S = 5000;

type HandedOver = {
  readonly statements: number;
  readonly pages: number;
  readonly bytes: number;
  readonly s: number;
  readonly cpuS: number;
};

/** Every statement from log index `first` on, chain by chain, as a reader asks for them. */
async function handOver(opened: OpenLog, first: number): Promise<HandedOver> {
  const { store, log, publisher, keys } = opened;
  const publishedSize = (): number => publisher.size;
  const tree = store.batches.last();
  if (tree === undefined) throw new Error("the log is empty");
  const lookups = new Lookups(opened, new KeyStates(keys, store.archive, createSodiumProvider()));
  const pages = new Pages({
    store,
    lookups,
    transparents: new Transparents(store, log),
    ownIss: "bench/anchor",
    publishedSize,
  });
  const read: Read = {
    id: "",
    token: "",
    asked: [{ iss: "*", sub: "*" }],
    period: {},
    committed: first,
    tree,
    access: new Uint8Array(32),
    expiresUnixS: 0,
  };
  const [cpu, startedMs] = [process.cpuUsage(), performance.now()];
  const { page: chains } = await pages.chains(read, -1);
  const handed = { statements: 0, pages: 0, bytes: 0 };
  for (const { iss, sub, ch, from, to } of chains) {
    if (from === null || to === null) continue;
    handed.statements += to - from + 1;
    for (let next: number | undefined = from; next !== undefined; handed.pages++) {
      const numbers = { from: next, to, limit: Infinity };
      const found: Awaited<ReturnType<Pages["statements"]>> = await pages.statements(
        read,
        { iss, sub, ch: fromHex(ch) },
        numbers,
      );
      handed.bytes += found.page.length;
      next = found.next;
    }
  }
  const used = process.cpuUsage(cpu);
  return { ...handed, s: (performance.now() - startedMs) / 1000, cpuS: (used.user + used.system) / 1e6 };
}

/** Two entries a batch, as on a log that is hardly written to. */
async function growSlowly(opened: OpenLog, batches: number): Promise<void> {
  const { store, sequencer, publisher, log } = opened;
  store.db.exec("PRAGMA synchronous = OFF"); // how it got there is not measured
  const entrants = await Entrants.of(DEVICES, store);
  for (let i = 0; i < batches; i++) {
    const { batch } = sequencer.sequence([], entrants.next(2));
    if (batch === undefined) throw new Error("the log refused its own statements");
    const { growth: _, ...rest } = batch;
    const row = { ...rest, signature: null };
    sequencer.keepSignature(row.size, (await signedBatch(log, row)).signature);
    if (i === batches - 1) await publisher.publish(row);
  }
}

function figure(what: string, { statements, pages, bytes, s, cpuS }: HandedOver): Figure {
  return {
    what,
    value: statements / s,
    unit: "statements/s",
    budget: { atLeast: LEAST_PER_S },
    notes: [
      `${statements} in ${pages} pages, ${Math.round(bytes / statements)} bytes each; ${Math.round(statements / cpuS)} a second of processor time, of one thread`,
    ],
    also: { pagesPerS: pages / s, cpuUs: (cpuS * 1e6) / statements },
  };
}

export const readsRow: Row = {
  name: "reads",
  what: "transparent statements that one anchor hands over to a reader",
  async run(context: Context): Promise<readonly Figure[]> {
    const [size, batches] = context.quick
      ? [SIZE.quick, SMALL_BATCHES.quick]
      : [SIZE.full, SMALL_BATCHES.full];
    const data = join(context.folder, "reads");
    context.say(`growing a log to ${size}`);
    const options: GrowOptions = { data, origin: ORIGIN, size, devices: DEVICES, crash: false };
    await promisify(execFile)(process.execPath, [SCRIPT, JSON.stringify(options)]);
    const nowUnixS = (): number => Math.floor(Date.now() / 1000);
    const opened = await openLog({ config: defaultConfig(data), provider: createSodiumProvider(), nowUnixS });
    try {
      context.say("handing all of it over");
      const large = await handOver(opened, 0);
      context.say(`growing it by ${batches} small batches`);
      const first = opened.publisher.size;
      await growSlowly(opened, batches);
      context.say("handing those over");
      const small = await handOver(opened, first);
      return [
        figure("handed over, of large batches", large),
        figure("handed over, of batches of two", small),
      ];
    } finally {
      opened.close();
    }
  },
};
