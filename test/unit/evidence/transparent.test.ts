/** Reading statement after statement: what one leaves behind for the next changes nothing of either. */
import {
  equalBytes,
  parseTransparent,
  Slab,
  toHex,
  TransparentReader,
  verifyStatement,
  type Statement,
  type Transparent,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { beforeAll, describe, expect, test } from "vitest";
import { flipBit } from "../../support/bit-flips.ts";
import { codeOf } from "../../support/vectors.ts";
import { World } from "../../support/world.ts";

/** Of several devices and streams, whose names have the same length or begin alike, in turn. */
let given: Uint8Array[];

beforeAll(async () => {
  const world = await World.create();
  const statements: Statement[] = [];
  for (const [iss, subs] of [
    ["water/gw-1", ["meter/m-1", "meter/m-2", "meter/m-11"]],
    ["water/gw-2", ["meter/m-1", "meter/m"]],
    ["water/g-1", ["meter/m-1"]],
  ] as const) {
    const device = await world.enrol(iss);
    for (const sub of subs) {
      const chain = device.chain(sub);
      await chain.open();
      await world.commit();
      for (let i = 0; i < 60; i++) await chain.readings(1 + (i % 3));
      await world.commit();
      statements.push(...chain.statements);
    }
  }
  const size = statements.length;
  // 97 has nothing in common with their number: neighbours are of different chains, and all come.
  const mixed = statements.map((_, i) => statements[(i * 97) % size] ?? expect.fail());
  given = [...statements, ...mixed].map((one) => world.transparent(one, world.firstOf(one), world.newest));
});

const plain = ({ statement, receipts }: Transparent): unknown => ({
  ...statement,
  receipts: receipts.map(toHex),
  bytes: toHex(statement.bytes),
});

test("each is read as if it were the only one, and stays what it was while others are read", () => {
  const reader = new TransparentReader(nodeSha256);
  const read = given.map((bytes) => reader.read(bytes));
  for (const [i, bytes] of given.entries())
    expect(plain(read[i] ?? expect.fail())).toEqual(plain(parseTransparent(bytes, nodeSha256)));
});

test("what is refused leaves nothing behind", () => {
  const [one, other] = [given[5] ?? expect.fail(), given[200] ?? expect.fail()];
  const reader = new TransparentReader(nodeSha256);
  for (let bit = 0; bit < 8 * 200; bit++) {
    const bent = flipBit(one, bit);
    const code = codeOf(() => void reader.read(bent));
    expect(code).toBe(codeOf(() => void parseTransparent(bent, nodeSha256)));
    expect(plain(reader.read(other))).toEqual(plain(parseTransparent(other, nodeSha256)));
  }
});

test("signatures are verified over the same bytes, with memory and without", () => {
  const provider = createNodeProvider();
  const memory = new Slab();
  const reader = new TransparentReader(nodeSha256);
  for (const bytes of given.slice(0, 20)) {
    const { statement } = reader.read(bytes);
    const seen: Uint8Array[] = [];
    const noting = {
      name: "noting",
      verify: (key: Parameters<typeof provider.verify>[0], message: Uint8Array): boolean => {
        seen.push(message.slice());
        return key.kid.length === 32;
      },
    };
    const key = { alg: statement.alg, kid: statement.kid, x: new Uint8Array(32) };
    verifyStatement(statement, key, noting);
    verifyStatement(statement, key, noting, memory);
    expect(toHex(seen[0] ?? expect.fail())).toBe(toHex(seen[1] ?? expect.fail()));
  }
});

describe("a slab", () => {
  test("gives bytes that nobody else has", () => {
    const slab = new Slab();
    const taken = Array.from({ length: 2000 }, (_, i) => slab.take(i % 300).fill(i & 255));
    expect(
      taken.every((bytes, i) => bytes.length === i % 300 && bytes.every((byte) => byte === (i & 255))),
    ).toBe(true);
  });

  test("gives more than it is large", () => {
    const slab = new Slab();
    const [small, large, more] = [slab.take(10), slab.take(1 << 20), slab.take(10)];
    large.fill(1);
    expect(large).toHaveLength(1 << 20);
    expect(equalBytes(small, more)).toBe(true);
  });
});
