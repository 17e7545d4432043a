/**
 * The configuration that an invite makes: a new file, or what is there with the invite's word in it. Streams, comments and everything else of a file stay as they are; another device's file is
 * never touched.
 *
 * @module
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { isMap, isScalar, isSeq, parseDocument, type Document } from "yaml";
import { EvidenceError, parseIss, parseVkey, type Invite } from "@tallystick/evidence";
import { ConfigError, writeDurable } from "@tallystick/evidence/node";
import { parseSettings, type Settings } from "../config/config.ts";

/** What an invite says of the configuration. */
export type Invited = Pick<Invite, "device" | "logs" | "broker">;

export type Draft = {
  readonly path: string;
  readonly text: string;
  /** As the agent will read it. */
  readonly settings: Settings;
  /** Settings of a file that was there, and are others now. */
  readonly changed: readonly string[];
};

type Environment = Readonly<Record<string, string | undefined>>;

const NEW_MODE = 0o644;

/** Of a new file: the order of its settings, whose values come from the invite. */
const NEW = `# tally-agent, as it was enrolled. All settings: agent.example.yaml. Check this file with: tally-agent config check
version: 1
org: ""
device: ""
log: []
broker:
  url: ""
# What is read. As long as nothing stands here, only what the device says of itself is signed.
streams: []
`;

/**
 * Drafts the configuration; nothing is written.
 *
 * @param options - `data`: the data folder that a new file names; `cert`: where the client certificate is, or will be
 * @throws EvidenceError `invite-device` where the file is another device's, `log-key` where it pins another key of this log; ConfigError where it would be none
 */
export function draftConfig(
  path: string,
  invited: Invited,
  env: Environment,
  { data, cert }: { readonly data?: string | undefined; readonly cert?: string | undefined } = {},
): Draft {
  const before = existsSync(path) ? readText(path) : undefined;
  const document = parseDocument(before ?? NEW);
  const faults = document.errors.map(({ message, linePos }) => {
    return `${path}:${linePos?.[0].line ?? 1}: not YAML: ${message.split("\n")[0] ?? ""}`;
  });
  if (faults.length > 0) throw new ConfigError(faults);
  if (document.contents !== null && !isMap(document.contents))
    throw new ConfigError([`${path}:1: not a configuration: give settings, as agent.example.yaml does`]);
  const filled = fill(document, path, invited, before === undefined ? data : undefined);
  const changed = filled === "nothing" ? [] : filled;
  let text = before !== undefined && filled === "nothing" ? before : String(document);
  let settings = parseSettings(text, path, env);
  if (cert !== undefined && settings.broker.tls?.cert !== cert) {
    changed.push(...nameCertificate(document, path, settings, cert));
    text = String(document);
    settings = parseSettings(text, path, env);
  }
  if (settings.iss !== invited.device)
    throw new EvidenceError(
      "invite-device",
      `the environment says ${settings.iss}, the invite is for ${invited.device}`,
    );
  return { path, text, settings, changed: before === undefined ? [] : changed };
}

/** Writes it, unless it stands there already. */
export async function writeConfig({ path, text }: Draft): Promise<void> {
  if (existsSync(path) && readText(path) === text) return;
  await writeDurable(path, text, { mode: existsSync(path) ? statSync(path).mode & 0o777 : NEW_MODE });
}

/** The data folder that a file names, as far as it can be read; for whoever has no whole configuration yet. */
export function dataIn(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const data = parseDocument(readText(path)).get("data");
  return typeof data === "string" ? data : undefined;
}

/** Puts what the invite says into the document; returns the settings that were others, or that nothing had to be done. */
function fill(
  document: Document,
  path: string,
  { device, logs, broker }: Invited,
  data?: string,
): "nothing" | string[] {
  const { org, device: name } = parseIss(device);
  const changed: string[] = [];
  let isTouched = false;
  const put = (keys: readonly string[], value: unknown): void => {
    const old = document.getIn(keys);
    if (old === value) return;
    if (old !== undefined && old !== "") changed.push(keys.join("."));
    document.setIn(keys, value);
    isTouched = true;
  };
  const owner = [document.get("org"), document.get("device")].map((one) =>
    typeof one === "string" ? one : undefined,
  );
  if ((owner[0] || org) !== org || (owner[1] || name) !== name)
    throw new EvidenceError(
      "invite-device",
      `${path} is ${owner[0] || org}/${owner[1] || name}'s, the invite is for ${device}: use that device's own invite, or name another file with --config`,
    );
  put(["version"], document.get("version") ?? 1);
  put(["org"], org);
  put(["device"], name);
  if (data !== undefined) put(["data"], data);
  const pinned = pinnedLogs(document);
  for (const log of logs) {
    const { name: origin } = parseVkey(log);
    const other = pinned.find((one) => one.startsWith(`${origin}+`) && one !== log);
    if (other !== undefined)
      throw new EvidenceError(
        "log-key",
        `${path}: log: ${origin} is pinned there with another key than the invite's: find out which is right`,
      );
  }
  const all = [...pinned, ...logs.filter((log) => !pinned.includes(log))];
  if (all.length > pinned.length) {
    document.set("log", document.createNode(all));
    isTouched = true;
  }
  put(["broker", "url"], broker.url);
  // Who named an authority instead knows why.
  if (
    broker.pin !== undefined &&
    document.getIn(["broker", "tls", "ca"]) === undefined &&
    !pinsOf(document).includes(broker.pin)
  )
    put(["broker", "tls", "pin"], broker.pin);
  return isTouched ? changed : "nothing";
}

/** Names the client certificate, and with it the device's own key, unless the file names another one for TLS; returns the settings that were others. */
function nameCertificate(
  document: Document,
  path: string,
  { key, pkcs11, broker: { tls } }: Settings,
  cert: string,
): string[] {
  if (tls?.key === undefined && pkcs11 !== undefined)
    throw new ConfigError([
      `${path}: broker.tls: the device's key is in a token, and TLS takes one from a file: make it one of its own, and give cert and key here`,
    ]);
  document.setIn(["broker", "tls", "cert"], cert);
  if (tls?.key === undefined) document.setIn(["broker", "tls", "key"], key);
  return tls?.cert === undefined ? [] : ["broker.tls.cert"];
}

function pinnedLogs(document: Document): readonly string[] {
  const log: unknown = document.toJS() === null ? undefined : (document.toJS() as { log?: unknown }).log;
  return Array.isArray(log) ? log.filter((one) => typeof one === "string") : [];
}

/** One, or a list while the broker changes its key. */
function pinsOf(document: Document): readonly unknown[] {
  const pin: unknown = document.getIn(["broker", "tls", "pin"]);
  return isSeq(pin) ? pin.items.map((item) => (isScalar(item) ? item.value : item)) : [pin];
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new ConfigError([
      `${path}: can't read the configuration: ${cause instanceof Error ? cause.message : String(cause)}`,
    ]);
  }
}
