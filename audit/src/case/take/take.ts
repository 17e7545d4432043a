/**
 * Takes a case from an anchor: its checkpoint, the whole registry, the part of each chain that belongs to the period, and the proofs for what devices saw. It is
 * written beside its place; whoever called verifies it before it gets its name.
 *
 * @module
 */
import { dirname } from "node:path";
import {
  EvidenceError,
  equalBytes,
  parseReceipt,
  parseTransparent,
  SYSTEM_STREAM,
  toHex,
  type Hash,
  type SignatureProvider,
  type TrustPolicy,
} from "@tallystick/evidence";
import { freeBytesAt, inBytes, type Progress } from "@tallystick/evidence/node";
import { consistencyProof } from "../../bundle/consistency.ts";
import { compareNames } from "../../facts/build.ts";
import { AuthenticTiles } from "../../log/authentic.ts";
import { openNote } from "../../log/note.ts";
import type { CaseChain, CaseManifest, Withheld } from "../manifest.ts";
import type { CaseWriter } from "../write.ts";
import { DeviceHeads } from "./heads.ts";
import { badAnswer } from "./json.ts";
import { takePart, type Period, type TakenPart } from "./part.ts";
import type { Source, SourceChain, SourceErased } from "./source.ts";
import { isAsked, isOfDevice, type Asked } from "./streams.ts";

export type CaseRequest = {
  readonly source: Source;
  readonly url: string;
  readonly policy: TrustPolicy;
  /** The bytes of the policy's file. */
  readonly policyText: Uint8Array;
  readonly streams: readonly Asked[];
  readonly period: Period;
  readonly purpose: string;
  readonly provider: SignatureProvider;
  readonly hash: Hash;
  readonly progress: Progress;
};

/** Less than that, and nothing more is written. */
const MIN_FREE_BYTES = 256 << 20;
const MAX_CHAINS = 1_000_000;

/**
 * Writes the case, sealed and not yet named.
 *
 * @throws EvidenceError `bundle-scope` where the anchor has none of the streams, `storage-full`, `http-answer`, and what else an answer is refused with
 */
export async function takeCase(writer: CaseWriter, request: CaseRequest): Promise<void> {
  const taking = new Taking(writer, request);
  await taking.run();
}

class Taking {
  readonly #writer: CaseWriter;
  readonly #request: CaseRequest;
  /** Sizes of this log that devices have seen. */
  readonly #seen = new Set<number>();
  #origin = "";
  readonly #named: CaseChain[] = [];
  readonly #withheld: Withheld[] = [];
  /** Statements that say what was erased, and the access statement: of streams that nobody asked for. */
  readonly #support = new Map<string, Uint8Array>();
  #items = 0;
  #statements = 0;

  constructor(writer: CaseWriter, request: CaseRequest) {
    this.#writer = writer;
    this.#request = request;
  }

