/**
 * `tally-anchor config check`: says what is wrong with a configuration, line by line.
 *
 * @module
 */
import process from "node:process";
import { UsageError, type Command } from "@tallystick/evidence/node";
import { DEFAULT_CONFIG_PATH, listenAddress, readConfig } from "../config.ts";
import { text } from "./config-option.ts";

export const configCheck: Command = {
  summary: "Check a configuration file",
  usage: "[--config FILE] [FILE]",
  takes: 1,
  options: { config: { type: "string" } },
  run({ values, positionals }) {
    const named = text(values, "config");
    if (named !== undefined && positionals.length > 0)
      throw new UsageError("name the file once: with --config, or without");
    const file = positionals[0] ?? named ?? DEFAULT_CONFIG_PATH;
    const config = readConfig(file, process.env);
    listenAddress(config.http.listen);
    process.stdout.write(`${file}: good\n`);
    return Promise.resolve();
  },
};
