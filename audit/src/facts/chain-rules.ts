/**
 * The rules of chains (`docs/formats.md` section 6) for statements that come one after the other, in the order of the facts: what of a chain
 * lies behind is not kept. Reports what `checkChains` of the evidence package reports of a bundle, with the same codes and words.
 *
 * @module
 */
import { equalBytes, lateBeginnings, toHex, type Before, type Findings } from "@tallystick/evidence";
import type { StatementFacts } from "./extract.ts";

type Place = Pick<StatementFacts, "hash" | "prev" | "seq" | "idx" | "kid">;

/** An opening: the word of a chain on the one before it. */
export type Opening = Place & { readonly ch: Uint8Array; readonly before: Before };

export type StreamEnd = {
  /** Chain ids of the rules' caller, in the order in which the chains follow one another. */
  readonly ordered: readonly number[];
  /** Openings that name a head, to be compared with what is held. */
  readonly named: readonly { readonly opening: Opening; readonly chain: number }[];
};

/** `firstIdx`: place in the log of its first statement here; -1 where that isn't known. */
type OpenChain = {
  readonly id: number;
  readonly ch: Uint8Array;
  opening?: Opening;
  firstIdx: number;
  last: number;
};

export class ChainRules {
  readonly #findings: Findings;
  readonly #reEnrolled: (kid: Uint8Array) => boolean;
  /** What a rule makes of statements that were good by themselves. */
  readonly marks: { readonly hash: Uint8Array; readonly code: "fork" }[] = [];
  #name = "";
  #chains: OpenChain[] = [];
  /** Those of the newest number, of which an honest chain has one, and of the number before. */
  #rivals: Place[] = [];
  #before: Place[] = [];

  constructor(findings: Findings, reEnrolled: (kid: Uint8Array) => boolean) {
    this.#findings = findings;
    this.#reEnrolled = reEnrolled;
  }

  /** The first chain of a stream follows; the one before was ended. */
  stream(iss: string, sub: string): void {
    this.#name = `${iss}/${sub}`;
    this.#chains = [];
  }

  chain(id: number, ch: Uint8Array): void {
    this.#chains.push({ id, ch, firstIdx: -1, last: -1 });
    this.#rivals = [];
    this.#before = [];
  }

  /** The next statement of the chain that is open, by rising numbers. @param erased - hash of what stood before it, where an order had it erased */
  statement(one: StatementFacts): void {
    const chain = this.#chains.at(-1);
    if (chain === undefined) return;
    const { seq } = one;
    if (this.#rivals[0]?.seq === seq) {
      this.#fork(chain, seq, "number", [...this.#rivals, one]);
      this.#rivals.push(one);
    } else {
      this.#before = this.#rivals;
      this.#rivals = [one];
    }
    if (chain.last < 0) chain.firstIdx = one.idx ?? -1;
    chain.last = seq;
    const held = this.#before[0]?.seq === seq - 1 ? this.#before : [];
    if (held.length > 0 && !held.some(({ hash }) => same(hash, one.prev)))
      this.#fork(chain, seq, "prev", [...held, one]);
    if (seq === 0) this.#open(chain, one);
    if (one.gap !== null) {
      const told = `${one.gap.count} missing, as the device signed: ${JSON.stringify(one.gap.reason)}`;
      this.#findings.restricted("completeness", "gap", `${this.#name} at ${seq}: ${told}`);
    }
  }

