/**
 * Chooses the statements of a bundle from what the anchor lists: per chain the numbers that the period covers, then on to the next number that
 * a `heads` statement of the device names, so that the end is attested by the device itself.
 *
 * @module
 */
import { equalBytes, EvidenceError, parseTransparent, SYSTEM_STREAM, type Scope } from "@tallystick/evidence";
import type { Progress } from "@tallystick/evidence/node";
import type { Period, StreamName } from "./period.ts";
import type { ChainInfo, ChainRow, ReadApi } from "./read-api.ts";

/** `heads` statements that are looked at for one chain: more than a day of them at the default heartbeat. */
const MAX_HEADS = 300;

export type Selected = {
  readonly scope: Scope;
  readonly chain: ChainInfo;
  /** Hash of the `heads` statement that names the last number; absent where none was found. */
  readonly heads?: Uint8Array;
};

/**
 * The parts of a stream's chains that the period covers.
 *
 * @param size - of the pinned checkpoint: later statements don't count
 * @throws EvidenceError `bundle-scope` where there is nothing in the period, and what the interface throws
 */
export async function selectStream(
  api: ReadApi,
  { iss, sub }: StreamName,
  period: Period,
  size: number,
  progress: Progress,
): Promise<Selected[]> {
  const all = await api.chains(iss);
  const chains = all.filter((chain) => chain.sub === sub);
  if (chains.length === 0) {
    const known = [...new Set(all.map((chain) => chain.sub))].toSorted().slice(0, 20).join(", ");
    throw new EvidenceError(
      "bundle-scope",
      `the anchor has no stream ${sub} of ${iss}; it has: ${known || "none"}`,
    );
  }
  const selected: Selected[] = [];
  for (const chain of chains) {
    const range = await covered(api, chain, period, size, progress);
    if (range === undefined) continue;
    const attested = await attestedEnd(api, all, chain, range.last, size);
    const to = attested?.seq ?? range.last.seq;
    const scope = { iss, sub, ch: chain.ch, from: range.first, to };
    selected.push(attested === undefined ? { scope, chain } : { scope, chain, heads: attested.heads });
  }
  if (selected.length === 0) {
    const what = period.by === "time" ? "was committed in this period" : "has these numbers";
    throw new EvidenceError("bundle-scope", `no statement of ${iss} ${sub} ${what}`);
  }
  return selected;
}

/** The first number and the last row that the period covers. Every row is looked at: holes may have been filled late. */
async function covered(
  api: ReadApi,
  chain: ChainInfo,
  period: Period,
  size: number,
  progress: Progress,
): Promise<{ readonly first: number; readonly last: ChainRow } | undefined> {
  const [from, to] = period.by === "seq" ? [period.from, period.to] : [chain.first, chain.last];
  let first: number | undefined;
  let last: ChainRow | undefined;
  for await (const row of api.rows(chain, Math.max(from, chain.first), Math.min(to, chain.last))) {
    progress.update(row.seq - chain.first + 1, chain.last - chain.first + 1, "statements listed");
    const within = period.by === "seq" || (row.timeUnixS >= period.fromS && row.timeUnixS < period.toS);
    if (!within || row.index >= size) continue;
    first ??= row.seq;
    last = row;
  }
  return first === undefined || last === undefined ? undefined : { first, last };
}

/** The lowest number from `last` on that some `heads` statement in the log names, and that statement. */
async function attestedEnd(
  api: ReadApi,
  chains: readonly ChainInfo[],
  chain: ChainInfo,
  last: ChainRow,
  size: number,
): Promise<{ readonly seq: number; readonly heads: Uint8Array } | undefined> {
  if (chain.sub === SYSTEM_STREAM) return undefined; // `heads` don't list their own stream
  let looked = 0;
  for (const sys of chains.filter(({ sub }) => sub === SYSTEM_STREAM)) {
    const from = await firstSince(api, sys, last.timeUnixS);
    for await (const row of api.rows(sys, from, sys.last)) {
      if (row.kind !== "heads" || row.index >= size) continue;
      if (++looked > MAX_HEADS) return undefined;
      const found = await api.statement(row.hash, size);
      const event = found === undefined ? undefined : parseTransparent(found).statement.event;
      if (event?.kind !== "heads") continue;
      const head = event.heads.find(({ sub, ch }) => sub === chain.sub && equalBytes(ch, chain.ch));
      if (head === undefined || head.seq < last.seq) continue;
      const end = await api.rowAt(chain, head.seq);
      if (end?.seq === head.seq && end.index < size) return { seq: head.seq, heads: row.hash };
    }
  }
  return undefined;
}

/** A number of the chain shortly before its first statement committed at or after `timeUnixS`; commit times mostly rise. */
async function firstSince(api: ReadApi, chain: ChainInfo, timeUnixS: number): Promise<number> {
  let low = chain.first;
  let high = chain.last;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const row = await api.rowAt(chain, middle);
    if (row !== undefined && row.timeUnixS < timeUnixS) low = middle + 1;
    else high = middle;
  }
  return low;
}
