import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  ALG_ED25519,
  decodeCbor,
  ed25519Key,
  encodeCbor,
  encodeSign1,
  encodeTransparent,
  formatVkey,
  parseReceipt,
  parseSign1,
  thumbprint,
  toBase64Url,
  toHex,
  verifyReceipt,
  type CborMap,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, systemTimer } from "@tallystick/evidence/node";
import { Registrations } from "../../../anchor/src/scrapi/registrations.ts";
import { AnchorLog, deviceSigner, type AnchorChain, type AnchorDevice } from "../../support/anchor-log.ts";
import { AnchorPipeline } from "../../support/anchor-pipeline.ts";
import { auditCommand } from "../../support/audit-command.ts";
import { Dice } from "../../support/dice.ts";
import { serveLog, type ServedLog } from "../../support/served-log.ts";

const ISS = "city/gw-1";
const COSE = "application/cose";
const provider = createNodeProvider();
let log: AnchorLog;
let device: AnchorDevice;
let chain: AnchorChain;
let anchor: AnchorPipeline;
let served: ServedLog;

beforeEach(async () => {
  log = await AnchorLog.create();
  device = await log.enrol(ISS);
  chain = device.chain();
  anchor = new AnchorPipeline(log);
  served = await serveLog(log, anchor);
});
afterEach(async () => {
  await served.close();
  log.remove();
});

const post = (bytes: Uint8Array, type = COSE): Promise<Response> =>
  fetch(`${served.url}/entries`, {
    method: "POST",
    headers: { "content-type": type, accept: COSE },
    body: new Uint8Array(bytes),
  });
const get = (path: string): Promise<Response> => fetch(served.url + path);
const bytesOf = async (response: Response): Promise<Uint8Array> =>
  new Uint8Array(await response.arrayBuffer());

/** Resolves when so many statements wait for a batch. */
async function accepted(count: number): Promise<void> {
  while (anchor.accepted.length < count) await new Promise((resolve) => setImmediate(resolve));
}

/** Posts statements at once, has them sequenced in one batch, and gives the answers. */
async function registered(statements: readonly Statement[]): Promise<Response[]> {
  const answers = statements.map(({ bytes }) => post(bytes));
  await accepted(statements.length);
  await anchor.batch();
  return Promise.all(answers);
}

async function problemOf(response: Response): Promise<{ status: number; title: unknown; code: string }> {
  expect(response.headers.get("content-type")).toBe("application/concise-problem-details+cbor");
  const map = decodeCbor(await bytesOf(response), { maxBytes: 4096 }) as CborMap;
  expect([...map.keys()]).toEqual([-1, -2]);
  const { status } = response;
  return { status, title: map.get(-1), code: (map.get(-2) as string).split(":")[0] ?? "" };
}

function indexIn(receipt: Uint8Array, { hash }: Statement): number | undefined {
  const { indexes } = verifyReceipt(
    parseReceipt(receipt),
    [hash],
    log.opened.log.signer.key,
    provider,
    nodeSha256,
  );
  return indexes[0];
}

