import { describe, expect, test } from "vitest";
import * as fc from "fast-check";
import { PacketGuard } from "../../../broker/src/connections/guard.ts";

const LIMITS = { maxPayloadBytes: 1000, maxControlBytes: 300 };
const CONNECT = Uint8Array.of(0x10, 2, 0, 0);

/** Remaining length as MQTT writes it (MQTT 3.1.1, 2.2.3). */
function remainingLength(length: number): number[] {
  const bytes: number[] = [];
  let rest = length;
  do {
    bytes.push((rest % 128) + (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return bytes;
}

const packet = (first: number, length: number): Uint8Array =>
  Uint8Array.of(first, ...remainingLength(length), ...Array.from({ length }, () => 0xff));

/** What the guard says of bytes that are given to it as its reader would. */
function verdict(guard: PacketGuard, bytes: Uint8Array): string {
  let rest = bytes;
  while (rest.length > 0) {
    const passed = guard.check(rest);
    if (typeof passed !== "number") return passed;
    expect(passed).toBeGreaterThan(0);
    rest = rest.subarray(passed);
  }
  return "passed";
}

const fresh = (): PacketGuard => {
  const guard = new PacketGuard(LIMITS);
  expect(guard.check(CONNECT)).toBe(4);
  return guard;
};

describe("the guard before the parser", () => {
  test.for([
    ["PUBLISH", 0x30, 1260],
    ["PUBACK", 0x40, 2],
    ["PUBREL", 0x62, 2],
    ["SUBSCRIBE", 0x82, 300],
    ["UNSUBSCRIBE", 0xa2, 300],
    ["PINGREQ", 0xc0, 0],
    ["DISCONNECT", 0xe0, 0],
  ] as const)("%s may be as long as it may be, and not a byte longer", ([, first, longest]) => {
    expect(verdict(fresh(), packet(first, longest))).toBe("passed");
    expect(fresh().check(Uint8Array.of(first, ...remainingLength(longest + 1)))).toBe("too-large");
  });

  test("the verdict falls with the length, before a byte of the body", () => {
    // 10 MB announced: 0x80 0xad 0xe2 0x04
    expect(fresh().check(Uint8Array.of(0x30, ...remainingLength(10_000_000)))).toBe("too-large");
  });

  test.for([0x00, 0x20, 0x90, 0xb0, 0xd0, 0xf0])(
    "a packet of type 0x%s, which a client never sends, is refused",
    (first) => {
      expect(fresh().check(Uint8Array.of(first, 0))).toBe("packet-malformed");
    },
  );

  test("the first packet is CONNECT", () => {
    expect(new PacketGuard(LIMITS).check(Uint8Array.of(0xc0, 0))).toBe("packet-malformed");
  });

  test("five bytes of length are refused, also where they say zero", () => {
    expect(fresh().check(Uint8Array.of(0x30, 0x80, 0x80, 0x80, 0x80, 0))).toBe("packet-malformed");
  });

  test("a packet in very many pieces is refused, many packets in few pieces are not", () => {
    const trickled = fresh();
    const body = packet(0x30, 1260);
    const codes = [...body].map((byte) => trickled.check(Uint8Array.of(byte)));
    expect(codes.findIndex((code) => code === "packet-trickled")).toBeGreaterThan(1000);
    const steady = fresh();
    for (let n = 0; n < 5000; n++) expect(steady.check(packet(0x30, 10))).toBe(12);
  });

  test("many small packets are handed on a batch at a time, each batch whole packets", () => {
    const guard = fresh();
    const bytes = Buffer.alloc(1000, packet(0x32, 2));
    const batches: number[] = [];
    for (let rest: Uint8Array = bytes; rest.length > 0; rest = rest.subarray(batches.at(-1))) {
      batches.push(Number(guard.check(rest)));
    }
    expect(batches).toEqual([512, 488]);
  });

  test("how the bytes are cut makes no difference", () => {
    const stream = fc.array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 1400 })), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(
        stream,
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 40 }),
        (packets, cuts) => {
          const bytes = Buffer.concat([CONNECT, ...packets.map(([first, length]) => packet(first, length))]);
          const whole = verdict(new PacketGuard(LIMITS), bytes);
          const guard = new PacketGuard(LIMITS);
          let inPieces = "passed";
          for (let at = 0, n = 0; at < bytes.length && inPieces === "passed"; n++) {
            const step = cuts[n % cuts.length] ?? 1;
            inPieces = verdict(guard, bytes.subarray(at, at + step));
            at += step;
          }
          expect(inPieces).toBe(whole);
        },
      ),
    );
  });
});
