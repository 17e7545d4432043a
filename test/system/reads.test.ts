import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  examineStreams,
  parseReceipt,
  parseStatement,
  parseTransparent,
  splitSequence,
  toHex,
  verifyReceipt,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import type { ReadAnswer, ReadChain } from "../../anchor/src/reads/schemas.ts";
import { AnchorLog, type AnchorChain } from "../support/anchor-log.ts";
import { startAnchor, type AnchorProcess } from "../support/anchor-process.ts";
import { checkLog } from "../support/testlog.ts";
import { selfSigned, type TestCertificate } from "../support/tls-files.ts";
import { startBroker, type Running } from "../unit/broker/start.ts";

const MAIN = join(import.meta.dirname, "..", "..", "anchor", "src", "main.ts");
const ISS = "water/gw-1";
const OWN = "city/anchor";
const REQUEST = { purpose: "billing audit 2026-05", streams: [{ iss: "water/*", sub: "*" }] };
const LIMITS = { tags: [18], maxBytes: 2 ** 23, maxItems: 2000, maxItemBytes: 2 ** 18 };
const provider = createNodeProvider();
const run = promisify(execFile);
let log: AnchorLog;
let broker: Running;
let chain: AnchorChain;
let certificate: TestCertificate;
let config: string;
let anchor: AnchorProcess | undefined;

beforeEach(async () => {
  log = await AnchorLog.create();
  broker = await startBroker();
  chain = (await log.enrol(ISS)).chain();
  await log.publish(log.sequence([], await chain.filled(700)));
  log.close();
  certificate = selfSigned(log.folder, "anchor");
  config = join(log.folder, "anchor.yaml");
  const lines = [
    "version: 1",
    `data: ${log.config.data}`,
    'http: { listen: "127.0.0.1:0" }',
    `broker: { url: "${broker.url}", settleMs: 50 }`,
    "batch: { maxItems: 16, maxWaitMs: 5 }",
    `public: { listen: "127.0.0.1:0", tls: { cert: "${certificate.cert}", key: "${certificate.key}" } }`,
    "reads: { perTokenPerMinute: 100000, maxOpenPerToken: 1000 }",
    "trail: { heartbeatS: 1 }",
  ];
  writeFileSync(config, `${lines.join("\n")}\n`);
});
afterEach(async () => {
  await anchor?.end("SIGKILL");
  anchor = undefined;
  await broker.stop();
  log.remove();
});

/** The command's stdout. */
async function tally(...args: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [MAIN, ...args, "--config", config]);
  return stdout.trim();
}

const addToken = (name: string, ...more: readonly string[]): Promise<string> =>
  tally("token", "add", "--name", name, "--stream", "water/*", "--expires", "1d", ...more);

type Answer = {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
};

