/**
 * Who asks to be enrolled, and what he is told. A request is judged from the cheap to the dear: form, connection, invite, signature, registry; only then is the invite used up, for
 * this key and for no other. The same request may come again, over another connection, as often as the device likes: it is told where it stands.
 *
 * @module
 */
import {
  equalBytes,
  EvidenceError,
  isEvidenceError,
  openEnrolRequest,
  toHex,
  verifyCwt,
  type EnrolRequest,
  type EvidenceCode,
  type KeyRecord,
  type KeyState,
  type SignatureProvider,
} from "@tallystick/evidence";
import { endOf, PublishedRegistry } from "../registry/published-registry.ts";
import type { Tally } from "../tally.ts";
import { approve, type Approver } from "./approval.ts";
import { sameSecret, type InviteStore, type InviteUse, type ListedInvite } from "./invites.ts";
import { nameOf, type Listed, type RequestStore } from "./requests.ts";

/** What is known of the connection over which a request came. */
export type Shown = {
  /** Pin of the certificate that this end showed. */
  readonly pin: string | undefined;
  readonly exporter: Uint8Array;
  /** Whom the log names. */
  readonly address: string;
};

/** `item`: number of the registry item; `index`: its index in the log. */
export type Answer =
  | { readonly state: "waiting" }
  | {
      readonly state: "enrolled";
      readonly item: number;
      readonly index: number;
      /** The device had a key before: where it has no data of that time, its chains have to say so. */
      readonly again?: true;
    };

type Log = {
  info(about: object, message: string): void;
  warn(about: object, message: string): void;
};

export type DeskParts = {
  readonly invites: InviteStore;
  readonly requests: RequestStore;
  readonly keys: Pick<KeyState, "get" | "current" | "count" | "last">;
  /** Entries published. */
  readonly publishedSize: () => number;
  readonly provider: SignatureProvider;
  /** Who signs at once; undefined where every request waits for somebody. */
  readonly approver: Pick<Approver, "signer" | "inbox"> | undefined;
  readonly tally: Pick<Tally, "count">;
  readonly log: Log;
  readonly nowUnixS: () => number;
};

/** Refusals that mean that somebody has what he should not have: an invite's line, or a device's key. */
const ALARMING: readonly EvidenceCode[] = ["invite-used", "key-exists", "machine-mismatch"];

/** Refusals of whoever has no invite at all: they are counted, and write no log. */
const STRANGERS: readonly EvidenceCode[] = ["token-malformed", "token-binding", "invite-unknown"];
/** Requests of which it is remembered that they were told of. */
const MAX_TOLD = 1000;

export class Desk {
  readonly #parts: DeskParts;
  /** Requests that can't be approved here, and were told of. */
  readonly #told = new Set<string>();
  /** Items are signed one after the other: each names the one before. */
  #signing: Promise<unknown> = Promise.resolve();

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  /**
   * Judges a request, and says where it stands.
   *
   * @throws EvidenceError `token-malformed`, `token-binding`, `invite-unknown`, `invite-device`, `invite-expired`, `invite-used`, `signature-invalid`, `key-mismatch`, `key-exists`,
   *   `key-unknown`, `key-revoked`, `key-superseded`, `machine-mismatch`, `enrol-refused`, or what the registry refused its item with; `storage-failed`
   */
  async ask(bytes: Uint8Array, shown: Shown): Promise<Answer> {
    const { tally, log } = this.#parts;
    let request: EnrolRequest | undefined;
    try {
      request = openEnrolRequest(bytes);
      const answer = await this.#judge(request, shown);
      tally.count(answer.state === "waiting" ? "enrol-waiting" : "enrolled");
      return answer;
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      tally.count(error.code);
      const { code, message } = error;
      const who = request && { device: request.iss, kid: toHex(request.key.kid) };
      const about = { code, address: shown.address, ...who };
      if (ALARMING.includes(code))
        log.warn({ ...about, alarm: true }, `ALARM: an enrolment was refused: ${message}`);
      else if (!STRANGERS.includes(code)) log.info(about, "an enrolment was refused");
      throw error;
    }
  }

