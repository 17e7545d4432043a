/**
 * One look at a log after the other: its checkpoint under the trust policy, that it grew from the last one kept, what is new in it, and what others have of it.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  EvidenceError,
  isEvidenceError,
  quorumMet,
  verifyCosignatures,
  type Hash,
  type SignatureProvider,
  type TrustPolicy,
} from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";
import type { StreamName } from "../bundle/period.ts";
import { AuthenticTiles } from "../log/authentic.ts";
import { openLog, openNote, type OpenLog } from "../log/note.ts";
import { committedAt, noteCommit } from "./age.ts";
import { afterLook, Findings, iso, type Alert, type AlertCode, type Change } from "./alert.ts";
import { Derivation } from "./derivation.ts";
import { foundNote } from "./growth.ts";
import { HeldFiles } from "./held.ts";
import { History, KEPT, type Copy, type Seen } from "./history.ts";
import { lookAtFiles, lookAtStreams } from "./look-around.ts";
import { Proofs } from "./proof.ts";
import { readState, writeState, type WatchState } from "./state.ts";
import { archiveStreams, readStreams, type ReadAccess, type StreamSource } from "./stream-source.ts";
import { TimedPlace } from "./timed-place.ts";

/** Reads stand in the ledger, each of them: so they are seldom. */
type WatchReads = Omit<ReadAccess, "leftMs"> & { readonly everyS: number };

export type WatchParts = {
  readonly place: Place;
  /** Other places of the same log. */
  readonly copies: readonly Place[];
  /** For streams: how its anchor is read; undefined: as on its own machine. */
  readonly reads: WatchReads | undefined;
  readonly policy: TrustPolicy;
  readonly streams: readonly StreamName[];
  /** Files and folders of receipts, statements and bundles. */
  readonly seen: readonly string[];
  /** The oldest that the newest commit may be, seconds. */
  readonly maxAgeS: number;
  /** The longest silence of a stream; undefined: as its device's enrolment says. */
  readonly silenceS: number | undefined;
  /** Where the state is kept. */
  readonly folder: string;
  /** How long one look may take. */
  readonly lookMs: number;
  /** After so long a smaller checkpoint is read again: it may come out of a cache. */
  readonly recheckMs: number;
  readonly provider: SignatureProvider;
  readonly hash: Hash;
  readonly nowUnixS: () => number;
  /** Milliseconds of a clock that never steps. */
  readonly nowMs: () => number;
};

const FORGOTTEN: ReadonlySet<AlertCode> = new Set([
  "log-unreachable",
  "log-stale",
  "quorum-unmet",
  "stream-silent",
  "stream-unseen",
]);

/** Checkpoints that wait to be compared: more are of somebody who has the log's key and floods us with them. */
const MAX_PENDING = 64;

/** How a watch stands after a look. */
export type Standing = {
  readonly open: readonly Alert[];
  /** The newest checkpoint that is proven, and how far the log was derived. */
  readonly origin: string;
  readonly size: number;
  readonly derived: number;
  /** When the newest tree was committed, as far as it is known; seconds. */
  readonly committed: number | undefined;
};

export class Watcher {
  readonly #parts: WatchParts;
  readonly #main: TimedPlace;
  readonly #copies: readonly TimedPlace[];
  readonly #proofs: Proofs;
  readonly #history: History;
  readonly #derivation: Derivation;
  readonly #files: HeldFiles;
  readonly state: WatchState;
  #kept: OpenLog | undefined;

