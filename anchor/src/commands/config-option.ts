/**
 * Which configuration a command means, and the options that say so.
 *
 * @module
 */
import { existsSync } from "node:fs";
import process from "node:process";
import { UsageError, type Arguments } from "@tallystick/evidence/node";
import { DEFAULT_CONFIG_PATH, defaultConfig, readConfig, type Config } from "../config.ts";

/** Options of every command that works on a log. */
export const CONFIG_OPTIONS = { config: { type: "string" }, data: { type: "string" } } as const;

export const CONFIG_USAGE = "[--config FILE] [--data DIR]";

export const CONFIG_DETAILS = `  --config FILE   the configuration (default ${DEFAULT_CONFIG_PATH})
  --data DIR      the data folder, in the place of the configuration's; without a configuration the rest is defaults`;

/** @throws ConfigError; UsageError where neither a configuration nor a data folder is named */
export function configOf({ values }: Arguments): Config {
  const data = text(values, "data");
  const file = text(values, "config");
  if (file === undefined && data !== undefined && !existsSync(DEFAULT_CONFIG_PATH))
    return defaultConfig(data);
  const config = readConfig(file ?? DEFAULT_CONFIG_PATH, process.env);
  return data === undefined ? config : { ...config, data };
}

/** The value of an option that takes a text and may be left out. */
export function text(values: Arguments["values"], name: string): string | undefined {
  const value = values[name];
  if (value === undefined) return undefined;
  if (typeof value !== "string" || value === "") throw new UsageError(`--${name} needs a value`);
  return value;
}

/** The clock of this machine, seconds. */
export const nowUnixS = (): number => Math.floor(Date.now() / 1000);
