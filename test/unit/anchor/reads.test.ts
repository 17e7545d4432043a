import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  decimal,
  encodePack,
  openCheckpoint,
  parseReceipt,
  parseStatement,
  parseTransparent,
  parseVkey,
  splitSequence,
  toHex,
  verifyReceipt,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { placesOf } from "../../../anchor/src/config.ts";
import { Orders } from "../../../anchor/src/erasure/orders.ts";
import type { ReadAnswer, ReadChain } from "../../../anchor/src/reads/schemas.ts";
import { TokenStore } from "../../../anchor/src/reads/tokens.ts";
import { Turnstile } from "../../../anchor/src/reads/turnstile.ts";
import { AnchorLog, type AnchorChain, type AnchorDevice } from "../../support/anchor-log.ts";
import { OWN, OwnAnchor } from "../../support/own-anchor.ts";

const ISS = "water/gw-1";
const provider = createNodeProvider();
let anchor: OwnAnchor;
let device: AnchorDevice;
let chain: AnchorChain;
let token: string;

beforeEach(async () => {
  anchor = await OwnAnchor.start();
  device = await anchor.log.enrol(ISS);
  chain = device.chain();
  token = await anchor.token("audit-office", "water/*");
});
afterEach(() => anchor.remove());

type Asking = { readonly method?: string; readonly body?: unknown; readonly token?: string };

const ask = (path: string, { method, body, token: shown = token }: Asking = {}): Promise<Response> =>
  fetch(anchor.url + path, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: shown === "" ? {} : { Authorization: `Bearer ${shown}` },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });

const REQUEST = { purpose: "billing audit 2026-05", streams: [{ iss: ISS, sub: "meter/*" }] };

async function begin(request: object = REQUEST, shown = token): Promise<ReadAnswer> {
  const response = await ask("/reads", { body: request, token: shown });
  const answer = (await response.json()) as ReadAnswer;
  expect([response.status, answer]).toEqual([201, expect.anything()]);
  return answer;
}

/** Status and code of a refusal, which always says what to do, too. */
async function refusal(asked: Promise<Response>): Promise<[number, string]> {
  const response = await asked;
  const { code, error } = (await response.json()) as { code: string; error: string };
  expect(error.length).toBeGreaterThan(10);
  return [response.status, code];
}

async function admit(...statements: readonly Statement[]): Promise<void> {
  for (let at = 0; at < statements.length; at += 100)
    anchor.pipeline.receive(device.iss, ...statements.slice(at, at + 100));
  await anchor.batch();
}

const pathOf = (id: string, { iss, sub, ch }: ReadChain, what: "chains" | "statements", more = ""): string =>
  what === "chains"
    ? `/reads/${id}/chains/${ch}?iss=${iss}&sub=${sub}${more}`
    : `/reads/${id}/statements?iss=${iss}&sub=${sub}&ch=${ch}${more}`;

/** Reads a page strictly: each statement with two good receipts of this log, the second one at `size`. */
async function verified(response: Response, size: number): Promise<Statement[]> {
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/cbor-seq"]);
  const limits = { tags: [18], maxBytes: 2 ** 23, maxItems: 2000, maxItemBytes: 2 ** 18 };
  const { items, rest } = splitSequence(new Uint8Array(await response.arrayBuffer()), limits);
  expect(rest).toBeUndefined();
  return items.map((bytes) => checked(bytes, size));
}

function checked(bytes: Uint8Array, size: number): Statement {
  const { statement, receipts } = parseTransparent(bytes, nodeSha256);
  const read = receipts.map(parseReceipt);
  expect(read).toHaveLength(2);
  expect(read[1]?.size).toBe(size);
  for (const receipt of read) {
    const { root } = verifyReceipt(receipt, [statement.hash], anchor.log.opened.log.signer.key, provider);
    expect(toHex(root)).toBe(
      toHex(anchor.log.opened.store.batches.at(receipt.size)?.root ?? new Uint8Array()),
    );
  }
  const index = read[0]?.proofs[0]?.index ?? -1;
  expect(read[1]?.proofs[0]?.index).toBe(index);
  expect(anchor.log.opened.store.batches.holding(index)?.size).toBe(read[0]?.size);
  return statement;
}