describe("POST /entries", () => {
  test("registers a statement and answers with its receipt", async () => {
    const opening = await chain.open();
    const [answer] = (await registered([opening])) as [Response];
    expect(answer.status).toBe(201);
    expect(answer.headers.get("content-type")).toBe(COSE);
    expect(answer.headers.get("location")).toBe(`/entries/${toHex(opening.hash)}`);
    expect(indexIn(await bytesOf(answer), opening)).toBe(2);
    expect(log.size).toBe(3);
  });

  test("what the receipt says verifies with the statement, under the operator's key", async () => {
    const [answer] = (await registered([await chain.open()])) as [Response];
    const files = { policy: join(log.folder, "policy.txt"), statement: join(log.folder, "one.cose") };
    writeFileSync(files.policy, log.policy);
    const [opening] = chain.statements as [Statement];
    writeFileSync(files.statement, encodeTransparent(opening.bytes, [await bytesOf(answer)]));
    const { exit, stdout } = await auditCommand(
      "verify",
      files.statement,
      "--policy",
      files.policy,
      "--log",
      log.publicFolder,
      "--json",
    );
    expect(JSON.parse(stdout)).toMatchObject({ verdict: "restricted", restrictions: ["no-witness"] });
    expect(exit).toBe(0);
  }, 30_000);

  test("gives the same bytes again the same receipt at the same location, before and after a restart", async () => {
    const opening = await chain.open();
    const [first] = (await registered([opening])) as [Response];
    const receipt = toHex(await bytesOf(first));
    await registered(await chain.next(3));
    const again = await post(opening.bytes);
    expect([again.status, again.headers.get("location")]).toEqual([201, first.headers.get("location")]);
    expect(toHex(await bytesOf(again))).toBe(receipt);
    await served.close();
    await log.reopen();
    anchor = new AnchorPipeline(log);
    served = await serveLog(log, anchor);
    const later = await post(opening.bytes);
    expect([later.status, toHex(await bytesOf(later))]).toEqual([201, receipt]);
    expect(log.size).toBe(6);
  });

  test("several who bring the same bytes at once share one entry, and one signature is checked", async () => {
    const opening = await chain.open();
    const answers = [post(opening.bytes), post(opening.bytes), post(opening.bytes)];
    await accepted(1);
    expect((await get("/checkpoint")).status).toBe(200); // the others have arrived by then
    await anchor.batch();
    const receipts = new Set<string>();
    for (const answer of await Promise.all(answers))
      receipts.add(`${answer.status} ${toHex(await bytesOf(answer))}`);
    expect(receipts.size).toBe(1);
    expect([log.size, anchor.checked]).toEqual([3, 1]);
  });

  test("the device gets the receipt over its own line, too", async () => {
    await registered([await chain.open()]);
    expect(anchor.down(ISS).map(({ kind }) => kind)).toEqual(["receipt"]);
  });

  test("takes a transparent statement without the receipts that it brings", async () => {
    const opening = await chain.open();
    const carried = encodeTransparent(opening.bytes, [Uint8Array.of(1, 2, 3)]);
    const answer = post(carried);
    await accepted(1);
    await anchor.batch();
    expect((await answer).headers.get("location")).toBe(`/entries/${toHex(opening.hash)}`);
  });

  test("refuses what is no statement of the profile, by title and code", async () => {
    const { bytes } = await chain.open();
    const sign1 = parseSign1(bytes, bytes.length);
    const detached = encodeSign1({ ...sign1, payload: null });
    const header = new Map(sign1.header).set(1, -8);
    const eddsa = encodeSign1({ ...sign1, protectedBytes: encodeCbor(header) });
    const unprotected = encodeSign1({ ...sign1, unprotected: new Map([[99, 1]]) });
    const cases: [Uint8Array, number, string, string][] = [
      [new Uint8Array(), 400, "Malformed request", "cbor-malformed"],
      [Uint8Array.of(0xa0), 400, "Malformed request", "cose-malformed"],
      [bytes.subarray(1), 400, "Malformed request", "cose-malformed"],
      [detached, 400, "Payload Missing", "cose-malformed"],
      [eddsa, 400, "Bad Signature Algorithm", "cose-algorithm"],
      [unprotected, 400, "Malformed request", "cose-unprotected"],
      [new Uint8Array(200_000), 413, "Malformed request", "too-large"],
    ];
    for (const [body, status, title, code] of cases)
      expect(await problemOf(await post(body))).toEqual({ status, title, code });
    expect((await problemOf(await post(bytes, "application/cbor"))).status).toBe(415);
    expect([log.size, anchor.checked]).toEqual([2, 0]);
  });

  test("refuses what the registration policy refuses, and holds it against nobody's device", async () => {
    const opening = await chain.open();
    const stranger = await chain.seal(chain.pack(1), { seq: 1, prev: opening.hash }, deviceSigner("nobody"));
    expect(await problemOf(await post(stranger.bytes))).toEqual({
      status: 400,
      title: "Rejected",
      code: "key-unknown",
    });
    const item = await log.item({ kind: "revoke", kid: device.signer.key.kid, from: 0 });
    expect((await problemOf(await post(item.bytes))).code).toBe("key-stream");
    for (let i = 0; i < 300; i++) {
      const forged = opening.bytes.slice();
      forged[forged.length - 1] = (forged[forged.length - 1] as number) ^ (1 + (i % 255));
      if (i < 3 || i === 299) expect((await problemOf(await post(forged))).code).toBe("signature-invalid");
      else await post(forged);
    }
    expect(anchor.down(ISS)).toEqual([]);
    expect(anchor.tally.of("signature-invalid")).toBe(300);
    expect(anchor.pool.items).toBe(0);
    anchor.receive(ISS, opening); // heard as ever
    await anchor.batch();
    expect(log.size).toBe(3);
  });

  test("refuses a fork and keeps it as evidence", async () => {
    const opening = await chain.open();
    await registered([opening]);
    const [one] = await chain.next();
    const other = await chain.seal(chain.pack(77), { seq: 1, prev: opening.hash });
    const [good, bad] = (await registered([one as Statement, other])) as [Response, Response];
    expect(good.status).toBe(201);
    expect(await problemOf(bad)).toEqual({ status: 400, title: "Rejected", code: "fork" });
    expect(log.opened.store.archive.forks(10).map(({ hash }) => toHex(hash))).toEqual([toHex(other.hash)]);
    expect(anchor.down(ISS).filter(({ kind }) => kind === "rejected")).toEqual([]);
  });

  test("takes nothing of one who has seen a larger tree than this log has", async () => {
    const seen = { size: 1000, root: new Uint8Array(32) };
    const ahead = await chain.seal(chain.pack(1), { seq: 0, seen });
    for (let i = 0; i < 2; i++)
      expect(await problemOf(await post(ahead.bytes))).toMatchObject({ status: 503, code: "log-behind" });
  });

  test("full or not running is 503, with the time to wait", async () => {
    const opening = await chain.open();
    for (let i = 0; i < log.config.pool.maxItems; i++) anchor.pool.enter(1);
    const full = await post(opening.bytes);
    expect(full.headers.get("retry-after")).toMatch(/^\d+$/);
    expect(await problemOf(full)).toMatchObject({ status: 503, code: "pool-full" });
    for (let i = 0; i < log.config.pool.maxItems; i++) anchor.pool.leave(1);
    anchor.registrations.close();
    expect(await problemOf(await post(opening.bytes))).toMatchObject({ status: 503, code: "unreachable" });
  });

  test("an address over its budget is 429; what was refused counts for ten", async () => {
    await served.close();
    served = await serveLog(log, anchor, { perAddressPerMinute: 25 });
    expect((await post(Uint8Array.of(1))).status).toBe(400);
    expect((await post(Uint8Array.of(1))).status).toBe(400);
    expect((await post(Uint8Array.of(1))).status).toBe(400);
    const over = await post(Uint8Array.of(1));
    expect(over.headers.get("retry-after")).toMatch(/^\d+$/);
    expect(await problemOf(over)).toEqual({ status: 429, title: "Too Many Requests", code: "rate-limited" });
    expect((await get("/.well-known/scitt-keys")).status).toBe(200);
  });
});

