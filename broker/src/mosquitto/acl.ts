/**
 * `tally-broker acl --mosquitto`: what Mosquitto needs to stand in this broker's place, made from this broker's own configuration; and, with
 * `--follow`, kept up to date.
 *
 * @module
 */
import process from "node:process";
import { pino, type Logger } from "pino";
import type { EvidenceError } from "@tallystick/evidence";
import { runStages, systemTimer, UsageError, type Arguments } from "@tallystick/evidence/node";
import type { Config } from "../config.ts";
import { openRegistry, type Registry } from "../registry/follow.ts";
import { openSource, readTrustPolicy } from "../registry/settings.ts";
import { findPlugin, mosquittoConf, type Listener } from "./conf.ts";
import { controlOf } from "./control.ts";
import { folderAt, plainPath, writeFolder, type MosquittoFolder } from "./files.ts";
import { MosquittoFollower } from "./follow.ts";
import { deviceRole, serviceRole } from "./roles.ts";

/** Longest wait for the registry, where only files are made. */
const REGISTRY_MS = 60_000;
const GRACE_MS = 10_000;
/** The same fault again is told this often. */
const REMIND_MS = 60_000;

export async function runAcl(config: Config, given: Arguments): Promise<void> {
  const { values } = given;
  if (values["mosquitto"] !== true)
    throw new UsageError("say for which broker: --mosquitto is the only one (this broker needs no list)");
  const out = values["out"];
  if (typeof out !== "string" || out === "")
    throw new UsageError("--out is missing: the folder that Mosquitto reads");
  const folder = folderAt(out);
  const json = values["json"] === true;
  if (values["follow"] === true) return follow(config, folder, json);
  const plugin = values["plugin"];
  return make(config, folder, typeof plugin === "string" ? plugin : findPlugin(), json);
}

async function make(config: Config, folder: MosquittoFolder, plugin: string, json: boolean): Promise<void> {
  const conf = mosquittoConf(config, listenerOf(config), folder, plainPath("--plugin", plugin));
  const registry = await registryOf(config, folder, logOf(config));
  await registry.catchUp(AbortSignal.timeout(REGISTRY_MS));
  const devices = (registry.devices() ?? []).map(deviceRole);
  const made = await writeFolder(folder, conf, [...config.services.map(serviceRole), ...devices]);
  print(json, { config: folder.config, state: folder.state, made, devices: devices.length }, [
    `${folder.config} written`,
    made
      ? `${folder.state} written, with ${devices.length} devices`
      : `${folder.state} is there and stays: --follow brings it up to date`,
  ]);
}

async function follow(config: Config, folder: MosquittoFolder, json: boolean): Promise<void> {
  const log = logOf(config);
  const registry = await registryOf(config, folder, log);
  const follower = new MosquittoFollower({
    registry,
    control: controlOf(folder),
    services: config.services.map(serviceRole),
    timer: systemTimer,
    told: telling(log, "Mosquitto"),
    settled(change) {
      log.info(change, "Mosquitto is as the registry says");
      print(json, change, [
        `${change.devices} devices may connect (${change.added} added, ${change.removed} removed)`,
      ]);
    },
  });
  await runStages([(signal) => registry.run(signal), (signal) => follower.run(signal)], GRACE_MS);
}

const logOf = ({ log }: Config): Logger =>
  pino({ level: log.level }, pino.destination({ dest: 2, sync: true }));

function listenerOf({ tls }: Config): Listener {
  if (tls?.clientCa === undefined)
    throw new UsageError(
      "tls: give cert, key and clientCa: Mosquitto listens with TLS only, and knows its clients by their certificates",
    );
  const { listen, cert, key, clientCa } = tls;
  return {
    listen,
    cert: plainPath("tls.cert", cert),
    key: plainPath("tls.key", key),
    clientCa: plainPath("tls.clientCa", clientCa),
  };
}

function registryOf({ registry: settings }: Config, folder: MosquittoFolder, log: Logger): Promise<Registry> {
  if (settings === undefined)
    throw new UsageError("registry: say where the registry comes from, and whose it has to be");
  return openRegistry({
    source: openSource(settings),
    policy: readTrustPolicy(settings.policy),
    folder: folder.path,
    pollMs: settings.pollMs,
    told: telling(log, "registry"),
  });
}

function telling(log: Logger, what: string): (error: EvidenceError) => void {
  let last = "";
  let at = -Infinity;
  return ({ code, message }) => {
    if (code === last && performance.now() - at < REMIND_MS) return;
    [last, at] = [code, performance.now()];
    log.warn({ code }, `${what}: ${message}`);
  };
}

const print = (json: boolean, value: object, lines: readonly string[]): void =>
  void process.stdout.write(json ? `${JSON.stringify(value)}\n` : `${lines.join("\n")}\n`);
