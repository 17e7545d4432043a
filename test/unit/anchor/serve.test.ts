import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ServerType } from "@hono/node-server";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  decodeCbor,
  decodeLeaf,
  parseReceipt,
  parseStatement,
  parseTransparent,
  rootFromInclusion,
  splitSequence,
  hashLeaf,
  toHex,
  verifyReceipt,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { listenAddress } from "../../../anchor/src/config.ts";
import { Lookups } from "../../../anchor/src/http/lookups.ts";
import { createMetrics } from "../../../anchor/src/metrics.ts";
import { KeyStates } from "../../../anchor/src/registry/registry.ts";
import { close, createApp, listen } from "../../../anchor/src/http/serve.ts";
import { createSodiumProvider } from "../../../anchor/src/admission/sodium.ts";
import { AnchorLog, type AnchorChain, type AnchorDevice } from "../../support/anchor-log.ts";
import { AnchorPipeline } from "../../support/anchor-pipeline.ts";

const ISS = "city/gw-1";
const provider = createNodeProvider();
let log: AnchorLog;
let device: AnchorDevice;
let chain: AnchorChain;
let anchor: AnchorPipeline;
let server: ServerType;
let url: string;

beforeEach(async () => {
  log = await AnchorLog.create();
  device = await log.enrol(ISS);
  chain = device.chain();
  anchor = new AnchorPipeline(log);
  const { opened } = log;
  const size = (): number => opened.publisher.size;
  const keyStates = new KeyStates(opened.keys, opened.store.archive, createSodiumProvider());
  const { tally, pool } = anchor;
  const app = createApp({
    publicFolder: log.publicFolder,
    lookups: new Lookups(opened, keyStates),
    health: () => ({
      status: "ok",
      origin: "o",
      size: size(),
      lastCommitAgeS: 1,
      broker: "connected",
      archive: "ok",
      missing: 0,
    }),
    metrics: createMetrics({ tally, pool, size, missing: () => 0, brokerConnected: () => true }),
  });
  ({ server, url } = await listen(app, { host: "127.0.0.1", port: 0 }));
});
afterEach(async () => {
  await close(server);
  log.remove();
});

const get = (path: string): Promise<Response> => fetch(url + path);
const bytesOf = async (response: Response): Promise<Uint8Array> =>
  new Uint8Array(await response.arrayBuffer());

async function admit(statements: readonly Statement[]): Promise<void> {
  for (let at = 0; at < statements.length; at += 100) anchor.receive(ISS, ...statements.slice(at, at + 100));
  await anchor.batch();
}

