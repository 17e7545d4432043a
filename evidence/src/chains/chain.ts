/**
 * What a set of statements says about their chains (`docs/formats.md` section 6): forks, holes, signed gaps, discontinuities. Pure
 * functions that report findings as data; whether one is fatal, restricts, or is expected is for the caller to say.
 *
 * @module
 */
import { equalBytes, toHex } from "../bytes.ts";
import type { Gap, StreamOpened } from "../events/event-kinds.ts";
import { SYSTEM_STREAM } from "../names.ts";
import type { Statement } from "../statement/statement.ts";

/** A statement as the rules of chains see it. */
export type Link = Pick<Statement, "hash" | "kid" | "claims" | "event">;

/** Numbers `from` to `to`, both included. */
export type Range = { readonly from: number; readonly to: number };

/** The statements held of one chain, by ascending `seq`, one for each number: of several the first that was given. */
export type Chain<S extends Link = Link> = {
  readonly ch: Uint8Array;
  readonly statements: readonly S[];
  /** Statement 0's event, where it is held. */
  readonly opened?: StreamOpened;
};

/** All chains of one (iss, sub), in the order in which their first statements were given. */
export type Stream<S extends Link = Link> = {
  readonly iss: string;
  readonly sub: string;
  readonly chains: readonly Chain<S>[];
  readonly findings: readonly ChainFinding[];
};

/**
 * Why it is a fork: `number` two statements of one number · `prev` a statement names another predecessor than the one held ·
 * `opening` statement 0 is not `stream-opened` · `beginnings` two chains say that there was none before ·
 * `successors` a chain has two successors, or went on after its successor opened · `head` an opening names another statement
 * than the one held.
 */
export type ForkReason = "number" | "prev" | "opening" | "beginnings" | "successors" | "head";

/** `ch` and `seq` say where; of two statements that contradict each other, `hashes` has both. */
export type ChainFinding =
  | {
      readonly code: "fork";
      readonly reason: ForkReason;
      readonly ch: Uint8Array;
      readonly seq: number;
      readonly hashes: readonly Uint8Array[];
    }
  /** Not held, between two that are. `signed`: a `gap` of the chain, or one on `sys` of an ended chain, names them as dropped. */
  | ({ readonly code: "hole"; readonly ch: Uint8Array; readonly signed: boolean } & Range)
  /** The signer says that something is missing; `seq` is the number of the statement that says so. */
  | { readonly code: "gap"; readonly ch: Uint8Array; readonly seq: number; readonly gap: Gap }
  /** The chain starts with `lost`; it restricts unless the key `kid` came by `re-enrol`. */
  | {
      readonly code: "discontinuity";
      readonly ch: Uint8Array;
      readonly seq: 0;
      readonly kid: Uint8Array;
      readonly reason: string;
    };

/**
 * Sorts statements into streams and chains and examines each. Registry items, which have no chain, are left out.
 *
 * @param statements - in any order, of any issuers; the same bytes again count once. Where two claim one place, the earlier one in this
 *   list is kept in `statements` and both are in the finding: give them in log order to have the admitted one kept
 */
export function examineStreams<S extends Link>(statements: readonly S[]): Stream<S>[] {
  const streams = Map.groupBy(
    statements.filter(({ claims }) => claims.ch !== undefined),
    ({ claims }) => `${claims.iss}/${claims.sub}`,
  );
  const elsewhere = toldOnSystem(statements);
  return [...streams.values()].map((members) => examineStream(members, elsewhere));
}

/** Gaps that a device tells on `sys` of its chains that have ended, by {@link placeOf} of the chain. */
export function toldOnSystem(statements: readonly Link[]): ReadonlyMap<string, readonly Gap[]> {
  const told = new Map<string, Gap[]>();
  for (const { claims, event } of statements) {
    if (claims.sub !== SYSTEM_STREAM || event?.kind !== "gap" || event.chain === undefined) continue;
    const place = placeOf(claims.iss, event.chain.sub, event.chain.ch);
    const gaps = told.get(place);
    if (gaps === undefined) told.set(place, [event]);
    else gaps.push(event);
  }
  return told;
}

/** The name of a chain among those of all devices. */
export const placeOf = (iss: string, sub: string, ch: Uint8Array): string => `${iss}/${sub}/${toHex(ch)}`;