  async run(): Promise<void> {
    const { source, policy, provider, streams, progress } = this.#request;
    const note = await source.checkpoint();
    const log = openNote(note, policy, provider);
    if (log.size !== source.size)
      throw badAnswer("checkpoint", `of size ${log.size}, where the read is of ${source.size}`);
    this.#origin = log.origin;
    for await (const item of source.registry()) {
      await this.#writer.registry(item);
      if (++this.#items > log.size) throw badAnswer("registry", "more items than the log has entries");
      progress.update(this.#items, 0, "registry items");
    }
    const chains = await this.#chains();
    if (
      !chains.some((chain) => isAsked(streams, chain) && chain.sub !== SYSTEM_STREAM) &&
      !asksForSystem(streams)
    )
      throw new EvidenceError(
        "bundle-scope",
        `the anchor has none of these streams: ${streams.map(({ iss, sub }) => `${iss}/${sub}`).join(", ")}; ORG/*/* takes all of an org, and case.json then has their names`,
      );
    const erased = await this.#erased();
    const support = await this.#supportChains(chains);
    await this.#devices([...chains, ...support].toSorted(compareNames), erased);
    await this.#proofs(log.size, log.root);
    const { period, url, purpose } = this.#request;
    const manifest: CaseManifest = {
      origin: log.origin,
      size: log.size,
      root: log.root,
      url,
      streams,
      from: period.from ?? null,
      to: period.to ?? null,
      purpose,
      access: source.access,
      chains: this.#named,
      withheld: this.#withheld,
      entries: { log: log.size, here: this.#items + this.#statements },
    };
    await this.#writer.seal(manifest, note, this.#request.policyText);
    await source.end();
  }

  /** The chains that the anchor lists: each once, and none that wasn't asked for. */
  async #chains(): Promise<SourceChain[]> {
    const { source, streams } = this.#request;
    const chains = new Map<string, SourceChain>();
    for await (const chain of source.chains()) {
      const { iss, sub } = chain;
      const system = sub === SYSTEM_STREAM && isOfDevice(streams, iss);
      if (!system && !isAsked(streams, chain)) throw badAnswer("chains", `${iss}/${sub} was not asked for`);
      if (chains.has(nameOf(chain))) throw badAnswer("chains", `${iss}/${sub}: a chain that is listed twice`);
      if (chains.size >= MAX_CHAINS)
        throw new EvidenceError("too-large", `more than ${MAX_CHAINS} chains: take fewer streams`);
      chains.set(nameOf(chain), chain);
    }
    return [...chains.values()];
  }

  async #erased(): Promise<ReadonlyMap<string, readonly SourceErased[]>> {
    const found = new Map<string, SourceErased[]>();
    for await (const one of this.#request.source.erased()) {
      const known = found.get(nameOf(one));
      if (known === undefined) found.set(nameOf(one), [one]);
      else known.push(one);
      this.#support.set(toHex(one.by), one.by);
    }
    return found;
  }

  /** The access statement, and the orders to erase, as chains of one statement. */
  async #supportChains(
    taken: readonly SourceChain[],
  ): Promise<(SourceChain & { readonly only?: Uint8Array })[]> {
    const { source, hash } = this.#request;
    if (source.access !== null) this.#support.set(toHex(source.access), source.access);
    const chains: (SourceChain & { readonly only: Uint8Array })[] = [];
    for (const wanted of this.#support.values()) {
      const bytes = await source.statement(wanted);
      if (bytes === undefined) continue;
      const { statement } = parseTransparent(bytes, hash);
      const { iss, sub, ch, seq } = statement.claims;
      if (toHex(statement.hash) !== toHex(wanted)) throw badAnswer("statements", "another statement");
      if (ch === undefined) continue;
      const own = { iss, sub, ch, first: seq, last: seq, from: seq, to: seq, only: bytes };
      // One of the period, in a stream that is taken, comes with its chain.
      const comes = taken.some(
        (one) =>
          nameOf(one) === nameOf(own) &&
          (sub === SYSTEM_STREAM || ((one.from ?? Infinity) <= seq && seq <= (one.to ?? -1))),
      );
      if (!comes) chains.push(own);
    }
    return chains;
  }

