/**
 * What a look finds beyond the log itself: the newest statements of watched streams, and what others hold.
 *
 * @module
 */
import {
  isEvidenceError,
  type EvidenceCode,
  type EvidenceError,
  type Hash,
  type SignatureProvider,
} from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";
import type { StreamName } from "../bundle/period.ts";
import { AuthenticTiles } from "../log/authentic.ts";
import { readEvidence } from "../log/given.ts";
import type { OpenLog } from "../log/note.ts";
import { committedAt } from "./age.ts";
import { iso, type Findings } from "./alert.ts";
import { foundNote } from "./growth.ts";
import { compareHeld, type HeldFiles } from "./held.ts";
import type { Proofs } from "./proof.ts";
import type { RegistryFollower } from "./registry.ts";
import type { WatchState } from "./state.ts";
import type { StreamSource } from "./stream-source.ts";
import { allowedSilence, later, lookAtStream } from "./streams.ts";

export type Around = {
  readonly place: Place;
  /** Opens what hands out streams' statements; undefined where it isn't asked at this look. */
  readonly source: () => Promise<StreamSource | undefined>;
  readonly log: OpenLog;
  readonly tiles: AuthenticTiles;
  readonly registry: RegistryFollower;
  readonly provider: SignatureProvider;
  readonly hash: Hash;
  readonly streams: readonly StreamName[];
  readonly silenceS: number | undefined;
  readonly maxAgeS: number;
  readonly state: Pick<WatchState, "streams" | "commit" | "seenAt" | "open">;
  readonly proofs: Proofs;
  readonly findings: Findings;
  readonly nowUnixS: number;
  /** The checkpoint, read again after a while. */
  readonly reread: () => Promise<OpenLog>;
};

/** What a piece of evidence says against the log; all other faults are its own. */
const AGAINST: ReadonlyMap<EvidenceCode | undefined, "log-fork" | "log-invalid"> = new Map([
  ["log-fork", "log-fork"],
  ["log-equivocation", "log-fork"],
  ["registry-mismatch", "log-invalid"],
  ["key-state", "log-invalid"],
]);

/** Lays each new file beside the log. What can't be read as evidence is told as such: it says nothing of the log. */
export async function lookAtFiles(files: HeldFiles, around: Around): Promise<void> {
  const present = new Set<string>();
  for await (const { file, stamp, isFresh } of files.all()) {
    present.add(file);
    if (!isFresh) continue;
    const bytes = await readEvidence(file).catch((error: unknown) => {
      if (isEvidenceError(error)) return undefined;
      throw error;
    });
    if (bytes === undefined) continue;
    if (await compare(bytes, file, around)) files.settled(stamp);
  }
  const { findings, state } = around;
  for (const { code, subject } of state.open)
    if (code === "evidence-invalid" && !present.has(subject)) findings.judged(code, subject);
}

/** True where nothing is left to be compared later. */
async function compare(bytes: Uint8Array, name: string, around: Around): Promise<boolean> {
  const { findings } = around;
  const { failed, whole } = await compareHeld(bytes, name, around);
  let isSettled = whole;
  for (const { code = "log-fork", reason = "" } of failed) {
    if (code === "log-rollback") {
      if (await isNewer(bytes, name, around)) isSettled = false;
      else await accuse("log-rollback", bytes, name, reason, around);
      continue;
    }
    const against = AGAINST.get(code);
    if (against === "log-fork") await accuse("log-fork", bytes, name, reason, around);
    else findings.add({ code: against ?? "evidence-invalid", subject: name, because: code, text: reason });
  }
  findings.judged("log-invalid", name);
  findings.judged("evidence-invalid", name);
  return isSettled;
}

/** True where it names a tree that is newer than the checkpoint that was read, and not than the log is now. */
async function isNewer(bytes: Uint8Array, name: string, around: Around): Promise<boolean> {
  const log = await around.reread();
  const tiles = new AuthenticTiles(around.place, log.size, log.root, around.hash);
  const { failed } = await compareHeld(bytes, name, { ...around, log, tiles });
  return failed.every(({ code }) => code !== "log-rollback");
}

async function accuse(
  code: "log-fork" | "log-rollback",
  bytes: Uint8Array,
  name: string,
  text: string,
  { log, place, proofs, findings }: Around,
): Promise<void> {
  const known = { from: name, evidence: bytes };
  const proof = { code, origin: log.origin, known, shown: foundNote(place.name, log) };
  const evidence = await proofs.keep(proof);
  findings.add({ code, subject: name, because: code, text, ...(evidence !== undefined && { evidence }) });
}

/** Looks at each watched stream; that one can't be seen is no word on the others. */
export async function lookAtStreams(around: Around): Promise<void> {
  const { streams, findings } = around;
  if (streams.length === 0) return;
  let source: StreamSource | undefined;
  try {
    source = await around.source();
    if (source === undefined) return;
    for (const stream of streams) await lookAtOne(stream, source, around);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    for (const stream of streams) unseen(nameOf(stream), error, findings);
  } finally {
    await source?.end();
  }
  for (const stream of streams) findings.judged("stream-unseen", nameOf(stream));
}

const nameOf = ({ iss, sub }: StreamName): string => `${iss}/${sub}`;

async function lookAtOne(stream: StreamName, source: StreamSource, around: Around): Promise<void> {
  const name = nameOf(stream);
  const { findings, state } = around;
  try {
    const { log, provider, hash, registry, nowUnixS } = around;
    const look = await lookAtStream(stream, { source, log, keys: registry.keys, provider, hash });
    if (state.streams[name]?.hash !== look.hash) await compare(look.bytes, name, around);
    // A commit time of tomorrow would keep it from ever being silent.
    const time = Math.min(look.time, nowUnixS);
    const tree = { size: log.size, time: Math.min(committedAt(state, log.size), nowUnixS) };
    state.streams[name] = later(state.streams[name], { ...look, time }, tree);
    judgeSilence(stream, around);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    unseen(name, error, findings);
  }
}

const unseen = (subject: string, { code, message }: EvidenceError, findings: Findings): void =>
  findings.add({ code: "stream-unseen", subject, because: code, text: message });

/** Where the log takes nothing in at all, nobody's silence counts beyond its newest commit: that is told of the log. */
function judgeSilence(
  stream: StreamName,
  { state, findings, nowUnixS, maxAgeS, log, registry, silenceS }: Around,
): void {
  const name = nameOf(stream);
  const known = state.streams[name];
  const committed = committedAt(state, log.size);
  const until = nowUnixS - committed > maxAgeS ? committed : nowUnixS;
  findings.judged("stream-silent", name);
  if (known === undefined) return;
  const allowedS = allowedSilence(stream, known, registry.keys, silenceS);
  if (allowedS === null || until - known.time <= allowedS) return;
  findings.add({
    code: "stream-silent",
    subject: name,
    text: `nothing new since ${iso(known.time)}; ${allowedS} s of silence are allowed`,
  });
}
