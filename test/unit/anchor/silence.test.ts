/** Who is silent: told once when it begins and once when it ends, over restarts too, and nobody is accused of what the anchor didn't hear. */
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";
import type { AddressInfo } from "node:net";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { postTo, signatureOf, type Post } from "@tallystick/evidence/node";
import { placesOf, readConfig } from "../../../anchor/src/config.ts";
import { handleBatch } from "../../../anchor/src/ledger.ts";
import { hookOf } from "../../../anchor/src/silence/open.ts";
import { pastOf } from "../../../anchor/src/silence/past.ts";
import { Silence } from "../../../anchor/src/silence/stage.ts";
import {
  openAlarms,
  readAlarms,
  watchedSinceMs,
  type Alarm,
  type AlarmStore,
} from "../../../anchor/src/silence/store.ts";
import { Webhook } from "../../../anchor/src/silence/webhook.ts";
import { AnchorLog, eventOf, type AnchorChain } from "../../support/anchor-log.ts";
import { AnchorPipeline } from "../../support/anchor-pipeline.ts";
import { FakeTime } from "../../support/fake-time.ts";
import { selfSigned } from "../../support/tls-files.ts";

/** As the rig enrols devices. */
const ALLOWED_S = 900;
const GRACE_S = 300;
const SETTINGS = { graceS: GRACE_S, maxStreams: 100, maxWaiting: 50 };

let log: AnchorLog;
let pipeline: AnchorPipeline;
let time: FakeTime;
let store: AlarmStore;
let silence: Silence;
let posted: Alarm[];
/** The answer to each POST. */
let answer: () => number;
let stop: AbortController;
let running: Promise<void>;
let held: (iss: string) => boolean;

beforeEach(async () => {
  log = await AnchorLog.create();
  pipeline = new AnchorPipeline(log);
  time = new FakeTime();
  posted = [];
  answer = () => 200;
  held = () => false;
});
afterEach(async () => {
  await halt();
  log.remove();
});

const take: Post = (body, headers) => {
  const status = answer();
  expect(headers["tallystick-signature"]).toBe(signatureOf("a secret of a test", log.clock.now, body));
  if (status === 200) posted.push(...(JSON.parse(body) as { alarms: Alarm[] }).alarms);
  return Promise.resolve(status);
};

/** As a process begins: nothing in memory. */
async function begin(settings: Partial<typeof SETTINGS> = {}): Promise<void> {
  store = openAlarms(placesOf(log.config).alarms);
  const nowUnixS = (): number => log.clock.now;
  const secret = "a secret of a test";
  const webhook = new Webhook({
    post: take,
    secret,
    origin: "o",
    store,
    timer: time,
    nowUnixS,
    told: () => {},
  });
  silence = new Silence({
    settings: { ...SETTINGS, ...settings },
    keys: log.opened.keys,
    pastOf: pastOf(log.opened.store),
    store,
    webhook,
    time: { after: (ms, run) => time.after(ms, run), nowMs: time.monotonicMs },
    nowUnixS,
    held: (iss) => held(iss),
  });
  stop = new AbortController();
  running = silence.run(stop.signal);
  running.catch(() => {});
  await time.advance(0);
}

async function halt(): Promise<void> {
  if (stop === undefined || stop.signal.aborted) return;
  stop.abort();
  await time.advance(0);
  await running;
  store.close();
}

/** Lets time pass, on both clocks, in steps. */
async function pass(seconds: number): Promise<void> {
  const stepS = stop.signal.aborted ? seconds : 10;
  for (let s = 0; s < seconds; s += stepS) {
    log.clock.now += stepS;
    await time.advance(stepS * 1000);
  }
}

async function say(chain: AnchorChain, count = 1): Promise<void> {
  const statements = chain.statements.length === 0 ? await chain.filled(count) : await chain.next(count);
  await enter(chain, statements);
}

async function enter(
  chain: AnchorChain,
  statements: Parameters<AnchorPipeline["receive"]>[1][],
): Promise<void> {
  pipeline.receive(chain.device.iss, ...statements);
  const work = pipeline.accepted.splice(0);
  expect(work).toHaveLength(statements.length);
  await handleBatch(work, {
    ...pipeline.parts,
    onAdmitted: (admitted, timeUnixS) => silence.admitted(admitted, timeUnixS),
  });
}

