/**
 * `tally-audit log DIR|URL`: re-derives a whole log.
 *
 * @module
 */
import process from "node:process";
import { isEvidenceError, toHex } from "@tallystick/evidence";
import { nodeSha256, UsageError, type Command, openPlace, terminalProgress } from "@tallystick/evidence/node";
import { counted, exitCode } from "../judgement.ts";
import { auditLog, type LogSummary } from "../log/audit.ts";
import { readEvidence } from "../log/given.ts";
import type { OlderNote } from "../log/note.ts";
import { bestProvider } from "../provider.ts";
import { jsonLine, textReport } from "../report.ts";
import { readPolicy } from "./policy.ts";

export const log: Command = {
  summary: "re-derives a whole log and its registry, and lays receipts and older checkpoints beside it",
  usage: "DIR|URL --policy FILE [--since NOTE] [--receipts FILE…] [--statements DIR…] [--strict] [--json]",
  details: [
    "--policy FILE      whom you trust: the log's key, witnesses, operators",
    "--since NOTE       an older checkpoint of this log: proves that it only grew since",
    "--receipts FILE…   receipts, transparent statements, bundles: what the log promised to others",
    "--statements DIR…  the same from folders; what devices saw of the log is compared too",
    "--strict           exit 3 where there are restrictions",
    "--json             one JSON object",
    "",
    "Exit: 0 good, 1 something is wrong, 2 usage, 3 can't tell.",
  ].join("\n"),
  options: {
    policy: { type: "string" },
    since: { type: "string" },
    receipts: { type: "string", multiple: true },
    statements: { type: "string", multiple: true },
    strict: { type: "boolean" },
    json: { type: "boolean" },
  },
  async run({ values, positionals: [place, ...more] }) {
    if (place === undefined) throw new UsageError("name the log's public directory or its address");
    const policy = await readPolicy(values);
    const since = values["since"];
    const progress = terminalProgress("log");
    const provider = bestProvider();
    try {
      const { judgement, summary } = await auditLog({
        place: openPlace(place),
        policy,
        provider,
        hash: nodeSha256,
        // A list after one option: the shell hands us all but its first as further arguments.
        evidence: [...texts(values["receipts"]), ...texts(values["statements"]), ...more],
        ...(typeof since === "string" ? { since: await readOlder(since) } : {}),
        progress,
      });
      progress.done();
      const output =
        values["json"] === true
          ? jsonLine(place, judgement, [], { provider: provider.name })
          : textReport(place, judgement, says(summary));
      process.stdout.write(output);
      return exitCode(judgement, values["strict"] === true);
    } finally {
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
