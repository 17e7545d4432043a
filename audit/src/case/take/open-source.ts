/**
 * Chooses the interface that a case is taken from: with a token the anchor's reads, without one what it has on its own machine.
 *
 * @module
 */
import { EvidenceError, type Hash, type SignatureProvider, type TrustPolicy } from "@tallystick/evidence";
import { httpPlace, type HttpLimits } from "@tallystick/evidence/node";
import { openLog } from "../../log/note.ts";
import { OpenSource } from "./open.ts";
import { ReadSource } from "./reads.ts";
import type { Source } from "./source.ts";
import type { Asked } from "./streams.ts";

export type SourceWanted = {
  readonly streams: readonly Asked[];
  /** Unix seconds; undefined: open on that side. */
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly purpose: string;
  /** An older checkpoint's size. */
  readonly size: number | undefined;
  readonly token: string | undefined;
};

type Means = {
  readonly policy: TrustPolicy;
  readonly provider: SignatureProvider;
  readonly hash: Hash;
  readonly limits: HttpLimits;
};

/** So far before the period is asked for too: the last statement sealed before it is in there, unless the device was silent for longer. */
const BEFORE_S = 172_800;
/** So far behind it: the next number that the device attested is in there, which it does once a day at least. */
const AFTER_S = 172_800;

/** @throws EvidenceError what the anchor refuses a read with; `log-unknown`, `log-key`, `note-…`; `member-range`, `unreachable`, `http-answer` */
export async function openSourceOf(address: string, wanted: SourceWanted, means: Means): Promise<Source> {
  const { policy, provider, hash, limits } = means;
  const { streams, purpose, size, token } = wanted;
  const from = wanted.from === undefined ? undefined : Math.max(0, wanted.from - BEFORE_S);
  const to = wanted.to === undefined ? undefined : wanted.to + AFTER_S;
  if (token !== undefined)
    return ReadSource.begin(address, token, { purpose, streams, from, to, size }, limits);
  const place = httpPlace(address, limits);
  const log = await openLog(place, policy, provider);
  if (size !== undefined && size !== log.size)
    throw new EvidenceError(
      "member-range",
      `--at ${size}: without a token there is only the newest, ${log.size}`,
    );
  return new OpenSource(place, log.text, log.size, { streams, from, to }, hash);
}
