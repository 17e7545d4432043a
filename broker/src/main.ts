#!/usr/bin/env node
/**
 * tally-broker: carries statements and receipts between agents and the ledger.
 *
 * @module
 */
import { existsSync } from "node:fs";
import process from "node:process";
import { pino } from "pino";
import {
  ConfigError,
  fail,
  printFindings,
  readTls,
  runCommand,
  runStages,
  ServiceManager,
  type Arguments,
  type Command,
  type Finding,
} from "@tallystick/evidence/node";
import pkg from "../package.json" with { type: "json" };
import { defaultConfig, readConfig, type Config } from "./config.ts";
import { thinned } from "./counters.ts";
import { checkAddresses, filesOf } from "./connections/listeners.ts";
import { runAcl } from "./mosquitto/acl.ts";
import { runBroker } from "./run.ts";
import { followed } from "./registry/followed.ts";
import { readTrustPolicy } from "./registry/settings.ts";
import { makeSecret } from "./access/secret.ts";

const DEFAULT_CONFIG = "/etc/tallystick/broker.yaml";
const GRACE_MS = 10_000;
const NOTICE_INTERVAL_MS = 10_000;

/** The file that --config names; without the option the one at its default place, or the defaults where there is none. */
function configOf({ values }: Arguments): Config {
  const path = values["config"];
  if (typeof path === "string") return readConfig(path, process.env);
  return existsSync(DEFAULT_CONFIG) ? readConfig(DEFAULT_CONFIG, process.env) : defaultConfig(process.env);
}

async function findingsFor(given: Arguments): Promise<readonly Finding[]> {
  const named = given.values["config"];
  const file = typeof named === "string" ? named : existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : undefined;
  try {
    const config = configOf(given);
    const { examine } = await import("./doctor.ts"); // a running broker needs none of it
    return await examine(file, config);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map((fault) =>
      fail("configuration", fault, "mend it; broker.example.yaml has every setting"),
    );
  }
}

const CONFIG_OPTION = { config: { type: "string", short: "c" } } as const;

const COMMANDS: Readonly<Record<string, Command>> = {
  run: {
    summary: "carry messages until asked to stop",
    usage: "[--config FILE] [--json]",
    details: `FILE is ${DEFAULT_CONFIG} unless given; where there is none the defaults hold.
Prints "listening on mqtt://HOST:PORT" and the other addresses when clients may connect, and the pin of its certificate.`,
    options: { ...CONFIG_OPTION, json: { type: "boolean" } },
    async run(given) {
      const config = configOf(given);
      const log = pino({ level: config.log.level }, pino.destination({ dest: 2, sync: true }));
      const notice = thinned(
        (line) => log.warn(line, "refused"),
        NOTICE_INTERVAL_MS,
        () => performance.now(),
      );
      const manager = ServiceManager.of(process.env, (message) => log.warn(message));
      const registry =
        config.registry === undefined ? undefined : await followed(config.registry, config.data, log);
      await runStages(
        [
          manager.watch(async () => {}),
          ...(registry === undefined ? [] : [(signal: AbortSignal) => registry.run(signal)]),
          (signal) =>
            runBroker(
              config,
              {
                notice,
                ready({ urls, http, pin }) {
                  const all = Object.values(urls);
                  const text =
                    given.values["json"] === true
                      ? JSON.stringify({ listening: all[0], ...urls, http, pin })
                      : `listening on ${all.join(", ")}${pin === undefined ? "" : `\npin ${pin}`}`;
                  process.stdout.write(`${text}\n`);
                  log.info({ ...urls, http, pin }, "listening");
                  void manager.ready();
                },
                renewed(outcome) {
                  if ("error" in outcome)
                    log.error({ reason: outcome.error.message }, "the certificate before goes on");
                  else log.info(outcome, "new certificate");
                },
              },
              signal,
              registry,
            ),
        ],
        GRACE_MS,
      );
      log.info("stopped");
    },
  },
  "secret make": {
    summary: "make a service's secret, and the hash of it for the broker's configuration",
    usage: "[--json]",
    details: `Prints both; neither is kept. The secret goes into a file of the service's (mode 0600), the hash under services[].secret.`,
    options: { json: { type: "boolean" } },
    async run(given) {
      const made = makeSecret();
      const text =
        given.values["json"] === true ? JSON.stringify(made) : `secret ${made.secret}\nhash   ${made.hash}`;
      process.stdout.write(`${text}\n`);
    },
  },
  acl: {
    summary: "make what Mosquitto needs to stand in this broker's place, and keep it up to date",
    usage: "--mosquitto --out DIR [--follow] [--plugin FILE] [--config FILE] [--json]",
    details: `Writes mosquitto.conf and the first dynamic-security.json into DIR, from this broker's configuration (tls, services, limits) and registry.
With --follow: keeps a Mosquitto that runs with them as the registry says, until it is asked to stop; needs mosquitto_rr.`,
    options: {
      ...CONFIG_OPTION,
      mosquitto: { type: "boolean" },
      out: { type: "string" },
      follow: { type: "boolean" },
      plugin: { type: "string" },
      json: { type: "boolean" },
    },
    run: (given) => runAcl(configOf(given), given),
  },
  doctor: {
    summary: "look at everything that the broker needs, also while it runs; nothing is changed",
    usage: "[--config FILE] [--json]",
    details: `Each line is OK, WARN, FAIL or ?, what was seen, and what to do. Exit code 1 if something has to be put right (FAIL), 3 if something
that matters could not be seen (?), else 0.`,
    options: { ...CONFIG_OPTION, json: { type: "boolean" } },
    async run(given) {
      return printFindings(await findingsFor(given), given.values["json"] === true);
    },
  },
  "config check": {
    summary: "check the configuration, every fault with its line",
    usage: "[--config FILE]",
    options: CONFIG_OPTION,
    async run(given) {
      const config = configOf(given);
      checkAddresses(config);
      if (config.tls !== undefined) readTls(filesOf(config.tls));
      if (config.registry !== undefined) readTrustPolicy(config.registry.policy);
      process.stdout.write("the configuration is good\n");
    },
  },
};

process.exitCode = await runCommand("tally-broker", pkg.version, COMMANDS, process.argv.slice(2));
