import { generateKeyPairSync } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  concatBytes,
  encodeCbor,
  encodeItem,
  encodeSign1,
  sealStatement,
  toHex,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256, parsePublicKeyPem } from "@tallystick/evidence/node";
import {
  AnchorDevice,
  AnchorLog,
  deviceSigner,
  openingOf,
  type AnchorChain,
} from "../../support/anchor-log.ts";
import { AnchorPipeline } from "../../support/anchor-pipeline.ts";

const ISS = "city/gw-1";
let log: AnchorLog;
let device: AnchorDevice;
let chain: AnchorChain;
let anchor: AnchorPipeline;

beforeEach(async () => {
  log = await AnchorLog.create();
  device = await log.enrol(ISS, ["meter/*"]);
  chain = device.chain();
  anchor = new AnchorPipeline(log);
});
afterEach(() => log.remove());

/** Sends one item as the device's message and gives the code with which it is refused, or undefined. */
function refusal(item: Statement | Uint8Array, iss = ISS): string | undefined {
  const hash = nodeSha256(item instanceof Uint8Array ? item : item.bytes);
  anchor.receive(iss, item);
  return anchor.refusals(iss).get(toHex(hash));
}

const at = (statements: readonly Statement[], i: number): Statement => statements[i] as Statement;

describe("what is refused, and under which code", () => {
  test("bytes that are no sequence of statements: under the hash of the rest", async () => {
    expect(refusal(Uint8Array.of(0xff, 1, 2))).toBe("cbor-malformed");
    expect(refusal(encodeCbor([1, 2, 3]))).toBe("cose-malformed");
    const first = await chain.open();
    const [second] = await chain.next();
    const rest = concatBytes(Uint8Array.of(0x9f), (second as Statement).bytes);
    anchor.receive(ISS, first, rest);
    expect(anchor.refusals(ISS)).toEqual(new Map([[toHex(nodeSha256(rest)), "cbor-malformed"]]));
    expect(anchor.accepted.map(({ statement }) => statement.claims.seq)).toEqual([0]);
  });

  test("a message that is too large, or has too many items", async () => {
    expect(refusal(new Uint8Array(65_537))).toBe("too-large");
    const opened = await chain.open();
    anchor.receive(ISS, ...Array.from({ length: 513 }, () => Uint8Array.of(0xf6)));
    expect([...anchor.refusals(ISS).values()]).toEqual(["cose-malformed"]);
    expect(refusal(concatBytes(opened.bytes, new Uint8Array(40_000)))).toBeUndefined();
  });

  test("a statement that is whole and wrong inside: under its own hash, and the others go on", async () => {
    const [first, second] = [await chain.open(), ...(await chain.next())] as [Statement, Statement];
    const { protectedBytes, payload } = first.sign1;
    const withHeader = encodeSign1({
      protectedBytes,
      payload,
      unprotected: new Map([[4, 1]]),
      signature: first.sign1.signature,
    });
    anchor.receive(ISS, withHeader, first, second);
    expect(anchor.refusals(ISS)).toEqual(new Map([[toHex(nodeSha256(withHeader)), "cose-unprotected"]]));
    expect(anchor.accepted).toHaveLength(2);
  });

  test("another device's statement", async () => {
    await log.enrol("city/gw-2");
    expect(refusal(await chain.open(), "city/gw-2")).toBe("topic-owner");
  });

  test("a key that is not enrolled, and one that is another device's", async () => {
    expect(refusal(await chain.seal(openingOf("none"), {}, deviceSigner("nobody")))).toBe("key-unknown");
    const other = await log.enrol("city/gw-2");
    expect(refusal(await chain.seal(openingOf("none"), {}, other.signer))).toBe("key-issuer");
  });

  test("a stream that the key may not write; sys it may", async () => {
    expect(refusal(await device.chain("camera/1").open())).toBe("key-stream");
    expect(refusal(await device.chain("sys").open())).toBeUndefined();
  });

  test("a revoked key", async () => {
    const revoke = await log.item({ kind: "revoke", kid: device.signer.key.kid, from: 0 });
    await log.publish(log.sequence([revoke], []));
    expect(refusal(await chain.open())).toBe("key-revoked");
  });

  test("a key that was succeeded by re-enrolment; the new one counts", async () => {
    const next = deviceSigner("second key");
    const item = await log.item({
      kind: "re-enrol",
      device: ISS,
      key: next.key,
      streams: ["meter/*"],
      silenceS: 9,
      reason: "new board",
    });
    await log.publish(log.sequence([item], []));
    expect(refusal(await chain.open())).toBe("key-superseded");
    expect(refusal(await new AnchorDevice(ISS, next, log.clock).chain().open())).toBeUndefined();
  });

  test("an algorithm that is not the enrolled key's", async () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const { x, y } = parsePublicKeyPem(
      publicKey.export({ format: "pem", type: "spki" }).toString(),
      "made here",
    );
    // Claims ESP256 under the enrolled kid: low s, so that its form is good.
    const liar: Signer = {
      key: { alg: -9, x, ...(y === undefined ? {} : { y }), kid: device.signer.key.kid },
      sign: () => Promise.resolve(new Uint8Array(64)),
    };
    expect(refusal(await chain.seal(openingOf("none"), {}, liar))).toBe("key-mismatch");
  });

  test("a registry item, whoever signed it", async () => {
    await log.enrol("city/gw-2");
    const item = await sealStatement(
      { iss: "city/operator", sub: "registry", seq: 3, prev: log.opened.keys.last, iat: 1, tq: 2, lvl: 1 },
      { type: "registry", payload: encodeItem({ kind: "revoke", kid: device.signer.key.kid, from: 0 }) },
      log.operator,
    );
    expect(refusal(item, "city/operator")).toBe("key-stream");
  });

  test("a signature that is not the key's", async () => {
    const good = await chain.open();
    const { bytes } = good;
    const bad = bytes.with(bytes.length - 1, (bytes.at(-1) as number) ^ 1);
    expect(refusal(bad)).toBe("signature-invalid");
    expect(anchor.pool.items).toBe(0);
    expect(refusal(good)).toBeUndefined();
  });

  test("a fork, once its signature is good: refused and kept; an unsigned one is not kept", async () => {
    const all = await chain.filled(2);
    anchor.receive(ISS, ...all);
    await anchor.batch();
    anchor.down(ISS);
    const rival = await chain.seal(chain.pack(9), { seq: 1, prev: at(all, 0).hash });
    const unsigned = rival.bytes.with(rival.bytes.length - 1, (rival.bytes.at(-1) as number) ^ 1);
    expect(refusal(unsigned)).toBe("signature-invalid");
    anchor.receive(ISS, rival);
    await anchor.batch();
    expect(anchor.refusals(ISS)).toEqual(new Map([[toHex(rival.hash), "fork"]]));
    expect(log.opened.store.archive.forks(9).map(({ hash }) => toHex(hash))).toEqual([toHex(rival.hash)]);
    expect(anchor.pool.items).toBe(0);
  });
});

