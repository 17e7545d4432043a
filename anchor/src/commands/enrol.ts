/**
 * `tally-anchor enrol`: a public key in, a registry statement out. It needs the operator's key and the public registry, and neither the
 * database nor a running anchor.
 *
 * @module
 */
import { EvidenceError, type Statement } from "@tallystick/evidence";
import { EXIT, loadSigner, readPublicKeyFile, required, type Command } from "@tallystick/evidence/node";
import { placesOf } from "../config.ts";
import type { PublishedRegistry } from "../registry/published-registry.ts";
import { mustActFor, sealItem } from "../registry/submit.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, nowUnixS, text } from "./config-option.ts";
import { durationS } from "./duration.ts";
import { bring, SUBMIT_DETAILS, SUBMIT_OPTIONS } from "./submit.ts";

const DEFAULT_SILENCE = "15m";

type Enrolled = {
  readonly device: string;
  readonly keyFile: string;
  readonly operatorFile: string;
  readonly streams: readonly string[];
  readonly silenceS: number;
};

export const enrol: Command = {
  summary: "Enrol a device: its public key in, a registry statement out",
  usage: `--device ORG/DEVICE --key PUB.pem [--streams a,b] [--silence 15m] [--operator KEYFILE] [--registry DIR|FILE] [-o FILE] [--wait] ${CONFIG_USAGE}`,
  details: `  --streams LIST  streams it may write: names, prefixes that end in /*, or * (default *)
  --silence TIME  longest silence allowed: a number and s, m, h or d (default ${DEFAULT_SILENCE})
  --operator FILE the operator's key (default: the configuration's)
${SUBMIT_DETAILS}
${CONFIG_DETAILS}`,
  options: {
    ...CONFIG_OPTIONS,
    device: { type: "string" },
    key: { type: "string" },
    streams: { type: "string" },
    silence: { type: "string" },
    ...SUBMIT_OPTIONS,
  },
  async run(given) {
    const { values } = given;
    const places = placesOf(configOf(given));
    const what: Enrolled = {
      device: required(values, "device"),
      keyFile: required(values, "key"),
      operatorFile: text(values, "operator") ?? places.operatorKey,
      streams: (text(values, "streams") ?? "*").split(",").map((stream) => stream.trim()),
      silenceS: durationS(text(values, "silence") ?? DEFAULT_SILENCE, "--silence"),
    };
    await bring(values, places, (registry) => enrolment(what, registry), `enrols ${what.device}`);
    return EXIT.good;
  },
};

/**
 * Makes the statement that continues `registry`.
 *
 * @throws EvidenceError `key-unknown`, `operator-org`, `key-exists`, a code of key files, of names or of statements
 */
async function enrolment(what: Enrolled, registry: PublishedRegistry): Promise<Statement> {
  const signer = loadSigner(what.operatorFile);
  const key = readPublicKeyFile(what.keyFile);
  const operator = registry.mustKnow(signer.key, what.operatorFile);
  mustActFor(operator, what.device);
  if (registry.knows(what.device, key)) {
    throw new EvidenceError("key-exists", `${what.device}: this device or this key is enrolled already`);
  }
  const { device, streams, silenceS } = what;
  return sealItem({ kind: "enrol", device, key, streams, silenceS }, registry, signer, nowUnixS());
}
