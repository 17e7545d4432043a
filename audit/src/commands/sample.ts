/**
 * `tally-audit sample`: draws items that anybody can draw again, each with its evidence in a file of its own.
 *
 * @module
 */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { EvidenceError, toHex } from "@tallystick/evidence";
import {
  nodeSha256,
  required,
  syncDirectory,
  terminalProgress,
  UsageError,
  type Arguments,
  type Command,
} from "@tallystick/evidence/node";
import { bestProvider } from "../provider.ts";
import { openFacts, type Facts } from "../facts/open.ts";
import { exitCode, worst } from "../judgement.ts";
import { readEvidence } from "../log/given.ts";
import { readReconciliation } from "../page/of-reconcile.ts";
import { TOOL } from "../papers/tool.ts";
import { readResult } from "../result-read.ts";
import { resultText, type Result, type ResultInput } from "../result.ts";
import type { SampleBody, SampleMethod } from "../sample/body.ts";
import { fileHash, KINDS, lineItems, statementItems } from "../sample/items.ts";
import { bodyOf, draw, MAX_DRAWN, writeItems, type Plan } from "../sample/make.ts";
import { quoted } from "./output.ts";
import { readPolicy } from "./policy.ts";

export const sample: Command = {
  summary: "draws items that anybody can draw again, each with its evidence in a file of its own",
  usage:
    "CASE|RESULT --policy FILE --seed TEXT --n N [--money-unit | --stratify FIELD] [--kind KIND…] [--case CASE] -o FOLDER [--json] [--strict]",
  details: [
    "CASE             a case or a bundle: draws from its statements that prove something",
    "RESULT           result.json of a reconciliation, or its folder: draws from the lines of the export; takes --case too",
    "--policy FILE    whom you trust: the log's key, witnesses, operators",
    "--seed TEXT      decides what is drawn: agree on it before anybody knows the items, e.g. by throwing dice",
    "--n N            how many",
    "--money-unit     by amount: a larger one has the larger chance, and none is drawn that has no amount",
    "--stratify FIELD some of each: of statements iss, stream, kind, standing or day; of lines class, or a column of their files",
    `--kind KIND      of statements: ${KINDS.join(", ")} unless told; once for each`,
    "--case CASE      of lines: the case that was reconciled",
    "-o FOLDER        result.json, items.csv, and items/N.tally for each item; must not be there yet",
    "--json           prints the result instead of a few lines",
    "--strict         exit 3 where there are restrictions",
    "",
    "docs/working-papers.md says how to draw it again with any program.",
    "Exit: 0 drawn; 1 the evidence is invalid, or failed; 2 usage; 3 not verifiable.",
  ].join("\n"),
  takes: 1,
  options: {
    policy: { type: "string" },
    seed: { type: "string" },
    n: { type: "string" },
    "money-unit": { type: "boolean" },
    stratify: { type: "string" },
    kind: { type: "string", multiple: true },
    case: { type: "string" },
    output: { type: "string", short: "o" },
    json: { type: "boolean" },
    strict: { type: "boolean" },
  },
  async run({ values, positionals: [input] }) {
    if (input === undefined) throw new UsageError("name one case or result");
    const output = required(values, "output").replace(/[/\\]+$/, "");
    if (existsSync(output))
      throw new EvidenceError("storage-exists", `${output}: it is there already; give another name`);
    const policy = await readPolicy(values);
    const lines = await linesOf(input, values);
    const progress = terminalProgress("sample");
    const means = { policy, provider: bestProvider(), hash: nodeSha256, progress };
    const facts = await openFacts(lines?.evidence ?? input, means);
    try {
      lines?.check(facts);
      const about = lines?.about ?? aboutStatements(values);
      const population =
        lines?.population ?? statementItems(facts.db, about.kinds, textOf(values, "stratify"));
      const plan: Plan = { population, ...planOf(values) };
      const made = await draw(plan);
      const inputs = [...(await inputsOf(facts, values)), ...(lines?.inputs ?? [])];
      const repeat = [repeatLine(input, values)];
      const exit = await whole(output, async (folder) => {
        const written = await writeItems(folder, made, facts, policy, progress);
        const result = resultOf(facts, bodyOf(plan, made, about, written.examples), inputs, repeat);
        writeFileSync(join(folder, "result.json"), resultText(result), { flush: true });
        progress.done();
        process.stdout.write(values["json"] === true ? resultText(result) : said(output, result.body));
        return written.exit;
      });
      return worst([exit, exitCode(facts.judgement, values["strict"] === true)]);
    } finally {
      facts.close();
      progress.done();
    }
  },
};

type About = Pick<SampleBody, "of" | "kinds" | "from" | "stratify">;

const textOf = (values: Arguments["values"], name: string): string | undefined => {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
};

/** @throws UsageError */
function planOf(values: Arguments["values"]): Omit<Plan, "population"> {
  const seed = required(values, "seed");
  if (seed.length > 256 || /\p{C}/u.test(seed))
    throw new UsageError("--seed: up to 256 characters, and none that can't be seen");
  const text = required(values, "n");
  const n = /^[1-9]\d{0,5}$/.test(text) ? Number(text) : 0;
  if (n < 1 || n > MAX_DRAWN) throw new UsageError(`--n ${text}: a number from 1 to ${MAX_DRAWN}`);
  const isMoney = values["money-unit"] === true;
  if (isMoney && values["stratify"] !== undefined)
    throw new UsageError("give --money-unit or --stratify, not both");
  const method: SampleMethod = isMoney
    ? "money-unit"
    : values["stratify"] === undefined
      ? "simple"
      : "stratified";
  return { seed, n, method };
}