/** The device's word on how far these chains are. */
async function tellHeads(sys: AnchorChain, chains: readonly AnchorChain[]): Promise<void> {
  if (sys.statements.length === 0) await say(sys);
  const heads = chains.map((chain) => ({ sub: chain.sub, ...chain.head() }));
  const statement = await sys.seal(eventOf({ kind: "heads", all: false, heads }));
  sys.statements.push(statement);
  await enter(sys, [statement]);
}

const codes = (): string[] =>
  posted.map(({ code, iss, sub }) => `${code} ${iss}${sub === null ? "" : ` ${sub}`}`);

describe("a silent device", () => {
  test("is told of once when it begins and once when it ends", async () => {
    const chain = (await log.enrol("city/gw-1")).chain();
    const other = (await log.enrol("city/gw-2")).chain();
    await begin();
    silence.connected();
    await say(chain);
    await say(other);
    const heard = log.clock.now;
    for (let i = 0; i < 5; i++) {
      await pass(200);
      await say(other);
    }
    expect(codes()).toEqual(["device-silent city/gw-1"]);
    expect(posted[0]).toMatchObject({
      iss: "city/gw-1",
      sub: null,
      since: new Date(heard * 1000).toISOString(),
      allowedS: ALLOWED_S,
      last: 3,
      id: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    });
    expect(silence.state).toMatchObject({ silentDevices: 1, devices: 2, watching: true });
    await pass(600);
    await say(other);
    expect(codes()).toHaveLength(1);
    await say(chain);
    await pass(10);
    expect(codes()).toEqual(["device-silent city/gw-1", "device-back city/gw-1"]);
    expect(silence.state).toMatchObject({ silentDevices: 0, silent: [] });
  });

  test("one that never said anything is silent too; one whose key is revoked is not", async () => {
    const device = await log.enrol("city/gw-1");
    await begin();
    silence.connected();
    await pass(ALLOWED_S + 20);
    expect(posted).toMatchObject([{ code: "device-silent", since: null, last: null }]);
    const item = await log.item({ kind: "revoke", kid: device.signer.key.kid, from: 1 });
    await log.publish(log.sequence([item], []));
    await pass(20);
    expect(codes()).toEqual(["device-silent city/gw-1", "device-ended city/gw-1"]);
    await pass(2 * ALLOWED_S);
    expect(posted).toHaveLength(2);
  });

  test("nobody is accused of what was not heard: no connection, the grace after it, a log that takes nothing", async () => {
    const chain = (await log.enrol("city/gw-1")).chain();
    await begin();
    silence.connected();
    await say(chain);
    await pass(ALLOWED_S - 100);
    silence.lost();
    await pass(5 * ALLOWED_S);
    silence.connected();
    await pass(GRACE_S - 20);
    expect(posted).toEqual([]);
    held = () => true;
    await pass(600);
    expect(posted).toEqual([]);
    held = () => false;
    await pass(10);
    expect(codes()).toEqual(["device-silent city/gw-1"]);
  });

  test("a device that comes back in the grace is not accused", async () => {
    const chain = (await log.enrol("city/gw-1")).chain();
    await begin();
    silence.connected();
    await say(chain);
    await pass(ALLOWED_S - 10);
    silence.lost();
    await pass(3600);
    silence.connected();
    await pass(GRACE_S - 60);
    await say(chain);
    await pass(600);
    expect(posted).toEqual([]);
  });
});

