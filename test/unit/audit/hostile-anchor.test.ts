/**
 * An anchor that lies to whoever takes a case: it never gets a better verdict than what it handed over is worth, and what it kept back is told.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  concatBytes,
  encodeTransparent,
  encodeUtf8,
  isEvidenceError,
  parsePolicy,
  parseTransparent,
  type Head,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, noProgress } from "@tallystick/evidence/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sequenceItems } from "../../../audit/src/case/sequence.ts";
import { openSourceOf } from "../../../audit/src/case/take/open-source.ts";
import { parseAsked } from "../../../audit/src/case/take/streams.ts";
import { takeCase } from "../../../audit/src/case/take/take.ts";
import { CaseWriter } from "../../../audit/src/case/write.ts";
import { openFacts } from "../../../audit/src/facts/open.ts";
import type { Judgement } from "../../../audit/src/judgement.ts";
import { AnchorLog, eventOf, type AnchorChain } from "../../support/anchor-log.ts";
import { HostileAnchor, type Hostility, type Passing } from "../../support/hostile-anchor.ts";
import { OwnAnchor } from "../../support/own-anchor.ts";

const ISS = "water/gw-1";
const folder = mkdtempSync(join(tmpdir(), "tally-hostile-"));
const means = { provider: createNodeProvider(), hash: nodeSha256, progress: noProgress };
let anchor: OwnAnchor;
let hostile: HostileAnchor;
let meters: AnchorChain[];
let sys: AnchorChain;
let token: string;
let made = 0;

beforeAll(async () => {
  anchor = await OwnAnchor.start({ perTokenPerMinute: 1000, maxOpenPerToken: 100 });
  const device = await anchor.log.enrol(ISS);
  meters = [device.chain("meter/m-1"), device.chain("meter/m-2")];
  sys = device.chain("sys");
  await admit(await sys.open());
  for (const chain of meters) await admit(...(await chain.filled(4)));
  await admit(await heads(meters));
  for (const chain of meters) await admit(...(await chain.next(2)));
  await admit(await heads(meters));
  token = await anchor.token("audit-office", "water/*");
  hostile = await HostileAnchor.before(anchor.url);
});
afterAll(async () => {
  await hostile.close();
  await anchor.remove();
  rmSync(folder, { recursive: true });
});

async function admit(...statements: readonly Statement[]): Promise<void> {
  anchor.pipeline.receive(ISS, ...statements);
  await anchor.batch();
}

async function heads(of: readonly AnchorChain[]): Promise<Statement> {
  const named = of.map((chain): Head => ({ sub: chain.sub, ...chain.head() }));
  const statement = await sys.seal(eventOf({ kind: "heads", all: true, heads: named }));
  sys.statements.push(statement);
  return statement;
}

type Outcome = { readonly judgement?: Judgement; readonly code?: string; readonly named: boolean };

/** Takes a case from the hostile anchor as the command does. */
async function take(hostility: Hostility, { open = false } = {}): Promise<Outcome> {
  hostile.hostility = hostility;
  const place = join(folder, `case-${++made}`);
  const policy = parsePolicy(anchor.log.policy);
  const streams = [parseAsked(`${ISS}/meter/*`)];
  const writer = await CaseWriter.create(place);
  try {
    const period = { from: undefined, to: undefined };
    const limits = { timeoutMs: 1500, attempts: 1, retryMs: 1 };
    const wanted = { streams, ...period, purpose: "audit", size: undefined, token: open ? undefined : token };
    const source = await openSourceOf(hostile.url, wanted, { ...means, policy, limits });
    const request = {
      source,
      url: hostile.url,
      policy,
      policyText: encodeUtf8(anchor.log.policy),
      streams,
      period,
    };
    await takeCase(writer, { ...request, purpose: "audit", ...means });
    const facts = await openFacts(writer.partial, { ...means, policy, cache: folder });
    facts.close();
    if (facts.judgement.verdict !== "invalid") await writer.name();
    return { judgement: facts.judgement, named: existsSync(place) };
  } catch (error) {
    await writer.discard();
    if (!isEvidenceError(error)) throw error;
    return { code: error.code, named: existsSync(place) || existsSync(writer.partial) };
  }
}

const itemsOf = (body: Uint8Array): Uint8Array[] =>
  [...sequenceItems(body, "page")].map(({ bytes }) => bytes);

/** Changes the pages of statements of one stream. */
const pages =
  (sub: string, change: (items: Uint8Array[], answer: Passing) => Uint8Array[]) =>
  (answer: Passing): void => {
    if (!answer.path.includes(`/statements?iss=${encodeURIComponent(ISS)}&sub=${encodeURIComponent(sub)}`))
      return;
    answer.body = concatBytes(...change(itemsOf(answer.body), answer));
  };

test("handed through as it is, the case is whole", async () => {
  const { judgement, named } = await take({});
  expect({ ...judgement, named }).toMatchObject({
    verdict: "restricted",
    restrictions: ["no-witness"],
    named: true,
  });
});

