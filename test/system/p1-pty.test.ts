/** The P1 source over the serial library and a real pair of pseudo-terminals, which socat makes and takes away. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { formatDecimal } from "@tallystick/evidence";
import { serialTransport } from "../../agent/src/sources/line/serial.ts";
import type { SerialLine } from "../../agent/src/sources/open.ts";
import { p1SourceOver } from "../../agent/src/sources/p1/source.ts";
import type { Observation, SourceContext } from "../../agent/src/sources/source.ts";
import { startState, telegram } from "../../demo/meter.ts";
import { need } from "../support/require.ts";
import { sharedBytes } from "../support/shared.ts";

const haveSocat = need("socat");
const haveShared = need("shared");

const PATIENCE = { retryMinMs: 20, retryMaxMs: 100, silenceMs: 100, deadMs: 60_000 };
const NOW_MS = Date.parse("2025-06-15T12:00:00Z");
const START = startState(NOW_MS / 1000);
const at = (second: number): Buffer => telegram(START, NOW_MS / 1000 + second);

let folder = "";
let socat: ChildProcess | undefined;
const meterSide = (): string => join(folder, "meter");
const agentSide = (): string => join(folder, "agent");

async function plug(): Promise<void> {
  const end = (link: string): string => `pty,raw,echo=0,link=${link}`;
  socat = spawn("socat", [end(meterSide()), end(agentSide())], { stdio: "ignore" });
  await expect.poll(() => existsSync(meterSide()) && existsSync(agentSide()), { timeout: 10_000 }).toBe(true);
}

async function unplug(): Promise<void> {
  if (socat === undefined || socat.exitCode !== null || socat.signalCode !== null) return;
  const gone = once(socat, "exit");
  socat.kill();
  await gone;
}

/** Sends as the meter does. The terminal stays open until the bytes are read: closing it may discard them. */
async function send(bytes: Uint8Array, read: Promise<Observation>): Promise<Observation> {
  const terminal = await open(meterSide(), "w");
  try {
    await terminal.writeFile(bytes);
    return await read;
  } finally {
    await terminal.close();
  }
}

const line = (more: Partial<SerialLine> = {}): SerialLine => ({
  kind: "serial",
  path: agentSide(),
  baudRate: 115200,
  dataBits: 8,
  parity: "none",
  stopBits: 1,
  stripParity: false,
  ...more,
});

function start(serial: SerialLine) {
  const lines: string[] = [];
  const context: SourceContext = {
    clock: { now: () => ({ timeUnixMs: NOW_MS, tq: 2 }), monotonicMs: () => performance.now() },
    log: { info: (text) => lines.push(text), warn: (text) => lines.push(text) },
  };
  const source = p1SourceOver(serialTransport(serial), context, { patience: PATIENCE });
  const stop = new AbortController();
  const observations = source.observations(stop.signal)[Symbol.asyncIterator]();
  return {
    lines,
    source,
    next: async (): Promise<Observation> => {
      const step = await observations.next();
      if (step.done === true) throw new Error("the source ended");
      return step.value;
    },
    stop: async () => {
      stop.abort();
      expect(await observations.next()).toMatchObject({ done: true });
    },
    isOpen: () => expect.poll(() => lines.at(-1), { timeout: 10_000 }).toMatch(/: open$/),
  };
}

const secondOf = ({ deviceTime }: Observation): number =>
  deviceTime === undefined ? Number.NaN : Number(formatDecimal(deviceTime)) - NOW_MS / 1000;

describe.runIf(haveSocat)("over a pair of pseudo-terminals", () => {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tallystick-pty-"));
    await plug();
  });
  afterEach(async () => {
    await unplug();
    await rm(folder, { recursive: true, force: true });
  });

  test("telegrams with noise between are read", async () => {
    const agent = start(line());
    const first = agent.next();
    await agent.isOpen();
    const noise = Buffer.from("\0\x11\x13\xff!9*kWh)\r\n", "latin1"); // XON and XOFF are bytes like all others
    const stream = Buffer.concat([noise, at(0), noise, at(1), at(2).with(300, 0x7f), at(3)]);
    expect(secondOf(await send(stream, first))).toBe(0);
    expect(secondOf(await agent.next())).toBe(1);
    expect(secondOf(await agent.next())).toBe(3);
    expect(Object.fromEntries(agent.source.counters.framesBad)).toEqual({ "p1-crc": 1 });
    await agent.stop();
  });

  test.runIf(haveShared)("a meter that ends right after the checksum, and one without checksum", async () => {
    const agent = start(line());
    const first = agent.next();
    await agent.isOpen();
    const swedish = await send(sharedBytes("samples/p1/se-landisgyr-e360-a.txt"), first);
    expect(swedish).toMatchObject({ meter: "LGF5E360", deviceTime: { mantissa: 1614007140n } });
    const old = await send(sharedBytes("samples/p1/dsmr-v2.2-iskra-mt382.txt"), agent.next());
    expect(old.readings[0]?.quality).toEqual(["no-checksum", "gateway-time"]);
    await agent.stop();
  });

  test("9600 7E1 behind an adapter that hands on eight bits: parity goes where it is configured", async () => {
    const withParity = at(5).map((byte) => {
      let ones = 0;
      for (let bits = byte; bits > 0; bits >>= 1) ones += bits & 1;
      return ones % 2 === 1 ? byte | 0x80 : byte;
    });
    const agent = start(line({ baudRate: 9600, dataBits: 7, parity: "even", stripParity: true }));
    const first = agent.next();
    await agent.isOpen();
    expect(secondOf(await send(withParity, first))).toBe(5);
    await agent.stop();
  });

  test("a device that vanishes and returns is read again", async () => {
    const agent = start(line());
    const first = agent.next();
    await agent.isOpen();
    expect(secondOf(await send(at(0), first))).toBe(0);
    const next = agent.next();
    await unplug();
    await expect
      .poll(() => agent.lines.join("\n"), { timeout: 10_000 })
      .toMatch(/no such device: check the cable, and take the name from \/dev\/serial\/by-id\//);
    await plug();
    await agent.isOpen();
    expect(secondOf(await send(at(9), next))).toBe(9);
    expect(agent.source.counters.reconnects).toBeGreaterThan(1);
    await agent.stop();
  });

  test("a busy device is waited for, and what has it is the message", async () => {
    const holder = start(line());
    const held = holder.next();
    await holder.isOpen();
    const agent = start(line());
    const first = agent.next();
    await expect
      .poll(() => agent.lines.join("\n"), { timeout: 10_000 })
      .toMatch(/busy: another program has it open/);
    const released = expect(held).rejects.toThrow("the source ended");
    await holder.stop();
    await released;
    await agent.isOpen();
    expect(secondOf(await send(at(1), first))).toBe(1);
    await agent.stop();
  });

  test("a path that is no serial device says so", async () => {
    const agent = start(line({ path: "/dev/null" }));
    const first = expect(agent.next()).rejects.toThrow("the source ended");
    await expect.poll(() => agent.lines[0], { timeout: 10_000 }).toMatch(/^p1: serial \/dev\/null: /);
    await agent.stop();
    await first;
    expect(agent.lines[0]).toMatch(/not a serial device/);
  });
});
