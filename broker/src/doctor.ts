/**
 * `tally-broker doctor`: looks at everything that the broker needs, also while it runs, and changes nothing.
 *
 * @module
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  certificateExpiry,
  checkUp,
  failure,
  fail,
  inTime,
  ok,
  permissionFindings,
  pinOf,
  probePort,
  readTls,
  synchronisedBy,
  warn,
  type Check,
  type Finding,
} from "@tallystick/evidence/node";
import type { Config } from "./config.ts";
import { checkAddresses, filesOf } from "./connections/listeners.ts";
import { openSource, readTrustPolicy } from "./registry/settings.ts";

const MAX_CHECK_MS = 8000;
/** What was not heard of for so long may have revoked a key since. */
const OLD_S = 60;
/** Listening on all addresses means on these, too. */
const ANY = /^(?:0\.0\.0\.0|::|\[::\])$/;

/** @param file - of the configuration; undefined where it is all defaults */
export async function examine(file: string | undefined, config: Config): Promise<readonly Finding[]> {
  const good = ok("configuration", file === undefined ? "defaults" : `${file}: good`);
  return [good, ...(await checkUp(checksOf(file, config), MAX_CHECK_MS))];
}

const checksOf = (file: string | undefined, config: Config): readonly Check[] => [
  { about: "listeners", look: (signal) => listenerFindings(config, signal) },
  { about: "tls", look: () => tlsFindings(config) },
  { about: "permissions", look: () => fileFindings(file, config) },
  { about: "registry", look: (signal) => registryFindings(config, signal) },
  { about: "services", look: () => serviceFindings(config) },
  { about: "clock", look: clockFindings },
];

async function* listenerFindings(config: Config, signal: AbortSignal): AsyncGenerator<Finding, void> {
  checkAddresses(config);
  const { listen, webSocket, tls, http } = config;
  for (const [name, address] of Object.entries({
    mqtt: listen,
    ws: webSocket,
    mqtts: tls?.listen,
    wss: tls?.webSocket,
    http,
  })) {
    if (address === undefined || address === false || address.port === 0) continue;
    const host = ANY.test(address.host) ? "127.0.0.1" : address.host;
    const found = await probePort(name, { host, port: address.port }, signal);
    yield found.result === "ok"
      ? found
      : warn(name, found.text, "is the broker running? systemctl status tally-broker");
  }
}

function tlsFindings({ tls }: Config): readonly Finding[] {
  if (tls === undefined) return [ok("tls", "none: this broker listens on loopback only")];
  const { options } = readTls(filesOf(tls)); // says what is wrong with them
  const chain = String(options.cert);
  return [ok("tls", `devices may pin ${pinOf(chain)}`), certificateExpiry("tls", chain)];
}

function fileFindings(file: string | undefined, { data, tls }: Config): readonly Finding[] {
  return permissionFindings("permissions", [
    ...(file === undefined ? [] : [{ path: file, kind: "own" as const }]),
    { path: data, kind: "own", optional: true },
    ...(tls === undefined ? [] : [{ path: tls.key, kind: "secret" as const }]),
  ]);
}

async function* registryFindings(
  { registry, data, http }: Config,
  signal: AbortSignal,
): AsyncGenerator<Finding, void> {
  if (registry === undefined) {
    yield ok("registry", "not followed: whoever reaches the loopback listener says who he is himself");
    return;
  }
  readTrustPolicy(registry.policy); // says what is wrong with it
  yield keptFinding(join(data, "registry"));
  try {
    await openSource(registry).items(0, signal);
    yield ok("registry", `${registry.from} gives it`);
  } catch (error) {
    yield failure("registry", error);
  }
  if (http !== undefined) yield await ageFinding(http, signal);
}

function keptFinding(folder: string): Finding {
  try {
    const newest = Math.max(0, ...readdirSync(folder).map((name) => statSync(join(folder, name)).mtimeMs));
    return ok(
      "registry",
      `${folder}: the newest item was kept ${inTime(Math.max(0, Date.now() - newest) / 1000)} ago`,
    );
  } catch {
    return warn(
      "registry",
      `${folder}: nothing is kept yet`,
      "the broker lets no device in before it has read it once",
    );
  }
}

/** How long ago the running broker heard that there is nothing newer. */
async function ageFinding(
  { host, port }: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<Finding> {
  try {
    const text = await (await fetch(`http://${host}:${port}/metrics`, { signal, redirect: "error" })).text();
    const age = Number(/^tally_broker_registry_age_seconds (\S+)$/m.exec(text)?.[1]);
    if (Number.isNaN(age))
      return warn("registry age", "the running broker has not read it yet", "see its log");
    const heard = `the running broker heard ${inTime(age)} ago that there is nothing newer`;
    return age <= OLD_S
      ? ok("registry age", heard)
      : fail(
          "registry age",
          heard,
          "start the anchor, or mend the way to it: a key that is revoked meanwhile is still let in",
        );
  } catch {
    return ok("registry age", "not known: the broker doesn't run, or its http doesn't answer");
  }
}

function serviceFindings({ services, tls }: Config): readonly Finding[] {
  const open = services.filter(({ secret }) => secret === undefined).map(({ id }) => id);
  if (open.length === 0) return [ok("services", `${services.length}, each with a secret`)];
  const text = `${open.join(", ")}: without a secret`;
  return tls === undefined
    ? [ok("services", `${text}, on loopback`)]
    : [ok("services", `${text}: let in on the loopback listener only`)];
}

async function clockFindings(): Promise<readonly Finding[]> {
  const by = await synchronisedBy();
  const text = new Date().toISOString();
  return [by === undefined ? unknownClock(text) : ok("clock", `${text}, synchronised (${by})`)];
}

/** Only certificates of an authority need it here. */
const unknownClock = (text: string): Finding => ok("clock", `${text}; nothing shows that it is synchronised`);
