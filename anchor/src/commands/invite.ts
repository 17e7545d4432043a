/**
 * `tally-anchor invite`: lets a device in, once. Prints the line that is to be carried to it.
 *
 * @module
 */
import { readFileSync, rmSync } from "node:fs";
import process from "node:process";
import { isatty } from "node:tty";
import {
  checkOrg,
  checkStreamPattern,
  encodeUtf8,
  isEvidenceError,
  isOperator,
  toHex,
} from "@tallystick/evidence";
import {
  ConfigError,
  EXIT,
  required,
  UsageError,
  writeDurable,
  type Arguments,
  type Command,
} from "@tallystick/evidence/node";
import { DEFAULT_CONFIG_PATH, placesOf, type Config } from "../config.ts";
import { csvLine, readInvites, throwAny } from "../enrolment/invite-csv.ts";
import { InviteStore } from "../enrolment/invites.ts";
import { inviterOf, makeInvite, type Invited, type Inviter, type NewInvite } from "../enrolment/inviting.ts";
import { qrSvg, qrText } from "../enrolment/qr.ts";
import { PublishedRegistry } from "../registry/published-registry.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, nowUnixS, text } from "./config-option.ts";
import { durationS } from "./duration.ts";

const DEFAULT_SILENCE = "15m";
const STDOUT = 1;
const MAX_EXPIRES_S = 366 * 86_400;

export const invite: Command = {
  summary: "Invite a device: one line, and a QR code, by which it enrols itself once",
  usage: `--org O --device D [--streams a,b] [--silence 15m] [--expires 24h] [--re-enrol --reason TEXT] [--json] [--qr|--no-qr] [--svg FILE] | --csv FILE [-o FILE] ${CONFIG_USAGE}`,
  details: `  --streams LIST  streams it may write: names, prefixes that end in /*, or * (default *)
  --silence TIME  longest silence allowed: a number and s, m, h or d (default ${DEFAULT_SILENCE})
  --expires TIME  how long the invite holds (default: the configuration's enrolment.expiresS)
  --re-enrol      for a device that has a key, and lost it or its data; --reason says why, in public
  --qr, --no-qr   the QR code, also where no terminal shows it; or not
  --svg FILE      the QR code as a picture
  --csv FILE      many: a table with the columns org, device and, if need be, streams and silence; prints a table with the lines
  -o FILE         write the table there, for its owner only
  --json          say what was made as JSON, one line each
${CONFIG_DETAILS}
Whoever has the line can enrol a key for this device, once: carry it as you would a password, and give it to: tally-agent enrol
See also: tally-anchor invite list, tally-anchor invite withdraw.`,
  options: {
    ...CONFIG_OPTIONS,
    org: { type: "string" },
    device: { type: "string" },
    streams: { type: "string" },
    silence: { type: "string" },
    expires: { type: "string" },
    "re-enrol": { type: "boolean" },
    reason: { type: "string" },
    json: { type: "boolean" },
    qr: { type: "boolean" },
    "no-qr": { type: "boolean" },
    svg: { type: "string" },
    csv: { type: "string" },
    out: { type: "string", short: "o" },
  },
  async run(given) {
    const config = configOf(given);
    const { public: publicFolder, inbox, invites } = placesOf(config);
    const csv = text(given.values, "csv");
    mustGoTogether(given, csv !== undefined);
    const defaults = defaultsOf(given);
    const rows = csv === undefined ? [oneOf(given, defaults)] : readInvites(csv, readTable(csv), defaults);
    const registry = await PublishedRegistry.read(publicFolder);
    await registry.addWaiting(inbox);
    const inviter = inviterOf(config, text(given.values, "config") ?? DEFAULT_CONFIG_PATH, registry);
    const made = makeAll(rows, csv, { inviter, registry, expiresS: expiresS(given, config) });
    const store = new InviteStore(invites, { maxOpen: config.enrolment.maxInvites, nowUnixS });
    store.mustHaveRoom(made.length);
    // Before they are kept: nobody can make their lines again.
    const written = await writeFiles(given, made);
    try {
      await store.add(made.map(({ stored }) => stored));
    } catch (error) {
      for (const file of written) rmSync(file, { force: true });
      throw error;
    }
    tell(given, made, csv !== undefined);
    return EXIT.good;
  },
};

function defaultsOf({ values }: Arguments): Omit<Invited, "device"> {
  const streams = (text(values, "streams") ?? "*").split(",").map((stream) => stream.trim());
  for (const stream of streams) checkStreamPattern(stream);
  const silenceS = durationS(text(values, "silence") ?? DEFAULT_SILENCE, "--silence");
  const reason = text(values, "reason");
  if (values["re-enrol"] !== true) {
    if (reason !== undefined) throw new UsageError("--reason is for --re-enrol");
    return { streams, silenceS };
  }
  if (reason === undefined)
    throw new UsageError("--reason is missing: the registry says why a device is enrolled anew");
  if (encodeUtf8(reason).length > 200) throw new UsageError("--reason: use at most 200 bytes");
  return { streams, silenceS, reEnrol: reason };
}