/** The numbers of `from` to `to` that are not held. */
export function missingNumbers({ statements }: Chain, { from, to }: Range): Range[] {
  const missing: Range[] = [];
  let next = from;
  for (const { claims } of statements) {
    if (claims.seq < next) continue;
    if (claims.seq > to) break;
    if (claims.seq > next) missing.push({ from: next, to: claims.seq - 1 });
    next = claims.seq + 1;
  }
  if (next <= to) missing.push({ from: next, to });
  return missing;
}

function examineStream<S extends Link>(
  members: readonly S[],
  elsewhere: ReadonlyMap<string, readonly Gap[]>,
): Stream<S> {
  const groups = Map.groupBy(members, ({ claims }) => toHex(claims.ch ?? NO_CHAIN));
  const examined = [...groups.values()].map((group) => examineChain(group, elsewhere));
  const chains = examined.map(({ chain }) => chain);
  const findings = [...examined.flatMap((one) => one.findings), ...openings(chains)];
  const { iss, sub } = (members[0] as S).claims;
  return { iss, sub, chains, findings };
}

const NO_CHAIN = new Uint8Array();

function examineChain<S extends Link>(
  group: readonly S[],
  elsewhere: ReadonlyMap<string, readonly Gap[]>,
): { chain: Chain<S>; findings: ChainFinding[] } {
  const { iss, sub, ch = NO_CHAIN } = (group[0] as S).claims;
  const rivals = rivalsByNumber(group);
  const statements = rivals.map(([first]) => first as S);
  const findings: ChainFinding[] = [];
  for (const [i, claimants] of rivals.entries()) {
    const seq = claimants[0]?.claims.seq ?? 0;
    if (claimants.length > 1) findings.push(fork("number", ch, seq, claimants));
    const before = rivals[i - 1] ?? [];
    if (before[0]?.claims.seq !== seq - 1) continue;
    // One of the rivals before suffices: that there are two was said already.
    const known = new Set(before.map(({ hash }) => toHex(hash)));
    const astray = claimants.filter(({ claims: { prev } }) => prev === undefined || !known.has(toHex(prev)));
    if (astray.length > 0) findings.push(fork("prev", ch, seq, [...before, ...astray]));
  }
  const gaps = statements.flatMap(({ event, claims }) =>
    event?.kind === "gap" ? [{ seq: claims.seq, gap: event }] : [],
  );
  findings.push(
    ...holes(ch, statements, [
      ...gaps.flatMap(({ gap }) => (gap.chain === undefined ? [gap] : [])),
      ...(elsewhere.get(placeOf(iss, sub, ch)) ?? []),
    ]),
  );
  findings.push(...gaps.map((gap) => ({ code: "gap" as const, ch, ...gap })));
  const [first] = statements;
  if (first?.claims.seq !== 0) return { chain: { ch, statements }, findings };
  if (first.event?.kind === "stream-opened")
    return { chain: { ch, statements, opened: first.event }, findings };
  findings.push(fork("opening", ch, 0, [first]));
  return { chain: { ch, statements }, findings };
}

/** Those that claim one number, for each number in ascending order; the same bytes once. */
function rivalsByNumber<S extends Link>(group: readonly S[]): S[][] {
  const seen = new Set<string>();
  const distinct = group.filter(({ hash }) => {
    const name = toHex(hash);
    return seen.has(name) ? false : seen.add(name);
  });
  const byNumber = Map.groupBy(distinct, ({ claims }) => claims.seq);
  return [...byNumber.entries()].sort(([a], [b]) => a - b).map(([, claimants]) => claimants);
}

/** What is missing between the first and the last held, cut where a signed gap begins or ends. */
function holes(ch: Uint8Array, statements: readonly Link[], gaps: readonly Gap[]): ChainFinding[] {
  const first = statements[0]?.claims.seq ?? 0;
  const last = statements.at(-1)?.claims.seq ?? 0;
  const missing = missingNumbers({ ch, statements }, { from: first, to: last });
  return cutByGaps(missing, toldRanges(gaps)).map(({ from, to, gaps: told }) => ({
    code: "hole" as const,
    ch,
    from,
    to,
    signed: told.length > 0,
  }));
}

