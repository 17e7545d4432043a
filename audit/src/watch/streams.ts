/**
 * How long a stream was silent, by the newest statement of it that the anchor hands out: that is believed where its device signed it, and its time where the
 * log signed it.
 *
 * Whoever hands it out has no key, and can still choose: an old statement, a later receipt of it, a receipt in another's place, no opening. So a stream is never less
 * silent than what the watch has seen of the log itself allows ({@link later}).
 *
 * @module
 */
import {
  equalBytes,
  EvidenceError,
  formatDecimal,
  isEvidenceError,
  judgeUse,
  parseReceipt,
  parseTransparent,
  toHex,
  verifyReceipt,
  verifyStatement,
  type Hash,
  type KeyState,
  type SignatureProvider,
  type Statement,
  type Transparent,
} from "@tallystick/evidence";
import type { StreamName } from "../bundle/period.ts";
import type { OpenLog } from "../log/note.ts";
import type { StreamSource } from "./stream-source.ts";

/** A tree of the log, and when it was committed, as far as that is known. */
type Tree = { readonly size: number; readonly time: number };

/** The newest statement known of a stream. */
export type Newest = {
  readonly hash: string;
  readonly index: number;
  readonly time: number;
  /** The log when this statement was shown first. */
  readonly tree: Tree;
  /** The stream was closed with it. */
  readonly isClosed: boolean;
  /** Of its chain's opening, 0 where samples come as they come; null where that isn't known. */
  readonly intervalS: number | null;
};

export type StreamLook = Omit<Newest, "tree"> & {
  /** As it came, with its receipts. */
  readonly bytes: Uint8Array;
};

export type StreamMeans = {
  readonly source: StreamSource;
  readonly log: OpenLog;
  readonly keys: KeyState;
  readonly provider: SignatureProvider;
  readonly hash: Hash;
};

const DEFAULT_SILENCE_S = 900;
const INTERVALS = 3;

/**
 * @throws EvidenceError `bundle-scope` where the anchor has nothing of it; `key-…`, `signature-invalid`, `receipt-…` where what it gives proves nothing; `unreachable`,
 *   `http-answer`
 */
export async function lookAtStream(stream: StreamName, means: StreamMeans): Promise<StreamLook> {
  const newest = await means.source.newest(stream, means.log.size);
  if (newest === undefined)
    throw new EvidenceError("bundle-scope", "the anchor hands out nothing of this stream");
  const { bytes, opening } = newest;
  const transparent = parseTransparent(bytes, means.hash);
  const { index, time } = judged(stream, transparent, means);
  const { statement } = transparent;
  return {
    hash: toHex(statement.hash),
    index,
    time,
    isClosed: statement.event?.kind === "stream-closed",
    intervalS: intervalOf(stream, statement, opening, means),
    bytes,
  };
}

/** Place and commit time of a statement that is the stream's own: its device's key signed it, and the log's receipt says where it stands. */
function judged(
  { iss, sub }: StreamName,
  { statement, receipts: [receipt] }: Transparent,
  { keys, log, provider, hash }: StreamMeans,
): { readonly index: number; readonly time: number } {
  const { claims, kid } = statement;
  if (claims.iss !== iss || claims.sub !== sub)
    throw new EvidenceError("http-answer", "the anchor gives a statement of another stream");
  const record = keys.get(kid);
  if (record === undefined) throw new EvidenceError("key-unknown", "its key is not in the registry");
  verifyStatement(statement, record.key, provider);
  if (receipt === undefined) throw new EvidenceError("receipt-missing", "it came without a receipt");
  const parsed = parseReceipt(receipt);
  if (parsed.origin !== log.origin)
    throw new EvidenceError("log-unknown", `its receipt is of another log, ${parsed.origin}`);
  const { indexes } = verifyReceipt(parsed, [statement.hash], log.key, provider, hash);
  const [index = 0] = indexes;
  const { ch, seq } = claims;
  const use = { iss, sub, seq, hash: statement.hash, index, ...(ch !== undefined && { ch }) };
  const { invalid } = judgeUse(record, use, record.succession);
  if (invalid !== undefined) throw new EvidenceError(invalid, "its key didn't count for it");
  return { index, time: parsed.timeUnixS };
}

/**
 * What the opening of a statement's chain says, where it is the device's own and in the log. It can only make its stream be watched less closely, so nobody else's word is
 * taken for it.
 */
function intervalOf(
  stream: StreamName,
  { claims }: Statement,
  opening: Uint8Array | undefined,
  means: StreamMeans,
): number | null {
  if (opening === undefined) return null;
  try {
    const transparent = parseTransparent(opening, means.hash);
    const { claims: own, event } = transparent.statement;
    judged(stream, transparent, means);
    const isOfChain = own.ch !== undefined && claims.ch !== undefined && equalBytes(own.ch, claims.ch);
    if (own.seq !== 0 || !isOfChain || event?.kind !== "stream-opened") return null;
    return Math.min(Number(formatDecimal(event.interval)), Number.MAX_SAFE_INTEGER);
  } catch (error) {
    if (isEvidenceError(error)) return null;
    throw error;
  }
}

/**
 * Seconds of silence that are allowed; null where it may be silent for ever: closed, or its samples come as they come.
 *
 * @param silenceS - the longest silence, where the auditor says it; else the enrolment does
 */
export function allowedSilence(
  { iss }: StreamName,
  { isClosed, intervalS }: Pick<Newest, "isClosed" | "intervalS">,
  keys: KeyState,
  silenceS: number | undefined,
): number | null {
  if (isClosed) return null;
  if (silenceS !== undefined) return silenceS;
  const enrolledS = keys.current(iss)?.silenceS ?? DEFAULT_SILENCE_S;
  if (intervalS === null) return enrolledS;
  return intervalS === 0 ? null : Math.max(enrolledS, INTERVALS * intervalS);
}

/**
 * What is known after a look. An anchor that shows less than before hides something, and can't make a stream look more silent than it was; nor less:
 *
 * - a statement that is shown again came when it was first said to have come, whatever receipt it is shown with now;
 * - one that stands in a tree had come when that tree was committed. So what was in the log already when the one before it was shown, and was not shown, is
 *   no newer than that tree.
 *
 * Only what came to the log since then makes the stream heard again, so hiding statements to hand them out one by one hides a silence for no longer than once what is allowed.
 *
 * @param tree - of the log at this look
 */
export function later(known: Newest | undefined, look: Omit<Newest, "tree">, tree: Tree): Newest {
  const { hash, index, isClosed, intervalS } = look;
  const time = index < tree.size ? Math.min(look.time, tree.time) : look.time;
  const shown = { hash, index, time, tree, isClosed, intervalS };
  if (known === undefined) return shown;
  if (known.hash === hash)
    return {
      ...shown,
      time: Math.min(known.time, time),
      tree: known.tree,
      intervalS: known.intervalS ?? intervalS,
    };
  if (known.index > index) return known;
  if (index >= known.tree.size) return shown;
  return { ...shown, time: Math.min(time, known.tree.time), tree: known.tree };
}
