/** What a broker sends its clients is bounded before it is parsed: in pieces of any size, and by real clients. */
import { createServer, type AddressInfo, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { generate } from "mqtt-packet";
import { describe, expect, onTestFinished, test } from "vitest";
import type { EvidenceError } from "@tallystick/evidence";
import { boundPackets } from "@tallystick/evidence/node";
import { brokerLine } from "../../../agent/src/uplink/uplink.ts";
import { connectMqtt, Intake } from "../../../anchor/src/intake/intake.ts";
import { machineTime } from "../../../anchor/src/time.ts";

const LIMIT = 1000;
const publish = (bytes: number, qos: 0 | 1 | 2 = 0): Buffer =>
  generate({
    cmd: "publish",
    topic: "tally/v1/city/gw-1/down",
    payload: Buffer.alloc(bytes),
    qos,
    dup: false,
    retain: false,
    ...(qos > 0 && { messageId: 1 }),
  });

/** What became of these bytes, sent in pieces. */
async function sent(bytes: Uint8Array, pieceBytes: number): Promise<string> {
  const stream = boundPackets(new PassThrough(), LIMIT);
  let fault = "taken";
  stream.on("error", (error: EvidenceError) => (fault = error.code));
  for (let at = 0; at < bytes.length && !stream.destroyed; at += pieceBytes) {
    stream.write(bytes.subarray(at, at + pieceBytes));
    await new Promise(setImmediate);
  }
  await new Promise(setImmediate);
  return fault;
}

describe.for([1, 2, 7, 65_536])("in pieces of %i bytes", (pieceBytes) => {
  test.for<[string, Uint8Array, string]>([
    ["a message as large as may be", publish(LIMIT), "taken"],
    [
      "answers and messages in turn",
      Buffer.concat([Buffer.from([0x20, 2, 0, 0, 0x40, 2, 0, 1]), publish(10, 1), Buffer.from([0xd0, 0])]),
      "taken",
    ],
    ["a larger message", publish(LIMIT + 300), "too-large"],
    ["256 MB announced", Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0x7f), "too-large"],
    ["an answer of 16 kB", Uint8Array.of(0x90, 0x80, 0x80, 0x01), "too-large"],
    ["a length of five bytes", Uint8Array.of(0x30, 0x80, 0x80, 0x80, 0x80, 0x00), "packet-malformed"],
    ["a message at QoS 2", publish(10, 2), "qos-unsupported"],
  ])("%s: %s", async ([, bytes, expected]) => {
    expect(await sent(bytes, pieceBytes)).toBe(expected);
  });
});

/** A broker that lets everybody in, grants everything, and then drips a message without an end. */
async function dripping(): Promise<{ url: string; ended: Promise<void>; taken: () => number }> {
  const ended = Promise.withResolvers<void>();
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined).on("close", () => ended.resolve());
    socket.on("data", (bytes: Buffer) => {
      const type = (bytes[0] ?? 0) >> 4;
      if (type === 1) socket.write(Buffer.from([0x20, 2, 0, 0]));
      if (type === 8) {
        socket.write(Buffer.from([0x90, 3, bytes[2] ?? 0, bytes[3] ?? 0, 1]));
        socket.write(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 0x61]));
        const chunk = Buffer.alloc(1 << 16);
        const more = (): void => {
          while (!socket.destroyed && socket.write(chunk));
          if (!socket.destroyed) socket.once("drain", more);
        };
        more();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ended: ended.promise,
    taken: () => Math.max(...sockets.map(({ bytesWritten }) => bytesWritten)),
  };
}

const FLIGHT_BYTES = 16 << 20; // what the kernel's buffers and one read may hold, amply

describe("a broker that announces 256 MB, and drips", () => {
  test("is left by an agent", async () => {
    const { url, ended, taken } = await dripping();
    const connect = brokerLine({ iss: "city/gw-1", broker: { url }, metered: false }, () => []);
    await expect(connect(() => undefined, new AbortController().signal)).rejects.toThrow(
      expect.objectContaining({ code: "too-large" }),
    );
    await ended;
    expect(taken()).toBeLessThan(FLIGHT_BYTES);
  });

  test("is left by an anchor", async () => {
    const { url, ended, taken } = await dripping();
    const reasons: string[] = [];
    const silent = {
      message: () => {},
      whenRoom: () => {},
      state: () => {},
      checkpoint: () => {},
      settled: () => {},
      stray: () => {},
    };
    const intake = new Intake(
      { url, clientId: "anchor", maxUnacknowledged: 1, maxUnacknowledgedBytes: 1000, settleMs: 10 },
      { ...silent, connection: (_, reason = "") => reasons.push(reason) },
      { connect: connectMqtt, time: machineTime },
    );
    await ended;
    await intake.end({ force: true });
    expect(reasons.join()).toContain("announces a packet of more than");
    expect(taken()).toBeLessThan(FLIGHT_BYTES);
  });
});
