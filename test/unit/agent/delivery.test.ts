/** Over a real broker: statements go up, receipts come down, and no loss on the way costs more than a re-send. */
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { downTopic, encodeDown, stateTopic, toHex, type Statement } from "@tallystick/evidence";
import { systemTimer } from "@tallystick/evidence/node";
import type { MqttClient } from "mqtt";
import { monotonicMs } from "../../../agent/src/clock/clock.ts";
import { brokerLine } from "../../../agent/src/uplink/uplink.ts";
import { ISS, observation, Rig, STREAM } from "../../support/agent-rig.ts";
import { connected, startBroker, type Running } from "../broker/start.ts";

const FAST = `heartbeat: 3600
uplink: { retry: { firstMs: 150, maxMs: 1000 } }
streams: [{ name: ${STREAM}, source: { kind: host }, every: 0, maxLossMs: 0, seal: { maxWaitMs: 30 } }]`;

const WAIT = { timeout: 20_000, interval: 20 };

/** An agent on the machine's own time, at this broker. */
class LiveRig extends Rig {
  readonly url: string;
  #stopLive: (() => Promise<unknown>) | undefined;

  constructor(url: string, yaml = FAST) {
    super(yaml);
    this.url = url;
    this.settings = { ...this.settings, broker: { ...this.settings.broker, url } };
  }

  async live(): Promise<void> {
    const { startAgent } = await import("../../../agent/src/agent.ts");
    const stages = await startAgent(this.settings, {
      ...this.parts(),
      clock: { ...this.parts().clock, monotonicMs },
      timer: systemTimer,
      connect: brokerLine(this.settings, () => this.parts().signing.all),
    });
    const stop = new AbortController();
    const running = Promise.all(stages.map((stage) => stage(stop.signal)));
    running.catch(() => {});
    this.#stopLive = () => {
      stop.abort();
      return running;
    };
    onTestFinished(() => this.halt());
  }

  async halt(): Promise<void> {
    const stop = this.#stopLive;
    this.#stopLive = undefined;
    await stop?.();
    this.crash();
  }

  get waiting(): number {
    return this.report().outbox.waiting.count;
  }
}

/** Puts the rig's anchor on the broker; what it would answer may be lost on the way. */
async function anchorOn(
  broker: Running,
  rig: Rig,
  isLost: (payload: Uint8Array) => boolean = () => false,
): Promise<MqttClient> {
  const client = await connected(broker, "anchor");
  const answer = async (payload: Uint8Array): Promise<void> => {
    for (const one of await rig.anchor.take(payload)) {
      if (!isLost(one)) client.publish(downTopic(ISS), Buffer.from(one), { qos: 1 });
    }
  };
  client.on("message", (_topic, payload) => void answer(new Uint8Array(payload)));
  await client.subscribeAsync("tally/v1/+/+/up", { qos: 1 });
  return client;
}

const namesOf = (statements: readonly Statement[]): string[] =>
  statements.map(({ claims }) => `${claims.sub} ${claims.seq}`);

