/**
 * MQTT topics, built and read strictly, and the limits of what travels on them.
 *
 * @module
 */
import { EvidenceError, isEvidenceError } from "./errors.ts";
import { parseIss } from "./names.ts";

/** Sizes that every part holds to; `docs/formats.md` gives them. */
export const LIMITS = {
  /** One statement, tag included, with its unprotected header empty. */
  maxStatementBytes: 32_768,
  /** One receipt, however many proofs it holds. */
  maxReceiptBytes: 65_536,
  /** Receipts that a transparent statement may carry. */
  maxReceiptsPerStatement: 16,
  /** Records of one SenML pack. */
  maxRecords: 4096,
  /** One `up` message: a CBOR sequence of statements or receipts. */
  maxUpBytes: 65_536,
  maxUpItems: 512,
  /** One `down` message: a CBOR sequence of receipts, rejections and requests. */
  maxDownBytes: 65_536,
} as const;

const ROOT = "tally/v1";

/** Where the anchor keeps the newest signed note, retained. */
export const CHECKPOINT_TOPIC = `${ROOT}/checkpoint`;

const deviceTopic = (iss: string, kind: "up" | "down" | "state"): string => {
  const { org, device } = parseIss(iss);
  return `${ROOT}/${org}/${device}/${kind}`;
};

/** Statements from a device. @throws EvidenceError `name-malformed` */
export const upTopic = (iss: string): string => deviceTopic(iss, "up");

/** Receipts, rejections and requests to a device. @throws EvidenceError `name-malformed` */
export const downTopic = (iss: string): string => deviceTopic(iss, "down");

/** `online` or `offline`, retained: for people, never for evidence. @throws EvidenceError `name-malformed` */
export const stateTopic = (iss: string): string => deviceTopic(iss, "state");

export type Topic =
  { readonly kind: "up" | "down" | "state"; readonly iss: string } | { readonly kind: "checkpoint" };

const TOPIC = /^tally\/v1\/([^/]+\/[^/]+)\/(up|down|state)$/;

/**
 * Reads the name of a topic (no wildcards). Undefined for whatever is not one of ours, malformed names included: exactly the names that
 * the functions above build are read.
 */
export function parseTopic(topic: string): Topic | undefined {
  if (topic === CHECKPOINT_TOPIC) return { kind: "checkpoint" };
  const [, iss, kind] = (topic.length <= 128 && TOPIC.exec(topic)) || [];
  if (iss === undefined || (kind !== "up" && kind !== "down" && kind !== "state")) return undefined;
  try {
    parseIss(iss);
  } catch (error) {
    if (isEvidenceError(error)) return undefined;
    throw error;
  }
  return { kind, iss };
}

/**
 * The issuer whose `up` topic this is.
 *
 * @throws EvidenceError `topic-malformed` for any other topic
 */
export function parseUpTopic(topic: string): string {
  const parsed = parseTopic(topic);
  if (parsed?.kind !== "up") throw new EvidenceError("topic-malformed", "not tally/v1/{org}/{device}/up");
  return parsed.iss;
}
