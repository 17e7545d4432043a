/**
 * Commands to the dynamic security of a running Mosquitto, through its own client `mosquitto_rr` (package mosquitto-clients): a request on the
 * control topic, and the response to it.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { dirname } from "node:path";
import process from "node:process";
import { EvidenceError } from "@tallystick/evidence";
import type { MosquittoFolder } from "./files.ts";

export type ControlCommand = { readonly command: string } & Readonly<Record<string, unknown>>;
export type ControlAnswer = { readonly error?: string; readonly data?: Readonly<Record<string, unknown>> };

/** Sends commands in one message; the answers have their order. */
export type Control = (commands: readonly ControlCommand[]) => Promise<readonly ControlAnswer[]>;

const TOPIC = "$CONTROL/dynamic-security/v1";
/** Linux gives one argument of a program 128 KiB. */
const MAX_REQUEST_BYTES = 131_071;
const MAX_ANSWER_BYTES = 4 << 20;
const TIMEOUT_S = 5;

/**
 * Commands to the Mosquitto of a folder.
 *
 * @returns a function that throws EvidenceError `unreachable` where it does not answer, `token-unknown` where it doesn't take the password,
 *   `http-answer` where the answer is not one
 */
export function controlOf({ options, socket }: Pick<MosquittoFolder, "options" | "socket">): Control {
  return async (commands) => {
    const request = JSON.stringify({ commands });
    if (Buffer.byteLength(request) > MAX_REQUEST_BYTES)
      throw new EvidenceError("too-large", "too many commands for one message");
    const answer = await ask(request, dirname(options), socket);
    return parseAnswer(answer, commands.length, socket);
  };
}

/** Nothing secret is among the arguments: the password is in the file of options, which is looked for in XDG_CONFIG_HOME. */
function ask(request: string, folder: string, socket: string): Promise<string> {
  const args = ["-t", TOPIC, "-e", `${TOPIC}/response`, "-q", "1", "-W", String(TIMEOUT_S), "-m", request];
  const env = { PATH: process.env["PATH"], XDG_CONFIG_HOME: folder };
  return new Promise((resolve, reject) => {
    const limits = {
      timeout: (TIMEOUT_S + 1) * 1000,
      killSignal: "SIGKILL",
      maxBuffer: MAX_ANSWER_BYTES,
    } as const;
    execFile("mosquitto_rr", args, { env, ...limits }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(faultOf(error, stderr, socket));
    });
  });
}

function faultOf(error: Error & { code?: unknown }, stderr: string, socket: string): EvidenceError {
  if (error.code === "ENOENT")
    return new EvidenceError("unreachable", "mosquitto_rr is not here: install mosquitto-clients", {}, error);
  const said = stderr.trim().split("\n").at(-1) ?? "";
  // The client's own exit code: the reason of an MQTT 5 CONNACK.
  const refused = error.code === 135 || error.code === 134;
  return refused
    ? new EvidenceError(
        "token-unknown",
        `${socket}: Mosquitto doesn't take our password: ${shown(said)}`,
        {},
        error,
      )
    : new EvidenceError("unreachable", `${socket}: Mosquitto doesn't answer: ${shown(said)}`, {}, error);
}

function parseAnswer(text: string, count: number, socket: string): readonly ControlAnswer[] {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    answer = undefined;
  }
  const responses: unknown = isRecord(answer) ? answer["responses"] : undefined;
  if (!Array.isArray(responses) || responses.length !== count || !responses.every(isRecord))
    throw new EvidenceError("http-answer", `${socket}: not what dynamic security answers: ${shown(text)}`);
  return responses.map((one) => ({
    ...(typeof one["error"] === "string" && { error: one["error"] }),
    ...(isRecord(one["data"]) && { data: one["data"] }),
  }));
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const shown = (text: string): string => text.replace(/[^\x20-\x7e]/g, "?").slice(0, 200) || "no reason given";
