/** The P1 source over real TCP sockets: chunks, noise, silence, meters that go away and come back, back-pressure. */
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { formatDecimal } from "@tallystick/evidence";
import { tcpTransport } from "../../../agent/src/sources/line/tcp.ts";
import type { Connection, Transport } from "../../../agent/src/sources/line/connection.ts";
import { openSource } from "../../../agent/src/sources/open.ts";
import { p1SourceOver } from "../../../agent/src/sources/p1/source.ts";
import type { Observation, Source, SourceContext } from "../../../agent/src/sources/source.ts";
import { DemoMeter, startState, telegram } from "../../../demo/meter.ts";

const PATIENCE = { retryMinMs: 5, retryMaxMs: 40, silenceMs: 30, deadMs: 60_000 };
const NOW_MS = Date.parse("2025-06-15T12:00:00Z");
const START = startState(NOW_MS / 1000);
const at = (second: number): Buffer => telegram(START, NOW_MS / 1000 + second);

const cleanUp: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).toReversed()) await step();
});

function context(): SourceContext & { lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    clock: { now: () => ({ timeUnixMs: NOW_MS, tq: 2 }), monotonicMs: () => performance.now() },
    log: { info: (text) => lines.push(text), warn: (text) => lines.push(text) },
  };
}

/** A TCP server whose connections the test writes to. */
async function serve(
  welcome: (socket: Socket) => void,
): Promise<{ port: number; server: Server; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket));
    welcome(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUp.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, server, sockets };
}

function pull(source: Source): { next: () => Promise<Observation>; stop: () => Promise<void> } {
  const stop = new AbortController();
  const observations = source.observations(stop.signal)[Symbol.asyncIterator]();
  const end = async (): Promise<void> => {
    stop.abort();
    expect(await observations.next()).toMatchObject({ done: true });
  };
  cleanUp.push(end);
  return {
    next: async () => {
      const { value, done } = await observations.next();
      if (done === true) throw new Error("the source ended");
      return value;
    },
    stop: end,
  };
}

const overTcp = (port: number, around: SourceContext = context(), patience = PATIENCE): Source =>
  p1SourceOver(tcpTransport({ kind: "tcp", host: "127.0.0.1", port }), around, { patience });

const timeOf = ({ deviceTime }: Observation): number =>
  deviceTime === undefined ? Number.NaN : Number(formatDecimal(deviceTime)) - NOW_MS / 1000;

