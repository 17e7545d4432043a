/**
 * `tally-agent config check` and `config migrate`.
 *
 * @module
 */
import process from "node:process";
import type { Arguments } from "@tallystick/evidence/node";
import { configPath, readSettings } from "../config/config.ts";

/** Says OK, or every fault. @throws ConfigError */
export async function checkConfig({ values }: Arguments): Promise<void> {
  const path = configPath(values["config"], process.env);
  const { iss, streams } = readSettings(path, process.env);
  process.stdout.write(
    `OK ${path}: ${iss}, ${streams.length} ${streams.length === 1 ? "stream" : "streams"}\n`,
  );
}

/** Version 1 is the first there is: a file of another version is a fault, named as such. @throws ConfigError */
export async function migrateConfig({ values }: Arguments): Promise<void> {
  const path = configPath(values["config"], process.env);
  readSettings(path, process.env);
  process.stdout.write(`${path}: version 1 is the newest; there is nothing to do\n`);
}
