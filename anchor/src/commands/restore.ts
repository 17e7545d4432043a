/**
 * `tally-anchor restore`: a log back from what is left of it.
 *
 * @module
 */
import process from "node:process";
import { EXIT, UsageError, type Command, terminalProgress } from "@tallystick/evidence/node";
import { restoreLog, type Restored } from "../restore/restore.ts";
import { createSodiumProvider } from "../admission/sodium.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, nowUnixS } from "./config-option.ts";

/** Ranges of missing entries that are listed for people. */
const MAX_RANGES = 10;

export const restore: Command = {
  summary: "Restore a lost log from backups, public directories or copies of them",
  usage: `--from BACKUP|DIR|URL [--from …] [--json] ${CONFIG_USAGE}`,
  details: `  --from X        a backup or database file, a public directory, a data folder, the folder trail or a copy of it, or http(s)://… of a copy of the public
                  directory; give all there are
  --json          say what was restored as JSON
${CONFIG_DETAILS}
The log's key must be in its place: no backup holds it. Takes the newest tree of all sources, verifies everything against the
notes that the log signed, and names the statements of which only the hash is left; see docs/restore.md.`,
  options: { ...CONFIG_OPTIONS, from: { type: "string", multiple: true }, json: { type: "boolean" } },
  async run(given) {
    const from = [given.values["from"] ?? []].flat().filter((one) => typeof one === "string" && one !== "");
    if (from.length === 0)
      throw new UsageError("--from is missing: name a backup, a public directory or a copy");
    const restored = await restoreLog({
      config: configOf(given),
      from: from.map(String),
      provider: createSodiumProvider(),
      nowUnixS,
      progress: terminalProgress("restore"),
    });
    process.stdout.write(given.values["json"] === true ? `${JSON.stringify(restored)}\n` : words(restored));
    return EXIT.good;
  },
};

function words({
  origin,
  size,
  root,
  database,
  signed,
  sources,
  missing,
  damaged,
  erased,
  kept,
  emptyTrails,
}: Restored): string {
  const count = missing.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  const ranges = missing
    .slice(0, MAX_RANGES)
    .map(([first, last]) => (first === last ? String(first) : `${first}..${last}`));
  const more = missing.length > MAX_RANGES ? " and more" : "";
  return [
    `${database}: ${origin} at size ${size}, root ${root}`,
    ...sources.map((source) => `  from ${source.name}, at size ${source.size}`),
    size === signed
      ? "  up to the newest signed note"
      : `  newest signed note at ${signed}, committed up to ${size}`,
    count === 0
      ? "  no statement is missing"
      : `  missing: ${count} statements, entries ${ranges.join(", ")}${more}; devices are asked for them (tally-anchor missing lists them)`,
    ...(erased === 0 ? [] : [`  of ${erased} erased statements nothing came back`]),
    ...(kept === 0
      ? []
      : [
          `  ${kept} of the anchor's own statements from their copies; erased in them is erased again at the start`,
        ]),
    ...emptyTrails.map(
      (folder) =>
        `  not used: ${folder}: no copy of what the anchor said is in it; what was erased since may be back`,
    ),
    ...(damaged === 0 ? [] : [`  left out: ${damaged} damaged rows of a database`]),
    "next: tally-anchor run; it signs nothing before it has heard the devices",
    "",
  ].join("\n");
}