  async #devices(
    chains: readonly (SourceChain & { readonly only?: Uint8Array })[],
    erased: ReadonlyMap<string, readonly SourceErased[]>,
  ): Promise<void> {
    const { source, hash } = this.#request;
    const byDevice = Map.groupBy(chains, ({ iss }) => iss);
    let done = 0;
    for (const [iss, own] of byDevice) {
      const sys = own.filter(({ sub, only }) => sub === SYSTEM_STREAM && only === undefined);
      const heads = await DeviceHeads.of(source, sys, hash);
      const all = [...own, ...this.#vanished(iss, own, heads)].toSorted(compareNames);
      for (const stream of Map.groupBy(all, ({ sub }) => sub).values()) {
        for (const chain of await this.#inOrder(stream))
          await this.#chain(chain, heads, erased.get(nameOf(chain)) ?? []);
      }
      done++;
      this.#request.progress.update(done, byDevice.size, `devices, ${this.#statements} statements`);
    }
  }

  /** Chains that the device names and the anchor doesn't list: all of them is withheld. */
  #vanished(iss: string, own: readonly SourceChain[], heads: DeviceHeads): SourceChain[] {
    const known = new Set(own.map(nameOf));
    return heads.chains().flatMap(({ sub, ch, last }) => {
      const chain = { iss, sub, ch, first: 0, last: last.seq, from: null, to: last.seq };
      const isWanted = isAsked(this.#request.streams, chain) && sub !== SYSTEM_STREAM;
      return !isWanted || known.has(nameOf(chain)) ? [] : [chain];
    });
  }

  /** Chains of one stream, each after the one that was in the log before it. */
  async #inOrder<C extends SourceChain & { readonly only?: Uint8Array }>(chains: readonly C[]): Promise<C[]> {
    const placed: { readonly chain: C; readonly idx: number }[] = [];
    for (const chain of chains) {
      let idx = Infinity;
      if (chains.length > 1 && chain.only === undefined)
        for await (const bytes of this.#request.source.statements(chain, chain.first, chain.first))
          idx = placeIn(bytes);
      placed.push({ chain, idx });
    }
    return placed
      .toSorted(
        (a, b) =>
          order(a.idx, b.idx) || order(nameOf(a.chain), nameOf(b.chain)) || a.chain.first - b.chain.first,
      )
      .map(({ chain }) => chain);
  }

  async #chain(
    chain: SourceChain & { readonly only?: Uint8Array },
    heads: DeviceHeads,
    erased: readonly SourceErased[],
  ): Promise<void> {
    const { iss, sub, ch } = chain;
    if (chain.only !== undefined) {
      // Several statements of one chain of support stand in it one after the other.
      const before = this.#named.at(-1);
      await this.#take(chain.only);
      if (before !== undefined && nameOf(before) === nameOf(chain))
        this.#named[this.#named.length - 1] = { ...before, to: chain.first, count: before.count + 1 };
      else this.#named.push({ iss, sub, ch, from: chain.first, to: chain.first, attested: null, count: 1 });
      return;
    }
    const part = await this.#part(chain, heads);
    if (part === undefined) return;
    const { from, to, attested, count } = part;
    this.#named.push({ iss, sub, ch, from, to, attested, count });
    await this.#lacking(chain, part, erased);
  }

  async #part(chain: SourceChain, heads: DeviceHeads): Promise<TakenPart | undefined> {
    const { source, hash, period } = this.#request;
    if (chain.from === null && chain.to !== null) {
      const all = { from: 0, to: chain.to };
      return { ...all, attested: heads.newest(chain, chain.to) ?? null, count: 0, missing: [all] };
    }
    // A device's own chain comes whole: its heads and clock steps are needed before and behind the period.
    const within = chain.sub === SYSTEM_STREAM ? { from: undefined, to: undefined } : period;
    const take = ({ bytes }: { bytes: Uint8Array }): Promise<void> => this.#take(bytes);
    return takePart(chain, { source, period: within, heads, hash, take });
  }

  /** Says of each number that didn't come why: an order, or the anchor has it and didn't hand it over. One that the log never had is a hole. */
  async #lacking(chain: SourceChain, { missing }: TakenPart, erased: readonly SourceErased[]): Promise<void> {
    const { iss, sub, ch } = chain;
    const orders = new Map(erased.map(({ seq, by }) => [seq, by]));
    for (const range of missing) {
      let listed: Iterable<number> | AsyncIterable<number>;
      if (chain.from === null) listed = [range.from];
      else listed = this.#request.source.numbers(chain, range.from, range.to);
      for await (const seq of listed) {
        const by = orders.get(seq) ?? null;
        const why = by === null ? "not-handed-over" : "erased";
        const to = chain.from === null ? range.to : seq;
        const last = this.#withheld.at(-1);
        const joins =
          last?.to === seq - 1 &&
          nameOf(last) === nameOf(chain) &&
          last.why === why &&
          sameBytes(last.by, by);
        if (joins && last !== undefined) this.#withheld[this.#withheld.length - 1] = { ...last, to };
        else this.#withheld.push({ iss, sub, ch, from: seq, to, why, by });
      }
    }
  }

  async #take(bytes: Uint8Array): Promise<void> {
    const { statement } = parseTransparent(bytes, this.#request.hash);
    const { seen } = statement.claims;
    if (seen !== undefined && (seen.origin ?? this.#origin) === this.#origin) this.#seen.add(seen.size);
    if (this.#statements % 4096 === 0) mustHaveRoom(this.#writer.partial);
    await this.#writer.statement(bytes);
    if (++this.#statements > this.#request.source.size)
      throw badAnswer("statements", "more statements than the log has entries");
  }

  async #proofs(size: number, root: Uint8Array): Promise<void> {
    const { source, hash, progress } = this.#request;
    const tiles = new AuthenticTiles(source.place, size, root, hash);
    const sizes = [...this.#seen].filter((from) => from < size).toSorted((a, b) => a - b);
    for (const [i, from] of sizes.entries()) {
      await this.#writer.consistency(from, await consistencyProof(from, size, tiles, hash));
      progress.update(i + 1, sizes.length, "consistency proofs");
    }
  }
}

const asksForSystem = (streams: readonly Asked[]): boolean =>
  streams.some(({ sub }) => sub === SYSTEM_STREAM);

/** The place that a statement's first receipt names, for an order only. */
function placeIn(bytes: Uint8Array): number {
  const [original] = parseTransparent(bytes).receipts;
  return original === undefined ? Infinity : (parseReceipt(original).proofs[0]?.index ?? Infinity);
}

function mustHaveRoom(folder: string): void {
  const free = freeBytesAt(dirname(folder));
  if (free === undefined || free >= MIN_FREE_BYTES) return;
  const reason = `only ${inBytes(free)} are free where the case is written: make room, or choose another place with -o`;
  throw new EvidenceError("storage-full", reason, { bytes: free });
}

const order = <T extends number | string>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

type ChainName = { readonly iss: string; readonly sub: string; readonly ch: Uint8Array };

const nameOf = ({ iss, sub, ch }: ChainName): string => `${iss}/${sub}/${toHex(ch)}`;

const sameBytes = (a: Uint8Array | null, b: Uint8Array | null): boolean =>
  a === null || b === null ? a === b : equalBytes(a, b);
