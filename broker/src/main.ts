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
  runCommand,
  runStages,
  ServiceManager,
  type Arguments,
  type Command,
} from "@tallystick/evidence/node";
import pkg from "../package.json" with { type: "json" };
import { defaultConfig, readConfig, type Config } from "./config.ts";
import { thinned } from "./counters.ts";
import { loopback } from "./listen.ts";
import { runBroker } from "./run.ts";

const DEFAULT_CONFIG = "/etc/tallystick/broker.yaml";
const GRACE_MS = 10_000;
const NOTICE_INTERVAL_MS = 10_000;

/** The file that --config names; without the option the one at its default place, or the defaults where there is none. */
function configOf({ values }: Arguments): Config {
  const path = values["config"];
  if (typeof path === "string") return readConfig(path, process.env);
  return existsSync(DEFAULT_CONFIG) ? readConfig(DEFAULT_CONFIG, process.env) : defaultConfig(process.env);
}

const CONFIG_OPTION = { config: { type: "string", short: "c" } } as const;

const COMMANDS: Readonly<Record<string, Command>> = {
  run: {
    summary: "carry messages until asked to stop",
    usage: "[--config FILE] [--json]",
    details: `FILE is ${DEFAULT_CONFIG} unless given; where there is none the defaults hold.
Prints "listening on mqtt://HOST:PORT" when clients may connect. Listens on loopback only.`,
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
      await runStages(
        [
          manager.watch(async () => {}),
          (signal) =>
            runBroker(
              config,
              notice,
              ({ mqtt, http }) => {
                const text =
                  given.values["json"] === true
                    ? JSON.stringify({ listening: mqtt, http })
                    : `listening on ${mqtt}`;
                process.stdout.write(`${text}\n`);
                log.info({ mqtt, http }, "listening");
                void manager.ready();
              },
              signal,
            ),
        ],
        GRACE_MS,
      );
      log.info("stopped");
    },
  },
  "config check": {
    summary: "check the configuration, every fault with its line",
    usage: "[--config FILE]",
    options: CONFIG_OPTION,
    async run(given) {
      const config = configOf(given);
      loopback(config.listen.host);
      if (config.http !== undefined) loopback(config.http.host);
      process.stdout.write("the configuration is good\n");
    },
  },
};

process.exitCode = await runCommand("tally-broker", pkg.version, COMMANDS, process.argv.slice(2));