/** Numbers that gaps tell of; gaps that overlap are one. */
export type Told = Range & { readonly gaps: readonly Gap[] };

/** Sorted, none overlapping another. hostile: as many as there are statements, so each is looked at once. */
export function toldRanges(gaps: readonly Gap[]): readonly Told[] {
  const ranges: { from: number; to: number; gaps: Gap[] }[] = [];
  const sorted = gaps.flatMap((gap) => (gap.seq === undefined ? [] : [{ gap, ...gap.seq }]));
  for (const { gap, first, last } of sorted.sort((a, b) => a.first - b.first)) {
    const open = ranges.at(-1);
    if (open === undefined || first > open.to) ranges.push({ from: first, to: last, gaps: [gap] });
    else {
      open.to = Math.max(open.to, last);
      open.gaps.push(gap);
    }
  }
  return ranges;
}

/** Cuts ascending ranges where told ones begin and end, and says of each part which gaps tell of it: none, or all that overlap there. */
export function cutByGaps(ranges: readonly Range[], told: readonly Told[]): Told[] {
  const parts: Told[] = [];
  let next = 0;
  for (const { from, to } of ranges) {
    let at = from;
    for (let one = told[next]; one !== undefined && one.from <= to; one = told[next]) {
      if (one.to >= at) {
        if (one.from > at) parts.push({ from: at, to: one.from - 1, gaps: [] });
        const end = Math.min(one.to, to);
        parts.push({ from: Math.max(at, one.from), to: end, gaps: one.gaps });
        at = end + 1;
      }
      if (one.to > to) break;
      next += 1;
    }
    if (at <= to) parts.push({ from: at, to, gaps: [] });
  }
  return parts;
}

/** What the openings of a stream's chains say about one another. */
function openings(chains: readonly Chain[]): ChainFinding[] {
  const findings: ChainFinding[] = [];
  // hostile: as many openings as there are statements, so nothing is looked for one by one
  const byCh = new Map(chains.map((chain) => [toHex(chain.ch), chain]));
  const successors = new Map<string, Link>();
  let beginning: Link | undefined;
  for (const { ch, statements, opened } of chains) {
    const [first] = statements;
    if (opened === undefined || first === undefined) continue;
    const { before } = opened;
    if (before === "none") {
      if (beginning === undefined) beginning = first;
      else findings.push(fork("beginnings", ch, 0, [beginning, first]));
    } else if ("lost" in before) {
      findings.push({ code: "discontinuity", ch, seq: 0, kid: first.kid, reason: before.lost });
    } else {
      // Behind another head of the same chain, too: that one went on after a successor opened.
      const name = toHex(before.ch);
      const other = successors.get(name);
      if (other === undefined) successors.set(name, first);
      else findings.push(fork("successors", before.ch, before.seq, [other, first]));
      findings.push(...predecessor(byCh.get(name), before, first));
    }
  }
  return findings;
}

type NamedHead = { readonly ch: Uint8Array; readonly seq: number; readonly hash: Uint8Array };

/** The head that an opening names is the one held, and the chain ended there. */
function predecessor(chain: Chain | undefined, named: NamedHead, opening: Link): ChainFinding[] {
  if (chain === undefined) return [];
  const findings: ChainFinding[] = [];
  const at = firstFrom(chain.statements, named.seq);
  const held = chain.statements[at];
  const isHeld = held?.claims.seq === named.seq;
  if (held !== undefined && isHeld && !equalBytes(held.hash, named.hash)) {
    findings.push(fork("head", named.ch, named.seq, [held, opening]));
  }
  const further = chain.statements[isHeld ? at + 1 : at];
  if (further !== undefined) findings.push(fork("successors", named.ch, named.seq, [further, opening]));
  return findings;
}

/** Where among ascending numbers those from `seq` on begin. */
function firstFrom(statements: readonly Link[], seq: number): number {
  let [from, to] = [0, statements.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((statements[middle] as Link).claims.seq < seq) from = middle + 1;
    else to = middle;
  }
  return from;
}

function fork(reason: ForkReason, ch: Uint8Array, seq: number, statements: readonly Link[]): ChainFinding {
  return { code: "fork", reason, ch, seq, hashes: statements.map(({ hash }) => hash) };
}
