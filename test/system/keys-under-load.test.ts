/**
 * Keys change while statements flow: of four gateways one rotates its key and one has its key revoked. Of the others nothing is lost or reordered, the chains of
 * the one that rotated go on, nothing of the revoked one enters after the item, and the auditor finds the whole log good.
 */
import { expect, test } from "vitest";
import { toHex } from "@tallystick/evidence";
import { makeReport } from "../../agent/src/commands/report.ts";
import { readStorage } from "../../agent/src/storage/storage.ts";
import { CountingMeter } from "../support/counting-meter.ts";
import { copyLedger, type ChainCopy } from "../support/ledger-copy.ts";
import { closeBooks, METER, MeteredAgent } from "../support/metered-agent.ts";
import { Town, type AgentName } from "../support/town.ts";
import { checkWorld } from "../support/world-check.ts";

const NAMES = ["agent", "agent-2", "agent-3", "agent-4"] as const satisfies readonly AgentName[];
/** Each telegram makes a statement of its own, or nearly: some 15 a second for each gateway. */
const TELEGRAM_MS = 60;
const SEAL_MS = 20;
/** Statements with a receipt of each gateway before keys change, and after. */
const LEAST = 25;

test("one key rotates and one is revoked while statements flow", async () => {
  const start = Math.floor(Date.now() / 3_600_000) * 3600;
  const meters = await Promise.all(NAMES.map(() => CountingMeter.start(start, TELEGRAM_MS)));
  try {
    await Town.run(async (town) => tell(town, meters));
  } finally {
    await Promise.all(meters.map((meter) => meter.stop()));
  }
});

async function tell(town: Town, meters: readonly CountingMeter[]): Promise<void> {
  await town.start("broker");
  await town.start("anchor");
  const agents = NAMES.map((name, i) => {
    const settings = { name, maxLossMs: 0, sealMs: SEAL_MS, heartbeatS: 2 };
    return new MeteredAgent(town, meters[i] as CountingMeter, settings);
  });
  for (const agent of agents) {
    await town.enrol(agent.iss, town.keyFile(agent.name));
    agent.configure();
    agent.launch();
  }
  const [, rotating, revoked] = agents as [MeteredAgent, MeteredAgent, MeteredAgent, MeteredAgent];
  const others = agents.filter((agent) => agent !== revoked);
  await flow(town, agents);

  const config = ["--config", town.configFile(rotating.name)];
  await town.programs.must("agent", ["key", "rotate", ...config]);
  const device = ["--device", revoked.iss, "--wait", "--json"];
  await town.programs.must("anchor", ["revoke", "--config", town.configFile("anchor"), ...device]);
  await town.until("a statement of the next key has its receipt", () => kidsOf(rotating).size === 2);
  await town.until("the revoked one is refused", () => reportOf(town, revoked).rejections.length > 0);
  await flow(town, others);

  await revoked.stop();
  for (const agent of others) await closeBooks(town, agent);
  const { findings, statements } = await checkWorld({
    town,
    gateways: others.map((agent) => agent.books),
  });
  expect(findings).toEqual([]);
  expect(statements).toBeGreaterThan(others.length * 2 * LEAST);

  handedOver(await copyLedger(town.anchorUrl, rotating.iss));
  await verifies(town, rotating.iss);
  await keptOut(town, revoked);
}

/** Resolves when each of these has many more statements with their receipts than now. */
async function flow(town: Town, agents: readonly MeteredAgent[]): Promise<void> {
  const before = new Map(agents.map((agent) => [agent, receipted(town, agent)]));
  await town.until("statements flow", () =>
    agents.every((agent) => receipted(town, agent) >= (before.get(agent) ?? 0) + LEAST),
  );
}

function reportOf(town: Town, { name }: MeteredAgent): ReturnType<typeof makeReport> {
  const storage = readStorage(town.path(name));
  try {
    return makeReport(storage);
  } finally {
    storage.close();
  }
}

function receipted(town: Town, agent: MeteredAgent): number {
  try {
    return reportOf(town, agent).outbox.receipted.count;
  } catch {
    return 0; // it is making its database at this moment
  }
}

/** Keys of what has its receipt. */
const kidsOf = ({ book }: MeteredAgent): ReadonlySet<string> =>
  new Set(
    book.entries().flatMap(({ statement, isReceipted }) => (isReceipted ? [toHex(statement.kid)] : [])),
  );

/** In each chain the first key signs up to some number, and the second from there on; the world check has seen that none is missing. */
function handedOver(chains: readonly ChainCopy[]): void {
  const turns = chains.map(({ statements }) => {
    const kids = statements.map(({ statement }) => toHex(statement.kid));
    return kids.filter((kid, i) => kid !== kids[i - 1]).length;
  });
  expect(turns).toEqual([2, 2]);
  const last = chains
    .flatMap(({ statements }) => statements)
    .filter(({ statement }) => statement.event?.kind === "key-rotated");
  expect(last).toHaveLength(1);
}

/** An auditor's bundle over the rotation is complete, by both keys. */
async function verifies(town: Town, iss: string): Promise<void> {
  const file = town.path("rotated.tally");
  const policy = ["--policy", town.policyFile];
  const stream = ["--stream", `${iss}/${METER}`, "-o", file];
  const made = await town.run("audit", "bundle", `${town.anchorUrl}/`, ...stream, ...policy, "--json");
  expect([made.code, made.stderr]).toEqual([0, expect.stringContaining("written")]);
  const { restrictions, checks } = JSON.parse(made.stdout) as {
    restrictions: readonly string[];
    checks: readonly { name: string; reason?: string }[];
  };
  expect(restrictions.filter((one) => one !== "gap")).toEqual(["no-witness"]);
  expect(checks.find(({ name }) => name === "chains")).toMatchObject({ result: "passed" });
}

/** What the log has of it is from before the item; what isn't there waits on, refused. */
async function keptOut(town: Town, agent: MeteredAgent): Promise<void> {
  const listed = await town.run("anchor", "registry", "--config", town.configFile("anchor"), "--json");
  const index = Number(/"revoked":\s*(\d+)/.exec(listed.stdout)?.[1]);
  expect(index, listed.stdout).toBeGreaterThan(0);
  const chains = await copyLedger(town.anchorUrl, agent.iss);
  const indexes = chains.flatMap(({ statements }) => statements.map((one) => one.index));
  expect(indexes.length).toBeGreaterThan(LEAST);
  expect(Math.max(...indexes)).toBeLessThan(index);
  const held = new Set(
    chains.flatMap(({ statements }) => statements.map(({ statement }) => toHex(statement.hash))),
  );
  const waiting = agent.book.entries().filter(({ statement }) => !held.has(toHex(statement.hash)));
  expect(waiting.length).toBeGreaterThan(0);
  expect(waiting.some(({ isReceipted }) => isReceipted)).toBe(false);
  expect(new Set(reportOf(town, agent).rejections.map(({ code }) => code))).toEqual(new Set(["key-revoked"]));
  expect(chains.map(({ sub }) => sub).toSorted()).toEqual([METER, "sys"]);
}
