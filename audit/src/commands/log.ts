/**
 * `tally-audit log DIR|URL`: re-derives a whole log.
 *
 * @module
 */
import process from "node:process";
import { isEvidenceError, toHex } from "@tallystick/evidence";
import { nodeSha256, UsageError, type Command, openPlace, terminalProgress } from "@tallystick/evidence/node";
import { openFacts, type Facts } from "../facts/open.ts";
import { counted, exitCode } from "../judgement.ts";
import { withArchive } from "../log/archive.ts";
import { auditLog, type LogSummary } from "../log/audit.ts";
import { readEvidence } from "../log/given.ts";
import type { OlderNote } from "../log/note.ts";
import { bestProvider } from "../provider.ts";
import { jsonLine, textReport } from "../report.ts";
import { readPolicy } from "./policy.ts";

export const log: Command = {
  summary: "re-derives a whole log and its registry, and lays receipts and older checkpoints beside it",
  usage:
    "DIR|URL --policy FILE [--since NOTE | --archive CASE] [--receipts FILE…] [--statements DIR…] [--strict] [--json]",
  details: [
    "--policy FILE      whom you trust: the log's key, witnesses, operators",
    "--since NOTE       an older checkpoint of this log: proves that it only grew since",
    "--archive CASE     demands a statement or an order to erase it for every entry up to the case's checkpoint",
    "--receipts FILE…   receipts, transparent statements, bundles: what the log promised to others",
    "--statements DIR…  the same from folders; what devices saw of the log is compared too",
    "--strict           exit 3 where there are restrictions",
    "--json             one JSON object",
    "",
    "Exit: 0 good, 1 something is wrong, 2 usage, 3 can't tell.",
  ].join("\n"),
  takes: Infinity,
  options: {
    policy: { type: "string" },
    since: { type: "string" },
    archive: { type: "string" },
    receipts: { type: "string", multiple: true },
    statements: { type: "string", multiple: true },
    strict: { type: "boolean" },
    json: { type: "boolean" },
  },
  async run({ values, positionals: [place, ...more] }) {
    if (place === undefined) throw new UsageError("name the log's public directory or its address");
    const policy = await readPolicy(values);
    const { since, archive } = values;
    if (since !== undefined && archive !== undefined)
      throw new UsageError("give --since or --archive: a case brings an older checkpoint of its own");
    const progress = terminalProgress("log");
    const provider = bestProvider();
    let facts: Facts | undefined;
    try {
      if (typeof archive === "string")
        facts = await openFacts(archive, { policy, provider, hash: nodeSha256, progress });
      const older = facts?.files?.checkpoint;
      if (facts !== undefined && older === undefined)
        throw new UsageError(`--archive ${facts.path}: give a case, not a bundle`);
      const audited = await auditLog({
        place: openPlace(place),
        policy,
        provider,
        hash: nodeSha256,
        // A list after one option: the shell hands us all but its first as further arguments.
        evidence: [...texts(values["receipts"]), ...texts(values["statements"]), ...more],
        ...(typeof since === "string" ? { since: await readOlder(since) } : {}),
        ...(older === undefined ? {} : { since: { name: `${archive as string}/checkpoint`, text: older } }),
        progress,
      });
      const { summary } = audited;
      const judgement =
        facts === undefined || summary === undefined
          ? audited.judgement
          : await withArchive(audited.judgement, facts, openPlace(place), summary.size, progress);
      progress.done();
      const output =
        values["json"] === true
          ? jsonLine(place, judgement, [], { provider: provider.name })
          : textReport(place, judgement, says(summary));
      process.stdout.write(output);
      return exitCode(judgement, values["strict"] === true);
    } finally {
      facts?.close();
      progress.done();
    }
  },
};

async function readOlder(file: string): Promise<OlderNote> {
  try {
    return { name: file, text: await readEvidence(file) };
  } catch (error) {
    if (isEvidenceError(error)) throw new UsageError(`--since: ${error.message}`);
    throw error;
  }
}

const texts = (value: string | boolean | (string | boolean)[] | undefined): string[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];

const says = (summary: LogSummary | undefined): string[] =>
  summary === undefined
    ? []
    : [
        `log ${summary.origin}: ${summary.size} entries, root ${toHex(summary.root)}`,
        `registry: ${counted(summary.registryItems, "item")}, ${counted(summary.deviceKeys, "device key")}`,
      ];