describe("what costs nothing is checked first", () => {
  test("a statement that is held already is answered without its signature", async () => {
    const all = await chain.filled(3);
    anchor.receive(ISS, ...all);
    await anchor.batch();
    expect(anchor.checked).toBe(3);
    anchor.receive(ISS, ...all);
    expect(anchor.checked).toBe(3);
    expect(anchor.tally.of("duplicate")).toBe(3);
    expect(anchor.accepted).toEqual([]);
  });

  test("one that waits for its batch is not answered twice", async () => {
    const all = await chain.filled(2);
    anchor.receive(ISS, ...all);
    anchor.receive(ISS, ...all);
    await anchor.batch();
    const receipts = anchor.down(ISS).filter(({ kind }) => kind === "receipt");
    expect(receipts).toHaveLength(1);
    expect(log.size).toBe(4);
  });
});

describe("refusals", () => {
  test("are sent so many times a minute to a device, and counted beyond", async () => {
    const config = { ...log.config, refusals: { ...log.config.refusals, perDevicePerMinute: 2 } };
    anchor = new AnchorPipeline(log, config);
    await log.enrol("city/gw-2");
    const foreign = await chain.open();
    for (let i = 0; i < 5; i++) anchor.receive("city/gw-2", foreign);
    anchor.receive(ISS, Uint8Array.of(0xff));
    expect(anchor.down("city/gw-2")).toHaveLength(2);
    expect(anchor.down(ISS)).toHaveLength(1);
    expect(anchor.tally.of("topic-owner")).toBe(5);
    anchor.passMs(60_000);
    anchor.receive("city/gw-2", foreign);
    expect(anchor.down("city/gw-2")).toHaveLength(1);
  });

  test("that the broker does not take are lost, and nothing else", async () => {
    anchor.online = false;
    anchor.receive(ISS, Uint8Array.of(0xff), await chain.open());
    anchor.receive(ISS, at(chain.statements, 0));
    await anchor.batch();
    expect(anchor.tally.of("receipt-dropped")).toBe(1);
    expect(log.size).toBe(3);
  });
});

test("the pool is charged for the whole message until its statements are answered", async () => {
  const config = { ...log.config, pool: { maxItems: 100, maxBytes: 2000 } };
  anchor = new AnchorPipeline(log, config);
  anchor.receive(ISS, ...(await chain.filled(8)));
  expect(anchor.pool.items).toBe(8);
  expect(anchor.pool.full).toBe(true);
  let resumed = false;
  anchor.pool.whenRoom(() => {
    resumed = true;
  });
  expect(resumed).toBe(false);
  await anchor.batch();
  expect(resumed).toBe(true);
  expect(anchor.pool.items).toBe(0);
});
