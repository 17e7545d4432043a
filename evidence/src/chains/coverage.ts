/**
 * Coverage: what a device's statements show to be here, what they tell to be missing, and what is missing without a word. Computed from
 * the statements alone (`docs/formats.md` section 6); who signed them, and whether the log has them, is for others to say.
 *
 * Numbers are closed ranges: `from` and `to` are meant as well. Stretches of time are open: the samples at both ends are here, or there is none
 * on that side. What is missing is placed by the order of the chain: a gap stands between the samples it parts, whatever the clocks say.
 *
 * - `told` a `gap` says that it is missing, with reason and count: statements let go after sealing, or readings never sealed
 * - `hole` statements that were signed are not here, and no gap names them
 * - `lost` the chain begins with a predecessor that is lost, and says why
 * - `silence` nothing is missing from the chain, but samples came later than the stream's `interval` promises: the source was silent
 *
 * @module
 */
import { equalBytes, toHex } from "../bytes.ts";
import {
  cutByGaps,
  examineStreams,
  missingNumbers,
  placeOf,
  toldOnSystem,
  toldRanges,
  type Chain,
  type ChainFinding,
  type Link,
  type Range,
  type Stream,
} from "./chain.ts";
import { Walk, type Covered, type MissingNumbers, type StreamSamples } from "./coverage-walk.ts";
import type { ClockStep, Gap, StreamOpened } from "../events/event-kinds.ts";
import { HeadIndex } from "./heads.ts";
import { SYSTEM_STREAM } from "../names.ts";

export type ChainCoverage = {
  readonly ch: Uint8Array;
  /** Numbers that are held, and those that are not, up to the highest that anything names. */
  readonly held: readonly Range[];
  readonly missing: readonly MissingNumbers[];
  /** The highest number held; `attested` where a `heads` event or the opening of the next chain names it with its hash. */
  readonly tail: { readonly seq: number; readonly attested: boolean };
};

export type StreamCoverage = {
  readonly iss: string;
  readonly sub: string;
  /** In the order in which they follow one another. */
  readonly chains: readonly ChainCoverage[];
  /** Forks and discontinuities: what no coverage can vouch for. */
  readonly findings: readonly ChainFinding[];
} & StreamSamples;

/**
 * Computes the coverage of each stream of each device.
 *
 * @param statements - of any devices, in any order, `sys` included: its gaps, heads and clock steps count. In log order the admitted one of
 *   two rivals is taken
 * @throws EvidenceError what {@link decodePack} throws for a statement that was not parsed as one
 */
export function coverage(statements: readonly Covered[]): readonly StreamCoverage[] {
  const heads = new HeadIndex(statements);
  const elsewhere = toldOnSystem(statements);
  const steps = stepsOf(statements);
  const streams = withNamed(examineStreams(statements), statements);
  return streams.map((stream) => {
    const ordered = inSuccession(stream.chains);
    const named = namedByOpenings(ordered);
    const chains = ordered.map((chain) =>
      chainCoverage(stream, chain, { heads, elsewhere, named: named.get(toHex(chain.ch)) ?? [] }),
    );
    const walk = new Walk(steps.get(stream.iss) ?? []);
    for (const [i, chain] of ordered.entries()) walk.chain(chain, chains[i]?.missing ?? []);
    const findings = stream.findings.filter(({ code }) => code === "fork" || code === "discontinuity");
    return { iss: stream.iss, sub: stream.sub, chains, findings, ...walk.result() };
  });
}

/** The steps of each device's clock, in order. */
function stepsOf(statements: readonly Covered[]): ReadonlyMap<string, readonly ClockStep[]> {
  const told = statements.flatMap(({ claims, event }) =>
    claims.sub === SYSTEM_STREAM && event?.kind === "clock-step" ? [{ ...claims, event }] : [],
  );
  const byIssuer = Map.groupBy(
    told.toSorted((a, b) => a.seq - b.seq),
    ({ iss }) => iss,
  );
  return new Map([...byIssuer].map(([iss, members]) => [iss, members.map(({ event }) => event)]));
}