describe("delivery", () => {
  test("from a sample to a verified receipt, in order", async () => {
    const broker = await startBroker();
    const rig = new LiveRig(broker.url, FAST.replace("firstMs: 150, maxMs: 1000", "firstMs: 60000"));
    await anchorOn(broker, rig);
    await rig.live();
    for (let n = 1; n <= 20; n++) {
      rig.source.push(observation(n));
      await vi.waitFor(() => expect(rig.source.given).toBe(n), WAIT);
    }
    await vi.waitFor(() => expect(rig.waiting).toBe(0), WAIT);
    const names = namesOf(rig.anchor.arrived);
    expect(names.filter((name) => name.startsWith(STREAM))).toEqual(namesOf(rig.sealed(STREAM)));
    expect(new Set(names).size, "nothing was sent twice").toBe(names.length);
  });

  test("lost receipts cost a re-send each, and no statement", async () => {
    const broker = await startBroker();
    const rig = new LiveRig(broker.url);
    let n = 0;
    await anchorOn(broker, rig, () => n++ % 2 === 0);
    await rig.live();
    for (let i = 1; i <= 5; i++) rig.source.push(observation(i));
    await vi.waitFor(() => expect(rig.waiting).toBe(0), WAIT);
    expect(rig.anchor.arrived.length).toBeGreaterThan(rig.sealed().length);
  });

  test("receipts that come twice change nothing", async () => {
    const broker = await startBroker();
    const rig = new LiveRig(broker.url);
    const take = rig.anchor.take.bind(rig.anchor);
    rig.anchor.take = async (payload) => (await take(payload)).flatMap((answer) => [answer, answer]);
    await anchorOn(broker, rig);
    await rig.live();
    await vi.waitFor(() => expect(rig.waiting).toBe(0), WAIT);
    expect(rig.report().outbox.receipted.count).toBe(rig.sealed().length);
  });

  test("a broker that goes away and comes back finds the agent again, and nothing is missing", async () => {
    const first = await startBroker();
    const rig = new LiveRig(first.url);
    await anchorOn(first, rig);
    await rig.live();
    await vi.waitFor(() => expect(rig.waiting).toBe(0), WAIT);
    await first.stop();
    for (let n = 1; n <= 10; n++) rig.source.push(observation(n));
    await vi.waitFor(() => expect(rig.sealed(STREAM).length).toBeGreaterThan(1), WAIT);
    expect(rig.waiting).toBeGreaterThan(0);
    const again = await startBroker({ listen: { port: first.port } });
    await anchorOn(again, rig);
    await vi.waitFor(() => expect(rig.waiting).toBe(0), WAIT);
    const messages = rig.lines.map(({ message }) => message);
    expect(
      messages.filter((message) => message.startsWith("no broker")).length,
      "one line, not one a try",
    ).toBeLessThanOrEqual(1);
    expect(messages.some((message) => message.includes("lost"))).toBe(true);
  });

  test("a broker that isn't there at the start is no fault: one line, and statements wait", async () => {
    const broker = await startBroker();
    await broker.stop();
    const rig = new LiveRig(broker.url);
    await rig.live();
    await vi.waitFor(
      () => expect(rig.lines.some(({ about }) => about["code"] === "unreachable")).toBe(true),
      WAIT,
    );
    const line = rig.lines.find(({ about }) => about["code"] === "unreachable");
    expect(line?.message).toContain(broker.url);
    expect(line?.message).toContain("ECONNREFUSED");
    expect(rig.waiting).toBeGreaterThan(0);
  });

  test("online and offline are shown, and the last will speaks for a crash", async () => {
    const broker = await startBroker({
      services: [{ id: "looker", publish: [], subscribe: ["state"], whenSlow: "drop" }],
    });
    const looker = await connected(broker, "looker");
    const states: string[] = [];
    looker.on("message", (_topic, payload) => states.push(payload.toString()));
    await looker.subscribeAsync(stateTopic(ISS), { qos: 1 });
    const rig = new LiveRig(broker.url);
    await rig.live();
    await vi.waitFor(() => expect(states).toEqual(["online"]), WAIT);
    await rig.halt();
    await vi.waitFor(() => expect(states).toEqual(["online", "offline"]), WAIT);
  });

  test("what is asked for again is sent again", async () => {
    const broker = await startBroker();
    const rig = new LiveRig(broker.url);
    const anchor = await anchorOn(broker, rig);
    await rig.live();
    await vi.waitFor(() => expect(rig.waiting).toBe(0), WAIT);
    const hashes = rig.sealed().map(({ hash }) => hash);
    const before = rig.anchor.arrived.length;
    await anchor.publishAsync(downTopic(ISS), Buffer.from(encodeDown({ kind: "wanted", hashes })), {
      qos: 1,
    });
    await vi.waitFor(() => expect(rig.anchor.arrived.length).toBe(before + hashes.length), WAIT);
    expect(rig.anchor.arrived.slice(before).map(({ hash }) => toHex(hash))).toEqual(hashes.map(toHex));
  });

  test("one stream that is refused doesn't hold up another", async () => {
    const broker = await startBroker();
    const rig = new LiveRig(broker.url, FAST.replace("retry:", "window: { maxStatements: 3 }, retry:"));
    rig.anchor.judge = ({ claims }) => (claims.sub === "sys" ? { reject: "key-stream" } : "receipt");
    await anchorOn(broker, rig);
    await rig.live();
    for (let n = 1; n <= 5; n++) rig.source.push(observation(n));
    await vi.waitFor(() => {
      const { outbox } = rig.report();
      expect(outbox.receipted.count).toBe(rig.sealed(STREAM).length);
      expect(outbox.refused).toBe(3);
    }, WAIT);
    expect(rig.report().rejections.every(({ code }) => code === "key-stream")).toBe(true);
  });

  test("a clean stop says the last heads, and they are heard", async () => {
    const broker = await startBroker();
    const rig = new LiveRig(
      broker.url,
      FAST.replace("maxWaitMs: 30", "maxWaitMs: 60000").replace(
        "firstMs: 150, maxMs: 1000",
        "firstMs: 60000",
      ),
    );
    await anchorOn(broker, rig);
    await rig.live();
    rig.source.push(observation(1));
    await vi.waitFor(() => expect(rig.anchor.arrived.length).toBeGreaterThan(0), WAIT);
    const startMs = performance.now();
    await rig.halt();
    expect(performance.now() - startMs).toBeLessThan(5000);
    await vi.waitFor(() => expect(namesOf(rig.anchor.arrived)).toContain(`${STREAM} 1`), WAIT);
    expect(rig.anchor.arrived.at(-1)?.event?.kind).toBe("heads");
    expect(rig.waiting).toBe(0); // and so they needn't be sent again at the next start
  });

  test("a clean stop doesn't wait for receipts for ever", async () => {
    const broker = await startBroker();
    const rig = new LiveRig(broker.url);
    const isLost = (): boolean => true;
    await anchorOn(broker, rig, isLost);
    await rig.live();
    rig.source.push(observation(1));
    await vi.waitFor(() => expect(namesOf(rig.anchor.arrived)).toContain(`${STREAM} 1`), WAIT);
    const startMs = performance.now();
    await rig.halt();
    expect(performance.now() - startMs).toBeLessThan(5000);
    expect(rig.waiting).toBe(rig.sealed(STREAM).length + rig.sealed("sys").length);
  });
});
