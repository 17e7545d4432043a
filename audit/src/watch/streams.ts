/**
 * How long a stream was silent, by the newest statement of it that the anchor hands out: that is believed where its device signed it, and its time where the
 * log signed it.
 *
 * @module
 */
import {
  EvidenceError,
  equalBytes,
  formatDecimal,
  fromHex,
  parseReceipt,
  parseTransparent,
  toHex,
  verifyReceipt,
  verifyStatement,
  type Hash,
  type KeyState,
  type SignatureProvider,
  type Statement,
} from "@tallystick/evidence";
import type { StreamName } from "../bundle/period.ts";
import type { OpenLog } from "../log/note.ts";
import type { StreamSource } from "./stream-source.ts";

/** The newest statement known of a stream. */
export type Newest = { readonly hash: string; readonly index: number; readonly time: number };

export type StreamLook = Newest & {
  /** Seconds of silence that are allowed; null where it may be silent for ever: closed, or its samples come as they come. */
  readonly allowedS: number | null;
  /** As it came, with its receipts. */
  readonly bytes: Uint8Array;
};

export type StreamMeans = {
  readonly source: StreamSource;
  readonly log: OpenLog;
  readonly keys: KeyState;
  readonly provider: SignatureProvider;
  readonly hash: Hash;
  /** The longest silence, where the auditor says it; else the enrolment does. */
  readonly silenceS: number | undefined;
};

const DEFAULT_SILENCE_S = 900;
const INTERVALS = 3;

/**
 * @throws EvidenceError `bundle-scope` where the anchor has nothing of it; `key-unknown`, `signature-invalid`, `receipt-…` where what it gives proves nothing; `unreachable`,
 *   `http-answer`
 */
export async function lookAtStream(stream: StreamName, means: StreamMeans): Promise<StreamLook> {
  const newest = await means.source.newest(stream, means.log.size);
  if (newest === undefined)
    throw new EvidenceError("bundle-scope", "the anchor hands out nothing of this stream");
  const { bytes, index, opening } = newest;
  const { statement, receipts } = parseTransparent(bytes, means.hash);
  const time = judged(stream, statement, receipts[0], means);
  const isClosed = statement.event?.kind === "stream-closed";
  const allowedS = isClosed ? null : allowed(stream, opening, means);
  return { hash: toHex(statement.hash), index, time, allowedS, bytes };
}

/** The commit time of a statement that is the stream's own. */
function judged(
  { iss, sub }: StreamName,
  statement: Statement,
  receipt: Uint8Array | undefined,
  { keys, log, provider, hash }: StreamMeans,
): number {
  if (statement.claims.iss !== iss || statement.claims.sub !== sub)
    throw new EvidenceError("http-answer", "the anchor gives a statement of another stream");
  const key = keys.get(statement.kid)?.key;
  if (key === undefined) throw new EvidenceError("key-unknown", "its key is not in the registry");
  verifyStatement(statement, key, provider);
  if (receipt === undefined) throw new EvidenceError("receipt-missing", "it came without a receipt");
  const parsed = parseReceipt(receipt);
  verifyReceipt(parsed, [statement.hash], log.key, provider, hash);
  return parsed.timeUnixS;
}

/** An opening that lies can only make its stream be watched less closely: that is its device's word, too. */
function allowed(
  { iss }: StreamName,
  opening: Uint8Array | undefined,
  { keys, hash, silenceS }: StreamMeans,
): number | null {
  if (silenceS !== undefined) return silenceS;
  const enrolledS = keys.current(iss)?.silenceS ?? DEFAULT_SILENCE_S;
  const event = opening && parseTransparent(opening, hash).statement.event;
  if (event?.kind !== "stream-opened") return enrolledS;
  const intervalS = Number(formatDecimal(event.interval));
  return intervalS === 0 ? null : Math.max(enrolledS, INTERVALS * intervalS);
}

/** The later of two: an anchor that shows less than before hides something, and can't make a stream look more silent than it was. */
export const later = (known: Newest | undefined, look: Newest): Newest =>
  known !== undefined && known.index > look.index && !equalBytes(fromHex(known.hash), fromHex(look.hash))
    ? known
    : { hash: look.hash, index: look.index, time: look.time };