function aboutStatements(values: Arguments["values"]): About {
  const given = values["kind"];
  const kinds = Array.isArray(given) ? given.map(String) : [...KINDS];
  return {
    of: "statements",
    kinds: kinds.toSorted(),
    from: [],
    stratify: textOf(values, "stratify") ?? null,
  };
}

/** The lines of a reconciliation, where that is what was named. */
async function linesOf(input: string, values: Arguments["values"]) {
  const file = input.endsWith(".json") ? input : join(input, "result.json");
  // hostile: a result that was put into a case must not stand for what the case is
  if (!existsSync(file) || existsSync(join(input, "case.json"))) return undefined;
  const { result, bytes } = await readResult(file);
  if (result.kind !== "reconcile")
    throw new UsageError(`${file}: a ${result.kind}; lines are drawn from a reconciliation`);
  const evidence = required(values, "case");
  const folder = join(file, "..");
  const classes = readReconciliation(result.body).classes.filter((one) => one.count > 0);
  const outside = classes.find((one) => one.file !== basename(one.file));
  if (outside !== undefined)
    throw new EvidenceError("result-malformed", `${file}: a list outside its folder`);
  const stratify = textOf(values, "stratify");
  const hashes = await Promise.all(
    classes.map(async (one) => ({ name: one.file, sha256: await fileHash(join(folder, one.file)) })),
  );
  const from = [{ name: "result.json", sha256: toHex(nodeSha256(bytes)) }, ...hashes];
  const about: About = { of: "lines", kinds: [], from, stratify: stratify ?? null };
  return {
    evidence,
    about,
    population: lineItems(folder, classes, stratify),
    inputs: result.inputs.filter(({ role }) => role === "export" || role === "map"),
    /** @throws UsageError where the lines were not reconciled with this evidence */
    check({ kind, sha256 }: Facts): void {
      if (!result.inputs.some((one) => one.role === kind && one.sha256 === sha256))
        throw new UsageError(`--case ${evidence}: the lines were reconciled with another one`);
    },
  };
}

async function inputsOf(
  { kind, name, sha256, bytes }: Facts,
  values: Arguments["values"],
): Promise<ResultInput[]> {
  const file = required(values, "policy");
  const policy = await readEvidence(file);
  return [
    { role: kind, name, sha256, bytes },
    { role: "policy", name: basename(file), sha256: toHex(nodeSha256(policy)), bytes: policy.length },
  ];
}

function resultOf(
  { judgement, log }: Facts,
  body: SampleBody,
  inputs: readonly ResultInput[],
  repeat: readonly string[],
): Result<SampleBody> {
  const { verdict, code, restrictions, checks } = judgement;
  return {
    v: 1,
    kind: "sample",
    tool: TOOL,
    verdict,
    ...(code === undefined ? {} : { code }),
    findings: 0,
    log: log ?? { origin: "", size: 0, root: "" },
    inputs,
    checks,
    restrictions,
    notProven: ["sample-rest", "sensor-truth", "commit-clock", "outside-scope"],
    repeat,
    body,
  };
}

/** Made beside its place and renamed when it is whole: a part is never taken for a sample. */
async function whole<T>(output: string, make: (folder: string) => Promise<T>): Promise<T> {
  const beside = `${output}.${process.pid}.new`;
  mkdirSync(beside, { recursive: true });
  try {
    const made = await make(beside);
    await syncDirectory(beside);
    renameSync(beside, output);
    await syncDirectory(join(output, ".."));
    return made;
  } catch (error) {
    rmSync(beside, { recursive: true, force: true });
    throw error;
  }
}

function said(output: string, { method, population, drawn, strata, n }: SampleBody): string {
  const money =
    population.amount === null ? "" : `, ${population.amount} ${population.currency ?? ""}`.trimEnd();
  const fewer = method === "money-unit" && drawn < n ? ` (${n} points, several on one item)` : "";
  const each =
    strata.length > 1 ? strata.map((one) => `  ${one.name}: ${one.drawn} of ${one.count}\n`).join("") : "";
  return `${output}: ${drawn} of ${population.count} items drawn${fewer}, ${method}${money}\n${each}`;
}

/** By the files' own names, and where it is written is left open: neither changes anything of the bytes. */
function repeatLine(input: string, values: Arguments["values"]): string {
  const named = ["policy", "seed", "n", "stratify", "case"].flatMap((name) => {
    const value = textOf(values, name);
    if (value === undefined) return [];
    return [`--${name}`, name === "policy" || name === "case" ? basename(value) : value];
  });
  const kinds = values["kind"];
  const words = [
    "tally-audit",
    "sample",
    basename(input),
    ...named,
    ...(Array.isArray(kinds) ? kinds.flatMap((kind) => ["--kind", String(kind)]) : []),
    ...(values["money-unit"] === true ? ["--money-unit"] : []),
    "-o",
    "FOLDER",
  ];
  return words.map(quoted).join(" ");
}