  private constructor(parts: WatchParts, state: WatchState) {
    const { policy, provider, hash, place, copies, folder, seen, streams, nowMs, lookMs } = parts;
    this.#parts = parts;
    this.state = state;
    this.#main = new TimedPlace(place, nowMs);
    this.#copies = copies.map((one) => new TimedPlace(one, nowMs));
    this.#proofs = new Proofs(folder);
    const reread = (): Promise<OpenLog> => this.#reread();
    this.#history = new History({ main: this.#main, proofs: this.#proofs, hash, reread });
    this.#derivation = new Derivation({
      place: this.#main,
      history: this.#history,
      devices: new Set(streams.map(({ iss }) => iss)),
      isLate: () => this.#main.leftMs < lookMs / 2,
      policy,
      provider,
      hash,
    });
    this.#files = new HeldFiles(seen);
    if (state.note !== null) this.#kept = openNote(Buffer.from(state.note), policy, provider);
  }

  /**
   * Takes up the state of the folder.
   *
   * @throws EvidenceError `storage-failed` where that is none; `log-unknown`, `log-key`, `note-…` where its checkpoint doesn't hold under the policy
   */
  static async open(parts: WatchParts): Promise<Watcher> {
    return new Watcher(parts, await readState(parts.folder));
  }

  get standing(): Standing {
    const { open, derived } = this.state;
    const { origin = "", size = 0 } = this.#kept ?? {};
    const committed = this.#kept && committedAt(this.state, size);
    return { open, origin, size, derived, committed };
  }

  /** Looks once. What it found is in the state, which the caller has to {@link save} before it tells anybody. */
  async look(): Promise<readonly Change[]> {
    const findings = new Findings();
    for (const place of [this.#main, ...this.#copies]) place.begin(this.#parts.lookMs);
    // Copies first: what they have, the log itself must have by then.
    const copies: Copy[] = [];
    for (const place of this.#copies) {
      const log = await this.#open(place, findings);
      if (log !== undefined) copies.push({ name: place.name, place, log });
    }
    const settled = new Set<Seen>();
    await this.#lookAtLog(copies, settled, findings);
    for (const copy of copies) {
      if (settled.has(copy)) findings.judged("log-invalid", copy.name);
      else this.#remember(copy);
    }
    for (const { name } of this.#copies) findings.judged("log-unreachable", name);
    this.#forgetOthers(findings);
    const { open, changes } = afterLook(this.state.open, findings, this.#parts.nowUnixS());
    this.state.open = [...open];
    this.state.note = this.#kept === undefined ? null : foundNote("", this.#kept).note;
    return changes;
  }

  /** Ends a look that is under way soon: what it says then counts for nothing. */
  stop(): void {
    for (const place of [this.#main, ...this.#copies]) place.end();
  }

  /** Writes the state durably. @throws the system's error */
  save(): Promise<void> {
    return writeState(this.#parts.folder, this.state);
  }

  async #lookAtLog(copies: readonly Copy[], settled: Set<Seen>, findings: Findings): Promise<void> {
    const { name } = this.#main;
    const shown = await this.#open(this.#main, findings);
    if (shown !== undefined) {
      try {
        const isWhole = await this.#judge(shown, copies, settled, findings);
        if (isWhole) findings.judged("log-invalid", name);
      } catch (error) {
        failed(error, name, findings);
      }
      this.#judgeAge(findings);
    }
    findings.judged("log-unreachable", name);
  }

  async #open(place: Place, findings: Findings): Promise<OpenLog | undefined> {
    const { policy, provider } = this.#parts;
    try {
      const log = await openLog(place, policy, provider);
      if (this.#kept === undefined || log.origin === this.#kept.origin) return log;
      throw new EvidenceError("checkpoint-origin", `shows a checkpoint of ${log.origin}, another log`);
    } catch (error) {
      failed(error, place.name, findings);
      return undefined;
    }
  }

  async #reread(): Promise<OpenLog> {
    await delay(this.#parts.recheckMs);
    return openLog(this.#main, this.#parts.policy, this.#parts.provider);
  }

  /** True where it was looked at to the end. */
  async #judge(
    shown: OpenLog,
    copies: readonly Copy[],
    settled: Set<Seen>,
    findings: Findings,
  ): Promise<boolean> {
    const { hash, nowUnixS } = this.#parts;
    const { name } = this.#main;
    this.#proofs.origin = shown.origin;
    this.#remember({ name, log: shown }); // until it is proven below
    const before = this.#before();
    const log = await this.#history.notRolledBack(shown, [...before, ...copies], findings);
    const tilesOf = ({ size, root }: OpenLog): AuthenticTiles =>
      new AuthenticTiles(this.#main, size, root, hash);
    if (log === undefined) {
      await this.#compareCopies(copies, shown, tilesOf(shown), settled, findings);
      return false;
    }
    const tiles = tilesOf(log);
    for (const one of before) {
      const isPast = await this.#history.grew(one, log, tiles, findings);
      if (!isPast && one.log === this.#kept) {
        this.#forget({ log }); // it is in the proof
        return false;
      }
      this.#forget(one);
    }
    this.#advance(log);
    this.#checkWitnesses(log, findings);
    await this.#compareCopies(copies, log, tiles, settled, findings);
    const receipt = await this.#derivation.derive(log, tiles, this.state, findings);
    if (receipt !== undefined) noteCommit(this.state, receipt.timeUnixS, log.size, nowUnixS());
    const around = {
      ...this.#parts,
      place: this.#main,
      source: () => this.#streamSource(),
      log,
      tiles,
      registry: this.#derivation.registry,
      state: this.state,
      proofs: this.#proofs,
      findings,
      nowUnixS: nowUnixS(),
      reread: () => this.#reread(),
    };
    await lookAtFiles(this.#files, around);
    await lookAtStreams(around);
    return true;
  }

  async #streamSource(): Promise<StreamSource | undefined> {
    const { reads, streams, nowUnixS } = this.#parts;
    if (reads === undefined) return archiveStreams(this.#main);
    const now = nowUnixS();
    if (now < this.state.readAt + reads.everyS && now >= this.state.readAt) return undefined;
    this.state.readAt = now;
    return readStreams({ ...reads, leftMs: () => this.#main.leftMs }, streams);
  }

  async #compareCopies(
    copies: readonly Copy[],
    log: OpenLog,
    tiles: AuthenticTiles,
    settled: Set<Seen>,
    findings: Findings,
  ): Promise<void> {
    for (const copy of copies) {
      try {
        await this.#history.compareCopy(copy, log, tiles, findings);
        if (copy.log.size <= log.size) settled.add(copy); // a larger one is not in the log yet
      } catch (error) {
        failed(error, copy.name, findings);
      }
    }
  }

  /** What isn't watched any more is nobody's alert. */
  #forgetOthers(findings: Findings): void {
    const { streams } = this.#parts;
    const watched = new Set([this.#main, ...this.#copies].map(({ name }) => name));
    for (const { iss, sub } of streams) watched.add(`${iss}/${sub}`);
    for (const { code, subject } of this.state.open)
      if (FORGOTTEN.has(code) && !watched.has(subject)) findings.judged(code, subject);
  }

  /** What was seen of the log before this look: the checkpoint kept, first, and those that wait to be compared. */
  #before(): Seen[] {
    const { policy, provider } = this.#parts;
    const kept = this.#kept === undefined ? [] : [{ name: KEPT, log: this.#kept }];
    const pending = this.state.pending.map(({ from, note }) => {
      return { name: from, log: openNote(Buffer.from(note), policy, provider) };
    });
    return [...kept, ...pending];
  }

  /** Notes down a signed checkpoint until it was compared. */
  #remember({ name, log }: Seen): void {
    const { pending } = this.state;
    const { note } = foundNote(name, log);
    if (pending.length >= MAX_PENDING || pending.some((one) => one.note === note)) return;
    pending.push({ from: name, note });
  }

  #forget({ log }: Pick<Seen, "log">): void {
    const { note } = foundNote("", log);
    this.state.pending = this.state.pending.filter((one) => one.note !== note);
  }

  #advance(log: OpenLog): void {
    const { state } = this;
    if (this.#kept === undefined) {
      state.origin = log.origin;
      state.began = log.size;
    }
    if (log.size !== this.#kept?.size) state.seenAt = this.#parts.nowUnixS();
    this.#kept = log;
  }

  #checkWitnesses(log: OpenLog, findings: Findings): void {
    const { policy, provider } = this.#parts;
    if (policy.quorum === null) return;
    const { name } = this.#main;
    const names = [...verifyCosignatures(log.note, policy.witnesses, provider).keys()];
    findings.judged("quorum-unmet", name);
    if (quorumMet(policy, names)) return;
    const text = `cosigned by ${names.join(", ") || "nobody"}, which is less than the trust policy asks for`;
    findings.add({ code: "quorum-unmet", subject: name, because: "quorum-unmet", text });
  }

  #judgeAge(findings: Findings): void {
    const { maxAgeS, nowUnixS } = this.#parts;
    if (this.#kept === undefined) return;
    const { name } = this.#main;
    const { size } = this.#kept;
    const time = committedAt(this.state, size);
    findings.judged("log-stale", name);
    if (nowUnixS() - time <= maxAgeS) return;
    findings.add({
      code: "log-stale",
      subject: name,
      text: `nothing was committed since ${iso(time)}, at size ${size}`,
    });
  }
}

/** Sorts an error: that nothing can be said is no finding, all else is one. */
function failed(error: unknown, subject: string, findings: Findings): void {
  if (!isEvidenceError(error)) throw error;
  const { code: because, disposition, message: text } = error;
  const isUnknown = disposition === "retry" || because === "log-unknown";
  const code = isUnknown ? "log-unreachable" : "log-invalid";
  findings.add({ code, subject, because, text });
}
