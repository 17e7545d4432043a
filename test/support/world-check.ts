/**
 * The world check: after whatever was done to a town, F1 to F6 of `docs/faults.md` over everything that is left of it. Agents have stopped; broker and
 * anchor run, so that the log is asked as a stranger would ask it.
 *
 * @module
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import {
  ed25519Key,
  isEvidenceError,
  openCheckpoint,
  parseTransparent,
  parseVkey,
  SYSTEM_STREAM,
  toHex,
} from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import { readingsOf, secondOf, type AgentBook, type BookEntry } from "./agent-book.ts";
import type { CountingMeter } from "./counting-meter.ts";
import { finding, type Finding } from "./finding.ts";
import { copyLedger, type ChainCopy } from "./ledger-copy.ts";
import type { LogWitness } from "./log-witness.ts";
import { accountFaults } from "./telegram-account.ts";
import { checkLog } from "./testlog.ts";
import type { Town } from "./town.ts";
import { chainFindings, halvesFindings } from "./two-halves.ts";

/** A device whose agent's books are there, and what its meters know. */
export type Gateway = {
  readonly iss: string;
  readonly book: AgentBook;
  /** Each of its streams but `sys`; those read from a meter have it beside them, those of events alone have no readings. */
  readonly streams: readonly {
    readonly sub: string;
    readonly meter?: CountingMeter;
    readonly eventsAlone?: boolean;
  }[];
  readonly boots: { readonly atLeast: number; readonly atMost: number };
};

export type World = {
  readonly town: Town;
  readonly gateways: readonly Gateway[];
  readonly witness?: LogWitness;
  /** Whether the auditor makes and verifies a bundle of each chain: a second or more for each. */
  readonly bundles?: boolean;
  /** Told what is being looked at. */
  readonly say?: (what: string) => void;
};

/** What was laid together, so that a check of nothing shows. */
export type Checked = {
  readonly findings: readonly Finding[];
  readonly statements: number;
  readonly telegrams: number;
  readonly readings: number;
  readonly size: number;
};

/** Folder of a town in which the agents' statements are laid for the auditor. */
const HALVES = "halves";

const provider = createNodeProvider();

export async function checkWorld(world: World): Promise<Checked> {
  const { town, gateways, witness, say = () => {} } = world;
  const findings: Finding[] = [];
  const count = { statements: 0, telegrams: 0, readings: 0 };
  for (const gateway of gateways) {
    say(`${gateway.iss}: its half and the ledger's`);
    const chains = await copyLedger(town.anchorUrl, gateway.iss);
    const entries = gateway.book.entries();
    const { telegrams, readings, faults } = accountOf(gateway, chains);
    count.statements += entries.length;
    count.telegrams += telegrams;
    count.readings += readings;
    findings.push(...faults.map((text) => finding("F1", `${gateway.iss}: ${text}`)));
    const subs = [...gateway.streams.map(({ sub }) => sub), SYSTEM_STREAM];
    findings.push(...chainFindings(chains, { subs, boots: gateway.boots }));
    const logKey = ed25519Key(parseVkey(town.logVkey).publicKey);
    findings.push(...halvesFindings(entries, chains, logKey, provider));
    keepHalves(town, entries);
    if (witness !== undefined) showReceipts(witness, gateway.iss, entries);
    if (world.bundles === true) findings.push(...(await bundleFindings(town, gateway.iss, chains)));
  }
  findings.push(...(await forkFindings(town)));
  say("the log: tiles, root, registry, key state");
  const { size, faults } = logFindings(town, witness);
  findings.push(...faults, ...(await auditFindings(town)));
  return { findings, ...count, size };
}

/** F1: every reading that surely arrived is in the ledger once, and nothing that was never sent. */
function accountOf(
  { streams, iss }: Gateway,
  chains: readonly ChainCopy[],
): { readonly telegrams: number; readonly readings: number; readonly faults: readonly string[] } {
  const faults: string[] = [];
  let telegrams = 0;
  let readings = 0;
  for (const { sub, meter, eventsAlone = false } of streams) {
    const held = chains
      .filter((chain) => chain.sub === sub)
      .flatMap(({ statements }) => statements.flatMap(({ statement }) => readingsOf(statement)));
    readings += held.length;
    if (held.length === 0 && !eventsAlone) faults.push(`${iss}/${sub}: no reading at all`);
    if (meter !== undefined) {
      telegrams += meter.connections.reduce((sum, { sure }) => sum + sure, 0);
      faults.push(...accountFaults(meter, held));
      continue;
    }
    const keys = held.map((reading) => `${reading.name} ${secondOf(reading)}`);
    if (new Set(keys).size !== keys.length) faults.push(`${iss}/${sub}: a reading twice`);
  }
  return { telegrams, readings, faults };
}

