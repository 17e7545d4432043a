/**
 * Enrolment, wired to a log that is open.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { isEvidenceError, type SignatureProvider, type Signer } from "@tallystick/evidence";
import { loadSigner, type Timer } from "@tallystick/evidence/node";
import { placesOf, type Config } from "../config.ts";
import type { OpenLog } from "../log/open-log.ts";
import type { Tally } from "../tally.ts";
import { Desk, type DeskParts } from "./desk.ts";
import { InviteStore } from "./invites.ts";
import { RequestStore } from "./requests.ts";

/** How often what ended long ago is forgotten. */
const TIDY_MS = 3_600_000;

export type EnrolmentParts = {
  readonly config: Config;
  readonly opened: Pick<OpenLog, "keys" | "publisher">;
  readonly provider: SignatureProvider;
  readonly tally: Tally;
  readonly timer: Timer;
  readonly log: DeskParts["log"];
  readonly nowUnixS: () => number;
};

export type Enrolment = { readonly desk: Desk; close(): void };

/** Opens the desk: where the operator's key is here and the configuration doesn't say otherwise, what is asked is granted at once. */
export function openEnrolment(parts: EnrolmentParts): Enrolment {
  const { config, opened, provider, tally, timer, log, nowUnixS } = parts;
  const places = placesOf(config);
  const invites = new InviteStore(places.invites, { maxOpen: config.enrolment.maxInvites, nowUnixS });
  const requests = new RequestStore(places.requests, places.inbox);
  const { keys, publisher } = opened;
  const signer = config.enrolment.approve === "auto" ? operatorHere(places.operatorKey, parts) : undefined;
  const approver = signer && { signer, inbox: places.inbox };
  const publishedSize = (): number => publisher.size;
  const desk = new Desk({ invites, requests, keys, publishedSize, provider, approver, tally, log, nowUnixS });
  let cancel = (): void => {};
  const tidy = (): void => {
    cancel = timer.after(TIDY_MS, tidy);
    try {
      invites.tidy();
      requests.tidy(
        (kid) => keys.get(kid) !== undefined,
        (id) => invites.has(id),
        nowUnixS(),
      );
    } catch (error) {
      log.warn({ err: error }, "what ended long ago could not be forgotten");
    }
  };
  tidy();
  return { desk, close: () => cancel() };
}

/** The operator's key, where it is here and counts; else it is said why requests wait. */
function operatorHere(file: string, { opened, log }: EnrolmentParts): Signer | undefined {
  const wait = (why: string): undefined => {
    log.info({ operatorKey: file }, `${why}: requests to enrol wait for tally-anchor approve`);
    return undefined;
  };
  if (!existsSync(file)) return wait("the operator's key is not here");
  try {
    const signer = loadSigner(file);
    const record = opened.keys.get(signer.key.kid);
    const counts = record?.role === "operator" && record.revoked === null;
    return counts ? signer : wait("the key here is no operator's");
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    log.warn({ code: error.code }, error.message);
    return wait("the operator's key can't be used");
  }
}