  /** All chains of the stream were given. */
  endStream(): StreamEnd {
    const opened = this.#chains.flatMap((chain) =>
      chain.opening === undefined ? [] : [{ chain, opening: chain.opening }],
    );
    const inLog = opened.toSorted((a, b) => (a.opening.idx ?? 0) - (b.opening.idx ?? 0));
    const late = new Set(lateBeginnings(inLog.map(({ opening }) => opening)));
    const byCh = new Map(this.#chains.map((chain) => [toHex(chain.ch), chain]));
    let beginning: Opening | undefined;
    const covering = new Set<string>();
    const successors = new Map<string, Opening>();
    for (const { chain, opening } of inLog) {
      const { before } = opening;
      if (before === "none") {
        if (beginning !== undefined) this.#fork(chain, 0, "beginnings", [beginning, opening]);
        else if (late.has(opening)) this.#late(chain, opening);
        beginning ??= opening;
        continue;
      }
      if ("lost" in before) {
        // The operator who gave the key vouches for the loss that it was for: the stream's first.
        const kid = toHex(opening.kid);
        if (this.#reEnrolled(opening.kid) && !covering.has(kid)) {
          covering.add(kid);
          continue;
        }
        const reason = `${this.#name}: begins with a lost predecessor: ${JSON.stringify(before.lost)}`;
        this.#findings.restricted("chains", "discontinuity", reason);
        continue;
      }
      // Behind another head of the same chain, too: that one went on after a successor opened.
      const name = toHex(before.ch);
      const other = successors.get(name);
      if (other === undefined) successors.set(name, opening);
      else this.#fork({ ch: before.ch }, before.seq, "successors", [other, opening]);
      const held = byCh.get(name);
      if (held !== undefined && held.last > before.seq)
        this.#fork({ ch: before.ch }, before.seq, "successors", [opening]);
    }
    const named = opened.flatMap(({ opening }) => {
      const { before } = opening;
      if (before === "none" || "lost" in before) return [];
      const held = byCh.get(toHex(before.ch));
      return held === undefined ? [] : [{ opening, chain: held.id }];
    });
    return { ordered: inSuccession(this.#chains), named };
  }

  /** Says that statements contradict each other, and keeps that they prove nothing. */
  contradiction(name: string, seq: number, reason: string, hashes: readonly Uint8Array[]): void {
    this.#findings.failed("chains", "fork", `${name} at ${seq}: ${reason}`);
    for (const hash of hashes) this.marks.push({ hash, code: "fork" });
  }

  #open(chain: OpenChain, one: StatementFacts): void {
    if (one.opened === null) this.#fork(chain, 0, "opening", [one]);
    else if (chain.opening === undefined) {
      // Copies: these are views on what was read, which would be kept with them.
      const [hash, prev, kid] = [one.hash.slice(), one.prev?.slice() ?? null, one.kid.slice()];
      const { seq, idx } = one;
      const before = copyOf(one.opened);
      chain.opening = { hash, prev, seq, idx, kid, ch: chain.ch, before };
    }
  }

  #late(chain: OpenChain, opening: Opening): void {
    const reason = "says that there was nothing before it, after another chain of this stream was opened";
    this.contradiction(this.#name, 0, `chain ${toHex(chain.ch)}: ${reason}`, [opening.hash]);
  }

  #fork(
    { ch }: Pick<OpenChain, "ch">,
    seq: number,
    reason: string,
    statements: readonly { readonly hash: Uint8Array }[],
  ): void {
    const hashes = statements.map(({ hash }) => hash);
    const text = `chain ${toHex(ch)}: ${reason}: ${hashes.map(toHex).join(" and ")}`;
    this.contradiction(this.#name, seq, text, hashes);
  }
}

/** Each chain after the one that it names as the one before; circles and those without a beginning in the order given. */
function inSuccession(chains: readonly OpenChain[]): number[] {
  const byCh = new Map(chains.map((chain) => [toHex(chain.ch), chain]));
  const next = new Map<OpenChain, OpenChain>();
  const followers = new Set<OpenChain>();
  for (const chain of chains) {
    const before = chain.opening?.before;
    if (before === undefined || before === "none" || "lost" in before) continue;
    const held = byCh.get(toHex(before.ch));
    if (held === undefined || held === chain || next.has(held)) continue;
    next.set(held, chain);
    followers.add(chain);
  }
  // A chain whose predecessor is not here comes by its place in the log.
  const beginnings = chains
    .filter((chain) => !followers.has(chain))
    .toSorted((a, b) => a.firstIdx - b.firstIdx);
  const ordered = new Set<OpenChain>();
  for (const first of [...beginnings, ...chains])
    for (let at: OpenChain | undefined = first; at !== undefined && !ordered.has(at); at = next.get(at))
      ordered.add(at);
  return [...ordered].map(({ id }) => id);
}

const copyOf = (before: Before): Before =>
  before === "none" || "lost" in before
    ? before
    : { ...before, ch: before.ch.slice(), hash: before.hash.slice() };

const same = (a: Uint8Array, b: Uint8Array | null): boolean => b !== null && equalBytes(a, b);
