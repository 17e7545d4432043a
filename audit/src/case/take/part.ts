/**
 * The part of one chain that belongs in a case: its opening, and from the last statement sealed wholly before the period to the next one after it that
 * the device attested, so that no reading of the period can be left out at either end.
 *
 * @module
 */
import {
  equalBytes,
  parseReceipt,
  parseTransparent,
  toHex,
  type Hash,
  type Statement,
} from "@tallystick/evidence";
import type { Attested, DeviceHeads } from "./heads.ts";
import { badAnswer } from "./json.ts";
import type { Source, SourceChain } from "./source.ts";

export type Period = { readonly from: number | undefined; readonly to: number | undefined };

/** A statement that is handed over, in its place. */
type Taken = { readonly bytes: Uint8Array; readonly statement: Statement };

/** What was taken of a chain, once it was taken. */
export type TakenPart = {
  readonly from: number;
  readonly to: number;
  readonly attested: Attested | null;
  readonly count: number;
  /** Numbers from `from` to `to` that didn't come. */
  readonly missing: readonly { readonly from: number; readonly to: number }[];
};

type Means = {
  readonly source: Source;
  readonly period: Period;
  readonly heads: DeviceHeads;
  readonly hash: Hash;
  readonly take: (taken: Taken) => Promise<void>;
};

/** Takes the part of a chain; undefined where there is none of it. @throws EvidenceError `http-answer` for another chain's statements, or some out of order */
export async function takePart(chain: SourceChain, means: Means): Promise<TakenPart | undefined> {
  const { source, period, heads, take } = means;
  let count = 0;
  const add = async (one: Taken): Promise<void> => {
    await take(one);
    count++;
  };
  if (chain.from === null || chain.to === null) return undefined;
  if (chain.from > 0 && chain.first === 0)
    for await (const one of listed(source, chain, 0, 0, means.hash)) await add(one);

  let before: Taken | undefined;
  let first: number | undefined;
  let last = -1;
  /** The first number that was sealed after the period: the part ends at the next that is attested. */
  let end: number | undefined;
  const missing: { from: number; to: number }[] = [];
  const keep = async (one: Taken): Promise<void> => {
    const { seq } = one.statement.claims;
    first ??= seq;
    if (last >= 0 && seq > last + 1) missing.push({ from: last + 1, to: seq - 1 });
    last = seq;
    await add(one);
  };
  for await (const one of listed(source, chain, chain.from, chain.to, means.hash)) {
    const { seq } = one.statement.claims;
    const sealed = sealedAt(one);
    if (first === undefined && period.from !== undefined && sealed < period.from) {
      if (seq === 0) await add(one);
      else before = one;
      continue;
    }
    if (first === undefined && before !== undefined) await keep(before);
    if (end === undefined && period.to !== undefined && sealed >= period.to)
      end = attestedEnd(heads, chain, seq);
    if (end !== undefined && seq > end) break;
    await keep(one);
    if (end !== undefined && seq === end) break;
  }
  if (first === undefined && before !== undefined) await keep(before);
  const all = { from: chain.from, to: chain.to };
  // The anchor said that there are some, and gave none: that is a part too, of which everything is missing.
  if (first === undefined)
    return { ...all, attested: heads.newest(chain, chain.to) ?? null, count, missing: [all] };
  // What should still have come, up to the end that was looked for.
  const to = Math.max(last, Math.min(end ?? chain.to, chain.to));
  if (to > last) missing.push({ from: last + 1, to });
  return { from: first, to, attested: heads.newest(chain, to) ?? null, count, missing };
}

/** Where the part ends: at the next number that the device attested; where it attested none, before the first that is of another period. */
const attestedEnd = (heads: DeviceHeads, chain: SourceChain, seq: number): number =>
  heads.next(chain, seq)?.seq ?? seq - 1;

/** By the device's clock; where it has none, by the log's, for what its receipt is worth here. */
function sealedAt({ statement, bytes }: Taken): number {
  const { iat } = statement.claims;
  if (iat !== undefined) return iat;
  const [original] = parseTransparent(bytes).receipts;
  return original === undefined ? 0 : parseReceipt(original).timeUnixS;
}

/** The statements of a chain with these numbers: that they are, and that they rise, is checked before they are taken. */
async function* listed(
  source: Source,
  chain: SourceChain,
  from: number,
  to: number,
  hash: Hash,
): AsyncGenerator<Taken> {
  let next = from;
  for await (const bytes of source.statements(chain, from, to)) {
    const { statement } = parseTransparent(bytes, hash);
    const { iss, sub, ch, seq } = statement.claims;
    const name = `${chain.iss}/${chain.sub}, chain ${toHex(chain.ch)}`;
    if (iss !== chain.iss || sub !== chain.sub || ch === undefined || !equalBytes(ch, chain.ch))
      throw badAnswer(name, `a statement of ${iss}/${sub}`);
    if (seq < next || seq > to) throw badAnswer(name, `number ${seq} where ${next} to ${to} were asked for`);
    next = seq + 1;
    yield { bytes, statement };
  }
}
