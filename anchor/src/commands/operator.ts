/**
 * `tally-anchor operator …`: who may sign registry items. One operator adds another; or, where the org's rule takes several, a change is proposed on any machine, consented to
 * on each operator's own, and brought into the registry with these consents. Only files go between the machines.
 *
 * @module
 */
import { readFile, stat } from "node:fs/promises";
import process from "node:process";
import {
  checkOrg,
  decodeChange,
  encodeChange,
  EvidenceError,
  isEvidenceError,
  isOperator,
  OPERATOR_DEVICE,
  sealConsent,
  toHex,
  type Operator,
  type OperatorChange,
} from "@tallystick/evidence";
import {
  EXIT,
  loadSigner,
  readPublicKeyFile,
  required,
  UsageError,
  writeDurable,
  type Arguments,
  type Command,
} from "@tallystick/evidence/node";
import { placesOf } from "../config.ts";
import { PublishedRegistry } from "../registry/published-registry.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, text } from "./config-option.ts";
import { bring, sealCounting, SUBMIT_DETAILS, SUBMIT_OPTIONS } from "./submit.ts";
import { keyNamed } from "./which-key.ts";

const READ_OPTIONS = {
  ...CONFIG_OPTIONS,
  registry: { type: "string" },
  out: { type: "string", short: "o" },
} as const;
/** Longest file that is read here: no change and no consent is longer. */
const MAX_BYTES = 32_768;

export const operatorAdd: Command = {
  summary: "Add an operator to an org, where one signature is enough",
  usage: `--org ORG --key PUB.pem [--iss ORG/operator] [--operator KEYFILE] [--registry DIR] [-o FILE] [--wait] [--json] ${CONFIG_USAGE}`,
  details: `  --org ORG       the org that it may act for, or * for any
  --key PUB.pem   its public key
  --iss NAME      its name (default ORG/operator)
  --operator FILE the key of an operator of this org, or of one for * (default: the configuration's)
${SUBMIT_DETAILS}
${CONFIG_DETAILS}
Where the org's rule takes several: tally-anchor operator propose. A key is taken back by tally-anchor revoke --kid, or by a change that removes it.`,
  options: {
    ...CONFIG_OPTIONS,
    org: { type: "string" },
    key: { type: "string" },
    iss: { type: "string" },
    ...SUBMIT_OPTIONS,
  },
  async run(given) {
    const { values } = given;
    const places = placesOf(configOf(given));
    const org = orgOf(values);
    const operator = operatorFrom(required(values, "key"), org, text(values, "iss"));
    const signer = loadSigner(text(values, "operator") ?? places.operatorKey);
    const item = { kind: "operator-added", operator } as const;
    await bring(
      values,
      places,
      (registry) => sealCounting(item, registry, signer),
      `adds ${operator.iss} for ${org}`,
    );
    return EXIT.good;
  },
};

export const operatorPropose: Command = {
  summary: "Propose a change of an org's operators: a file that they consent to",
  usage: `--org ORG [--add PUB.pem]… [--remove KID]… [--threshold M] [--iss ORG/operator] [--registry DIR] -o FILE ${CONFIG_USAGE}`,
  details: `  --org ORG       the org, or * for those that may act for any
  --add PUB.pem   public key of an operator that comes; may be given several times
  --remove KID    operator that goes, by the first 8 digits of its kid or more; may be given several times
  --threshold M   consents that the next change takes (default: as many as this one)
  --iss NAME      name of those that come (default ORG/operator)
  --registry DIR  the public folder (default: the data folder's)
  -o FILE         the proposal; it is good until another change of this org is made
${CONFIG_DETAILS}`,
  options: {
    ...READ_OPTIONS,
    org: { type: "string" },
    add: { type: "string", multiple: true },
    remove: { type: "string", multiple: true },
    threshold: { type: "string" },
    iss: { type: "string" },
  },
  async run(given) {
    const { values } = given;
    const out = required(values, "out");
    const org = orgOf(values);
    const iss = text(values, "iss");
    const state = (await registryOf(given)).keyState();
    const { threshold, round } = state.operatorRule(org);
    const change: OperatorChange = {
      actsFor: org,
      round,
      add: several(values, "add").map((file) => operatorFrom(file, org, iss)),
      remove: several(values, "remove").map((digits) => keyNamed(state, digits).kid),
      threshold: thresholdOf(text(values, "threshold")) ?? threshold,
    };
    await writeDurable(out, encodeChange(change));
    process.stdout.write(`${shown(change)}takes the consent of ${threshold}: ${out}\n`);
    return EXIT.good;
  },
};

