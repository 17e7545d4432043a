/**
 * `tally-audit reconcile EXPORT`: a billing or toll export beside a case.
 *
 * @module
 */
import { statSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, resolve } from "node:path";
import process from "node:process";
import {
  nodeSha256,
  readBounded,
  required,
  syncDirectory,
  terminalProgress,
  UsageError,
  type Command,
} from "@tallystick/evidence/node";
import { bestProvider } from "../provider.ts";
import manifest from "../../package.json" with { type: "json" };
import { openFacts, type Facts } from "../facts/open.ts";
import { keepHeapSmall } from "../heap.ts";
import { exitCode } from "../judgement.ts";
import { inputOf, loadMap } from "../reconcile/map/load.ts";
import { reconcile as compare, type Reconciled } from "../reconcile/reconcile.ts";
import { reconcileText } from "../reconcile/say.ts";
import { suggest } from "../reconcile/suggest.ts";
import { resultText, type Result, type ResultInput } from "../result.ts";
import type { ReconcileBody } from "../reconcile/body.ts";
import { makeBeside, outputOf, quoted } from "./output.ts";
import { readPolicy } from "./policy.ts";

const MAX_POLICY_BYTES = 1 << 20;

export const reconcile: Command = {
  summary:
    "a billing or toll export beside a case: which lines are proven, and what was proven and never billed",
  usage:
    "EXPORT --map MAP.yaml --case CASE|BUNDLE --policy FILE [-o FOLDER] [--strict] [--json] | EXPORT --suggest",
  details: [
    "EXPORT            the export, CSV of any kind, as large as it may be",
    "--map MAP.yaml    how to read it and what its lines claim: docs/reconcile.md",
    "--case CASE       the evidence: a case folder, or a bundle",
    "--policy FILE     whom you trust: the log's key, witnesses, operators",
    "-o FOLDER         makes the folder: result.json, and one CSV for each class of lines",
    "--suggest         a first map for this export, on stdout, and five lines as it understood them, on stderr",
    "--strict          exit 3 where the evidence has restrictions",
    "--json            the result as JSON",
    "",
    "Exit: 0 no findings beyond the map's tolerance; 1 findings, or invalid evidence, or failed; 2 usage, or an export or map that can't be",
    "used; 3 the evidence is not verifiable under this policy.",
  ].join("\n"),
  takes: 1,
  options: {
    map: { type: "string" },
    case: { type: "string" },
    policy: { type: "string" },
    output: { type: "string", short: "o" },
    suggest: { type: "boolean" },
    strict: { type: "boolean" },
    json: { type: "boolean" },
  },
  async run({ values, positionals: [file] }) {
    if (file === undefined) throw new UsageError("name one export");
    const kind = statSync(file, { throwIfNoEntry: false });
    if (kind === undefined) throw new UsageError(`${file}: no such file: give the export`);
    if (kind.isDirectory()) throw new UsageError(`${file}: a folder: give the export`);
    if (values["suggest"] === true) {
      const { map, understood } = await suggest(file);
      process.stdout.write(map);
      process.stderr.write(understood);
      return 0;
    }
    const loaded = await loadMap(required(values, "map"));
    const evidence = required(values, "case");
    const policyFile = required(values, "policy");
    const policy = await readPolicy(values);
    const output = outputOf(values);
    keepHeapSmall();
    const progress = terminalProgress("reconcile");
    const means = { policy, provider: bestProvider(), hash: nodeSha256, progress };
    const facts = await openFacts(evidence, means);
    const beside = output === undefined ? undefined : await makeBeside(output);
    try {
      const given = { facts: facts.db, size: facts.log?.size ?? 0, loaded, file, progress };
      const work = beside === undefined ? tmpdir() : dirname(beside);
      const found = await compare({ ...given, work, ...(beside === undefined ? {} : { folder: beside }) });
      const policyBytes = (await readBounded(policyFile, MAX_POLICY_BYTES, policyFile)) ?? new Uint8Array();
      const result = resultOf(facts, found, loaded.input, inputOf("policy", policyFile, policyBytes));
      const text = resultText(result);
      if (beside !== undefined && output !== undefined) {
        await writeFile(resolve(beside, "result.json"), text, { flag: "wx", flush: true });
        await syncDirectory(beside);
        await rename(beside, output);
        await syncDirectory(dirname(resolve(output)));
      }
      process.stdout.write(values["json"] === true ? text : reconcileText(result, found.beyond));
      if (output !== undefined) process.stderr.write(`tally-audit reconcile: ${output}: written\n`);
      // Findings beside evidence that can't be verified are none: nobody can tell.
      const exit = exitCode(result, values["strict"] === true);
      return result.verdict !== "not-verifiable" && found.beyond > 0 ? 1 : exit;
    } finally {
      progress.done();
      facts.close();
      if (beside !== undefined) await rm(beside, { recursive: true, force: true });
    }
  },
};

function resultOf(
  facts: Facts,
  found: Reconciled,
  map: ResultInput,
  policy: ResultInput,
): Result<ReconcileBody> {
  const { verdict, code, checks, restrictions } = facts.judgement;
  const source: ResultInput = {
    role: facts.kind,
    name: facts.name,
    sha256: facts.sha256,
    bytes: facts.bytes,
  };
  const [sheet, ...tables] = found.inputs;
  const inputs = [source, policy, ...(sheet === undefined ? [] : [sheet]), map, ...tables];
  const name = (role: ResultInput["role"]): string =>
    quoted(inputs.find((one) => one.role === role)?.name ?? "");
  return {
    v: 1,
    kind: "reconcile",
    tool: { name: "tally-audit", version: manifest.version },
    verdict,
    ...(code === undefined ? {} : { code }),
    findings: found.findings,
    log: facts.log ?? { origin: "", size: 0, root: "" },
    inputs,
    checks,
    restrictions,
    notProven: found.notProven,
    repeat: [
      `tally-audit reconcile ${name("export")} --map ${name("map")} --case ${quoted(source.name)} --policy ${name("policy")} -o FOLDER`,
    ],
    body: found.body,
  };
}
