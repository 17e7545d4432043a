/**
 * `tally-agent enrol`: from an invite to the first verified receipt. The key is made here and never leaves; the machine is bound; the anchor is asked until an operator has let the device in; the
 * configuration is written; where the broker wants a client certificate, it is waited for; and the agent is run, with nothing but its own stream, until the log has given a receipt for it.
 *
 * @module
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { isatty } from "node:tty";
import {
  EvidenceError,
  isEvidenceError,
  parseInvite,
  parseVkey,
  toHex,
  type EvidenceCode,
  type Invite,
} from "@tallystick/evidence";
import { ConfigError, EXIT, systemTimer, UsageError, type Arguments } from "@tallystick/evidence/node";
import { boundMachine, readBinding, writeBinding } from "../storage/binding.ts";
import { inUtc } from "../clock/utc.ts";
import { configPath, type Settings } from "../config/config.ts";
import { deviceIn, markIn } from "../storage/identity.ts";
import { openKeyStore, type DeviceKey, type KeyStore } from "../keys/store.ts";
import { recordedKid } from "../seal/signing-key.ts";
import type { Log } from "../log.ts";
import { readMachine } from "../self/machine.ts";
import { ask } from "./ask.ts";
import { untilCertified } from "./certificate.ts";
import { dataIn, draftConfig, writeConfig, type Draft } from "./configuration.ts";
import { readPending, removePending, writePending } from "./pending.ts";
import { firstReceipt, type FirstReceipt } from "./receipt.ts";
import { untilEnrolled } from "./waiting.ts";

const DEFAULT_DATA = "/var/lib/tallystick/agent";
const MAX_FILE_BYTES = 65_536;
const [STDIN, STDERR] = [0, 2];
/** Clears the line of a terminal. */
const CLEAR = "\r\u001b[K";
const SECOND_MS = 1000;
/** Refusals of this very key: another one would do. */
const OF_THE_KEY: readonly EvidenceCode[] = ["key-exists", "key-revoked", "key-superseded"];

/** What is said on the way, for people. */
const say = (text: string): void => void process.stderr.write(`${isatty(STDERR) ? CLEAR : ""}${text}\n`);

/** Shows on a terminal that it goes on, and for how long already. Returns what ends it. */
function showTime(beganMs: number): () => void {
  if (!isatty(STDERR)) return () => undefined;
  const timer = setInterval(() => {
    process.stderr.write(`${CLEAR}waiting, ${Math.round((performance.now() - beganMs) / 1000)} s`);
  }, SECOND_MS);
  return () => {
    clearInterval(timer);
    process.stderr.write(CLEAR);
  };
}

export async function runEnrol(given: Arguments): Promise<number> {
  const beganMs = performance.now();
  const path = configPath(given.values["config"], process.env);
  const dataOption = typeof given.values["data"] === "string" ? given.values["data"] : undefined;
  const line = await lineOf(
    given,
    dataOption ?? process.env["TALLYSTICK_DATA"] ?? dataIn(path) ?? DEFAULT_DATA,
  );
  const invite = parseInvite(line);
  const cert = typeof given.values["cert"] === "string" ? resolve(given.values["cert"]) : undefined;
  const draft = draftConfig(path, invite, process.env, { data: dataOption, cert });
  const { settings } = draft;
  const owner = deviceIn(settings.data);
  if (owner !== undefined && owner !== settings.iss)
    throw new EvidenceError(
      "storage-exists",
      `${settings.data} is ${owner}'s: a device has a data folder of its own (--data), and a key of its own`,
    );
  const machine = given.values["unbound"] === true ? undefined : await bindMachine(settings.data);
  const keys = await openKeyStore(settings, { timer: systemTimer });
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  const endTime = showTime(beganMs);
  try {
    const signer = await keyOf(keys, settings.data);
    const kid = toHex(signer.key.kid);
    say(`${settings.iss}: key ${kid}`);
    await writePending(settings.data, line.replaceAll(/\s+/g, ""));
    const once = given.values["no-wait"] === true;
    const enrolled = await refusedClears(settings, keys.place, () =>
      untilEnrolled(
        {
          ask: (signal) => ask({ invite, signer, machine }, signal),
          timer: systemTimer,
          tell: (state) =>
            say(isEvidenceError(state) ? `${state.message} [${state.code}]; trying on` : WAITING),
          once,
        },
        stop.signal,
      ),
    );
    if (enrolled === undefined) {
      say("not enrolled yet [enrol-waiting]; the request stays: go on with tally-agent enrol");
      return EXIT.cannotTell;
    }
    // A database that is made from now on is not this device's first: its chains say so, or the log would take them for forks.
    if (enrolled.again === true) await markIn(settings.data).make(settings.iss);
    // As the file is now: that took minutes or days, in which somebody may have edited it.
    const written = draftConfig(path, invite, process.env, { data: dataOption, cert });
    mustBeSameKey(settings, written.settings, path);
    await writeConfig(written);
    say(`enrolled: registry item ${enrolled.item}, log index ${enrolled.index}; ${path} ${wordsOf(written)}`);
    const { tls } = written.settings.broker;
    const certifying = { tls, iss: settings.iss, timer: systemTimer, tell: say, once };
    if (!(await untilCertified(certifying, stop.signal))) {
      say("enrolled, and no client certificate yet; when it is there: tally-agent enrol goes on");
      return EXIT.cannotTell;
    }
    removePending(settings.data);
    const receipt = await firstReceipt(written.settings, keys, peopleLog(), stop.signal);
    if (receipt === undefined) {
      say(`enrolled, and no receipt yet; tally-agent run goes on from here: see tally-agent doctor`);
      return EXIT.cannotTell;
    }
    endTime();
    const tookMs = Math.round(performance.now() - beganMs);
    const { item, index } = enrolled;
    const done: Done = { device: settings.iss, kid, item, index, ...receipt, tookMs, config: path };
    process.stdout.write(
      given.values["json"] === true ? `${JSON.stringify(asJson(done, invite))}\n` : inWords(done),
    );
    return EXIT.good;
  } finally {
    endTime();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    await keys.close();
  }
}