describe("over restarts", () => {
  test("nothing is told twice, and nothing is forgotten", async () => {
    const chain = (await log.enrol("city/gw-1")).chain();
    const other = (await log.enrol("city/gw-2")).chain();
    await begin();
    silence.connected();
    await say(chain, 3);
    await pass(ALLOWED_S - 60);
    await say(other);
    await pass(100);
    expect(codes()).toEqual(["device-silent city/gw-1"]);
    for (let i = 0; i < 3; i++) {
      await halt();
      await pass(7200); // away
      await begin();
      silence.connected();
      await pass(400);
      await say(other);
    }
    expect(codes()).toEqual(["device-silent city/gw-1"]);
    await say(chain);
    await halt(); // before anybody looked round
    await begin();
    silence.connected();
    await pass(10);
    expect(codes()).toEqual(["device-silent city/gw-1", "device-back city/gw-1"]);
  });

  test("an anchor that is started again and again still finds who is silent: what it watched adds up", async () => {
    const chain = (await log.enrol("city/gw-1")).chain();
    await begin();
    silence.connected();
    await say(chain);
    for (let i = 0; i < 3; i++) {
      await pass(GRACE_S + 60);
      await halt();
      await pass(7200);
      await begin();
      silence.connected();
    }
    await pass(GRACE_S + 10);
    expect(codes()).toEqual(["device-silent city/gw-1"]);
  });

  test("what the receiver didn't take is sent after the restart, in order; what was dropped is counted", async () => {
    const chains: AnchorChain[] = [];
    for (let i = 0; i < 6; i++) chains.push((await log.enrol(`city/gw-${i}`)).chain());
    await begin({ maxWaiting: 4 });
    answer = () => 503;
    silence.connected();
    await pass(ALLOWED_S + 20);
    expect(posted).toEqual([]);
    expect(silence.state.alarms).toMatchObject({ waiting: 4, dropped: 2, sent: 0 });
    expect(silence.state.alarms.failures).toBeGreaterThan(0);
    expect(silence.state.silentDevices).toBe(6);
    await halt();
    expect(readAlarms(placesOf(log.config).alarms)?.silent(10)).toHaveLength(6);
    answer = () => 200;
    await begin();
    await pass(10);
    expect(codes()).toEqual([2, 3, 4, 5].map((i) => `device-silent city/gw-${i}`));
    expect(silence.state.alarms).toMatchObject({ waiting: 0 });
  });
});

describe("a silent stream", () => {
  test("of a device that speaks is told of by its heads, and comes back", async () => {
    const device = await log.enrol("city/gw-1");
    const [meter, other, sys] = [device.chain("meter/m-1"), device.chain("meter/m-2"), device.chain("sys")];
    await begin();
    silence.connected();
    await say(meter);
    await say(other);
    for (let i = 0; i < 6; i++) {
      await pass(200);
      await say(other);
      await tellHeads(sys, i === 0 ? [meter, other] : [other]);
    }
    await pass(10);
    expect(codes()).toEqual(["stream-silent city/gw-1 meter/m-1"]);
    expect(silence.state).toMatchObject({ silentDevices: 0, silentStreams: 1, streams: 2 });
    await halt();
    await begin();
    silence.connected();
    await say(meter);
    await tellHeads(sys, [meter]);
    await pass(10);
    expect(codes().slice(1)).toEqual(["stream-back city/gw-1 meter/m-1"]);
  });

  test("of a device that is silent itself is not told of beside it, and one that was closed is none", async () => {
    const device = await log.enrol("city/gw-1");
    const meter = device.chain("meter/m-1");
    const over = device.chain("meter/m-2");
    await begin();
    silence.connected();
    await say(meter);
    await say(over);
    const closed = await over.seal(eventOf({ kind: "stream-closed", reason: "removed" }));
    await enter(over, [closed]);
    await pass(2 * ALLOWED_S);
    expect(codes()).toEqual(["device-silent city/gw-1"]);
    expect(silence.state.streams).toBe(1);
  });
});

