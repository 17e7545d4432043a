/**
 * `tally-anchor successor`: ends a log with the name of the one that follows it. Nothing is taken in after that.
 *
 * @module
 */
import { ed25519Key, EvidenceError, NOTE_ED25519, parseVkey } from "@tallystick/evidence";
import { EXIT, loadSigner, required, type Command } from "@tallystick/evidence/node";
import { placesOf } from "../config.ts";
import { sealItem } from "../registry/submit.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, nowUnixS, text } from "./config-option.ts";
import { bring, SUBMIT_DETAILS, SUBMIT_OPTIONS } from "./submit.ts";

export const successor: Command = {
  summary: "End the log: its last entry names the log that succeeds it",
  usage: `--log VKEY [--operator KEYFILE] [--registry DIR|FILE] [-o FILE] [--wait] ${CONFIG_USAGE}`,
  details: `  --log VKEY      the successor's verifier key, as its tally-anchor init printed it: NAME+ID+KEY
  --operator FILE the key of an operator for any org (default: the configuration's)
${SUBMIT_DETAILS}
${CONFIG_DETAILS}
There is no way back: the log takes nothing in after this entry. Devices keep what has no receipt until they are told of the successor (docs/restore.md).`,
  options: {
    ...CONFIG_OPTIONS,
    log: { type: "string" },
    ...SUBMIT_OPTIONS,
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
    await bring(values, places, (registry) => sealItem(item, registry, signer, nowUnixS()), "ends the log");
    return EXIT.good;
  },
};