describe("the public directory", () => {
  test("is served as it is, with the headers of tlog-tiles", async () => {
    await admit(await chain.filled(300));
    const checkpoint = await get("/checkpoint");
    expect(checkpoint.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(checkpoint.headers.get("cache-control")).toMatch(/max-age=1$/);
    expect(await checkpoint.text()).toBe(readFileSync(join(log.publicFolder, "checkpoint"), "utf8"));
    for (const path of [
      "tile/0/000",
      "tile/0/001.p/46",
      "tile/1/000.p/1",
      "tile/entries/000",
      "registry/000.p/2",
    ]) {
      const response = await get(`/${path}`);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("application/octet-stream");
      expect(response.headers.get("cache-control")).toContain("immutable");
      expect(toHex(await bytesOf(response))).toBe(readFileSync(join(log.publicFolder, path)).toString("hex"));
    }
  });

  test("answers 404 for whatever is not one of its paths", async () => {
    const paths = [
      "/tile/0/999",
      "/tile/0/0",
      "/tile/0/000.p/0",
      "/tile/64/000",
      "/tile/0/..%2f..%2f..%2fanchor.db",
      "/tile/%2e%2e/anchor.db",
      "/tile/0/000/../../../anchor.db",
      "/registry/..%2f..%2fkeys%2flog.pem",
      "/checkpoint.new",
      "/.checkpoint.new",
      "/anchor.db",
      "/",
    ];
    for (const path of paths) expect([path, (await get(path)).status]).toEqual([path, 404]);
  });
});

describe("GET /statements/{hash}", () => {
  async function verified(
    path: string,
  ): Promise<{ statement: Statement; sizes: number[]; indexes: number[] }> {
    const response = await get(path);
    expect(response.headers.get("content-type")).toBe("application/cose");
    const { statement, receipts } = parseTransparent(await bytesOf(response), nodeSha256);
    const checked = receipts.map((bytes) => {
      const receipt = parseReceipt(bytes);
      expect(receipt.proofs).toHaveLength(1);
      const { indexes } = verifyReceipt(
        receipt,
        [statement.hash],
        log.opened.log.signer.key,
        provider,
        nodeSha256,
      );
      return { size: receipt.size, index: indexes[0] as number };
    });
    return { statement, sizes: checked.map(({ size }) => size), indexes: checked.map(({ index }) => index) };
  }

  test("gives the original receipt and one at the newest or a named size, of one index", async () => {
    const all = await chain.filled(4);
    await admit(all.slice(0, 2));
    await admit(all.slice(2, 3));
    await admit(all.slice(3));
    const { hash, bytes } = all[1] as Statement;
    const newest = await verified(`/statements/${toHex(hash)}`);
    expect(toHex(newest.statement.bytes)).toBe(toHex(bytes));
    expect(newest).toMatchObject({ sizes: [4, 6], indexes: [3, 3] });
    expect(await verified(`/statements/${toHex(hash)}?size=5`)).toMatchObject({ sizes: [4, 5] });
    expect(await verified(`/statements/${toHex(hash)}?size=4`)).toMatchObject({ sizes: [4, 4] });
    await log.reopen();
  });

  test("gives registry items too; the first of them has its first receipt at size 2", async () => {
    await admit(await chain.filled(2));
    const [policy] = [...log.opened.store.archive.items(0, 1)];
    expect(await verified(`/statements/${toHex(policy?.hash as Uint8Array)}`)).toMatchObject({
      sizes: [2, 4],
      indexes: [0, 0],
    });
  });

  test("answers 404 for an unknown hash, a size that is no checkpoint, or one before the statement", async () => {
    await admit(await chain.filled(2));
    await admit(await chain.next(2));
    const known = toHex((chain.statements[2] as Statement).hash);
    for (const path of [
      `/statements/${"00".repeat(32)}`,
      ...[5, 4, 3, 7, 0].map((n) => `/statements/${known}?size=${n}`),
    ]) {
      expect([path, (await get(path)).status]).toEqual([path, 404]);
    }
  });

  test("answers 400 with a code for a malformed hash or size", async () => {
    for (const path of [
      "/statements/zz",
      `/statements/${"zz".repeat(32)}`,
      `/statements/${"00".repeat(32)}?size=-1`,
    ]) {
      const response = await get(path);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: "text-malformed" });
    }
  });
});

describe("GET /keys/{kid}", () => {
  test("gives the leaf at a size, its path to the root that receipts of that size state, and the items for it", async () => {
    await admit(await chain.filled(2)); // size 4
    const { kid } = device.signer.key;
    const revoke = await log.item({ kind: "revoke", kid, from: 3 });
    await log.publish(log.sequence([revoke], [])); // size 5
    for (const [size, revoked, items] of [
      [4, null, [0, 1]],
      [5, 4, [0, 1, 2]],
    ] as const) {
      const response = await get(`/keys/${toHex(kid)}?size=${size}`);
      expect(response.headers.get("content-type")).toBe("application/cbor");
      const answer = decodeCbor(await bytesOf(response), { maxBytes: 65_536 });
      const [leaf, width, index, path, numbers] = answer as [
        Uint8Array,
        number,
        number,
        Uint8Array[],
        number[],
      ];
      expect(decodeLeaf(leaf)).toMatchObject({ iss: ISS, enrolled: 1, revoked });
      expect(numbers).toEqual(items);
      const root = rootFromInclusion(hashLeaf(leaf, nodeSha256), index, width, path, nodeSha256);
      expect(toHex(root)).toBe(toHex(log.opened.store.batches.at(size)?.keysRoot as Uint8Array));
    }
    expect((await get(`/keys/${"00".repeat(32)}`)).status).toBe(404);
    expect((await get(`/keys/${toHex(kid)}?size=3`)).status).toBe(404);
  });
});