describe("the webhook", () => {
  test("that fails, other than at its receiver, ends the watch", async () => {
    await halt();
    const failing = Promise.withResolvers<void>();
    const webhook = {
      run: () => failing.promise,
      wake: () => {},
      sent: 0,
      failures: 0,
    } as unknown as Webhook;
    store = openAlarms(placesOf(log.config).alarms);
    silence = new Silence({
      settings: SETTINGS,
      keys: log.opened.keys,
      pastOf: pastOf(log.opened.store),
      store,
      webhook,
      time: { after: (ms, run) => time.after(ms, run), nowMs: time.monotonicMs },
      nowUnixS: () => log.clock.now,
      held: () => false,
    });
    stop = new AbortController();
    const watching = silence.run(stop.signal);
    running = watching.catch(() => {});
    await pass(60);
    failing.reject(new Error("no disk"));
    await expect(watching).rejects.toThrow("no disk");
  });

  test("is a signed POST over TLS; a redirect, a strange certificate, silence are faults", async () => {
    const folder = log.folder;
    const files = selfSigned(folder, "hook");
    const seen: { body: string; signature: string }[] = [];
    let status = 204;
    const server = createServer(
      { cert: readFileSync(files.cert), key: readFileSync(files.key) },
      (request, response) => {
        let body = "";
        request.on("data", (chunk: Buffer) => (body += chunk.toString()));
        request.on("end", () => {
          seen.push({ body, signature: String(request.headers["tallystick-signature"]) });
          response.writeHead(status, { location: "/elsewhere" }).end();
        });
      },
    ).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
    const body = '{"v":1}';
    const headers = {
      "tallystick-signature": signatureOf("s", 7, body),
      "content-length": String(body.length),
    };
    const { signal } = new AbortController();
    const good = postTo({ url, secret: "s", ca: readFileSync(files.cert, "utf8") });
    expect(await good(body, headers, signal)).toBe(204);
    const mac = createHmac("sha256", "s").update(`7.${body}`).digest("hex");
    expect(seen).toEqual([{ body, signature: `t=7,hmac-sha256=${mac}` }]);
    status = 302;
    expect(await good(body, headers, signal)).toBe(302);
    expect(seen).toHaveLength(2);
    await expect(postTo({ url, secret: "s" })(body, headers, signal)).rejects.toThrow(/self-signed/);
    await expect(good(body, headers, AbortSignal.timeout(0))).rejects.toThrow();
  });

  test("its configuration is checked: a secret of its own, TLS beyond this machine", () => {
    const file = join(log.folder, "anchor.yaml");
    const read = (alarms: string): unknown => {
      writeFileSync(file, `version: 1\ndata: ${log.folder}\nalarms: ${alarms}\n`);
      return readConfig(file, {}).alarms;
    };
    const secretFile = join(log.folder, "secret");
    expect(() => read("{ webhook: 'https://alarms.example/' }")).toThrow("secretFile");
    expect(() => read(`{ webhook: 'http://alarms.example/', secretFile: ${secretFile} }`)).toThrow(
      "use https",
    );
    expect(() => read("{ webhook: 'ftp://alarms.example/' }")).toThrow("https://host/path");
    const alarms = read(`{ webhook: 'http://127.0.0.1:1/', secretFile: ${secretFile} }`) as Parameters<
      typeof hookOf
    >[0];
    expect(() => hookOf(alarms)).toThrow("can't read it");
    writeFileSync(secretFile, "short\n", { mode: 0o600 });
    expect(() => hookOf(alarms)).toThrow("at least 16");
    writeFileSync(secretFile, `${"x".repeat(32)}\n`);
    expect(hookOf(alarms)).toMatchObject({ secret: "x".repeat(32) });
    chmodSync(secretFile, 0o644);
    expect(() => hookOf(alarms)).toThrow("chmod 600");
  });
});

test("what was watched since a moment is the sum of the spans after it", () => {
  const spans = [
    { since: 100, until: 150 },
    { since: 40, until: 60 },
    { since: 0, until: 10 },
  ];
  expect([200, 150, 120, 70, 50, 20, 5, 0].map((at) => watchedSinceMs(spans, at) / 1000)).toEqual([
    0, 0, 30, 50, 60, 70, 75, 80,
  ]);
});

test("10,000 devices cost a glance", async () => {
  const { Watch } = await import("../../../anchor/src/silence/watch.ts");
  const watch = new Watch(SETTINGS);
  const past = { watchedSinceMs: () => 0, streamsOf: () => [], told: () => undefined };
  watch.connected(0);
  for (let i = 0; i < 10_000; i++) watch.enrolled({ iss: `city/gw-${i}`, silenceS: ALLOWED_S }, past, 0);
  const startMs = performance.now();
  for (let i = 0; i < 100_000; i++)
    watch.heard({ iss: `city/gw-${i % 9999}`, sub: "meter", seq: 1 }, i, { unixS: 1, nowMs: 500_000 });
  const changes = watch.look((ALLOWED_S + 1) * 1000, () => false);
  expect(changes).toMatchObject([{ iss: "city/gw-9999", code: "device-silent" }]);
  expect(performance.now() - startMs).toBeLessThan(5000); // some tens of milliseconds on a machine with nothing else to do
});
