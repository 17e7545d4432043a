/**
 * The auditor's part: bundles, verdicts, and one bit changed to see what the verifier says. All of it is done by `tally-audit`, as a
 * stranger would do it.
 *
 * @module
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { decodeBundle, parseTransparent, toHex, type Statement } from "@tallystick/evidence";
import { ISS } from "./folder.ts";
import { forge, type Forgery } from "./forging.ts";
import { ProgramError } from "./program.ts";
import type { Town } from "./town.ts";

/** What `tally-audit verify --json` says of a file. */
export type Verdict = {
  readonly file: string;
  readonly verdict: "verified" | "restricted" | "not-verifiable" | "invalid";
  readonly code?: string;
  readonly restrictions: readonly string[];
};

/** A file, and the same one with one bit changed. */
export type Tampered = { readonly honest: Verdict; readonly altered: Verdict; readonly what: string };

/** Of a log that is older than this run, a bundle holds this much. */
const REUSED_WINDOW_MS = 3_600_000;

/** Verifies files under the town's trust policy; `more` are options of `tally-audit verify`. */
async function verifyFiles(
  { programs, folder }: Pick<Town, "programs" | "folder">,
  files: readonly string[],
  more: readonly string[] = [],
): Promise<readonly Verdict[]> {
  const args = ["verify", ...files, "--policy", folder.policyFile, "--json", ...more];
  const { stdout, stderr } = await programs.run("audit", args);
  const verdicts = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Verdict);
  if (verdicts.length === files.length) return verdicts;
  throw new ProgramError(`tally-audit verify failed: ${stderr.trim()}`);
}

/**
 * Writes a bundle of one stream and verifies it as a stranger would: from the file and the trust policy alone.
 *
 * @throws ProgramError where it was not written
 */
export async function writeBundle(town: Town, sub: string, startedAtMs: number): Promise<Verdict> {
  const { folder, programs, anchorUrl } = town;
  const file = join(folder.evidence, `${sub.replaceAll("/", "-")}.tally`);
  const since = folder.reused ? ["--from", new Date(startedAtMs - REUSED_WINDOW_MS).toISOString()] : [];
  const stream = ["--stream", `${ISS}/${sub}`, "--policy", folder.policyFile];
  await programs.must("audit", ["bundle", `${anchorUrl}/`, ...stream, ...since, "-o", file, "--json"]);
  const [verdict] = await verifyFiles(town, [file]);
  if (verdict === undefined) throw new ProgramError(`no verdict on ${file}`);
  return verdict;
}

/** Changes one bit of a reading in a bundle, and asks the verifier. */
export async function tamperWithBundle(town: Town, file: string): Promise<Tampered> {
  const bytes = await readFile(file);
  for (const transparent of decodeBundle(bytes).statements) {
    const { statement } = parseTransparent(transparent);
    const forgery = forge(bytes, statement);
    if (forgery !== undefined) return compare(town, bytes, forgery, basename(file), []);
  }
  throw new ProgramError(`${file} holds no readings`);
}

/** Fetches a statement with its receipts from the anchor, changes one bit of a reading, and asks the verifier. */
export async function tamperWithStatement(town: Town, statement: Statement): Promise<Tampered> {
  const answer = await fetch(`${town.anchorUrl}/statements/${toHex(statement.hash)}`);
  if (!answer.ok) throw new ProgramError(`the anchor answers ${answer.status}`);
  const bytes = Buffer.from(await answer.arrayBuffer());
  const forgery = forge(bytes, statement);
  if (forgery === undefined) throw new ProgramError("the statement holds no readings");
  return compare(town, bytes, forgery, "statement.cose", ["--log", `${town.anchorUrl}/`]);
}

async function compare(
  town: Town,
  honest: Buffer,
  { altered, what }: Forgery,
  name: string,
  options: readonly string[],
): Promise<Tampered> {
  const folder = await mkdtemp(join(tmpdir(), "tally-tamper-"));
  try {
    const files = [join(folder, name), join(folder, `altered-${name}`)];
    await Promise.all(files.map((file, i) => writeFile(file, i === 0 ? honest : altered)));
    const [good, bad] = await verifyFiles(town, files, options);
    if (good === undefined || bad === undefined) throw new ProgramError("no verdict");
    return { honest: good, altered: bad, what };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A verdict in the words of the demonstration. */
export function verdictWords({ verdict, code, restrictions }: Verdict): string {
  switch (verdict) {
    case "verified":
      return "verified";
    case "restricted":
      return `verified, with restrictions: ${restrictions.join(", ")}`;
    case "not-verifiable":
      return `not verifiable: ${code ?? "no reason given"}`;
    case "invalid":
      return `refused: ${code ?? "no reason given"}`;
  }
}