describe("over TCP", () => {
  test.for([1, 7, 100, 1460, 100_000])(
    "telegrams with noise between, cut into %i bytes, are all read",
    async (size) => {
      const noise = Buffer.from("\0\xff!kWh)\r\n1-0:1.8", "latin1");
      const stream = Buffer.concat([0, 1, 2, 3].flatMap((second) => [noise, at(second)]));
      const { port } = await serve((socket) => {
        socket.setNoDelay(true);
        for (let from = 0; from < stream.length; from += size)
          socket.write(stream.subarray(from, from + size));
      });
      const source = overTcp(port);
      const { next } = pull(source);
      for (const second of [0, 1, 2, 3]) {
        const seen = await next();
        expect(timeOf(seen)).toBe(second);
        expect(seen.meter).toBe(Buffer.from("DEMO-METER-0001").toString("hex").toUpperCase());
        expect(seen.readings.length).toBe(seen.registers.length);
        expect(seen.readings.map(({ name }) => name)).toEqual(seen.registers.map(({ name }) => name));
      }
      expect(source.counters.framesGood).toBe(4);
      expect(source.counters.bytesSkipped).toBe(4 * (noise.length - 2));
    },
  );

  test("bad telegrams are counted by code, and the good ones between them are read", async () => {
    const spoiled = Buffer.from(at(1).toString("latin1").replace("230.5*V", "231.5*V"), "latin1");
    const tooLong = Buffer.from(`/${"x".repeat(10_000)}`, "latin1");
    const cut = at(2).subarray(0, 200);
    const stream = Buffer.concat([at(0), spoiled, tooLong, at(3), cut, at(4), spoiled]);
    const { port } = await serve((socket) => socket.end(stream));
    const around = context();
    const source = overTcp(port, around);
    const { next, stop } = pull(source);
    expect([timeOf(await next()), timeOf(await next()), timeOf(await next())]).toEqual([0, 3, 4]);
    expect(timeOf(await next())).toBe(0); // the server closed, the source came again
    expect(Object.fromEntries(source.counters.framesBad)).toEqual({
      "p1-crc": 2,
      "p1-too-long": 1,
      "p1-malformed": 1,
    });
    expect(source.counters.reconnects).toBe(1);
    await stop();
    expect(around.lines.filter((line) => line.includes("[p1-crc]")).length).toBe(2);
  });

  test.for(["4", "", "0"])("a telegram that ends in %j and then silence is read", async (end) => {
    const whole = at(7).toString("latin1").trimEnd();
    const text = end === "4" ? whole : whole.slice(0, whole.lastIndexOf("!") + 1);
    const { port } = await serve((socket) =>
      socket.write(Buffer.from(text + (end === "0" ? "\r" : ""), "latin1")),
    );
    const { next } = pull(overTcp(port));
    const seen = await next();
    expect(timeOf(seen)).toBe(7);
    expect(seen.readings[0]?.quality).toEqual(end === "4" ? [] : ["no-checksum"]);
  });

  test("the raw telegram rides along where it is asked for", async () => {
    const { port } = await serve((socket) => socket.write(at(0)));
    const source = await openSource(
      { kind: "p1", line: { kind: "tcp", host: "127.0.0.1", port }, keepRaw: true },
      context(),
    );
    const seen = await pull(source).next();
    expect(Buffer.from(seen.raw ?? []).toString("latin1")).toBe(at(0).toString("latin1").trimEnd());
  });

  test("a meter that goes away and comes back is read again, and the log says what to do", async () => {
    const meter = await DemoMeter.start({ intervalMs: 5 });
    cleanUp.push(() => meter.unplug());
    const around = context();
    const source = overTcp(meter.port, around);
    const { next } = pull(source);
    const before = await next();
    await meter.unplug();
    let seen = next();
    await expect.poll(() => around.lines.at(-1)).toMatch(/connection refused: check the port/);
    await expect.poll(() => source.counters.reconnects).toBeGreaterThan(5);
    expect(around.lines.length).toBeLessThan(12); // the pause no longer grows: nothing new to say
    await meter.plug();
    const after = await seen;
    expect(timeOf(after)).toBeGreaterThanOrEqual(timeOf(before));
    seen = next();
    await seen;
  });

  test("a line that is open and says nothing is opened anew", async () => {
    let connections = 0;
    const { port } = await serve((socket) => {
      connections += 1;
      if (connections === 3) socket.write(at(0));
    });
    const around = context();
    const source = overTcp(port, around, { ...PATIENCE, deadMs: 50 });
    expect(timeOf(await pull(source).next())).toBe(0);
    expect(connections).toBe(3);
    expect(around.lines.join()).toMatch(/silent for 0\.05 s/);
  });

  test("while nobody pulls, the socket isn't read", async () => {
    const big = Buffer.concat(Array.from({ length: 20_000 }, (_, second) => at(second))); // some 24 MB
    const { port, sockets } = await serve((socket) => socket.write(big));
    const source = overTcp(port);
    const { next } = pull(source);
    expect(timeOf(await next())).toBe(0);
    const [socket] = sockets;
    let left = -1;
    await expect
      .poll(() => {
        const before = left;
        left = socket?.writableLength ?? 0;
        return left === before && left > 0; // neither side moves any more
      })
      .toBe(true);
    expect(source.counters.framesGood).toBe(1);
    expect(socket?.writableLength).toBeGreaterThan(big.length / 2);
    expect(timeOf(await next())).toBe(1);
  });

  test("ends at once when told to, whatever it is waiting for", async () => {
    const { port, server } = await serve(() => undefined);
    const silent = pull(overTcp(port));
    const waiting = silent.next();
    await once(server, "connection");
    const ended = expect(waiting).rejects.toThrow("the source ended");
    await silent.stop();
    await ended;

    const around = context();
    server.close();
    const absent = pull(overTcp(1, around, { ...PATIENCE, retryMinMs: 60_000, retryMaxMs: 60_000 }));
    const retrying = expect(absent.next()).rejects.toThrow("the source ended");
    await expect.poll(() => around.lines.length).toBe(1);
    await absent.stop();
    await retrying;
  });
});

describe("over anything", () => {
  test("a device that is gone when the consumer stops leaves no rejection behind", async () => {
    let refuse: (error: Error) => void = () => undefined;
    const connection: Connection = {
      read: () => new Promise((_, reject) => (refuse = reject)),
      close: () => {
        refuse(new Error("closed"));
        return Promise.resolve();
      },
    };
    let opened = 0;
    const transport: Transport = {
      place: "test",
      open: () => {
        opened += 1;
        return opened === 1 ? Promise.resolve(connection) : Promise.reject(new Error("away"));
      },
      explain: String,
    };
    const source = p1SourceOver(transport, context(), { patience: { ...PATIENCE, silenceMs: 1 } });
    const stop = new AbortController();
    const waiting = source.observations(stop.signal)[Symbol.asyncIterator]().next();
    await expect.poll(() => opened).toBe(1);
    stop.abort();
    expect(await waiting).toMatchObject({ done: true });
    expect(source.counters.reconnects).toBe(0);
  });

  test("stopped while the device is being opened, it is closed again", async () => {
    let opened: (connection: Connection) => void = () => undefined;
    let closed = 0;
    let refuse: (error: Error) => void = () => undefined;
    const transport: Transport = {
      place: "test",
      open: () => new Promise((resolve) => (opened = resolve)),
      explain: String,
    };
    const stop = new AbortController();
    const source = p1SourceOver(transport, context(), { patience: PATIENCE });
    const waiting = source.observations(stop.signal)[Symbol.asyncIterator]().next();
    stop.abort();
    opened({
      read: () =>
        closed > 0 ? Promise.reject(new Error("closed")) : new Promise((_, reject) => (refuse = reject)),
      close: () => {
        closed += 1;
        refuse(new Error("closed"));
        return Promise.resolve();
      },
    });
    expect(await waiting).toMatchObject({ done: true });
    expect(closed).toBeGreaterThan(0);
  });
});
