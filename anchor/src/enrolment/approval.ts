/**
 * Granting a request: the item that enrols its key, signed by an operator, into the inbox. The anchor does it itself where the operator's key is here, else the `approve` command
 * does; this is how either does it.
 *
 * @module
 */
import { EvidenceError, type Signer, type Statement } from "@tallystick/evidence";
import type { PublishedRegistry } from "../registry/published-registry.ts";
import { mustActFor, sealItem, submit, type Submitted } from "../registry/submit.ts";
import { itemOf, type Request } from "./request.ts";
import type { Listed, RequestStore } from "./requests.ts";

export type Approver = {
  readonly signer: Signer;
  readonly requests: RequestStore;
  /** The registry as far as it is known, without what waits in the inbox. */
  readonly read: () => Promise<PublishedRegistry>;
  readonly inbox: string;
  readonly nowUnixS: () => number;
};

/**
 * Signs the item that grants a request, as the next one of `registry`.
 *
 * @throws EvidenceError `key-unknown` where the signer is no operator, `operator-org`, `key-exists`
 */
export async function grant(
  request: Request,
  registry: PublishedRegistry,
  signer: Signer,
  nowUnixS: number,
): Promise<Statement> {
  const { device, key, reason } = request;
  mustActFor(registry.mustKnow(signer.key, "the operator's key"), device);
  const isTaken = reason === undefined ? registry.knows(device, key) : registry.hasKey(key);
  if (isTaken)
    throw new EvidenceError("key-exists", `${device}: this device or this key is enrolled already`);
  return sealItem(itemOf(request), registry, signer, nowUnixS);
}

/**
 * Grants a request and notes it; undefined where that was done already, by somebody who died before he noted it.
 *
 * @throws EvidenceError as {@link grant}, `registry-order`
 */
export async function approve({ name, request }: Listed, approver: Approver): Promise<Submitted | undefined> {
  const { signer, requests, read, inbox, nowUnixS } = approver;
  try {
    const submitted = await submit(
      (registry) => {
        if (registry.enrols(request.device, request.key)) throw new Done();
        return grant(request, registry, signer, nowUnixS());
      },
      read,
      inbox,
    );
    await requests.approved(name, { file: submitted.file, hash: submitted.statement.hash });
    return submitted;
  } catch (error) {
    if (error instanceof Done) return undefined;
    throw error;
  }
}

/** The item is in the inbox, or in the registry. */
class Done extends Error {}
