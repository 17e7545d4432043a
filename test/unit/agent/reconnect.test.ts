/** Brokers that are away, hang, or come and go: pauses grow, the log stays readable, and nothing is forgotten. */
import { expect, test } from "vitest";
import { EvidenceError } from "@tallystick/evidence";
import type { Connection } from "../../../agent/src/uplink/uplink.ts";
import { observation, Rig } from "../../support/agent-rig.ts";

const HOUR = 3_600_000;

test("a broker that stays away is tried at growing pauses, and mentioned ever more rarely", async () => {
  const rig = new Rig("heartbeat: 86400");
  const triedMs: number[] = [];
  rig.connect = () => {
    triedMs.push(rig.time.nowMs);
    return Promise.reject(new EvidenceError("unreachable", "mqtt://x: ECONNREFUSED"));
  };
  await rig.start();
  await rig.time.advance(2 * HOUR);
  const pauses = triedMs.slice(1).map((ms, i) => ms - (triedMs[i] ?? 0));
  expect(pauses.slice(0, 7)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000]);
  expect(Math.max(...pauses)).toBe(60_000);
  const told = rig.lines.filter(({ about }) => about["code"] === "unreachable");
  expect(told.length).toBeGreaterThan(3);
  expect(told.length).toBeLessThan(10);
  rig.connectAnchor();
  await rig.time.advance(61_000);
  expect(rig.lines.some(({ message }) => message === "the broker is there again")).toBe(true);
  expect(rig.report().outbox.waiting.count).toBe(0);
});

test("a connection that is lost with statements in flight sends them again on the next", async () => {
  const rig = new Rig();
  let connections = 0;
  rig.connectAnchor();
  const good = rig.connect;
  rig.connect = (...given) => {
    connections += 1;
    if (connections > 1) return good(...given);
    const { promise: closed, resolve } = Promise.withResolvers<string>();
    const dead: Connection = {
      closed,
      publish: () => {
        resolve("cut");
        return Promise.reject(new Error("cut"));
      },
      end: () => Promise.resolve(),
    };
    return Promise.resolve(dead);
  };
  await rig.start();
  rig.source.push(observation(1));
  await rig.time.advance(5000);
  expect(connections).toBe(2);
  expect(rig.report().outbox.waiting.count).toBe(0);
});

test("a broker that hangs is left after five minutes", async () => {
  const rig = new Rig();
  let connections = 0;
  rig.connect = () => {
    connections += 1;
    const { promise: closed, resolve } = Promise.withResolvers<string>();
    return Promise.resolve({
      closed,
      publish: () => new Promise(() => {}),
      end: async () => resolve("ended"),
    });
  };
  await rig.start();
  await rig.time.advance(299_000);
  expect(connections).toBe(1);
  await rig.time.advance(3000);
  expect(connections).toBe(2);
  expect(rig.lines.some(({ message }) => message.includes("acknowledges nothing"))).toBe(true);
});

test("a stop while a broker hangs ends all the same", async () => {
  const rig = new Rig();
  rig.connect = () => {
    const { promise: closed, resolve } = Promise.withResolvers<string>();
    return Promise.resolve({
      closed,
      publish: () => new Promise(() => {}),
      end: async () => resolve("ended"),
    });
  };
  await rig.start();
  await rig.time.advance(1000);
  const startMs = rig.time.nowMs;
  await rig.stop();
  expect(rig.time.nowMs - startMs).toBeLessThanOrEqual(3000);
});

test("a disk that fails ends the agent with its code, from wherever it was touched", async () => {
  const rig = new Rig();
  rig.connectAnchor();
  await rig.start();
  rig.storage.transaction = () => {
    throw new EvidenceError("storage-failed", "the disk is full");
  };
  const ended = expect(rig.ended).rejects.toMatchObject({ code: "storage-failed" });
  rig.source.push(observation(1));
  await rig.time.advance(70_000);
  await ended;
  rig.crash();
});
