/**
 * `tally-anchor revoke`: ends a key. What it signs from then on is refused, and what it signed since a given place in the log is suspect.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import {
  formatVkey,
  openCheckpoint,
  parseVkey,
  toHex,
  type KeyRecord,
  type KeyState,
} from "@tallystick/evidence";
import { createNodeProvider, EXIT, loadSigner, UsageError, type Command } from "@tallystick/evidence/node";
import { placesOf } from "../config.ts";
import type { PublishedRegistry } from "../registry/published-registry.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, text } from "./config-option.ts";
import { bring, sealCounting, SUBMIT_DETAILS, SUBMIT_OPTIONS } from "./submit.ts";
import { keyNamed, keyOfDevice } from "./which-key.ts";

export const revoke: Command = {
  summary: "Revoke a key: of a device, or by its name",
  usage: `--device ORG/DEVICE | --kid KID [--from INDEX] [--last] [--operator KEYFILE] [--registry DIR] [-o FILE] [--wait] [--json] ${CONFIG_USAGE}`,
  details: `  --device NAME   the key that this device signs with now
  --kid KID       any key, by the first 8 digits of its kid or more (tally-anchor registry lists them)
  --from INDEX    log index since which the key is suspect (default: as many entries as are published now)
  --last          also the last operator of an org
  --operator FILE the operator's key (default: the configuration's)
${SUBMIT_DETAILS}
${CONFIG_DETAILS}
There is no way back: from this item's own index on, statements of the key are refused (key-revoked). Those between INDEX and it stay, with the
restriction declared-suspect-later in every verdict; those before INDEX stay as they are. A device gets its next key by tally-anchor re-enrol.
Of an operator, keys that it brought between INDEX and this item have that restriction, in all that they sign: re-enrol the devices that are honest.`,
  options: {
    ...CONFIG_OPTIONS,
    device: { type: "string" },
    kid: { type: "string" },
    from: { type: "string" },
    last: { type: "boolean" },
    ...SUBMIT_OPTIONS,
  },
  async run(given) {
    const { values } = given;
    const places = placesOf(configOf(given));
    const [device, digits] = [text(values, "device"), text(values, "kid")];
    if ((device === undefined) === (digits === undefined)) throw new UsageError("give --device or --kid");
    const from = indexOf(text(values, "from"));
    const folder = text(values, "registry") ?? places.public;
    const signer = loadSigner(text(values, "operator") ?? places.operatorKey);
    let [does, told] = ["", ""];
    const make = (registry: PublishedRegistry) => {
      const state = registry.keyState();
      const record = device === undefined ? keyNamed(state, digits ?? "") : keyOfDevice(state, device);
      const { kid, iss } = record;
      if (values["last"] !== true) mustLeaveOne(state, record);
      const since = from ?? publishedSize(folder, registry);
      does = `revokes ${iss}, key ${toHex(kid).slice(0, 16)}, suspect from log index ${since}`;
      told = `statements of this key are refused from the item on; those from log index ${since} up to it become suspect\n`;
      return sealCounting({ kind: "revoke", kid, from: since }, registry, signer);
    };
    await bring(values, places, make, () => does);
    if (values["json"] !== true) process.stdout.write(told);
    return EXIT.good;
  },
};

/** @throws UsageError for the last operator of an org: it can't bring the next one, and if it acts for `*`, nobody can */
function mustLeaveOne(state: KeyState, { role, revoked, streams }: KeyRecord): void {
  const [org = ""] = role === "operator" && revoked === null ? streams : [];
  if (org === "" || state.operatorRule(org).operators.length > 1) return;
  const then = org === "*" ? "nobody could add another one" : "only an operator for * could add another one";
  throw new UsageError(`the last operator for ${org}: ${then}; give --last if that is meant`);
}

function indexOf(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  if (!/^\d{1,15}$/.test(given)) throw new UsageError(`--from: ${given}: give a log index`);
  return Number(given);
}

/** Entries that the folder's checkpoint signs: whatever comes next stands behind them. */
function publishedSize(folder: string, registry: PublishedRegistry): number {
  const file = join(folder, "checkpoint");
  if (!existsSync(file))
    throw new UsageError(`${file} is not there: give --from, the log index since which the key is suspect`);
  const { origin, key } = registry.log;
  const vkey = parseVkey(formatVkey(origin, key));
  return openCheckpoint(readFileSync(file, "utf8"), vkey, createNodeProvider()).size;
}
