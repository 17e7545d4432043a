/**
 * `tally-audit watch URL`: follows a log, and says when it forks, stops, or a device changes its key.
 *
 * @module
 */
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { encodeUtf8, isEvidenceError, toHex } from "@tallystick/evidence";
import {
  createNodeProvider,
  directoryPlace,
  EXIT,
  httpPlace,
  isHookUrl,
  isUrl,
  nodeSha256,
  readBounded,
  readSecret,
  readText,
  runStages,
  sleep,
  systemTimer,
  UsageError,
  writeDurable,
  type Arguments,
  type Command,
  type Hook,
  type Place,
} from "@tallystick/evidence/node";
import { parseStream, type StreamName } from "../bundle/period.ts";
import { parseToken } from "../case/take/reads.ts";
import { exitOfLook, type Change } from "../watch/alert.ts";
import { deliver, enqueue } from "../watch/delivery.ts";
import { changeLine, standingLines } from "../watch/lines.ts";
import { metricsText } from "../watch/metrics.ts";
import { Watcher, type WatchParts } from "../watch/watcher.ts";
import { durationS } from "./duration.ts";
import { readPolicy } from "./policy.ts";

/** Of one request. A log that is watched is asked again soon. */
const LIMITS = { timeoutMs: 15_000, attempts: 2, retryMs: 250 } as const;
const LOOK_MS = 300_000;
const RECHECK_MS = 2000;
/** A look that is under way when the end is asked for. */
const GRACE_MS = 40_000;

export const watch: Command = {
  summary: "follows a log: that it only grows and shows everybody the same; alerts, also by webhook",
  usage:
    "URL|DIR --policy FILE [--stream ORG/DEVICE/STREAM]… [--seen FILE]… [--copy URL]… [--every 60s] [--max-age 1h] [--silence D] [--token-file FILE [--read-every 1h] [--purpose TEXT]] [--state DIR] [--webhook URL --secret-file FILE] [--metrics FILE] [--once] [--json]",
  details: [
    "--policy FILE       whom you trust: the log's key, witnesses, operators",
    "--stream S          streams that are watched for silence and for new keys of their devices, e.g. water/gw-1/meter/m-0417;",
    "                    without any, keys of all devices are watched. Silence is seen where the anchor's archive answers. Each of these three may be repeated",
    "--seen FILE         receipts, statements and bundles, files or folders: what others hold of the log; looked through at each look",
    "--copy URL          other places of the same log, compared with it both ways",
    "--token-file FILE   a token of the anchor's reads: streams are looked at with it, at most each --read-every (1h), since each read",
    "                    stands in the ledger; --purpose TEXT: what it says there (watch)",
    "--every D           between two looks, e.g. 90s, 5m (60s)",
    "--max-age D         the oldest that the newest commit may be (1h)",
    "--silence D         the longest silence of a stream; otherwise its device's enrolment and three of its intervals say it",
    "--state DIR         what is kept from look to look, and the proofs of a fork; by default below ~/.local/state/tallystick/watch",
    "--webhook URL       alerts are POSTed there, signed with the first line of --secret-file (docs/watch.md); --ca FILE: the authority behind it",
    "--metrics FILE      figures for Prometheus, written after each look",
    "--once              look once, print how it stands, and end",
    "--json              one JSON object a line",
    "",
    "A fork or a rollback stays alerted to until you move the state away: no later good behaviour takes it back.",
    "Exit: 0 nothing to alert to, or stopped; with --once 1 where something is or was wrong, 3 where only nothing can be said; 2 usage.",
  ].join("\n"),
  takes: 1,
  options: {
    policy: { type: "string" },
    stream: { type: "string", multiple: true },
    seen: { type: "string", multiple: true },
    copy: { type: "string", multiple: true },
    every: { type: "string" },
    "max-age": { type: "string" },
    silence: { type: "string" },
    state: { type: "string" },
    "token-file": { type: "string" },
    "read-every": { type: "string" },
    purpose: { type: "string" },
    webhook: { type: "string" },
    "secret-file": { type: "string" },
    ca: { type: "string" },
    metrics: { type: "string" },
    once: { type: "boolean" },
    json: { type: "boolean" },
  },
  async run({ values, positionals: [address] }) {
    if (address === undefined) throw new UsageError("name the log's address or its public directory");
    const hook = hookOf(values);
    const everyS = duration(values, "every") ?? 60;
    const folder = text(values, "state") ?? defaultFolder(address);
    const watcher = await openWatcher(folder, {
      place: openPlace(address),
      copies: texts(values, "copy").map(openPlace),
      reads: await readsOf(values, address),
      policy: await readPolicy(values),
      streams: texts(values, "stream").map(readStream),
      seen: texts(values, "seen"),
      maxAgeS: duration(values, "max-age") ?? 3600,
      silenceS: duration(values, "silence"),
    });
    const rounds = { watcher, hook, json: values["json"] === true, metrics: text(values, "metrics") };
    if (values["once"] === true) {
      const changes = await lookAndTell(rounds);
      process.stdout.write(standingLines(watcher.standing, rounds.json));
      return exitOfLook(watcher.standing.open, changes);
    }
    await runStages([(signal) => watchOn(rounds, everyS, signal)], GRACE_MS);
    return EXIT.good;
  },
};

