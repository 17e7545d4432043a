/**
 * The interface that an anchor has on loopback, without tokens: whoever is on its machine may read all, and no access statement is left.
 *
 * @module
 */
import { parseStatement, SYSTEM_STREAM, type Hash } from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";
import { ReadApi, type ChainInfo, type ChainRow } from "../../bundle/read-api.ts";
import { registryCount, registryItems } from "../../log/registry-files.ts";
import type { Source, SourceChain, SourceErased } from "./source.ts";
import { isAsked, isOfDevice, type Asked } from "./streams.ts";

/** Requests under way at once. */
const PARALLEL = 16;
/** As the read interface has it: readings are sealed a while after they were taken, heads that attest them come later still. */
const SEALED_WITHIN_S = 3600;
const HEADS_WITHIN_S = 172_800;

export type OpenWanted = {
  readonly streams: readonly Asked[];
  readonly from: number | undefined;
  readonly to: number | undefined;
};

export class OpenSource implements Source {
  readonly place: Place;
  readonly size: number;
  readonly access = null;
  readonly #api: ReadApi;
  readonly #note: Uint8Array;
  readonly #wanted: OpenWanted;
  readonly #hash: Hash;

  /** @param note - the newest one, of a tree of `size` */
  constructor(place: Place, note: Uint8Array, size: number, wanted: OpenWanted, hash: Hash) {
    this.place = place;
    this.size = size;
    this.#api = new ReadApi(place);
    this.#note = note;
    this.#wanted = wanted;
    this.#hash = hash;
  }

  checkpoint(): Promise<Uint8Array> {
    return Promise.resolve(this.#note);
  }

  async *chains(): AsyncGenerator<SourceChain> {
    const { streams } = this.#wanted;
    const patterns = streams.some(({ iss }) => iss.endsWith("*"));
    const devices = patterns ? [undefined] : [...new Set(streams.map(({ iss }) => iss))];
    for (const device of devices)
      for (const chain of await this.#api.chains(device)) {
        const system = chain.sub === SYSTEM_STREAM && isOfDevice(streams, chain.iss);
        if (system || isAsked(streams, chain)) yield await this.#extent(chain);
      }
  }

  async *statements(chain: SourceChain, from: number, to: number): AsyncGenerator<Uint8Array> {
    let some: ChainRow[] = [];
    for await (const row of this.#api.rows(chain, from, to)) {
      if (row.index < this.size) some.push(row);
      if (some.length < PARALLEL) continue;
      yield* await this.#fetched(some);
      some = [];
    }
    yield* await this.#fetched(some);
  }

  async *numbers(chain: SourceChain, from: number, to: number): AsyncGenerator<number> {
    for await (const row of this.#api.rows(chain, from, to)) if (row.index < this.size) yield row.seq;
  }

  async *registry(): AsyncGenerator<Uint8Array> {
    const published = await registryCount(this.place, 0);
    let some: Promise<Uint8Array | undefined>[] = [];
    for await (const { bytes } of registryItems(this.place, published)) {
      some.push(this.#api.statement(parseStatement(bytes, this.#hash).hash, this.size));
      if (some.length < PARALLEL) continue;
      yield* (await Promise.all(some)).flatMap((one) => one ?? []); // an item behind this tree has no receipt at it
      some = [];
    }
    yield* (await Promise.all(some)).flatMap((one) => one ?? []);
  }

  async *erased(): AsyncGenerator<SourceErased> {
    // This interface doesn't list them; a number that it has without a statement is said to be not handed over.
  }

  statement(hash: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#api.statement(hash, this.size);
  }

  end(): Promise<void> {
    return Promise.resolve();
  }

  async #fetched(rows: readonly ChainRow[]): Promise<Uint8Array[]> {
    const found = await Promise.all(rows.map(({ hash }) => this.#api.statement(hash, this.size)));
    return found.flatMap((one) => one ?? []);
  }

  /** The numbers of the period, as the read interface chooses them; by commit time alone. */
  async #extent(chain: ChainInfo): Promise<SourceChain> {
    const { from, to } = this.#wanted;
    const until =
      to === undefined ? undefined : to + (chain.sub === SYSTEM_STREAM ? HEADS_WITHIN_S : SEALED_WITHIN_S);
    const begin = from === undefined ? chain.first : await this.#firstSince(chain, from);
    const end = until === undefined ? chain.last + 1 : await this.#firstSince(chain, until);
    return begin < end ? { ...chain, from: begin, to: end - 1 } : { ...chain, from: null, to: null };
  }

  /** The first number committed at or after; one behind the last where there is none. Commit times mostly rise. */
  async #firstSince(chain: ChainInfo, timeUnixS: number): Promise<number> {
    let [low, high] = [chain.first, chain.last + 1];
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      const row = await this.#api.rowAt(chain, middle);
      if (row === undefined || row.timeUnixS >= timeUnixS) high = middle;
      else low = row.seq + 1;
    }
    return low;
  }
}