const hashes = (statements: readonly Statement[]): string[] => statements.map(({ hash }) => toHex(hash));

describe("a read", () => {
  test("is in a published tree before it is answered, and says who, what and why", async () => {
    await admit(...(await chain.filled(3)));
    const { access, size } = await begin({ ...REQUEST, from: 1_780_000_000 });
    const held = anchor.log.opened.store.archive.byHash(Buffer.from(access, "hex"));
    expect(held?.index).toBeLessThan(size);
    expect(anchor.log.check().size).toBeGreaterThanOrEqual(size);
    const { event, claims } = parseStatement(held?.bytes ?? new Uint8Array(), nodeSha256);
    expect(claims).toMatchObject({ iss: OWN, sub: "access", seq: 1 });
    expect(event).toEqual({
      kind: "access",
      who: "audit-office",
      what: "water/gw-1 meter/*; from 2026-05-28T20:26:40Z",
      purpose: REQUEST.purpose,
    });
  });

  test("hands over statements with receipts at its size, page by page", async () => {
    const made = await chain.filled(120);
    await admit(...made.slice(0, 70));
    await admit(...made.slice(70));
    const { id, size, chains } = await begin();
    expect(chains).toEqual([
      { iss: ISS, sub: chain.sub, ch: toHex(chain.ch), first: 0, last: 119, from: 0, to: 119 },
    ]);
    const [only] = chains as [ReadChain];
    const got: Statement[] = [];
    for (let from: string | null = "0"; from !== null;) {
      const response: Response = await ask(pathOf(id, only, "statements", `&from=${from}&limit=50`));
      from = response.headers.get("tally-next");
      got.push(...(await verified(response, size)));
    }
    expect(hashes(got)).toEqual(hashes(made));
    const rows = await ask(pathOf(id, only, "chains", "&from=118"));
    expect(await rows.json()).toEqual([
      expect.objectContaining({ seq: 118, hash: toHex(made[118]?.hash ?? new Uint8Array()), kind: null }),
      expect.objectContaining({ seq: 119, iat: anchor.log.clock.now }),
    ]);
    const note = await (await ask(`/reads/${id}/checkpoint`)).text();
    const [, vkey = ""] = /^log (.*)$/m.exec(anchor.log.policy) ?? [];
    expect(openCheckpoint(note, parseVkey(vkey), provider).size).toBe(size);
    const own = await ask(`/reads/${id}/statements/${hashes(made)[5]}`);
    expect(checked(new Uint8Array(await own.arrayBuffer()), size).claims.seq).toBe(5);
  });

  test("has the sys stream of its devices, and nothing of another", async () => {
    await admit(...(await chain.filled(2)));
    const sys = device.chain("sys", "own");
    await admit(await sys.open());
    const other = device.chain("valve/v-1");
    await admit(await other.open());
    const { id, chains } = await begin();
    expect(chains.map(({ sub }) => sub)).toEqual([chain.sub, "sys"]);
    const [, system] = chains as [ReadChain, ReadChain];
    expect((await ask(pathOf(id, system, "statements"))).status).toBe(200);
    const foreign = { ...system, sub: other.sub, ch: toHex(other.ch) };
    for (const what of ["chains", "statements"] as const)
      expect(await refusal(ask(pathOf(id, foreign, what)))).toEqual([403, "read-scope"]);
    const [opening] = hashes(other.statements);
    expect(await refusal(ask(`/reads/${id}/statements/${opening}`))).toEqual([403, "read-scope"]);
  });

  test("stands at one tree: what is admitted later is in the next read", async () => {
    const made = await chain.filled(9);
    // Number 4 comes late: it fills a hole that the first read sees.
    const late = made[4] as Statement;
    await admit(...made.filter((one) => one !== late));
    const first = await begin();
    await admit(late, ...(await chain.next(3)));
    const second = await begin();
    expect(second.size).toBeGreaterThan(first.size);
    const [before] = first.chains as [ReadChain];
    const [after] = second.chains as [ReadChain];
    expect([before.last, after.last]).toEqual([8, 11]);
    const old = await verified(await ask(pathOf(first.id, before, "statements")), first.size);
    expect(old.map(({ claims }) => claims.seq)).toEqual([0, 1, 2, 3, 5, 6, 7, 8]);
    const now = await verified(await ask(pathOf(second.id, after, "statements")), second.size);
    expect(now).toHaveLength(12);
    expect(await refusal(ask(`/reads/${first.id}/statements/${toHex(late.hash)}`))).toEqual([404, "hole"]);
    // At a size of before: everything as it was then.
    const again = await begin({ ...REQUEST, size: first.size });
    const [same] = again.chains as [ReadChain];
    expect(same).toEqual(before);
    const bytes = async (id: string): Promise<string> =>
      toHex(new Uint8Array(await (await ask(pathOf(id, before, "statements"))).arrayBuffer()));
    expect(await bytes(again.id)).toBe(await bytes(first.id));
    const own = await ask(`/reads/${again.id}/statements/${again.access}`);
    const { statement, receipts } = parseTransparent(new Uint8Array(await own.arrayBuffer()), nodeSha256);
    expect(statement.event).toMatchObject({
      what: expect.stringContaining(`at size ${first.size}`) as string,
    });
    expect(receipts).toHaveLength(2);
    expect(await refusal(ask("/reads", { body: { ...REQUEST, size: first.size + 1 } }))).toEqual([
      400,
      "member-range",
    ]);
  });

  test("hands over the numbers of its period, and number 0", async () => {
    const { clock } = anchor.log;
    const hour = 3600;
    const begun = clock.now;
    await admit(...(await chain.filled(1)));
    for (let i = 1; i < 40; i++) {
      clock.now = begun + i * hour;
      await admit(...(await chain.next()));
    }
    const period = { from: begun + 10 * hour, to: begun + 20 * hour };
    token = await anchor.token("later", "*");
    const { id, size, chains } = await begin({ ...REQUEST, ...period });
    const [only] = chains as [ReadChain];
    // Sealed an hour later at most.
    expect([only.from, only.to]).toEqual([10, 21]);
    const got = await verified(await ask(pathOf(id, only, "statements")), size);
    expect(got.map(({ claims }) => claims.seq)).toEqual([0, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]);
    expect(await verified(await ask(pathOf(id, only, "statements", "&from=22")), size)).toEqual([]);
    const beyond = toHex(chain.statements[30]?.hash ?? new Uint8Array());
    expect(await refusal(ask(`/reads/${id}/statements/${beyond}`))).toEqual([403, "read-scope"]);
    const never = await begin({ ...REQUEST, from: begun + 99 * hour });
    expect(never.chains).toEqual([expect.objectContaining({ first: 0, last: 39, from: null, to: null })]);
    const opening = await verified(await ask(pathOf(never.id, only, "statements")), never.size);
    expect(opening.map(({ claims }) => claims.seq)).toEqual([0]);
  });

  test("names what was erased, and hands over what says so", async () => {
    await admit(...(await chain.filled(6)));
    const gone = chain.statements[3] as Statement;
    await new Orders(placesOf(anchor.config).erasures).give({ hash: gone.hash, order: "court 17/2026" });
    await anchor.erase();
    const { id, size, chains } = await begin();
    const [only] = chains as [ReadChain];
    const by = toHex(anchor.log.opened.store.erasures.by(6) ?? new Uint8Array());
    const hash = toHex(gone.hash);
    expect(await (await ask(pathOf(id, only, "chains", "&from=3&to=3"))).json()).toEqual([
      expect.objectContaining({ seq: 3, hash, kid: null, iat: null, kind: null, erased: by }),
    ]);
    expect(await (await ask(`/reads/${id}/erased`)).json()).toEqual([
      { iss: ISS, sub: chain.sub, ch: only.ch, seq: 3, index: 6, hash, by },
    ]);
    const got = await verified(await ask(pathOf(id, only, "statements")), size);
    expect(got.map(({ claims }) => claims.seq)).toEqual([0, 1, 2, 4, 5]);
    expect(await refusal(ask(`/reads/${id}/statements/${hash}`))).toEqual([410, "erased"]);
    const said = await ask(`/reads/${id}/statements/${by}`);
    expect(checked(new Uint8Array(await said.arrayBuffer()), size).event).toMatchObject({ kind: "erased" });
  });

  test("can be asked for its registry and keys as they were at its size", async () => {
    const { id } = await begin();
    const { kid } = device.signer.key;
    const before = [await ask(`/reads/${id}/items`), await ask(`/reads/${id}/keys/${toHex(kid)}`)];
    const texts = await Promise.all(
      before.map(async (one) => toHex(new Uint8Array(await one.arrayBuffer()))),
    );
    expect(before.map(({ status }) => status)).toEqual([200, 200]);
    await anchor.batch(); // nothing is on its way
    await anchor.log.enrol("water/gw-2");
    const after = [await ask(`/reads/${id}/items`), await ask(`/reads/${id}/keys/${toHex(kid)}`)];
    for (const [i, one] of after.entries())
      expect(toHex(new Uint8Array(await one.arrayBuffer()))).toBe(texts[i]);
    expect(await refusal(ask(`/reads/${id}/keys/${"00".repeat(32)}`))).toEqual([404, "hole"]);
  });

  test("gives the keys of so many earlier trees a minute; a tree that was asked for last costs nothing", async () => {
    const sizes: number[] = [];
    for (let n = 2; n < 14; n++) {
      await anchor.log.enrol(`water/gw-${n}`);
      sizes.push(anchor.log.size);
    }
    const reads: ReadAnswer[] = [];
    for (const size of sizes.slice(0, 11)) reads.push(await begin({ ...REQUEST, size }));
    const kid = toHex(device.signer.key.kid);
    const keyAt = (read: ReadAnswer | undefined) => ask(`/reads/${read?.id}/keys/${kid}`);
    for (const read of reads.slice(0, 10)) expect((await keyAt(read)).status).toBe(200);
    expect(await refusal(keyAt(reads[10]))).toEqual([429, "rate-limited"]);
    expect((await keyAt(reads[9])).status).toBe(200);
    expect((await keyAt(await begin())).status).toBe(200);
  });
});

