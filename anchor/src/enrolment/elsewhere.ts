/**
 * An operator on another machine: the requests go there in one file, the signed items come back in another. Neither file is secret; what comes back is judged as any other item.
 *
 * @module
 */
import {
  concatBytes,
  decodeItem,
  equalBytes,
  EvidenceError,
  LIMITS,
  parseStatement,
  splitSequence,
  type Enrolment,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { PublishedRegistry } from "../registry/published-registry.ts";
import { put, type Submitted } from "../registry/submit.ts";
import { grant } from "./approval.ts";
import { encodeBatch, endOf, MAX_REQUESTS, type Batch, type Request } from "./request.ts";

/** First byte of a tagged COSE_Sign1. */
const SIGN1 = 0xd2;
/** Longest file of items. */
export const MAX_ITEMS_BYTES = MAX_REQUESTS * LIMITS.maxStatementBytes;

/** A signed item that enrols a key. */
export type EnrolItem = { readonly statement: Statement; readonly enrolment: Enrolment };

/**
 * The file that goes to the operator.
 *
 * @throws EvidenceError `too-large` where there are more than 256
 */
export function exportRequests(requests: readonly Request[], registry: PublishedRegistry): Uint8Array {
  if (requests.length > MAX_REQUESTS)
    throw new EvidenceError(
      "too-large",
      `${requests.length} requests: export at most ${MAX_REQUESTS} at a time, by their names`,
    );
  const operators = registry.operators.map(({ iss, actsFor, key }) => ({ iss, actsFor, kid: key.kid }));
  return encodeBatch({ count: registry.count, last: registry.last, operators, requests });
}

/**
 * Grants all requests of a file, one item after the other.
 *
 * @returns the file that goes back
 * @throws EvidenceError `key-unknown` where the key is none of the operators that the file names; `operator-org`, `key-exists`
 */
export async function signBatch(batch: Batch, signer: Signer, nowUnixS: number): Promise<Uint8Array> {
  const registry = PublishedRegistry.after(endOf(batch));
  const items: Uint8Array[] = [];
  for (const request of batch.requests) {
    const statement = await grant(request, registry, signer, nowUnixS);
    registry.add(statement);
    items.push(statement.bytes);
  }
  return concatBytes(...items);
}

/** True where a file holds items, and no requests. */
export const holdsItems = (bytes: Uint8Array): boolean => bytes[0] === SIGN1;

/** @throws EvidenceError `registry-malformed` where something else than enrolments is in it; what a statement is refused with */
export function readItems(bytes: Uint8Array): readonly EnrolItem[] {
  const rules = {
    tags: [18],
    maxBytes: MAX_ITEMS_BYTES,
    maxItems: MAX_REQUESTS,
    maxItemBytes: LIMITS.maxStatementBytes,
  };
  const { items, rest } = splitSequence(bytes, rules);
  if (rest !== undefined) throw rest.error;
  return items.map((one) => {
    const statement = parseStatement(one, nodeSha256);
    const item = statement.content.type === "registry" ? decodeItem(statement.content.payload) : undefined;
    if (item?.kind !== "enrol" && item?.kind !== "re-enrol")
      throw new EvidenceError("registry-malformed", "only items that enrol devices are brought here");
    return { statement, enrolment: item };
  });
}

/**
 * Puts items into the inbox. Told of each, in order, by `onItem`.
 *
 * @param registry - as it stands, with what waits in the inbox
 * @throws EvidenceError `registry-order` where the registry went on meanwhile
 */
export async function bringItems(
  items: readonly EnrolItem[],
  registry: PublishedRegistry,
  inbox: string,
  onItem: (submitted: Submitted, enrolment: Enrolment) => Promise<void>,
): Promise<void> {
  for (const { statement, enrolment } of items) {
    const { seq, prev = new Uint8Array() } = statement.claims;
    const isNext = seq === registry.count && equalBytes(prev, registry.last);
    const submitted = isNext ? await put(statement, inbox) : undefined;
    if (submitted === undefined)
      throw new EvidenceError(
        "registry-order",
        `item ${seq} for ${enrolment.device} does not continue the registry, which is at ${registry.count}: it was brought already, or others came meanwhile; then export the requests again`,
      );
    registry.add(statement);
    await onItem(submitted, enrolment);
  }
}