type Rounds = {
  readonly watcher: Watcher;
  readonly hook: Hook | undefined;
  readonly json: boolean;
  readonly metrics: string | undefined;
};

async function watchOn(rounds: Rounds, everyS: number, signal: AbortSignal): Promise<void> {
  const { watcher, json } = rounds;
  signal.addEventListener("abort", () => watcher.stop(), { once: true });
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    await lookAndTell(rounds, signal);
    if (isFirst && !signal.aborted) process.stdout.write(standingLines(watcher.standing, json));
    await sleep(systemTimer, everyS * 1000, signal);
  }
}

/** One look. What it found is on the disk before anybody is told. */
async function lookAndTell(
  { watcher, hook, json, metrics }: Rounds,
  signal?: AbortSignal,
): Promise<readonly Change[]> {
  const changes = await watcher.look();
  if (signal?.aborted === true) return []; // the end was asked for: it was cut short
  const { state } = watcher;
  if (hook !== undefined) enqueue(state, changes);
  await watcher.save();
  for (const change of changes) process.stdout.write(changeLine(change, json));
  if (hook !== undefined) {
    const fault = await deliver(state, hook, nowUnixS, () => watcher.save());
    if (fault !== undefined)
      process.stderr.write(
        `tally-audit watch: ${state.outgoing.length} alerts were not taken by ${hook.url}: ${fault}\n`,
      );
  }
  if (metrics !== undefined) await writeDurable(metrics, metricsText(watcher.standing, state, nowUnixS()));
  return changes;
}

async function openWatcher(
  folder: string,
  given: Omit<WatchParts, "folder" | "lookMs" | "recheckMs" | "provider" | "hash" | "nowUnixS" | "nowMs">,
): Promise<Watcher> {
  try {
    const nowMs = (): number => performance.now();
    const means = { provider: createNodeProvider(), hash: nodeSha256, nowUnixS, nowMs };
    return await Watcher.open({ ...given, ...means, folder, lookMs: LOOK_MS, recheckMs: RECHECK_MS });
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    throw new UsageError(`--state ${folder}: ${error.message} [${error.code}]`);
  }
}

const nowUnixS = (): number => Math.floor(Date.now() / 1000);

const openPlace = (address: string): Place =>
  isUrl(address) ? httpPlace(address, LIMITS) : directoryPlace(address);

/** One for each address, so that two logs that are watched don't share a state. */
function defaultFolder(address: string): string {
  const base = process.env["XDG_STATE_HOME"] ?? join(homedir(), ".local", "state");
  return join(base, "tallystick", "watch", toHex(nodeSha256(encodeUtf8(address)).subarray(0, 8)));
}

/** Why somebody reads who only watches. */
const PURPOSE = "watch";
const MAX_TOKEN_BYTES = 4096;

async function readsOf(values: Arguments["values"], address: string): Promise<WatchParts["reads"]> {
  const file = text(values, "token-file");
  if (file === undefined) return undefined;
  const everyS = duration(values, "read-every") ?? 3600;
  const purpose = text(values, "purpose") ?? PURPOSE;
  try {
    const bytes = await readBounded(file, MAX_TOKEN_BYTES, file);
    if (bytes === undefined) throw new UsageError(`--token-file ${file}: no such file`);
    return { address, token: parseToken(bytes), purpose, limits: LIMITS, everyS };
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    throw new UsageError(`--token-file ${file}: ${error.message}`);
  }
}

function hookOf(values: Arguments["values"]): Hook | undefined {
  const url = text(values, "webhook");
  const secretFile = text(values, "secret-file");
  const ca = text(values, "ca");
  if (url === undefined) return undefined;
  if (secretFile === undefined)
    throw new UsageError("--webhook: give --secret-file too, by which the receiver knows you");
  if (!isHookUrl(url)) throw new UsageError("--webhook: give https://…, or http:// on this machine");
  return { url, secret: readSecret(secretFile), ...(ca !== undefined && { ca: readText(ca) }) };
}

function readStream(given: string): StreamName {
  try {
    return parseStream(given);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    throw new UsageError(`--stream ${given}: ${error.message}: give ORG/DEVICE/STREAM`);
  }
}

function duration(values: Arguments["values"], name: string): number | undefined {
  const given = text(values, name);
  if (given === undefined) return undefined;
  const seconds = durationS(given);
  if (seconds === undefined) throw new UsageError(`--${name} ${given}: give a time as 90s, 15m, 2h or 1d`);
  return seconds;
}

const text = (values: Arguments["values"], name: string): string | undefined => {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
};

const texts = (values: Arguments["values"], name: string): string[] => {
  const value = values[name];
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
};