describe("who may read", () => {
  test("nobody without a token, with another one, after its time, or once it is withdrawn", async () => {
    const { id } = await begin();
    for (const path of ["/reads", `/reads/${id}`, `/reads/${id}/erased`]) {
      const method = path === "/reads" ? { body: REQUEST } : {};
      expect(await refusal(ask(path, { ...method, token: "" }))).toEqual([401, "credentials-missing"]);
      expect(await refusal(ask(path, { ...method, token: `tally-read-${"a".repeat(43)}` }))).toEqual([
        401,
        "token-unknown",
      ]);
      expect(await refusal(ask(path, { ...method, token: "../../keys/log" }))).toEqual([
        401,
        "token-unknown",
      ]);
    }
    const tokens = new TokenStore(placesOf(anchor.config).tokens);
    expect(await tokens.revoke("audit-office", anchor.log.clock.now)).toBe(1);
    expect(await refusal(ask(`/reads/${id}`))).toEqual([401, "token-revoked"]);
    token = await anchor.token("audit-office", "water/*");
    anchor.log.clock.now += 86_400;
    expect(await refusal(ask("/reads", { body: REQUEST }))).toEqual([401, "token-expired"]);
  });

  test("no one reads by another's read, and one that is over says so", async () => {
    const { id, expires } = await begin();
    const other = await anchor.token("other-office", "water/*");
    expect(await refusal(ask(`/reads/${id}`, { token: other }))).toEqual([404, "read-unknown"]);
    expect(await refusal(ask(`/reads/${"0".repeat(32)}`))).toEqual([404, "read-unknown"]);
    anchor.log.clock.now = expires;
    expect(await refusal(ask(`/reads/${id}`))).toEqual([410, "read-expired"]);
    const next = await begin();
    expect((await ask(`/reads/${next.id}`, { method: "DELETE" })).status).toBe(204);
    expect(await refusal(ask(`/reads/${next.id}`))).toEqual([404, "read-unknown"]);
  });

  test("the token is on no disk", async () => {
    const { tokens } = placesOf(anchor.config);
    for (const name of readdirSync(tokens)) {
      const text = readFileSync(join(tokens, name), "utf8");
      expect(text).not.toContain(token.slice("tally-read-".length));
    }
  });

  test("nothing is entered for what is refused", async () => {
    const { size } = anchor.log;
    const refused: [unknown, number, string][] = [
      ["{", 400, "text-malformed"],
      [{ ...REQUEST, purpose: undefined }, 400, "member-missing"],
      [{ ...REQUEST, purpose: "" }, 400, "member-range"],
      [{ ...REQUEST, purpose: "ü".repeat(101) }, 400, "member-range"],
      [{ ...REQUEST, purpose: "a\u001b[2J" }, 400, "member-range"],
      [{ ...REQUEST, purpose: "a\nb" }, 400, "member-range"],
      [{ ...REQUEST, purpose: 7 }, 400, "member-type"],
      [{ ...REQUEST, streams: [] }, 400, "member-range"],
      [{ ...REQUEST, stream: [] }, 400, "unknown-member"],
      [{ ...REQUEST, streams: [{ iss: ISS, sub: "*", ch: "" }] }, 400, "unknown-member"],
      [{ ...REQUEST, streams: [{ iss: "Water/gw", sub: "*" }] }, 400, "name-malformed"],
      [{ ...REQUEST, streams: [{ iss: ISS, sub: "met*" }] }, 400, "name-malformed"],
      [{ ...REQUEST, streams: [{ iss: "city/gw-1", sub: "*" }] }, 403, "read-scope"],
      [{ ...REQUEST, streams: [{ iss: "*", sub: "*" }] }, 403, "read-scope"],
      [{ ...REQUEST, from: 1.5 }, 400, "member-type"],
      [{ ...REQUEST, from: -1 }, 400, "member-range"],
      [{ ...REQUEST, from: 2, to: 1 }, 400, "member-range"],
      [{ ...REQUEST, size: 10_000 }, 400, "member-range"],
      [`{"purpose":"${"x".repeat(20_000)}"}`, 413, "too-large"],
    ];
    for (const [body, status, code] of refused)
      expect([body, ...(await refusal(ask("/reads", { body })))]).toEqual([body, status, code]);
    expect(anchor.log.size).toBe(size);
  });

  test("numbers that are none are refused", async () => {
    await admit(...(await chain.filled(2)));
    const { id, chains } = await begin();
    const [only] = chains as [ReadChain];
    for (const more of ["&from=-1", "&from=1e3", "&from=2&to=1", "&limit=0", "&from=99999999999999999"])
      expect((await refusal(ask(pathOf(id, only, "statements", more))))[0]).toBe(400);
    expect(await refusal(ask(pathOf(id, { ...only, ch: "00" }, "statements")))).toEqual([
      400,
      "text-malformed",
    ]);
    expect(await refusal(ask(pathOf(id, { ...only, ch: "00".repeat(8) }, "chains")))).toEqual([404, "hole"]);
  });
});