  async #judge(request: EnrolRequest, { pin, exporter }: Shown): Promise<Answer> {
    const { invites, requests, provider, nowUnixS } = this.#parts;
    if (request.aud !== pin || !equalBytes(request.exporter, exporter))
      throw new EvidenceError("token-binding", "made for another connection, or for another anchor");
    const invite = invites.find(request.invite);
    mustBeInvited(request, invite, nowUnixS());
    verifyCwt(request.cwt, request.key, provider);
    mustBeWhoUsedIt(request, invite.use);
    const known = this.#known(request, invite);
    const { iss: device, key, machine } = request;
    const atUnixS = nowUnixS();
    const use = { kid: key.kid, atUnixS, ...(machine && { machine }) };
    mustBeWhoUsedIt(request, invite.use ?? (await invites.use(invite.id, use)));
    const name = nameOf({ device, key });
    if (known !== undefined) return this.#enrolled(known, name);
    const { streams, silenceS, reEnrol } = invite;
    const asked = { invite: invite.id, device, key, streams, silenceS, atUnixS, ...(machine && { machine }) };
    if (requests.find(name) === undefined)
      await requests.add(reEnrol === undefined ? asked : { ...asked, reason: reEnrol });
    return this.#decide(name);
  }

  /** What the registry knows of this key; undefined where it may become the device's. */
  #known({ iss: device, key, machine }: EnrolRequest, { reEnrol, use }: ListedInvite): KeyRecord | undefined {
    const { keys, requests } = this.#parts;
    const record = keys.get(key.kid);
    if (record === undefined) {
      const isNew = requests.find(nameOf({ device, key })) === undefined;
      const other = isNew ? requests.otherDeviceWith({ device, key }) : undefined;
      if (other !== undefined) throw copied(`this key has asked to be ${other}`);
      const current = keys.current(device);
      if (current !== undefined && reEnrol === undefined)
        throw new EvidenceError(
          "key-exists",
          `${device} has a key already: it takes an invite to re-enrol it`,
        );
      if (current === undefined && reEnrol !== undefined)
        throw new EvidenceError(
          "key-unknown",
          `${device} has no key that could be succeeded: it takes an invite without --re-enrol`,
        );
      return undefined;
    }
    // Where this very invite brought it, it is the new one.
    if (reEnrol !== undefined && use === undefined)
      throw new EvidenceError("key-exists", "to be re-enrolled takes a new key: move the old one away");
    if (record.role !== "device" || record.iss !== device) throw copied(`this key is ${record.iss}'s`);
    if (record.machine !== undefined && !isSame(record.machine, machine))
      throw new EvidenceError(
        "machine-mismatch",
        `this key was enrolled on another machine: a copied image needs a key of its own`,
      );
    if (record.revoked !== null)
      throw new EvidenceError("key-revoked", "this key was revoked: make a new one");
    if (record.superseded !== null)
      throw new EvidenceError("key-superseded", "this key was superseded: make a new one");
    return record;
  }

  #enrolled({ item, enrolled, reEnrolled }: KeyRecord, name: string): Answer {
    if (enrolled >= this.#parts.publishedSize()) return WAITING; // committed, and not yet to be seen
    this.#parts.requests.remove(name);
    return { state: "enrolled", item, index: enrolled, ...(reEnrolled && { again: true }) };
  }

  /** Says what was decided, or decides, where an operator's key is here. */
  async #decide(name: string): Promise<Answer> {
    const { requests, approver } = this.#parts;
    const listed = requests.find(name);
    if (listed === undefined) return WAITING; // enrolled this moment
    const { standing } = listed;
    if (standing.state === "refused")
      throw new EvidenceError("enrol-refused", `an operator refused it: ${standing.reason}`);
    // Others took its number: whoever signed it signs it again.
    if (standing.state === "failed" && standing.code !== "registry-order")
      throw new EvidenceError(
        "enrol-refused",
        `the registry refused it: ${standing.reason} (${standing.code})`,
      );
    if (approver !== undefined && standing.state !== "approved")
      await this.#inTurn(() => this.#approve(name, approver));
    return WAITING;
  }

  async #approve(name: string, approver: Pick<Approver, "signer" | "inbox">): Promise<void> {
    const { requests, nowUnixS, log } = this.#parts;
    const listed = requests.find(name);
    if (listed === undefined || listed.standing.state === "approved") return;
    const read = (): Promise<PublishedRegistry> =>
      Promise.resolve(PublishedRegistry.after(endOf(this.#parts.keys)));
    try {
      const submitted = await approve(listed, { ...approver, requests, read, nowUnixS });
      if (submitted !== undefined) this.#tell(listed, submitted.statement.claims.seq);
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      // The key here may be of another org's operator: then somebody else has to.
      if (this.#told.size > MAX_TOLD) this.#told.clear();
      if (!this.#told.has(name))
        log.warn({ code: error.code, request: name }, `not approved here: ${error.message}`);
      this.#told.add(name);
    }
  }

  #tell({ name, request }: Listed, item: number): void {
    const { device, key, invite } = request;
    this.#parts.log.info(
      { device, kid: toHex(key.kid), invite: toHex(invite), request: name, item },
      "an enrolment was approved by the operator's key that is here",
    );
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#signing.then(work);
    this.#signing = turn.catch(() => undefined);
    return turn;
  }
}

const WAITING = { state: "waiting" } as const;

/** @throws EvidenceError `invite-unknown`, `invite-device`, `invite-expired` */
function mustBeInvited(
  request: EnrolRequest,
  invite: ListedInvite | undefined,
  nowUnixS: number,
): asserts invite is ListedInvite {
  // Compared also where there is none: an id that exists must not be told from one that doesn't.
  const isSecret = sameSecret(invite, request.secret);
  if (invite === undefined || !isSecret)
    throw new EvidenceError("invite-unknown", "no such invite: ask for a new one");
  if (invite.device !== request.iss)
    throw new EvidenceError("invite-device", `the invite is not for ${request.iss}`);
  // Whoever has used it waits for an answer, however long that takes.
  if (invite.use === undefined && nowUnixS >= invite.expiresUnixS)
    throw new EvidenceError("invite-expired", "the invite's time is over: ask for a new one");
}

/** @throws EvidenceError `enrol-refused` where it was withdrawn, `invite-used`, `machine-mismatch` */
function mustBeWhoUsedIt({ key, machine }: EnrolRequest, use: InviteUse | undefined): void {
  if (use === undefined) return;
  if (use.kid === undefined)
    throw new EvidenceError("enrol-refused", "the invite was withdrawn: ask for a new one");
  if (!equalBytes(use.kid, key.kid))
    throw new EvidenceError(
      "invite-used",
      "the invite was used by another key: ask for a new one, and find out who used it",
    );
  if (!isSame(use.machine, machine))
    throw new EvidenceError(
      "machine-mismatch",
      "this key came with the same invite from another machine: a copied image needs a key of its own",
    );
}

const isSame = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && equalBytes(a, b));

const copied = (what: string): EvidenceError =>
  new EvidenceError("key-exists", `${what}: a copied image needs a key of its own`);
