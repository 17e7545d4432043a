/**
 * Operators, and how an org changes who they are: a change says whom it adds, whom it removes and how many have to agree to the next one; a consent is an
 * operator's word for one change in one log. Consents are made on other machines than the item that carries them, so they are tokens of their own.
 *
 * @module
 */
import { equalBytes } from "../bytes.ts";
import { decodeCbor, encodeCbor, type CborKey, type CborMap, type CborValue } from "../cbor.ts";
import { CLAIM, openCwt, sealCwt, type Cwt } from "../tokens/cwt.ts";
import { EvidenceError } from "../errors.ts";
import { coseKey, parseCoseKey, type PublicKey } from "../keys/keys.ts";
import { checkOrg, isOperator } from "../names.ts";
import { HASH_BYTES, sha256 } from "../sha256.ts";
import { asBytes, Fields } from "../shape.ts";
import type { Signer } from "../keys/signature.ts";

/** A key that may sign registry items. `iss` is `ORG/operator`; `actsFor` an org, or `*` for any. */
export type Operator = { readonly iss: string; readonly actsFor: string; readonly key: PublicKey };

/** What becomes of the operators of one org. */
export type OperatorChange = {
  /** The org, or `*`: those that may act for any. */
  readonly actsFor: string;
  /** How many changes of this org came before: a consent is good for one of them only. */
  readonly round: number;
  /** All of them act for this org. */
  readonly add: readonly Operator[];
  /** Kids of operators of this org; their keys count no more from the item's own index on. */
  readonly remove: readonly Uint8Array[];
  /** Consents that the next change takes: from 1 to as many operators as there are then. */
  readonly threshold: number;
};

/** Longest change, bytes: it travels in a statement. */
const MAX_CHANGE_BYTES = 32_768;

export const operatorMap = ({ iss, actsFor, key }: Operator): CborMap =>
  new Map<CborKey, CborValue>([
    ["iss", iss],
    ["for", actsFor],
    ["key", coseKey(key)],
  ]);

/** @throws EvidenceError `registry-malformed`, `name-malformed`, `key-malformed`, a code of a closed shape */
export function readOperator(value: CborValue): Operator {
  const fields = new Fields(value, "operator");
  const iss = fields.text("iss");
  const actsFor = fields.text("for");
  const key = parseCoseKey(fields.value("key"));
  fields.end();
  if (!isOperator(iss)) throw new EvidenceError("registry-malformed", "an operator's iss is ORG/operator");
  if (actsFor !== "*") checkOrg(actsFor);
  return { iss, actsFor, key };
}

/** The bytes that an `operators` item carries, and whose hash is consented to. */
export const encodeChange = ({ actsFor, round, add, remove, threshold }: OperatorChange): Uint8Array =>
  encodeCbor(
    new Map<CborKey, CborValue>([
      ["for", actsFor],
      ["round", round],
      ["add", add.map(operatorMap)],
      ["remove", remove],
      ["threshold", threshold],
    ]),
  );

/** @throws EvidenceError `name-malformed`, `registry-malformed`, `key-malformed`, a code of a closed shape or of CBOR */
export function decodeChange(bytes: Uint8Array): OperatorChange {
  const fields = new Fields(decodeCbor(bytes, { maxBytes: MAX_CHANGE_BYTES }), "change of operators");
  const actsFor = fields.text("for");
  if (actsFor !== "*") checkOrg(actsFor);
  const change = {
    actsFor,
    round: fields.uint("round"),
    add: fields.list("add").map(readOperator),
    remove: fields.list("remove").map((kid) => asBytes(kid, HASH_BYTES, "kid")),
    threshold: fields.uint("threshold"),
  };
  fields.end();
  if (change.threshold === 0) throw new EvidenceError("member-range", "a threshold is at least 1");
  return change;
}

/** `typ` of a consent. */
const CONSENT_TYPE = "application/vnd.tallystick.consent+cwt";

/** An operator's word for a change. Whether the signature is good is asked of `verifyCwt`. */
export type Consent = { readonly kid: Uint8Array; readonly iss: string; readonly token: Cwt };

/**
 * Consents to a change in the log of this origin.
 *
 * @param change - its bytes, as they stand in the item
 * @param iss - `ORG/operator`, the signer's name in the registry
 */
export const sealConsent = (
  origin: string,
  change: Uint8Array,
  iss: string,
  signer: Signer,
): Promise<Uint8Array> =>
  sealCwt(
    CONSENT_TYPE,
    new Map<CborKey, CborValue>([
      [CLAIM.iss, iss],
      [CLAIM.aud, origin],
      ["change", sha256(change)],
    ]),
    signer,
  );

/**
 * Reads a consent to this change in the log of this origin.
 *
 * @throws EvidenceError `token-malformed`; `operator-quorum` for a consent to something else
 */
export function openConsent(bytes: Uint8Array, origin: string, change: Uint8Array): Consent {
  const token = openCwt(bytes, CONSENT_TYPE);
  let claims: { iss: string; aud: string; change: Uint8Array };
  try {
    const fields = new Fields(token.claims, "consent");
    claims = {
      iss: fields.text(CLAIM.iss),
      aud: fields.text(CLAIM.aud),
      change: fields.bytes("change", HASH_BYTES),
    };
    fields.end();
  } catch (cause) {
    throw new EvidenceError("token-malformed", "not the claims of a consent", {}, cause);
  }
  if (claims.aud !== origin)
    throw new EvidenceError("operator-quorum", "a consent to a change in another log");
  if (!equalBytes(claims.change, sha256(change)))
    throw new EvidenceError("operator-quorum", "a consent to another change");
  return { kid: token.kid, iss: claims.iss, token };
}
