/**
 * A day of an agent in a few seconds: the agent's own code from telegram to verified receipt, on a real disk with its fsyncs, with a clock that
 * jumps. A process of its own, so that what it writes is what the agent writes.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { downTopic, formatVkey, upTopic, ed25519Key, parseVkey } from "@tallystick/evidence";
import { createKeyFile, createNodeProvider, loadSigner, nodeSha256, sleep } from "@tallystick/evidence/node";
import { startAgent } from "../agent/src/agent.ts";
import { markIn } from "../agent/src/storage/identity.ts";
import { parseSettings } from "../agent/src/config/config.ts";
import { lookAtSelf } from "../agent/src/self/self.ts";
import { SigningKeys } from "../agent/src/seal/signing-key.ts";
import { newSourceCounters, type Source } from "../agent/src/sources/source.ts";
import { P1Framer } from "../agent/src/sources/p1/frame.ts";
import { observe } from "../agent/src/sources/p1/readings.ts";
import { readTelegram } from "../agent/src/sources/p1/telegram.ts";
import { openStorage } from "../agent/src/storage/storage.ts";
import { BUILD_UNIX_MS } from "../agent/src/self/version.ts";
import { advance, startState, telegram } from "../demo/meter.ts";
import { Air, type AirBytes } from "./day/air.ts";
import { Ledger, ORIGIN } from "./day/ledger.ts";
import { VirtualTime } from "./day/virtual-time.ts";
import { telegramAt } from "./meter.ts";
import { bytesWritten } from "./procfs.ts";

export type DayOptions = {
  readonly folder: string;
  readonly hours: number;
  readonly metered: boolean;
  /** A household's meter (29 readings a telegram), or ten registers. */
  readonly meter: "household" | "ten";
  readonly telegramEveryS: number;
};

export type DayResult = {
  readonly telegrams: number;
  readonly statements: number;
  readonly waiting: number;
  readonly statementBytes: number;
  readonly bytesWritten: number;
  readonly air: AirBytes;
};

const START_UNIX_S = Math.ceil(BUILD_UNIX_MS / 86_400_000) * 86_400 + 86_400;
const KEEPALIVE_S = { default: 60, metered: 900 };
const ISS = "city/gw-0417";

const options = JSON.parse(process.argv[2] ?? "") as DayOptions;
const { folder, hours, metered, meter, telegramEveryS } = options;

const time = new VirtualTime();
const wallUnixMs = (): number => START_UNIX_S * 1000 + time.monotonicMs();
const ledger = new Ledger();
let statements = 0;
let statementBytes = 0;
const air = new Air({
  time,
  upTopic: upTopic(ISS),
  downTopic: downTopic(ISS),
  keepaliveS: metered ? KEEPALIVE_S.metered : KEEPALIVE_S.default,
  answer: (payload) => ledger.answer(payload, Math.floor(wallUnixMs() / 1000)),
});

let telegrams = 0;
const counters = newSourceCounters();
/** The meter's telegrams of each moment, through the agent's own reader. */
const source: Source = {
  kind: "p1",
  intervalS: 10,
  counters,
  async *observations(signal) {
    const framer = new P1Framer();
    let state = startState(START_UNIX_S);
    let lastUnixS = START_UNIX_S;
    while (!signal.aborted) {
      await sleep(time, telegramEveryS * 1000, signal);
      const nowUnixS = Math.floor(wallUnixMs() / 1000);
      if (meter === "household") state = advance(state, lastUnixS, nowUnixS);
      lastUnixS = nowUnixS;
      telegrams++;
      const bytes = meter === "household" ? telegram(state, nowUnixS) : telegramAt(nowUnixS);
      for (const result of framer.push(bytes)) {
        if ("error" in result) throw result.error;
        counters.framesGood++;
        yield observe(readTelegram(result.frame), {
          now: () => ({ timeUnixMs: wallUnixMs(), tq: 2 }),
          monotonicMs: time.monotonicMs,
        });
      }
    }
  },
};

const vkey = formatVkey(ORIGIN, ledger.signer.key);
const [org, device] = ISS.split("/");
const config = `version: 1
org: ${org}
device: ${device}
data: ${JSON.stringify(folder)}
log: [${JSON.stringify(vkey)}]
metered: ${metered}
streams:
  - name: meter/m-0417
    source: { kind: p1, tcp: { host: 127.0.0.1, port: 1 } }
`;
const settings = parseSettings(config, "bench", {});
createKeyFile(settings.key);
const storage = openStorage(folder);
const quiet = { info: () => undefined, warn: () => undefined, error: console.error };
const stages = await startAgent(settings, {
  storage,
  openProgram: () => Promise.reject(new Error("none is configured")),
  mark: markIn(folder),
  signing: new SigningKeys(loadSigner(settings.key)),
  self: lookAtSelf(new Uint8Array(32)),
  logs: settings.log
    .map(parseVkey)
    .map(({ name, publicKey }) => ({ origin: name, key: ed25519Key(publicKey) })),
  provider: createNodeProvider(),
  hash: nodeSha256,
  version: "bench",
  clock: {
    monotonicMs: time.monotonicMs,
    buildUnixMs: BUILD_UNIX_MS,
    source: { wallUnixMs, uptimeMs: time.monotonicMs, synchronised: () => Promise.resolve(true) },
  },
  timer: time,
  connect: air.connect,
  openSource: () => Promise.resolve(source),
  log: quiet,
  random: () => 0.5,
  randomBytes: (length) => new Uint8Array(randomBytes(length)),
});
const before = bytesWritten(process.pid);
const stop = new AbortController();
const running = Promise.all(stages.map((stage) => stage(stop.signal)));
await time.passUntil(hours * 3_600_000);
const written = bytesWritten(process.pid) - before;
const counts = storage
  .query<{ state: number; count: number; bytes: number }>(
    "SELECT state, count(*) AS count, sum(size) AS bytes FROM outbox GROUP BY state",
  )
  .all();
for (const { count, bytes } of counts) {
  statements += count;
  statementBytes += bytes;
}
const waiting = counts.find(({ state }) => state !== 1)?.count ?? 0;
const air24: AirBytes = { ...air.bytes };
stop.abort();
await Promise.race([Promise.all([running, time.passUntil(hours * 3_600_000 + 60_000)]), delay(10_000)]);
storage.close();
process.stdout.write(
  `${JSON.stringify({ telegrams, statements, waiting, statementBytes, bytesWritten: written, air: air24 } satisfies DayResult)}\n`,
);
process.exit(0);
