/**
 * `tally-anchor successor`: ends a log with the name of the one that follows it. Nothing is taken in after that.
 *
 * @module
 */
import process from "node:process";
import { ed25519Key, EvidenceError, NOTE_ED25519, parseVkey, toHex } from "@tallystick/evidence";
import { EXIT, loadSigner, required, writeDurable, type Command } from "@tallystick/evidence/node";
import { placesOf } from "../config.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, text } from "./config-option.ts";
import { registryWith, sealItem, submit, taken } from "./submit.ts";

export const successor: Command = {
  summary: "End the log: its last entry names the log that succeeds it",
  usage: `--log VKEY [--operator KEYFILE] [--registry DIR|FILE] [-o FILE] [--wait] ${CONFIG_USAGE}`,
  details: `  --log VKEY      the successor's verifier key, as its tally-anchor init printed it: NAME+ID+KEY
  --operator FILE the key of an operator for any org (default: the configuration's)
  --registry X    the public folder, or the last registry item as a file (default: the data folder's public)
  -o FILE         write the statement there; without it, it goes to the inbox of the data folder
  --wait          wait until the anchor has taken it (exit 1 if it refused)
${CONFIG_DETAILS}
There is no way back: the log takes nothing in after this entry. Devices keep what has no receipt until they are told of the successor (docs/restore.md).`,
  options: {
    ...CONFIG_OPTIONS,
    log: { type: "string" },
    operator: { type: "string" },
    registry: { type: "string" },
    out: { type: "string", short: "o" },
    wait: { type: "boolean" },
  },
  async run(given) {
    const { values } = given;
    const places = placesOf(configOf(given));
    const { name: origin, type, publicKey } = parseVkey(required(values, "log"));
    if (type !== NOTE_ED25519) {
      throw new EvidenceError("vkey-malformed", "--log: the key of a witness; give the log's own");
    }
    const item = { kind: "successor", origin, log: ed25519Key(publicKey) } as const;
    const signer = loadSigner(text(values, "operator") ?? places.operatorKey);
    const from = text(values, "registry") ?? places.public;
    const out = text(values, "out");
    if (out !== undefined) {
      const statement = await sealItem(item, await registryWith(from, places.inbox), signer);
      await writeDurable(out, statement.bytes);
      process.stdout.write(
        `registry item ${statement.claims.seq} ${toHex(statement.hash)} ends the log: ${out}\n`,
      );
      return EXIT.good;
    }
    const { file, statement } = await submit(
      (registry) => sealItem(item, registry, signer),
      from,
      places.inbox,
    );
    process.stdout.write(
      `registry item ${statement.claims.seq} ${toHex(statement.hash)} ends the log: ${file}\n`,
    );
    if (values["wait"] === true) await taken(file, statement);
    return EXIT.good;
  },
};