/** @throws UsageError */
function mustGoTogether({ values }: Arguments, isTable: boolean): void {
  const given = (name: string): boolean => values[name] !== undefined;
  if (!isTable && given("out")) throw new UsageError("-o is for --csv");
  if (!isTable) return;
  if (given("svg")) throw new UsageError("--svg is for one device");
  if (given("org") || given("device")) throw new UsageError("--org and --device are in the table of --csv");
  if (given("out") && values["json"] === true)
    throw new UsageError("-o is for the table: leave --json out, or send its lines where you like");
}

function oneOf({ values }: Arguments, defaults: Omit<Invited, "device">): Invited {
  const org = required(values, "org");
  checkOrg(org);
  const device = `${org}/${required(values, "device")}`;
  if (isOperator(device)) throw new UsageError("--device: operator is reserved: choose another name");
  return { device, ...defaults };
}

function readTable(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new ConfigError([
      `${file}: can't read it: ${cause instanceof Error ? cause.message : String(cause)}`,
    ]);
  }
}

function expiresS({ values }: Arguments, { enrolment }: Config): number {
  const given = text(values, "expires");
  const seconds = given === undefined ? enrolment.expiresS : durationS(given, "--expires");
  if (seconds < 60 || seconds > MAX_EXPIRES_S) throw new UsageError("--expires: give 60s to 366d");
  return seconds;
}

type Making = { readonly inviter: Inviter; readonly registry: PublishedRegistry; readonly expiresS: number };

/** All of them or none. @throws ConfigError where a device of a table can't be invited */
function makeAll(
  rows: readonly (Invited & { readonly line?: number })[],
  csv: string | undefined,
  { inviter, registry, expiresS: seconds }: Making,
): readonly NewInvite[] {
  const time = { nowUnixS: nowUnixS(), expiresS: seconds };
  const faults: string[] = [];
  const made = rows.flatMap((row) => {
    try {
      return [makeInvite(row, inviter, registry, time)];
    } catch (error) {
      if (csv === undefined || !isEvidenceError(error)) throw error;
      faults.push(`${csv}:${row.line ?? 0}: device: ${error.message} [${error.code}]`);
      return [];
    }
  });
  throwAny(csv ?? "", faults);
  return made;
}

/** Writes what is to be in files; returns which. */
async function writeFiles({ values }: Arguments, made: readonly NewInvite[]): Promise<readonly string[]> {
  const [only] = made;
  const [svg, out] = [text(values, "svg"), text(values, "out")];
  const files = [
    ...(svg !== undefined && only !== undefined ? [[svg, qrSvg(only.line)] as const] : []),
    ...(out === undefined ? [] : [[out, tableOf(made)] as const]),
  ];
  for (const [file, content] of files) await writeDurable(file, content, { mode: 0o600 });
  return files.map(([file]) => file);
}

const tableOf = (made: readonly NewInvite[]): string =>
  [["org", "device", "expires", "invite"], ...made.map(asCells)].map(csvLine).join("");

function tell({ values }: Arguments, made: readonly NewInvite[], isTable: boolean): void {
  const [only] = made;
  if (values["json"] === true) {
    for (const one of made) process.stdout.write(`${JSON.stringify(asJson(one))}\n`);
  } else if (isTable) {
    if (text(values, "out") === undefined) process.stdout.write(tableOf(made));
    process.stderr.write(
      `${made.length} devices may enrol, each once; carry the lines as you would passwords\n`,
    );
  } else if (only !== undefined) {
    const isSeen = isatty(STDOUT);
    process.stdout.write(`${only.line}\n`);
    if (values["no-qr"] !== true && (isSeen || values["qr"] === true))
      process.stdout.write(qrText(only.line, isSeen));
    process.stderr.write(
      `${only.invite.device} may enrol once, until ${isoTime(only.invite.expiresUnixS)}; on the gateway: tally-agent enrol, and paste the line\n`,
    );
  }
}

const isoTime = (unixS: number): string => new Date(unixS * 1000).toISOString().replace(".000", "");

const asJson = ({ stored, invite: { device, anchor, broker, expiresUnixS }, line }: NewInvite): object => ({
  device,
  id: toHex(stored.id),
  expires: isoTime(expiresUnixS),
  anchor: anchor.url,
  broker: broker.url,
  invite: line,
});

const asCells = ({ invite: { device, expiresUnixS }, line }: NewInvite): readonly string[] => [
  ...device.split("/"),
  isoTime(expiresUnixS),
  line,
];