test("whoever waits is told, by whichever way his statement came into the log", async () => {
  const statement = await chain.open();
  for (const way of ["admitted", "duplicates", "filled"] as const) {
    const waiting = new Registrations({ maxWaiting: 1, waitMs: 3_600_000 }, systemTimer, anchor.tally);
    waiting.open({ submit: () => false });
    const outcome = waiting.register(statement);
    waiting.settled({ admitted: [], duplicates: [], filled: [], [way]: [{ statement, index: 2 }] });
    expect(await outcome).toEqual({ kind: "registered" });
  }
});

test("no more wait than may", async () => {
  const waiting = new Registrations({ maxWaiting: 1, waitMs: 3_600_000 }, systemTimer, anchor.tally);
  waiting.open({ submit: () => false });
  const first = waiting.register(await chain.open());
  const [second] = (await chain.next()) as [Statement];
  expect(await waiting.register(second)).toMatchObject({ kind: "refused", code: "pool-full" });
  waiting.abandon();
  expect(await first).toMatchObject({ kind: "refused", code: "unreachable" });
});

describe("whatever is sent", () => {
  test("is answered by the rules: nothing that was changed is registered, and nothing is the server's fault", async () => {
    const dice = new Dice(7);
    const opening = await chain.open();
    const before = log.size;
    for (let i = 0; i < 1500; i++) {
      const bytes = opening.bytes.slice(
        0,
        dice.whole(0, 7) === 0 ? dice.whole(0, opening.bytes.length) : undefined,
      );
      for (let flips = dice.whole(0, 2); flips >= 0 && bytes.length > 0; flips--) {
        const at = dice.whole(0, bytes.length - 1);
        bytes[at] = dice.whole(0, 255);
      }
      if (toHex(bytes) === toHex(opening.bytes)) continue;
      const { status, title } = await problemOf(await post(bytes));
      expect([status, title]).toEqual([
        400,
        expect.stringMatching(/^(?:Malformed request|Payload Missing|Bad Signature Algorithm|Rejected)$/),
      ]);
    }
    expect([log.size, anchor.accepted.length, anchor.pool.items]).toEqual([before, 0, 0]);
  }, 60_000);

  test("paths that are none are answered, too", async () => {
    const paths = [
      "/entries",
      "/entries/",
      "/entries/%00",
      "/entries/%E0%A4%A",
      "/entries/..%2f..%2fanchor.db",
      `/entries/${"a".repeat(4000)}`,
      "/.well-known/scitt-keys/",
      "/.well-known/scitt-keys/%E0%A4%A",
      "/.well-known/scitt-keys/__proto__",
      "/.well-known/",
    ];
    for (const path of paths) {
      const answer = await get(path);
      if (path.startsWith("/entries") || path.includes("scitt-keys")) await problemOf(answer);
      expect([path, [400, 404].includes(answer.status)]).toEqual([path, true]);
    }
    const put = await fetch(`${served.url}/entries`, { method: "PUT", body: "x" });
    expect(await problemOf(put)).toMatchObject({ status: 404, title: "Not Found" });
  });
});

