import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
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
import type { ReadAnswer, ReadChain } from "../../../anchor/src/reads/schemas.ts";
import type { AnchorChain, AnchorDevice } from "../../support/anchor-log.ts";
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
});
