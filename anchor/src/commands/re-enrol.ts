/**
 * `tally-anchor re-enrol`: another key for a device that has one, where the device itself can't say so: after lost state, a revocation, a new machine.
 *
 * @module
 */
import { EXIT, loadSigner, readPublicKeyFile, required, type Command } from "@tallystick/evidence/node";
import { placesOf } from "../config.ts";
import type { PublishedRegistry } from "../registry/published-registry.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, text } from "./config-option.ts";
import { durationS } from "./duration.ts";
import { bring, sealCounting, SUBMIT_DETAILS, SUBMIT_OPTIONS } from "./submit.ts";
import { keyOfDevice } from "./which-key.ts";

export const reEnrol: Command = {
  summary: "Give a device another key, after lost state or a revocation",
  usage: `--device ORG/DEVICE --key PUB.pem --reason TEXT [--streams a,b] [--silence 15m] [--operator KEYFILE] [--registry DIR] [-o FILE] [--wait] [--json] ${CONFIG_USAGE}`,
  details: `  --reason TEXT   why, for whoever reads the registry: 1 to 200 bytes
  --streams LIST  streams it may write (default: those that it may now)
  --silence TIME  longest silence allowed: a number and s, m, h or d (default: as it is now)
  --operator FILE the operator's key (default: the configuration's)
${SUBMIT_DETAILS}
${CONFIG_DETAILS}
The old key ends with this item (key-superseded). Of each stream the first chain that the device begins under the new key with "lost" is covered by it: no
discontinuity.`,
  options: {
    ...CONFIG_OPTIONS,
    device: { type: "string" },
    key: { type: "string" },
    reason: { type: "string" },
    streams: { type: "string" },
    silence: { type: "string" },
    ...SUBMIT_OPTIONS,
  },
  async run(given) {
    const { values } = given;
    const places = placesOf(configOf(given));
    const device = required(values, "device");
    const reason = required(values, "reason");
    const key = readPublicKeyFile(required(values, "key"));
    const signer = loadSigner(text(values, "operator") ?? places.operatorKey);
    const streams = text(values, "streams")
      ?.split(",")
      .map((stream) => stream.trim());
    const silence = text(values, "silence");
    const make = (registry: PublishedRegistry) => {
      const now = keyOfDevice(registry.keyState(), device);
      const item = {
        kind: "re-enrol",
        device,
        key,
        streams: streams ?? now.streams,
        silenceS: silence === undefined ? now.silenceS : durationS(silence, "--silence"),
        reason,
      } as const;
      return sealCounting(item, registry, signer);
    };
    await bring(values, places, make, `re-enrols ${device}`);
    return EXIT.good;
  },
};
