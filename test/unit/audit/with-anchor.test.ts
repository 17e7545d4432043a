import { readFileSync } from "node:fs";
import { join } from "node:path";
import { encodeBundle, parsePolicy, verify, type Statement } from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, openPlace, noProgress } from "@tallystick/evidence/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildBundle } from "../../../audit/src/bundle/build.ts";
import { auditLog } from "../../../audit/src/log/audit.ts";
import { openLog } from "../../../audit/src/log/note.ts";
import { loadRegistry } from "../../../audit/src/verify/registry-copy.ts";
import { AnchorLog, type AnchorChain } from "../../support/anchor-log.ts";
import { AnchorPipeline } from "../../support/anchor-pipeline.ts";
import { serveLog, type ServedLog } from "../../support/served-log.ts";

const ISS = "city/gw-1";
const means = { provider: createNodeProvider(), hash: nodeSha256, progress: noProgress };
let log: AnchorLog;
let chain: AnchorChain;
let server: ServedLog;
let url: string;
let older: Uint8Array;

beforeAll(async () => {
  log = await AnchorLog.create();
  chain = (await log.enrol(ISS)).chain();
  const anchor = new AnchorPipeline(log);
  const admit = async (statements: readonly Statement[]): Promise<void> => {
    for (let at = 0; at < statements.length; at += 100)
      anchor.receive(ISS, ...statements.slice(at, at + 100));
    await anchor.batch();
  };
  await admit(await chain.filled(300));
  older = new Uint8Array(readFileSync(join(log.publicFolder, "checkpoint")));
  await log.enrol("city/gw-2");
  await admit(await chain.next(300));
  server = await serveLog(log, anchor);
  ({ url } = server);
});
afterAll(async () => {
  await server.close();
  log.remove();
});

describe("what a real anchor published", () => {
  test.for(["folder", "address"])("its whole log, by its %s", async (kind) => {
    const { judgement } = await auditLog({
      place: openPlace(kind === "folder" ? log.publicFolder : url),
      policy: parsePolicy(log.policy),
      since: { name: "older", text: older },
      evidence: [],
      ...means,
    });
    expect(judgement).toMatchObject({ verdict: "restricted", restrictions: ["no-witness"] });
    const open = judgement.checks.filter(({ result }) => result !== "passed").map(({ name }) => name);
    const expected =
      kind === "folder" ? ["witnesses", "receipts", "seen"] : ["witnesses", "old-files", "seen"];
    expect(open).toEqual(expected);
  });

  test("a bundle of a stream, and a statement with the registry from the address", async () => {
    const policy = parsePolicy(log.policy);
    const place = openPlace(url);
    const opened = await openLog(place, policy, means.provider);
    const streams = [{ iss: ISS, sub: chain.sub }];
    const made = await buildBundle({
      place,
      log: opened,
      streams,
      period: { by: "seq", from: 290, to: 310 },
      ...means,
    });
    expect(made.statements).toHaveLength(21);
    expect(verify(encodeBundle(made), { policy, ...means })).toMatchObject({
      verdict: "restricted",
      restrictions: ["no-witness", "tail-not-attested"],
    });
    const registry = await loadRegistry(place, means);
    const [one] = made.statements;
    expect(verify(one ?? expect.fail(), { policy, registry, ...means }).restrictions).toEqual(["no-witness"]);
  });
});