describe("what is bounded", () => {
  test("reads that one token begins in a minute, and keeps open", async () => {
    await anchor.remove();
    anchor = await OwnAnchor.start({ maxOpenPerToken: 2, perTokenPerMinute: 4 });
    device = await anchor.log.enrol(ISS);
    token = await anchor.token("audit-office", "*");
    const first = await begin();
    const others = [await begin(), await begin()];
    expect(await refusal(ask(`/reads/${first.id}`))).toEqual([410, "read-expired"]);
    for (const { id } of others) expect((await ask(`/reads/${id}`)).status).toBe(200);
    await begin();
    const { size } = anchor.log;
    const response = await ask("/reads", { body: REQUEST });
    expect(response.headers.get("retry-after")).toMatch(/^\d+$/);
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([
      429,
      "rate-limited",
    ]);
    expect(anchor.log.size).toBe(size);
  });

  test("a page, by bytes", async () => {
    const opening = await chain.open();
    const many = Array.from({ length: 400 }, (_, i) => ({
      name: "note",
      value: { vs: String(i).padEnd(60, ".") },
      time: decimal(anchor.log.clock.now),
      quality: [],
    }));
    for (let i = 0; i < 170; i++) {
      const payload = encodePack(`${ISS}/${chain.sub}/`, many);
      chain.statements.push(await chain.seal({ type: "senml", payload }));
    }
    for (const statement of [opening, ...chain.statements.slice(1)]) anchor.pipeline.receive(ISS, statement);
    await anchor.batch();
    const { id, size, chains } = await begin();
    const [only] = chains as [ReadChain];
    const page = await ask(pathOf(id, only, "statements"));
    const next = Number(page.headers.get("tally-next"));
    const length = Number(page.headers.get("content-length"));
    expect([length > 4 * 2 ** 20 - 2 ** 16, length < 5 * 2 ** 20]).toEqual([true, true]);
    const got = await verified(page, size);
    expect(got.map(({ claims }) => claims.seq)).toEqual(Array.from({ length: next }, (_, i) => i));
    const rest = await verified(await ask(pathOf(id, only, "statements", `&from=${next}`)), size);
    expect(rest.at(-1)?.claims.seq).toBe(170);
    expect(rest[0]?.claims.seq).toBe(next);
  });

  test("pages on their way, of which each makes room for the next", async () => {
    await anchor.remove();
    anchor = await OwnAnchor.start({ maxPages: 2, maxPagesPerToken: 2 });
    device = await anchor.log.enrol(ISS);
    chain = device.chain();
    token = await anchor.token("audit-office", "*");
    await admit(...(await chain.filled(20)));
    const { id, size, chains } = await begin();
    const [only] = chains as [ReadChain];
    for (let from = 0; from < 20; from++)
      expect(
        await verified(await ask(pathOf(id, only, "statements", `&from=${from}&limit=1`)), size),
      ).toHaveLength(1);
    // Refused ones hold no place.
    for (let i = 0; i < 5; i++)
      expect((await ask(pathOf(id, { ...only, ch: "00" }, "statements"))).status).toBe(400);
    expect((await ask(pathOf(id, only, "statements"))).status).toBe(200);
  });

  test("the turnstile counts all and each", () => {
    const turnstile = new Turnstile(3, 2);
    const none = (): void => undefined;
    const leave = turnstile.enter("a", none);
    turnstile.enter("a", none);
    expect(() => turnstile.enter("a", none)).toThrow(expect.objectContaining({ code: "rate-limited" }));
    turnstile.enter("b", none);
    expect(() => turnstile.enter("b", none)).toThrow(expect.objectContaining({ code: "rate-limited" }));
    leave();
    leave(); // once is enough
    turnstile.enter("b", none);
    expect(() => turnstile.enter("a", none)).toThrow(expect.objectContaining({ code: "rate-limited" }));
  });
});