describe("GET /streams and /chains/{ch}", () => {
  test("list what there is, and a chain's statements by number", async () => {
    const all = await chain.filled(5);
    log.clock.now += 7;
    await admit([...all.slice(0, 2), all[4] as Statement]);
    const ch = toHex(chain.ch);
    expect(await (await get(`/streams?iss=${ISS}`)).json()).toEqual([
      { iss: ISS, sub: "meter/m-1", ch, first: 0, last: 4, count: 3 },
    ]);
    expect(await (await get("/streams?iss=city/nobody")).json()).toEqual([]);
    const lines = (await (await get(`/chains/${ch}?iss=${ISS}&sub=meter/m-1`)).json()) as object[];
    expect(lines).toEqual(
      [0, 1, 4].map((seq, i) => ({
        seq,
        index: 2 + i,
        hash: toHex((all[seq] as Statement).hash),
        kid: toHex(device.signer.key.kid),
        iat: 1_790_000_000,
        time: 1_790_000_007,
        kind: seq === 0 ? "stream-opened" : null,
      })),
    );
    const some = await get(`/chains/${ch}?iss=${ISS}&sub=meter/m-1&from=1&to=9&limit=1`);
    expect(((await some.json()) as { seq: number }[]).map(({ seq }) => seq)).toEqual([1]);
  });

  test("answer 400 where the chain is not named, 404 where there is none", async () => {
    expect((await get(`/chains/${toHex(chain.ch)}?iss=${ISS}`)).status).toBe(400);
    expect((await get(`/chains/00?iss=${ISS}&sub=meter/m-1`)).status).toBe(400);
    expect((await get(`/chains/${toHex(chain.ch)}?iss=${ISS}&sub=meter/m-1`)).status).toBe(404);
    expect((await get(`/chains/${toHex(chain.ch)}?iss=${ISS}&sub=meter/m-1&from=1e3`)).status).toBe(400);
  });
});

test("health and metrics: labels are outcomes and codes", async () => {
  await admit(await chain.filled(2));
  anchor.receive(ISS, Uint8Array.of(0xff));
  expect(await (await get("/healthz")).json()).toMatchObject({ status: "ok", size: 4 });
  const metrics = await (await get("/metrics")).text();
  expect(metrics).toContain('tally_anchor_outcomes_total{outcome="admitted"} 2');
  expect(metrics).toContain('tally_anchor_outcomes_total{outcome="cbor-malformed"} 1');
  expect(metrics).toContain("tally_anchor_log_size 4");
  expect(metrics).not.toContain("city");
});

test("nothing but this machine's loopback is listened on, and a port that is taken is named", async () => {
  const failing = (code: string) => expect.objectContaining({ code });
  for (const listenOn of ["0.0.0.0:8080", "192.168.1.5:80", "[::]:80", "example.org:80", "127.0.0.1:70000"]) {
    expect(() => listenAddress(listenOn)).toThrow(failing("address-not-loopback"));
  }
  expect(listenAddress("[::1]:80")).toEqual({ host: "::1", port: 80 });
  expect(listenAddress("localhost:0")).toEqual({ host: "localhost", port: 0 });
  const port = Number(new URL(url).port);
  await expect(listen(createApp({} as never), { host: "127.0.0.1", port })).rejects.toThrow(
    failing("address-in-use"),
  );
});

test("/items gives the registry from a number on, and nothing behind its end", async () => {
  const items = async (from: number): Promise<Uint8Array[]> => {
    const answer = await fetch(`${url}/items?from=${from}`);
    expect(answer.headers.get("content-type")).toBe("application/cbor-seq");
    const { items: found } = splitSequence(new Uint8Array(await answer.arrayBuffer()), {
      maxBytes: 1 << 24,
      maxItems: 256,
      maxItemBytes: 1 << 16,
    });
    return found.map((one) => decodeCbor(one, { maxBytes: 1 << 16 }) as Uint8Array);
  };
  const all = await items(0);
  expect(all.map((bytes) => parseStatement(bytes, nodeSha256).claims.seq)).toEqual([0, 1]);
  expect(await items(1)).toEqual(all.slice(1));
  expect(await items(2)).toEqual([]);
});