describe("what is kept back is told, and restricts", () => {
  test.for([
    ["one in the middle", (items: Uint8Array[]) => items.toSpliced(3, 1), ["hole", "no-witness"]],
    ["the last two", (items: Uint8Array[]) => items.slice(0, -2), ["hole", "no-witness"]],
    ["everything of a stream", () => [], ["hole", "no-witness"]],
  ] as const)("%s", async ([, change, restrictions]) => {
    const { judgement } = await take({ change: pages("meter/m-1", change) });
    expect(judgement?.verdict).toBe("restricted");
    expect(judgement?.restrictions).toEqual(expect.arrayContaining([...restrictions]));
  });

  test("what came after a number that was attested once, as if that had been the end", async () => {
    const { judgement } = await take({
      change: (answer) => {
        if (!answer.path.endsWith("/reads")) return;
        const told = JSON.parse(Buffer.from(answer.body).toString()) as {
          chains: { sub: string; last: number; to: number }[];
        };
        for (const chain of told.chains) if (chain.sub === "meter/m-1") chain.last = chain.to = 3;
        answer.body = encodeUtf8(JSON.stringify(told));
      },
    });
    expect(judgement).toMatchObject({ verdict: "restricted", restrictions: ["hole", "no-witness"] });
    expect(judgement?.checks.find(({ name }) => name === "completeness")?.reason).toContain(
      "meter/m-1: named within the period, not here: 4..5",
    );
  });

  test("a stream that the anchor doesn't even list, but its device does", async () => {
    const { judgement } = await take({
      change: (answer) => {
        if (!answer.path.endsWith("/reads")) return;
        const told = JSON.parse(Buffer.from(answer.body).toString()) as { chains: { sub: string }[] };
        told.chains = told.chains.filter(({ sub }) => sub !== "meter/m-2");
        answer.body = encodeUtf8(JSON.stringify(told));
      },
    });
    expect(judgement?.verdict).toBe("restricted");
    expect(judgement?.restrictions).toContain("hole");
    expect(judgement?.checks.find(({ name }) => name === "completeness")?.reason).toContain("meter/m-2");
  });

  test("the device's own word", async () => {
    const { judgement } = await take({ change: pages("sys", () => []) });
    expect(judgement?.verdict).toBe("restricted");
    expect(judgement?.restrictions).toContain("tail-not-attested");
  });
});

describe("what is another thing than it says is no case", () => {
  const swapped = (items: Uint8Array[]): Uint8Array[] => {
    const [a, b] = [items[2] ?? expect.fail(), items[3] ?? expect.fail()];
    const [first, second] = [parseTransparent(a), parseTransparent(b)];
    const crossed = [
      encodeTransparent(first.statement.bytes, second.receipts),
      encodeTransparent(second.statement.bytes, first.receipts),
    ];
    return items.toSpliced(2, 2, ...crossed);
  };
  const old = (items: Uint8Array[]): Uint8Array[] =>
    items.map((one) => {
      const { statement, receipts } = parseTransparent(one);
      return encodeTransparent(statement.bytes, [receipts[0] ?? expect.fail(), receipts[0] ?? expect.fail()]);
    });
  const bit = (items: Uint8Array[]): Uint8Array[] =>
    items.map((one, i) => (i === 2 ? one.with(one.length - 1, (one.at(-1) ?? 0) ^ 1) : one));

  test.for([
    ["receipts of one another", swapped, ["signature-invalid", "receipt-entry", "proof-root"]],
    ["the receipts of another size", old, ["receipt-size"]],
    ["another bit", bit, ["signature-invalid", "receipt-entry"]],
  ] as const)("%s", async ([, change, codes]) => {
    const { judgement, named } = await take({ change: pages("meter/m-1", change) });
    expect({ verdict: judgement?.verdict, named }).toEqual({ verdict: "invalid", named: false });
    expect(codes).toContain(judgement?.code);
  });

  test("another log's checkpoint, and one that its log didn't sign", async () => {
    const other = await AnchorLog.create();
    await other.enrol("water/gw-9");
    const note = new Uint8Array(readFileSync(join(other.publicFolder, "checkpoint")));
    other.remove();
    const checkpoint = (body: (own: Uint8Array) => Uint8Array) => (answer: Passing) => {
      if (answer.path.endsWith("/checkpoint")) answer.body = body(answer.body);
    };
    // The same name under another key.
    expect(await take({ change: checkpoint(() => note) })).toEqual({ code: "log-key", named: false });
    const renamed = encodeUtf8(
      Buffer.from(note).toString().replaceAll("tally.example/2026", "other.example/2026"),
    );
    expect(await take({ change: checkpoint(() => renamed) })).toEqual({ code: "log-unknown", named: false });
    const bent = (own: Uint8Array): Uint8Array =>
      encodeUtf8(
        Buffer.from(own)
          .toString()
          .replace(/^\d+$/m, (size) => String(Number(size) + 1)),
      );
    expect(await take({ change: checkpoint(bent) })).toEqual({ code: "note-signature", named: false });
    expect((await take({ change: checkpoint(bent) }, { open: true })).named).toBe(false);
  });
});

