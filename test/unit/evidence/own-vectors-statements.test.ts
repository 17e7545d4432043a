/**
 * Statements, events and readings against vectors that were made by other code (test/interop/make_vectors.py).
 *
 * @module
 */
import { describe, expect, test } from "vitest";
import {
  Decimal,
  decodeEvent,
  decodePack,
  ed25519Key,
  encodeCbor,
  encodeEvent,
  encodePack,
  encodeTransparent,
  esp256Key,
  type Float,
  formatDecimal,
  fromHex,
  nobleProvider,
  nobleSigner,
  parseStatement,
  parseTransparent,
  sealStatement,
  toHex,
  verifyStatement,
  type Claims,
  type Content,
  type PublicKey,
  type Reading,
  type Statement,
} from "@tallystick/evidence";
import { codeOf, fromShown, vectors, type Shown, type Vectors } from "../../support/vectors.ts";

type Key = { name: string; seed: string; x: string; y?: string; kid: string };
type ShownClaims = {
  iss: string;
  sub: string;
  iat: number | null;
  ch: string | null;
  seq: number;
  prev: string | null;
  tq: 0 | 1 | 2 | 3;
  lvl: 0 | 1 | 2;
  seen: [number, string, string?] | null;
};
type ShownReading = {
  name: string;
  unit?: string;
  value: object;
  time: string | null;
  quality: string[];
  received?: string;
};
type Good = {
  name: string;
  key: string;
  alg: number;
  hex: string;
  hash: string;
  claims: ShownClaims;
  content: "senml" | "event" | "registry" | "eat" | "envelope";
  payload: string;
  readings?: ShownReading[];
  event?: Shown;
  envelope?: { digest: string; contentType?: string | number; location?: string };
};
const file = vectors("statements") as Vectors<{
  keys: Key[];
  good: Good[];
  bad: { name: string; code: string; hex: string; at?: "verify"; key?: string }[];
  transparent: { name: string; hex: string; statement: string; hash: string; receipts: string[] }[];
  chain: { iss: string; sub: string; ch: string; key: string; statements: string[]; hashes: string[] };
}>;

const keyOf = (name: string | undefined): Key => {
  const key = file.keys.find((one) => one.name === name);
  if (key === undefined) throw new Error(`no key ${name}`);
  return key;
};
const publicKey = ({ x, y }: Key): PublicKey =>
  y === undefined ? ed25519Key(fromHex(x)) : esp256Key(fromHex(x), fromHex(y));

const claimsOf = (c: ShownClaims): Claims => ({
  iss: c.iss,
  sub: c.sub,
  seq: c.seq,
  tq: c.tq,
  lvl: c.lvl,
  ...(c.iat !== null && { iat: c.iat }),
  ...(c.ch !== null && { ch: fromHex(c.ch) }),
  ...(c.prev !== null && { prev: fromHex(c.prev) }),
  ...(c.seen !== null && {
    seen: {
      size: c.seen[0],
      root: fromHex(c.seen[1]),
      ...(c.seen[2] !== undefined && { origin: c.seen[2] }),
    },
  }),
});

const contentOf = (v: Good): Content =>
  v.content === "envelope"
    ? { type: "envelope", ...v.envelope, digest: fromHex(v.payload) }
    : { type: v.content, payload: fromHex(v.payload) };

const plain = (value: Decimal | Float): string =>
  value instanceof Decimal ? formatDecimal(value) : String(value.value);

const shown = ({ name, unit, value, time, quality, received }: Reading): ShownReading => ({
  name,
  value:
    "v" in value
      ? { v: plain(value.v) }
      : "vd" in value
        ? { vd: toHex(value.vd) }
        : "s" in value
          ? { s: plain(value.s) }
          : value,
  time: time === null ? null : formatDecimal(time),
  quality: [...quality],
  ...(unit !== undefined && { unit }),
  ...(received !== undefined && { received: formatDecimal(received) }),
});

describe(`statements: ${file.source}`, () => {
  test.for(file.good)("$name", (v) => {
    const statement = parseStatement(fromHex(v.hex));
    expect(toHex(statement.hash)).toBe(v.hash);
    expect(statement.alg).toBe(v.alg);
    expect(toHex(statement.kid)).toBe(keyOf(v.key).kid);
    expect(statement.claims).toEqual(claimsOf(v.claims));
    expect(statement.content).toEqual(contentOf(v));
    verifyStatement(statement, publicKey(keyOf(v.key)), nobleProvider);
  });

  test.for(file.good.filter((v) => keyOf(v.key).y === undefined))(
    "$name: sealed here, the same bytes",
    async (v) => {
      const sealed = await sealStatement(
        claimsOf(v.claims),
        contentOf(v),
        nobleSigner(fromHex(keyOf(v.key).seed)),
      );
      expect(toHex(sealed.bytes)).toBe(v.hex);
    },
  );

  test.for(file.good.filter((v) => v.readings !== undefined))("$name: its readings", (v) => {
    const base = `${v.claims.iss}/${v.claims.sub}/`;
    const readings = decodePack(fromHex(v.payload), base);
    expect(readings.map(shown)).toEqual(v.readings);
    expect(decodePack(encodePack(base, readings), base)).toEqual(readings);
  });

  test.for(file.good.filter((v) => v.event !== undefined))("$name: its event", (v) => {
    const event = decodeEvent(fromHex(v.payload));
    expect(toHex(encodeEvent(event))).toBe(v.payload);
    expect(toHex(encodeCbor(fromShown(v.event ?? null)))).toBe(v.payload);
  });

  test.for(file.bad)("$name is refused with $code", (v) => {
    if (v.at === "verify" && !v.name.startsWith("ESP256 with s")) parseStatement(fromHex(v.hex));
    const run = (): void => {
      const statement = parseStatement(fromHex(v.hex));
      if (v.at === "verify") verifyStatement(statement, publicKey(keyOf(v.key)), nobleProvider);
    };
    expect(codeOf(run)).toBe(v.code);
  });

  test.for(file.transparent)("transparent, $name", ({ hex, statement, hash, receipts }) => {
    const read = parseTransparent(fromHex(hex));
    expect(toHex(read.statement.bytes)).toBe(statement);
    expect(toHex(read.statement.hash)).toBe(hash);
    expect(read.receipts.map(toHex)).toEqual(receipts);
    expect(toHex(encodeTransparent(fromHex(statement), receipts.map(fromHex)))).toBe(hex);
  });

  test("the chain links by hash and number", () => {
    const { chain } = file;
    const statements: Statement[] = chain.statements.map((hex) => parseStatement(fromHex(hex)));
    expect(statements.map(({ hash }) => toHex(hash))).toEqual(chain.hashes);
    for (const [seq, { claims }] of statements.entries()) {
      expect(claims).toMatchObject({ iss: chain.iss, sub: chain.sub, seq, ch: fromHex(chain.ch) });
      expect(claims.prev).toEqual(statements[seq - 1]?.hash);
    }
  });
});