/** The streams, and with them those streams and chains of which nothing is held but that `heads` name them. */
function withNamed(
  streams: readonly Stream<Covered>[],
  statements: readonly Covered[],
): readonly Stream<Covered>[] {
  const all = new Map(
    streams.map((stream) => [`${stream.iss}/${stream.sub}`, { ...stream, chains: [...stream.chains] }]),
  );
  const known = new Set(
    streams.flatMap(({ iss, sub, chains }) => chains.map(({ ch }) => placeOf(iss, sub, ch))),
  );
  for (const { claims, event } of statements) {
    if (event?.kind !== "heads" || claims.sub !== SYSTEM_STREAM) continue;
    const { iss } = claims;
    for (const { sub, ch } of event.heads) {
      if (known.has(placeOf(iss, sub, ch))) continue;
      known.add(placeOf(iss, sub, ch));
      const stream = all.get(`${iss}/${sub}`) ?? { iss, sub, chains: [], findings: [] };
      stream.chains.push({ ch, statements: [] });
      all.set(`${iss}/${sub}`, stream);
    }
  }
  return [...all.values()];
}

type NamedHead = Exclude<StreamOpened["before"], string | { readonly lost: string }>;

const headBefore = ({ opened }: Chain): NamedHead | undefined => {
  const before = opened?.before;
  return before === undefined || before === "none" || "lost" in before ? undefined : before;
};

/** What the openings of a stream's chains say of those before them, by chain. */
const namedByOpenings = (chains: readonly Chain[]): ReadonlyMap<string, readonly NamedHead[]> =>
  Map.groupBy(
    chains.flatMap((chain) => headBefore(chain) ?? []),
    ({ ch }) => toHex(ch),
  );

/** Each chain after the one that it names as the one before; those whose beginnings are not held in the order given. */
function inSuccession<S extends Link>(chains: readonly Chain<S>[]): readonly Chain<S>[] {
  const next = new Map<string, Chain<S>>();
  const followers = new Set<Chain<S>>();
  const known = new Set(chains.map(({ ch }) => toHex(ch)));
  for (const chain of chains) {
    const before = headBefore(chain);
    // Of two successors one is the fork's: it is in the findings, and comes last.
    if (before === undefined || !known.has(toHex(before.ch)) || next.has(toHex(before.ch))) continue;
    next.set(toHex(before.ch), chain);
    followers.add(chain);
  }
  const ordered = new Set<Chain<S>>();
  // hostile: chains that name one another in a circle have no beginning; they come last, in the order given
  for (const first of [...chains.filter((chain) => !followers.has(chain)), ...chains]) {
    for (
      let at: Chain<S> | undefined = first;
      at !== undefined && !ordered.has(at);
      at = next.get(toHex(at.ch))
    )
      ordered.add(at);
  }
  return [...ordered];
}

type Known = {
  readonly heads: HeadIndex<Covered>;
  readonly elsewhere: ReadonlyMap<string, readonly Gap[]>;
  readonly named: readonly NamedHead[];
};

function chainCoverage(
  { iss, sub }: Stream,
  chain: Chain<Covered>,
  { heads, elsewhere, named }: Known,
): ChainCoverage {
  const { ch, statements } = chain;
  const own = statements.flatMap(({ event }) =>
    event?.kind === "gap" && event.chain === undefined ? [event] : [],
  );
  const told = toldRanges([...own, ...(elsewhere.get(placeOf(iss, sub, ch)) ?? [])]);
  const last = statements.at(-1);
  const seq = last?.claims.seq ?? -1;
  const newest = heads.newest(iss, sub, ch)?.head.seq ?? -1;
  const to = named.reduce(
    (most, one) => Math.max(most, one.seq),
    Math.max(seq, newest, told.at(-1)?.to ?? -1),
  );
  const missing = missingNumbers(chain, { from: 0, to });
  const isNamed = (hash: Uint8Array): boolean =>
    heads.attests(iss, { sub, ch, seq, hash }) !== undefined ||
    named.some((one) => one.seq === seq && equalBytes(one.hash, hash));
  return {
    ch,
    held: heldBetween(missing, to),
    missing: cutByGaps(missing, told).map((part) => ({ ...part, ch })),
    tail: { seq, attested: last !== undefined && isNamed(last.hash) },
  };
}

/** What is left of 0 to `to` when `missing` is taken away. */
function heldBetween(missing: readonly Range[], to: number): Range[] {
  const held: Range[] = [];
  let from = 0;
  for (const hole of missing) {
    if (hole.from > from) held.push({ from, to: hole.from - 1 });
    from = hole.to + 1;
  }
  if (from <= to) held.push({ from, to });
  return held;
}
