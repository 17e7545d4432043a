/**
 * Hostile packets against the real broker over real sockets of the loopback, while a well-behaved device and the ledger's client go on as if nothing were.
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectSocket, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import mqtt, { type MqttClient } from "mqtt";
import { toHex } from "@tallystick/evidence";
import { Programs } from "../../demo/program.ts";
import { MQTT_TARGET, mqttCase } from "./mqtt-packets.ts";
import type { TargetTally } from "./tally.ts";

export { MQTT_TARGET } from "./mqtt-packets.ts";

export type BrokerOptions = {
  readonly seed: number;
  readonly cases: number;
  readonly signal?: AbortSignal;
  readonly say: (line: string) => void;
};

/** Hostile clients at a time. */
const LANES = 40;
/** A connection that is still open so long after its client hung up is a fault. */
const CLOSE_MS = 10_000;
/** How long a client that waits for answers waits. */
const ANSWER_MS = 150;
const PING_RESPONSE = Buffer.of(0xd0, 0);
/** The well-behaved device's pace, and how long one of its messages may take to arrive. */
const PACE_MS = 20;
const LATE_MS = 5000;
const DEVICE = "acme/well-behaved-device";
const UP = `tally/v1/${DEVICE}/up`;
/** By how much the broker's resident memory may grow once it is warm: V8 takes what it likes within its young generation. */
const MOST_GROWTH_BYTES = 64 << 20;
/** Cases between two looks at the broker's memory. */
const LOOK_EVERY = 500;

/** What the broker must have met with in a run of this many cases. */
const EXPECTED_FROM = 3000;
const EXPECTED = [
  ..."packet-malformed too-large topic-malformed topic-owner mqtt-version client-unknown".split(" "),
  ..."keepalive-range qos-unsupported retain-refused".split(" "),
];

export async function runBroker({ seed, cases, signal, say }: BrokerOptions): Promise<TargetTally> {
  say("the broker first");
  const kept: number[] = [];
  const tally: TargetTally = {
    name: MQTT_TARGET,
    expected: cases < EXPECTED_FROM ? [] : EXPECTED,
    outcomes: new Map(),
    failures: [],
    cases: 0,
    slowest: { number: 0, ms: 0 },
    keptBytes: new Map([[0, kept]]),
    mostGrowthBytes: MOST_GROWTH_BYTES,
  };
  const folder = mkdtempSync(join(tmpdir(), "tallystick-hostile-"));
  const programs = new Programs(folder, { ownGroups: false });
  try {
    const config = join(folder, "broker.yaml");
    writeFileSync(
      config,
      "version: 1\nlisten: { port: 0 }\nhttp: { port: 0 }\nlimits: { connectTimeoutMs: 2000 }\n",
    );
    const broker = programs.start("broker", ["run", "--json", "--config", config]);
    const told = JSON.parse(await broker.ready()) as { listening: string; http: string };
    const port = Number(new URL(told.listening).port);
    const good = await WellBehaved.start(told.listening);
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < cases && signal?.aborted !== true && broker.running) {
        const number = next++;
        await hostileClient(port, seed, number, tally);
        if (number % LOOK_EVERY === 0) kept.push(residentBytes(broker.pid));
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    const fail = (message: string): void =>
      void tally.failures.push({ target: MQTT_TARGET, number: next - 1, message });
    for (const fault of await good.stop()) fail(fault);
    if (!broker.running) fail(`the broker ended: ${broker.lastWords()}`);
    else for (const fault of await afterwards(told.http, tally)) fail(fault);
    await broker.stop();
    return tally;
  } finally {
    programs.killAll();
    await programs.stopAll();
    rmSync(folder, { recursive: true, force: true });
  }
}

const residentBytes = (pid: number): number =>
  1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);