/** @throws ConfigError where the file names other places now than those of the key that was enrolled */
function mustBeSameKey(before: Settings, now: Settings, path: string): void {
  const other = (["data", "key", "pkcs11"] as const).filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(now[name]),
  );
  if (other.length === 0) return;
  const were = other.map((name) => `${name} was ${JSON.stringify(before[name])}`).join(", ");
  throw new ConfigError([
    `${path}: ${were} when the enrolment began: the key that was enrolled is there; put that back, then tally-agent enrol goes on`,
  ]);
}

const WAITING =
  "the request is there; waiting for an operator to approve it (compare the key above). Ctrl-C leaves it: tally-agent enrol goes on later";

type Done = FirstReceipt & {
  readonly device: string;
  readonly kid: string;
  readonly item: number;
  readonly index: number;
  readonly tookMs: number;
  readonly config: string;
};

/** The invite: given, in a file, on standard input, or left from an earlier try. */
async function lineOf({ positionals }: Arguments, data: string): Promise<string> {
  const [given, ...more] = positionals;
  if (more.length > 0) throw new UsageError("give one invite: in quotes, or as a file");
  if (given === undefined) {
    if (!isatty(STDIN)) say("reading the invite from standard input");
    const piped = isatty(STDIN) ? "" : await fromStdin();
    if (piped.trim() !== "") return piped;
    const pending = readPending(data);
    if (pending === undefined && !isatty(STDIN)) throw new UsageError("no invite was given");
    if (pending === undefined) return prompt("paste the invite: ");
    say("going on with the invite from before");
    return pending;
  }
  if (given === "-") return fromStdin();
  if (given.trimStart().startsWith("tally-invite:") || !existsSync(given)) return given;
  if (statSync(given).size > MAX_FILE_BYTES)
    throw new EvidenceError("invite-malformed", `${given}: far larger than an invite`);
  return readFileSync(given, "utf8");
}

async function fromStdin(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) {
    text += chunk as string;
    if (text.length > MAX_FILE_BYTES) break;
  }
  return text;
}

async function prompt(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await new Promise<string>((answered, reject) => {
      lines.question(question, answered);
      lines.once("close", () => reject(new UsageError("no invite was given")));
    });
  } finally {
    lines.close();
  }
}

/** The device's key: made now, or the one that is there. */
async function keyOf(keys: KeyStore, data: string): Promise<DeviceKey> {
  try {
    await keys.make(undefined);
  } catch (error) {
    if (!isEvidenceError(error) || error.code !== "key-file-exists") throw error;
    say(`${keys.place}: the key that is there is used`);
  }
  return keys.open(recordedKid(data, keys.place));
}

/**
 * Binds this machine before anybody is told of it, so that each try says the same.
 *
 * @throws EvidenceError `machine-mismatch` where it is another one's disk
 */
async function bindMachine(data: string): Promise<Uint8Array | undefined> {
  const machine = readMachine();
  if (readBinding(data) === undefined) {
    if (machine.hash === undefined) {
      say("this machine has nothing to tell it by: the enrolment is bound to none");
      return undefined;
    }
    await writeBinding(data, machine);
    if (!machine.hardware)
      say("this machine is known by /etc/machine-id alone: a copy of its disk can't be told from it");
  }
  return boundMachine(data, machine);
}

/** Where it is refused for good, the invite is of no use any more; and where it is the key that is refused, it is told where that is. */
async function refusedClears<T>({ data }: Settings, keyPlace: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isEvidenceError(error) || error.disposition === "retry") throw error;
    removePending(data);
    if (!OF_THE_KEY.includes(error.code)) throw error;
    const advice = `the key is ${keyPlace}: move it away, and a new one is made`;
    throw new EvidenceError(error.code, `${error.message}; ${advice}`, error.where, error);
  }
}

/** The agent's log, as lines for people; what it does without trouble isn't told. */
const peopleLog = (): Log => ({
  info: () => undefined,
  warn: (_, message) => say(message),
  error: (_, message) => say(message),
});

const wordsOf = ({ changed }: Draft): string =>
  changed.length === 0 ? "says so" : `says so; changed there: ${changed.join(", ")}`;

const asJson = ({ receipt, ...done }: Done, { logs }: Invite): object => ({
  ...done,
  logs: logs.map((log) => parseVkey(log).name),
  receipt: { ...receipt, time: timeOf(receipt.timeUnixS), timeUnixS: undefined },
});

const inWords = ({ device, kid, item, index, receipt, tookMs, config }: Done): string =>
  [
    `device    ${device}`,
    `key       ${kid}`,
    `registry  item ${item}, log index ${index}`,
    `receipt   verified: tree of ${receipt.size} of ${receipt.origin}, ${timeOf(receipt.timeUnixS)}`,
    `took      ${(tookMs / 1000).toFixed(1)} s`,
    `next      the streams in ${config}; then tally-agent run`,
    "",
  ].join("\n");

const timeOf = (unixS: number): string => inUtc(unixS * 1000).replace(".000", "");