describe("answers that no page describes", () => {
  const answers = (change: (answer: Passing) => void) => (answer: Passing) => {
    if (answer.path.includes("/statements?") && answer.path.includes("m-1")) change(answer);
  };
  let foreign: Uint8Array = new Uint8Array();
  test.for([
    [
      "another stream's statements",
      (answer: Passing): void => {
        answer.body = foreign;
      },
    ],
    [
      "rows that repeat",
      (answer: Passing): void => {
        answer.body = concatBytes(answer.body, answer.body);
      },
    ],
    [
      "a sequence that is cut off",
      (answer: Passing): void => {
        answer.body = answer.body.slice(0, -20);
      },
    ],
    [
      "a page that comes before this one",
      (answer: Passing): void => {
        answer.next = "0";
      },
    ],
    [
      "a next page that is no number",
      (answer: Passing): void => {
        answer.next = "1e3";
      },
    ],
    [
      "statements backwards",
      (answer: Passing): void => {
        answer.body = concatBytes(...itemsOf(answer.body).toReversed());
      },
    ],
    [
      "a web page",
      (answer: Passing): void => {
        answer.body = encodeUtf8("<html></html>");
      },
    ],
    [
      "another status",
      (answer: Passing): void => {
        answer.status = 302;
      },
    ],
  ] as const)("%s", async ([name, change]) => {
    if (name.startsWith("another stream"))
      await take({
        change: (answer) =>
          void (
            answer.path.includes("/statements?") &&
            answer.path.includes("m-2") &&
            answer.path.includes("from=0") &&
            (foreign = answer.body)
          ),
      });
    const outcome = await take({ change: answers(change) });
    expect(outcome).toEqual({ code: "http-answer", named: false });
  });

  test.for([
    ["a refusal in our words", 403, { code: "read-scope", error: "not for you\u001b[31m" }, "read-scope"],
    ["a refusal in others' words", 403, { code: "nothing-of-ours", error: "x" }, "http-answer"],
    ["a server that is out of order", 500, {}, "http-answer"],
  ] as const)("%s", async ([, status, body, code]) => {
    const change = answers((answer) => {
      answer.status = status;
      answer.body = encodeUtf8(JSON.stringify(body));
    });
    expect(await take({ change })).toEqual({ code, named: false });
  });
});

describe("a server without an end", () => {
  const instead =
    (answer: (response: ServerResponse) => void) => (path: string, response: ServerResponse) => {
      if (!path.includes("/statements?") || !path.includes("m-1")) return false;
      answer(response);
      return true;
    };

  test("two gigabytes", async () => {
    let sent = 0;
    const piece = new Uint8Array(1 << 20);
    const pour = (response: ServerResponse): void => {
      while (!response.destroyed && sent < 2 ** 31 && response.write(piece)) sent += piece.length;
      if (!response.destroyed && sent < 2 ** 31) response.once("drain", () => pour(response));
    };
    expect(await take({ instead: instead(pour) })).toEqual({ code: "too-large", named: false });
    expect(sent).toBeLessThan(64 << 20);
  });

  test("a byte now and then", async () => {
    const timers: NodeJS.Timeout[] = [];
    const drip = (response: ServerResponse): void => {
      response.writeHead(200);
      timers.push(setInterval(() => response.write(Uint8Array.of(0xd2)), 100));
    };
    expect(await take({ instead: instead(drip) })).toEqual({ code: "unreachable", named: false });
    for (const timer of timers) clearInterval(timer);
  });

  test("page after page, each with nothing", async () => {
    let asked = 0;
    const change = (answer: Passing): void => {
      if (answer.path.includes("/reads") && !answer.path.includes("/reads/")) {
        // A chain as long as numbers go, so that there is always a next page.
        const told = JSON.parse(Buffer.from(answer.body).toString()) as {
          chains: { sub: string; last: number; to: number }[];
        };
        for (const chain of told.chains) if (chain.sub === "meter/m-1") chain.last = chain.to = 2 ** 50;
        answer.body = encodeUtf8(JSON.stringify(told));
      }
      if (!answer.path.includes("/statements?") || !answer.path.includes("m-1")) return;
      asked++;
      answer.body = new Uint8Array();
      answer.next = String(Number(/from=(\d+)/.exec(answer.path)?.[1]) + 1);
    };
    expect(await take({ change })).toEqual({ code: "http-answer", named: false });
    expect(asked).toBeLessThan(200);
  });

  test("the registry again and again", async () => {
    let first: Uint8Array = new Uint8Array();
    const change = (answer: Passing): void => {
      if (!answer.path.includes("/registry?")) return;
      if (answer.path.endsWith("from=0")) first = answer.body;
      else answer.body = first;
    };
    expect(await take({ change })).toEqual({ code: "http-answer", named: false });
  });
});