test("chains beyond a thousand are on the next page, each once", async () => {
  const count = 1050;
  const openings = await Promise.all(
    Array.from({ length: count }, (_, i) => device.chain(`${i % 2 === 0 ? "meter" : "valve"}/${i}`).open()),
  );
  const other = await anchor.log.enrol("power/gw-1");
  anchor.pipeline.receive("power/gw-1", await other.chain("meter/m-1").open());
  await admit(...openings);
  const streams = [
    { iss: ISS, sub: "meter/*" },
    { iss: "water/*", sub: "valve/*" },
  ];
  const first = await begin({ purpose: "all", streams });
  expect([first.chains.length, first.next]).toEqual([1000, expect.any(Number)]);
  const rest = (await (await ask(`/reads/${first.id}?after=${first.next}`)).json()) as ReadAnswer;
  expect(rest.next).toBeNull();
  const subs = [...first.chains, ...rest.chains].map(({ iss, sub }) => `${iss} ${sub}`);
  expect(new Set(subs).size).toBe(count);
  expect(subs).toHaveLength(count);
});

test("where the anchor has no device of its own, nothing is read", async () => {
  await anchor.remove();
  const bare = await AnchorLog.create();
  anchor = await OwnAnchor.start({}, bare);
  token = await anchor.token("audit-office", "*");
  expect(await refusal(ask("/reads", { body: REQUEST }))).toEqual([503, "key-unknown"]);
  expect(anchor.log.size).toBe(1);
});

test("where nothing is sequenced, nothing is read", async () => {
  anchor.own.stop();
  const response = await ask("/reads", { body: REQUEST });
  expect(response.headers.has("retry-after")).toBe(true);
  expect(await refusal(Promise.resolve(response))).toEqual([503, "unreachable"]);
});