/** One connection from its first byte to its end. */
async function hostileClient(port: number, seed: number, number: number, tally: TargetTally): Promise<void> {
  const { pieces, waits } = mqttCase(seed, number);
  const startedMs = performance.now();
  const socket = connectSocket(port, "127.0.0.1");
  let received = 0;
  const answered = Promise.withResolvers<void>();
  socket
    .on("error", () => {})
    .on("data", (bytes: Buffer) => {
      received += bytes.length;
      if (bytes.indexOf(PING_RESPONSE) !== -1) answered.resolve();
    });
  for (const piece of pieces) if (!socket.destroyed) socket.write(piece);
  if (waits) await Promise.race([closed(socket), answered.promise, delay(ANSWER_MS)]);
  const ended = socket.closed ? "closed by the broker" : "hung up";
  socket.end();
  const overdue = new AbortController();
  const late = await Promise.race([
    closed(socket).then(() => false),
    delay(CLOSE_MS, true, { signal: overdue.signal }).catch(() => false),
  ]);
  overdue.abort();
  socket.destroy();
  const ms = performance.now() - startedMs;
  if (ms > tally.slowest.ms) tally.slowest = { number, ms };
  const outcome = `${ended}, ${received === 0 ? "no answer" : "answered"}`;
  tally.outcomes.set(outcome, (tally.outcomes.get(outcome) ?? 0) + 1);
  tally.cases++;
  if (late) tally.failures.push({ target: MQTT_TARGET, number, message: "the connection is not closed" });
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });

/** What must be true of the broker when they are all gone; what it counted becomes outcomes. */
async function afterwards(http: string, tally: TargetTally): Promise<readonly string[]> {
  const endMs = performance.now() + CLOSE_MS;
  for (;;) {
    const text = await (await fetch(`${http}/metrics`)).text();
    const open = Number(/^tally_broker_connections (\d+)$/m.exec(text)?.[1]);
    if (open > 0 && performance.now() < endMs) {
      await delay(50);
      continue;
    }
    for (const [, code = "", count] of text.matchAll(
      /^tally_broker_refused_total\{code="([^"]+)"\} (\d+)$/gm,
    ))
      tally.outcomes.set(code, Number(count));
    return open > 0 ? [`${open} connections are still open`] : [];
  }
}

/** A device that publishes at its pace, and the ledger's client that gets every message. */
class WellBehaved {
  readonly #device: MqttClient;
  readonly #anchor: MqttClient;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #faults: string[] = [];
  readonly #got = new Set<string>();

  private constructor(device: MqttClient, anchor: MqttClient) {
    this.#device = device;
    this.#anchor = anchor;
    for (const client of [device, anchor]) {
      client.on("error", (error) => this.#faults.push(`a good client: ${error.message}`));
      client.on("close", () => {
        if (!this.#stop.signal.aborted) this.#faults.push("a good client was cut off");
      });
    }
    anchor.on("message", (topic, payload) => {
      if (topic === UP) this.#got.add(payload.toString());
    });
    this.#running = this.#run();
  }

  static async start(url: string): Promise<WellBehaved> {
    const options = { protocolVersion: 4, reconnectPeriod: 0 } as const;
    const anchor = await mqtt.connectAsync(url, { ...options, clientId: "anchor" });
    await anchor.subscribeAsync("tally/v1/+/+/up", { qos: 1 });
    return new WellBehaved(await mqtt.connectAsync(url, { ...options, clientId: DEVICE }), anchor);
  }

  /** Ends, and says what went wrong. */
  async stop(): Promise<readonly string[]> {
    this.#stop.abort();
    await this.#running;
    await Promise.all([this.#device.endAsync(true), this.#anchor.endAsync(true)]);
    return this.#faults;
  }

  async #run(): Promise<void> {
    for (let n = 0; !this.#stop.signal.aborted; n++) {
      const startedMs = performance.now();
      const heard = this.#device.publishAsync(UP, `message ${n}`, { qos: 1 }).then(
        () => true,
        () => false,
      );
      const acknowledged = await Promise.race([heard, delay(LATE_MS, false)]);
      while (!this.#got.has(`message ${n}`) && performance.now() - startedMs < LATE_MS) await delay(1);
      if (!acknowledged || !this.#got.delete(`message ${n}`)) {
        this.#faults.push(`a good device's message ${n} did not arrive within ${LATE_MS} ms`);
        return;
      }
      await delay(PACE_MS);
    }
  }
}

/** The bytes of one case, for whoever looks into it. */
export function showPackets(seed: number, number: number): void {
  const { pieces, waits } = mqttCase(seed, number);
  console.log(`mqtt, seed ${seed}, case ${number}: ${waits ? "waits for answers" : "hangs up at once"}`);
  for (const piece of pieces) console.log(toHex(piece));
}