/** F2: whatever the agents went through, none of them ever spent a number twice. */
async function forkFindings(town: Town): Promise<readonly Finding[]> {
  const refused = await town.metric('outcomes_total{outcome="fork"}');
  const db = new DatabaseSync(town.path("anchor", "anchor.db"), { readOnly: true });
  try {
    const kept = Number(db.prepare("SELECT count(*) AS forks FROM forks").get()?.["forks"]);
    return refused + kept === 0 ? [] : [finding("F2", `${refused} forks refused, ${kept} kept`)];
  } finally {
    db.close();
  }
}

/** F3 by a reader of the tests' own, then F4 and F5 by what the witness has seen. */
function logFindings(
  town: Town,
  witness: LogWitness | undefined,
): { readonly size: number; readonly faults: readonly Finding[] } {
  try {
    const { size, entries } = checkLog(town.publicFolder, readFileSync(town.policyFile, "utf8"));
    return { size, faults: witness?.compare(entries) ?? [] };
  } catch (error) {
    const text = isEvidenceError(error) ? error.code : error instanceof Error ? error.message : String(error);
    return { size: 0, faults: [finding("F3", `the published log: ${text}`)] };
  }
}

/** F3: what an auditor says of the log, with the agents' halves beside it. */
async function auditFindings(town: Town): Promise<readonly Finding[]> {
  const policy = ["--policy", town.policyFile];
  const halves = existsSync(town.path(HALVES)) ? ["--statements", town.path(HALVES)] : [];
  const { code, stdout, stderr } = await town.run(
    "audit",
    "log",
    town.publicFolder,
    ...halves,
    "--json",
    ...policy,
  );
  if (code === 0) {
    const { verdict, restrictions } = JSON.parse(stdout) as {
      verdict: string;
      restrictions: readonly string[];
    };
    if (verdict === "restricted" && restrictions.join() === "no-witness") return [];
  }
  return [finding("F3", `tally-audit log: exit ${code}: ${stdout}${stderr}`)];
}

function keepHalves(town: Town, entries: readonly BookEntry[]): void {
  mkdirSync(town.path(HALVES), { recursive: true });
  for (const { statement, transparent } of entries) {
    writeFileSync(town.path(HALVES, `${toHex(statement.hash)}.cose`), transparent ?? statement.bytes);
  }
}

/** Receipts that an agent has kept may be older than any that the witness saw. */
function showReceipts(witness: LogWitness, iss: string, entries: readonly BookEntry[]): void {
  for (const { statement, transparent } of entries) {
    const [receipt] = transparent === undefined ? [] : parseTransparent(transparent).receipts;
    if (receipt === undefined) continue;
    witness.receipt(receipt, [statement.hash], `held by ${iss}`);
  }
}

/** F3: an auditor finds each chain complete. */
async function bundleFindings(
  town: Town,
  iss: string,
  chains: readonly ChainCopy[],
): Promise<readonly Finding[]> {
  const policy = ["--policy", town.policyFile];
  const findings: Finding[] = [];
  for (const { sub, last, statements } of chains) {
    const file = town.path(`${iss}-${sub}`.replaceAll("/", "-") + ".tally");
    const stream = ["--stream", `${iss}/${sub}`, "-o", file];
    const made = await town.run("audit", "bundle", `${town.anchorUrl}/`, ...stream, ...policy);
    const { code, stdout } = await town.run("audit", "verify", file, ...policy, "--json");
    const said = JSON.parse(stdout) as {
      verdict: string;
      restrictions: readonly string[];
      checks: readonly { name: string; reason?: string }[];
    };
    // Nobody tells the head of `sys`: its own next statement would have to.
    const own = sub === SYSTEM_STREAM ? ["tail-not-attested"] : [];
    // An agent that was away says so, and then nobody calls the stream complete.
    const gap = statements.some(({ statement }) => statement.event?.kind === "gap") ? ["gap"] : [];
    const restrictions = [...gap, "no-witness", ...own].toSorted();
    const good = said.verdict === "restricted" && said.restrictions.toSorted().join() === restrictions.join();
    const complete = said.checks.find(({ name }) => name === "completeness")?.reason;
    const whole = sub === SYSTEM_STREAM || gap.length > 0 || complete === `complete ${iss}/${sub} 0..${last}`;
    if (made.code !== 0 || code !== 0 || !good || !whole)
      findings.push(finding("F3", `the bundle of ${iss}/${sub} (0 to ${last}): ${made.stderr}${stdout}`));
  }
  return findings;
}

/** F3, F5: what the broker retains is what is published, and that is so many entries and no more. */
export function retainedFindings(town: Town, retained: string | undefined, size: number): readonly Finding[] {
  const published = readFileSync(join(town.publicFolder, "checkpoint"), "utf8");
  if (retained !== published)
    return [finding("F3", "the broker retains another note than the published one")];
  const signed = openCheckpoint(published, parseVkey(town.logVkey), provider).size;
  return signed === size ? [] : [finding("F5", `the note is of size ${signed}; there are ${size} entries`)];
}