export const operatorConsent: Command = {
  summary: "Consent to a proposed change with this operator's key",
  usage: `PROPOSAL [--operator KEYFILE] [--registry DIR] -o FILE ${CONFIG_USAGE}`,
  details: `  --operator FILE the operator's key (default: the configuration's)
  --registry DIR  the public folder (default: the data folder's)
  -o FILE         the consent
${CONFIG_DETAILS}
It prints what is consented to. The consent is good for this change, in this log, once.`,
  takes: 1,
  options: { ...READ_OPTIONS, operator: { type: "string" } },
  async run(given) {
    const { values, positionals } = given;
    const [file] = positionals;
    if (file === undefined) throw new UsageError("name the proposal");
    const out = required(values, "out");
    const { bytes, change } = await readProposal(file);
    const keyFile = text(values, "operator") ?? placesOf(configOf(given)).operatorKey;
    const signer = loadSigner(keyFile);
    const registry = await registryOf(given);
    const { iss, actsFor } = registry.mustKnow(signer.key, keyFile);
    if (actsFor !== change.actsFor)
      throw new EvidenceError(
        "operator-org",
        `${iss} acts for ${actsFor}, and this is a change of ${change.actsFor}`,
      );
    const { round } = registry.keyState().operatorRule(change.actsFor);
    if (round !== change.round)
      throw new EvidenceError(
        "registry-order",
        `${file}: another change was made meanwhile: propose it anew`,
      );
    await writeDurable(out, await sealConsent(registry.log.origin, bytes, iss, signer));
    process.stdout.write(`${shown(change)}consented to by ${iss}, key ${short(signer.key.kid)}: ${out}\n`);
    return EXIT.good;
  },
};

export const operatorChange: Command = {
  summary: "Bring a proposed change of operators into the registry, with the consents to it",
  usage: `PROPOSAL [CONSENT…] [--operator KEYFILE] [--registry DIR] [-o FILE] [--wait] [--json] ${CONFIG_USAGE}`,
  details: `  --operator FILE the key of an operator of this org, which counts as its consent, or of one for * (default: the configuration's)
${SUBMIT_DETAILS}
${CONFIG_DETAILS}`,
  takes: Infinity,
  options: { ...CONFIG_OPTIONS, ...SUBMIT_OPTIONS },
  async run(given) {
    const { values, positionals } = given;
    const [file, ...others] = positionals;
    if (file === undefined) throw new UsageError("name the proposal, and the consents behind it");
    const places = placesOf(configOf(given));
    const { bytes, change } = await readProposal(file);
    const consents = await Promise.all(others.map(readSmall));
    const signer = loadSigner(text(values, "operator") ?? places.operatorKey);
    const item = { kind: "operators", change: bytes, consents } as const;
    await bring(
      values,
      places,
      (registry) => sealCounting(item, registry, signer),
      `changes the operators of ${change.actsFor}`,
    );
    return EXIT.good;
  },
};

const short = (kid: Uint8Array): string => toHex(kid).slice(0, 16);

/** What a change does, a line each. */
const shown = ({ actsFor, round, add, remove, threshold }: OperatorChange): string =>
  [
    `change ${round} of the operators of ${actsFor}`,
    ...add.map(({ iss, key }) => `  adds     ${iss}, key ${short(key.kid)}`),
    ...remove.map((kid) => `  removes  key ${short(kid)}`),
    `  from then on a change takes the consent of ${threshold}`,
    "",
  ].join("\n");

function orgOf(values: Arguments["values"]): string {
  const org = required(values, "org");
  if (org !== "*") checkOrg(org);
  return org;
}

function operatorFrom(keyFile: string, org: string, given: string | undefined): Operator {
  if (org === "*" && given === undefined)
    throw new UsageError("--iss: name the operator for *: ORG/operator");
  const iss = given ?? `${org}/${OPERATOR_DEVICE}`;
  if (!isOperator(iss)) throw new UsageError(`--iss: ${iss}: an operator's name is ORG/${OPERATOR_DEVICE}`);
  return { iss, actsFor: org, key: readPublicKeyFile(keyFile) };
}

function thresholdOf(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  if (!/^[1-9]\d{0,3}$/.test(given)) throw new UsageError(`--threshold: ${given}: give a number from 1 on`);
  return Number(given);
}

const several = (values: Arguments["values"], name: string): string[] => {
  const given = values[name];
  return Array.isArray(given) ? given.filter((one) => typeof one === "string") : [];
};

/** The registry as published, and what waits in the inbox. */
async function registryOf(given: Arguments): Promise<PublishedRegistry> {
  const named = text(given.values, "registry");
  if (named !== undefined) return PublishedRegistry.read(named);
  const places = placesOf(configOf(given));
  const registry = await PublishedRegistry.read(places.public);
  await registry.addWaiting(places.inbox);
  return registry;
}

/** @throws EvidenceError with the code of {@link decodeChange}, which names the file */
async function readProposal(
  file: string,
): Promise<{ readonly bytes: Uint8Array; readonly change: OperatorChange }> {
  const bytes = await readSmall(file);
  try {
    return { bytes, change: decodeChange(bytes) };
  } catch (cause) {
    if (!isEvidenceError(cause)) throw cause;
    throw new EvidenceError(cause.code, `${file}: not a proposal: ${cause.message}`, {}, cause);
  }
}

/** @throws EvidenceError `too-large` */
async function readSmall(file: string): Promise<Uint8Array> {
  if ((await stat(file)).size > MAX_BYTES)
    throw new EvidenceError("too-large", `${file}: too large for a proposal or a consent`);
  return new Uint8Array(await readFile(file));
}