describe("who waits too long", () => {
  async function impatient(): Promise<void> {
    await served.close();
    anchor = new AnchorPipeline(log, { ...log.config, scrapi: { ...log.config.scrapi, waitMs: 10 } });
    served = await serveLog(log, anchor);
  }

  test("is told to fetch the receipt, and finds it there", async () => {
    await impatient();
    const opening = await chain.open();
    const answer = await post(opening.bytes);
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([202, "5"]);
    expect((await bytesOf(answer)).length).toBe(0);
    const location = answer.headers.get("location") as string;
    const pending = await get(location);
    expect([pending.status, pending.headers.get("cache-control")]).toEqual([204, "no-store"]);
    expect(pending.headers.get("retry-after")).toMatch(/^\d+$/);
    await anchor.batch();
    const found = await get(location);
    expect([found.status, indexIn(await bytesOf(found), opening)]).toEqual([200, 2]);
  });

  test("also where another has brought the same bytes, committed and not published yet", async () => {
    const opening = await chain.open();
    const done = log.sequence([], [opening]); // committed
    const waiting = post(opening.bytes);
    while (anchor.registrations.standing(opening.hash) === undefined)
      await new Promise((resolve) => setImmediate(resolve));
    await log.publish(done);
    anchor.registrations.settled(done);
    const answer = await waiting;
    expect([answer.status, indexIn(await bytesOf(answer), opening)]).toEqual([201, 2]);
  });

  test("finds why it was refused", async () => {
    await impatient();
    const hole = await chain.seal(chain.pack(1), { seq: 0 });
    const answer = await post(hole.bytes);
    expect(answer.status).toBe(202);
    await anchor.batch();
    const failed = await problemOf(await get(answer.headers.get("location") as string));
    expect(failed).toEqual({ status: 404, title: "Registration Failed", code: "fork" });
  });

  test("gets an answer where the ledger ends", async () => {
    const answer = post((await chain.open()).bytes);
    await accepted(1);
    anchor.registrations.abandon();
    expect(await problemOf(await answer)).toMatchObject({ status: 503, code: "unreachable" });
  });
});

describe("GET /entries/{id}", () => {
  test("takes the hash in hexadecimal and in base64url, of registry items too", async () => {
    const opening = await chain.open();
    await registered([opening]);
    const [item] = [...log.opened.store.archive.items(0, 1)];
    for (const { hash } of [opening, item as { hash: Uint8Array }]) {
      const hex = await get(`/entries/${toHex(hash)}`);
      const base64 = await get(`/entries/${toBase64Url(hash)}`);
      expect([hex.status, hex.headers.get("location")]).toEqual([200, `/entries/${toHex(hash)}`]);
      expect(toHex(await bytesOf(base64))).toBe(toHex(await bytesOf(hex)));
    }
  });

  test("says what is no locator, and what is no entry", async () => {
    for (const id of ["abc", "zz".repeat(32), `${"A".repeat(42)}*`, "0".repeat(63), "A".repeat(44)])
      expect(await problemOf(await get(`/entries/${id}`))).toMatchObject({
        status: 400,
        title: "Invalid locator",
      });
    expect(await problemOf(await get(`/entries/${"0".repeat(64)}`))).toMatchObject({
      status: 404,
      title: "Not Found",
    });
  });
});

describe("GET /.well-known/scitt-keys", () => {
  test("names the log's key, with its kid and algorithm, and those of earlier logs", async () => {
    const own = log.opened.log.signer.key;
    const earlier = ed25519Key(new Uint8Array(32).fill(7));
    await served.close();
    served = await serveLog(log, anchor, { retiredKeys: [formatVkey("tally.example/2025", earlier)] });
    const answer = await get("/.well-known/scitt-keys");
    expect(answer.headers.get("content-type")).toBe("application/cbor");
    const set = decodeCbor(await bytesOf(answer), { maxBytes: 4096 }) as CborMap[];
    expect(set.map((key) => [key.get(1), key.get(3), key.get(-1)])).toEqual([
      [1, ALG_ED25519, 6],
      [1, ALG_ED25519, 6],
    ]);
    const named = set.map((key) => ({ kid: key.get(2), x: key.get(-2) as Uint8Array }));
    for (const { kid, x } of named) expect(kid).toEqual(thumbprint({ alg: ALG_ED25519, x }));
    expect(named.map(({ x }) => x)).toEqual([own.x, earlier.x]);
    for (const [i, { kid }] of [own, earlier].entries()) {
      const one = await get(`/.well-known/scitt-keys/${toBase64Url(kid)}`);
      expect(decodeCbor(await bytesOf(one), { maxBytes: 4096 })).toEqual(set[i]);
    }
    expect(await problemOf(await get("/.well-known/scitt-keys/AAAA"))).toMatchObject({
      status: 404,
      title: "No such key",
    });
  });
});
