/**
 * `tally-anchor trail`: the device with which the anchor says who read what.
 *
 * @module
 */
import process from "node:process";
import { toHex } from "@tallystick/evidence";
import { EXIT, type Command } from "@tallystick/evidence/node";
import { ensureOwn, type OwnDevice } from "../trail/enrol-own.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, nowUnixS } from "./config-option.ts";
import { taken } from "./submit.ts";

export const trail: Command = {
  summary: "Give the anchor a device of its own, which keeps the trail of who read what and what was erased",
  usage: `[--wait] [--json] ${CONFIG_USAGE}`,
  details: `  --wait          wait until the anchor has taken the item that enrols it
  --json          one line: {"device", "kid", "item"}; item is null where it is enrolled already
${CONFIG_DETAILS}
Makes its key and, where the operator's key is here, the registry item that enrols it; else it says what the operator has to run. tally-anchor token add and
erase do the same by themselves.`,
  options: { ...CONFIG_OPTIONS, wait: { type: "boolean" }, json: { type: "boolean" } },
  async run(given) {
    const own = await ensureOwn(configOf(given), nowUnixS);
    if (given.values["wait"] === true && own.submitted !== undefined) await taken(own.submitted);
    const item = own.submitted?.statement.claims.seq ?? null;
    const line = JSON.stringify({ device: own.iss, kid: toHex(own.key.kid), item });
    process.stdout.write(`${given.values["json"] === true ? line : shownOwn(own)}\n`);
    return EXIT.good;
  },
};

/** One line. */
export function shownOwn({ iss, key, submitted }: OwnDevice): string {
  const how =
    submitted === undefined ? "enrolled" : `registry item ${submitted.statement.claims.seq} enrols it`;
  return `${iss}, key ${toHex(key.kid).slice(0, 16)}: ${how}`;
}
