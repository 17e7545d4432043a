/**
 * `tally-anchor doctor`: what is wrong, and what to do.
 *
 * @module
 */
import { existsSync } from "node:fs";
import {
  ConfigError,
  fail,
  printFindings,
  type Arguments,
  type Command,
  type Finding,
} from "@tallystick/evidence/node";
import { DEFAULT_CONFIG_PATH } from "../config.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, text } from "./config-option.ts";

export const doctor: Command = {
  summary: "Look at everything that the anchor needs, also while it runs; nothing is changed",
  usage: `[--json] ${CONFIG_USAGE}`,
  details: `${CONFIG_DETAILS}
  --json          findings as JSON
Each line is OK, WARN, FAIL or ?, what was seen, and what to do. Exit code 1 if something has to be put right (FAIL), 3 if something
that matters could not be seen (?), else 0.`,
  options: { ...CONFIG_OPTIONS, json: { type: "boolean" } },
  async run(given) {
    return printFindings(await findingsFor(given), given.values["json"] === true);
  },
};

async function findingsFor(given: Arguments): Promise<readonly Finding[]> {
  const named = text(given.values, "config");
  const file = named ?? (existsSync(DEFAULT_CONFIG_PATH) ? DEFAULT_CONFIG_PATH : undefined);
  try {
    const config = configOf(given);
    const { examine } = await import("../doctor/doctor.ts"); // a running anchor needs none of it
    return await examine(file, config);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map((fault) =>
      fail("configuration", fault, "mend it; anchor.example.yaml has every setting"),
    );
  }
}