/** Over TLS, as whoever holds this token. */
function ask(path: string, token: string, method = "GET", body?: unknown): Promise<Answer> {
  const url = new URL(path, anchor?.publicUrl);
  const headers = { Authorization: `Bearer ${token}` };
  const options = { method, ca: readFileSync(certificate.cert), headers, agent: false };
  return new Promise((resolve, reject) => {
    const asked = request(url, options, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(parts),
        }),
      );
    });
    asked.on("error", reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const json = ({ body }: Answer): unknown => JSON.parse(body.toString());
const told = (answer: Answer): [number, string] => [answer.status, (json(answer) as { code: string }).code];

/** Begins a read as soon as the anchor is settled with its broker and its device is enrolled. */
async function begin(token: string, asking: object = REQUEST): Promise<ReadAnswer> {
  for (;;) {
    const answer = await ask("/reads", token, "POST", asking);
    if (answer.status === 201) return json(answer) as ReadAnswer;
    expect(answer.status).toBe(503);
    await delay(20);
  }
}

/** All statements of a chain, each with two good receipts, the second one at the read's size. */
async function statementsOf({ id, size }: ReadAnswer, of: ReadChain, token: string): Promise<Statement[]> {
  const { key } = log.opened.log.signer;
  const all: Statement[] = [];
  for (let from: string | undefined = "0"; from !== undefined;) {
    const query = new URLSearchParams({ iss: of.iss, sub: of.sub, ch: of.ch, from, limit: "256" });
    const page: Answer = await ask(`/reads/${id}/statements?${query.toString()}`, token);
    expect(page.status).toBe(200);
    const { items, rest } = splitSequence(page.body, LIMITS);
    expect(rest).toBeUndefined();
    for (const bytes of items) {
      const { statement, receipts } = parseTransparent(bytes, nodeSha256);
      const read = receipts.map(parseReceipt);
      for (const receipt of read) verifyReceipt(receipt, [statement.hash], key, provider, nodeSha256);
      expect(read[1]?.size).toBe(size);
      all.push(statement);
    }
    from = page.headers["tally-next"]?.toString();
  }
  return all;
}

test(
  "from a token to verified statements over TLS, and to the end of both",
  { timeout: 120_000 },
  async () => {
    anchor = await startAnchor(config);
    const token = await addToken("audit-office");
    const read = await begin(token);
    const { entries } = checkLog(log.publicFolder, log.policy);
    expect(entries.slice(0, read.size).map((entry) => toHex(entry))).toContain(read.access);
    const [first] = read.chains as [ReadChain];
    expect(first).toMatchObject({ iss: ISS, sub: chain.sub, from: 0, to: 699 });
    const got = await statementsOf(read, first, token);
    expect(got.map(({ hash }) => toHex(hash))).toEqual(chain.statements.map(({ hash }) => toHex(hash)));

    // Erased by order while it runs: told on loopback, and in the next read.
    const gone = toHex(chain.statements[9]?.hash ?? new Uint8Array());
    expect(await tally("erase", gone, "--order", "court 17/2026", "--wait")).toBe(`${gone} erased`);
    const answer = await fetch(new URL(`/statements/${gone}`, anchor.url));
    const { erased } = (await answer.json()) as { erased: string };
    expect(answer.status).toBe(410);
    const next = await begin(token);
    expect(await statementsOf(next, first, token)).toHaveLength(699);
    const said = await ask(`/reads/${next.id}/statements/${erased}`, token);
    expect(parseTransparent(said.body, nodeSha256).statement.event).toMatchObject({ order: "court 17/2026" });

    // Nothing of the archive is there for whoever has no token, and guessing is answered ever more rarely.
    expect((await ask(`/statements/${gone}`, token)).status).toBe(404);
    expect(told(await ask(`/reads/${next.id}`, "tally-read-none"))).toEqual([401, "token-unknown"]);
    expect(JSON.parse(await tally("token", "list", "--json"))).toMatchObject({
      name: "audit-office",
      state: "good",
    });
    expect(await tally("token", "revoke", "audit-office")).toBe("revoked: audit-office");
    expect(told(await ask(`/reads/${next.id}`, token))).toEqual([401, "token-revoked"]);
    const guesses = await Promise.all(
      Array.from({ length: 40 }, () => ask("/reads", "guess", "POST", REQUEST)),
    );
    expect(guesses.map(({ status }) => status)).toContain(429);
    expect(await anchor.end("SIGTERM")).toBe(0);
  },
);

test(
  "killed at any moment: each read that was answered is in the log, and the trail is one chain without a hole",
  { timeout: 120_000 },
  async () => {
    await tally("trail");
    const token = await addToken("audit-office");
    const answered = new Set<string>();
    const readOn = async (): Promise<void> => {
      for (;;) {
        try {
          const answer = await ask("/reads", token, "POST", REQUEST);
          if (answer.status === 201) answered.add((json(answer) as ReadAnswer).access);
          else if (answer.status !== 503 && answer.status !== 429)
            throw new Error(`answered ${answer.status}`);
        } catch (error) {
          if (error instanceof Error && error.message.startsWith("answered")) throw error;
          return;
        }
      }
    };
    for (let round = 1; round <= 4; round++) {
      anchor = await startAnchor(config);
      const reading = Promise.all(Array.from({ length: 6 }, readOn));
      while (answered.size < 12 * round) await Promise.race([delay(1), reading]);
      await anchor.end("SIGKILL");
      await reading;
      const { entries } = checkLog(log.publicFolder, log.policy);
      const held = new Set(entries.map((entry) => toHex(entry)));
      for (const access of answered) expect(held.has(access)).toBe(true);
    }
    anchor = await startAnchor(config);
    // The trail is read like anything else; heads on sys attest it, within a heartbeat.
    const watcher = await addToken("supervisor", "--stream", `${OWN}/*`);
    const asked = { purpose: "who read what", streams: [{ iss: OWN, sub: "sys" }] };
    for (let kinds: unknown[] = []; !kinds.includes("heads");) {
      const read = await begin(watcher, asked);
      const sys = read.chains.find(({ sub }) => sub === "sys");
      const path = `/reads/${read.id}/chains/${sys?.ch}?iss=${OWN}&sub=sys`;
      if (sys !== undefined)
        kinds = (json(await ask(path, watcher)) as { kind: string }[]).map(({ kind }) => kind);
      await delay(20);
    }
    expect(await anchor.end("SIGTERM")).toBe(0);
    const opened = await log.openAgain();
    const { store } = opened;
    const own = store.chains
      .list(OWN, 100)
      .flatMap(({ sub, ch }) => store.chains.find(OWN, sub, ch) ?? [])
      .flatMap(({ id }) => store.archive.page(id, 0, 99_999, 99_999));
    const said = own.map(({ bytes }) => parseStatement(bytes ?? new Uint8Array(), nodeSha256));
    opened.close();
    expect(examineStreams(said).flatMap(({ findings }) => findings)).toEqual([]);
    const accesses = said.filter(({ event }) => event?.kind === "access").map(({ hash }) => toHex(hash));
    for (const access of answered) expect(accesses).toContain(access);
    expect(said.some(({ event }) => event?.kind === "heads" && event.heads.length > 0)).toBe(true);
  },
);
