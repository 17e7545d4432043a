/**
 * Places in chains: whether a statement may take the number it claims. Decided one statement after the other inside the transaction of
 * their batch, so that the first one admitted wins.
 *
 * The rules are those of docs/formats.md section 6: a number is spent once; a statement and its neighbours agree on `prev`; of a stream's
 * openings only the first says `none`, a later one names the last head or `lost`; a head has one successor.
 *
 * @module
 */
import {
  equalBytes,
  parseStatement,
  type Claims,
  type EvidenceCode,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Archive, Held } from "../storage/archive.ts";
import type { Chain, ChainStore } from "../storage/chains.ts";

/**
 * What the log needs of a statement. The rest was read and checked when it came in, and is let go: thousands of these wait
 * at once. `event` is there at number 0, and where it says how far streams are; `rotates` where the device names its next key.
 */
export type Entrant = Pick<Statement, "bytes" | "hash" | "kid" | "event"> & {
  readonly rotates?: true;
  /** Boot evidence of another machine than the enrolled one. */
  readonly elsewhere?: true;
  /** It came over HTTP: whoever brought it waits there for the answer, and need not be the device. */
  readonly submitted?: true;
  /** Hash of a statement that goes out of the archive as this one comes in. Only the anchor's own have it. */
  readonly erases?: Uint8Array;
  readonly claims: Pick<Claims, "iss" | "sub" | "ch" | "seq" | "prev">;
};

/** What became of a statement's claim to its number. */
export type Placement =
  | { readonly kind: "placed" }
  /** The very same bytes are at this log index already. */
  | { readonly kind: "duplicate"; readonly index: number }
  | { readonly kind: "refused"; readonly code: EvidenceCode };

const PLACED: Placement = { kind: "placed" };
const FORK: Placement = { kind: "refused", code: "fork" };

export class Places {
  readonly #archive: Archive;
  readonly #chains: ChainStore;

  constructor(archive: Archive, chains: ChainStore) {
    this.#archive = archive;
    this.#chains = chains;
  }

  /** The statement that holds this number, where one does. */
  holder({ claims }: Pick<Entrant, "claims">): Held | undefined {
    const chain = claims.ch && this.#chains.find(claims.iss, claims.sub, claims.ch);
    // Above the highest number held there is nothing to look for.
    if (chain === undefined || claims.seq > chain.last) return undefined;
    return this.#archive.byPlace(chain.id, claims.seq);
  }

  /** Gives the statement its number and stores it under `index`, or says why not. Only within a transaction. */
  take(statement: Entrant, index: number): Placement {
    const { iss, sub, ch, seq } = statement.claims;
    if (ch === undefined) return { kind: "refused", code: "statement-claims" };
    let chain = this.#chains.find(iss, sub, ch);
    const refusal = chain === undefined ? undefined : this.#refusal(chain, statement);
    if (refusal !== undefined) return refusal;
    const before = seq === 0 ? this.#predecessor(statement, ch, chain) : undefined;
    if (before?.refused !== undefined) return before.refused;
    const opened = seq === 0 ? index : null;
    if (chain === undefined) {
      chain = this.#chains.begin({ iss, sub, ch, seq, lastHash: statement.hash, opened });
    } else {
      extend(chain, statement, opened);
      // Written now where the next opening of this stream will look for it.
      if (opened === null) this.#chains.changed(chain);
      else this.#chains.saveOne(chain);
    }
    if (before?.chain !== undefined) {
      before.chain.successor = chain.id;
      this.#chains.saveOne(before.chain); // read by the next opening of this stream, maybe in this batch
    }
    this.#archive.append(index, statement.hash, chain.id, seq, statement.bytes);
    return PLACED;
  }

  /**
   * Gives the entry at `index`, which is in the log already, its statement back. What the rules ask of a newcomer was asked when the entry was admitted; that
   * no other statement holds its number, and that its neighbours agree, is asked again. Only within a transaction.
   */
  fill(statement: Entrant, index: number): Placement {
    return this.#recall(statement, index, (chain) =>
      this.#archive.fill(index, chain, statement.claims.seq, statement.bytes),
    );
  }

  /** As {@link fill}, where the entry itself is put in again. `bytes` is null where the statement was erased. */
  restore(
    statement: Omit<Entrant, "bytes" | "kid"> & { readonly bytes: Uint8Array | null },
    index: number,
  ): Placement {
    const { hash, claims, bytes } = statement;
    return this.#recall(statement, index, (chain) =>
      this.#archive.append(index, hash, chain, claims.seq, bytes),
    );
  }

  /** Notes for each chain that was opened at log index `from` or later which chain it continues: its opening may have come back before that one's. */
  relink(from: number): void {
    for (const { bytes } of this.#archive.openings(from)) {
      const { claims, event } = parseStatement(bytes, nodeSha256);
      if (event?.kind !== "stream-opened" || event.before === "none" || "lost" in event.before) continue;
      const { iss, sub, ch } = claims;
      const before = this.#chains.find(iss, sub, event.before.ch);
      const after = ch && this.#chains.find(iss, sub, ch);
      if (before === undefined || after === undefined) continue;
      before.successor = after.id;
      this.#chains.changed(before);
    }
    this.save();
  }

  #recall(
    statement: Pick<Entrant, "hash" | "claims"> & { readonly bytes: Uint8Array | null },
    index: number,
    store: (chain: number) => void,
  ): Placement {
    const { iss, sub, ch, seq } = statement.claims;
    if (ch === undefined) return { kind: "refused", code: "statement-claims" };
    let chain = this.#chains.find(iss, sub, ch);
    const held = chain && this.#archive.byPlace(chain.id, seq);
    if (held !== undefined) return FORK;
    if (chain !== undefined && statement.bytes !== null && !this.#fits(chain.id, statement)) return FORK;
    const opened = seq === 0 ? index : null;
    if (chain === undefined) {
      chain = this.#chains.begin({ iss, sub, ch, seq, lastHash: statement.hash, opened });
    } else {
      extend(chain, statement, opened);
      this.#chains.changed(chain);
    }
    store(chain.id);
    return PLACED;
  }

  /** Writes what the placements of a batch changed in chains; to be called before its commit. */
  save(): void {
    this.#chains.save();
  }

  /** Why a chain of which something is held has no room for this statement. */
  #refusal(chain: Chain, { claims, hash }: Entrant): Placement | undefined {
    const { seq, prev } = claims;
    if (seq > chain.last && chain.successor !== null) return FORK; // its head has a successor already
    if (seq === chain.last + 1) return agrees(prev, chain.lastHash) ? undefined : FORK;
    if (seq > chain.last) return undefined;
    const held = this.#archive.byPlace(chain.id, seq);
    if (held !== undefined) {
      return equalBytes(held.hash, hash) ? { kind: "duplicate", index: held.index } : FORK;
    }
    return this.#fits(chain.id, { claims, hash }) ? undefined : FORK;
  }

  /** True where the statements before and after this number, as far as they are held, agree with it. */
  #fits(chain: number, { claims: { seq, prev }, hash }: Pick<Entrant, "claims" | "hash">): boolean {
    const below = seq === 0 ? undefined : this.#archive.byPlace(chain, seq - 1);
    if (below !== undefined && !agrees(prev, below.hash)) return false;
    const above = this.#archive.byPlace(chain, seq + 1)?.bytes;
    return !above || agrees(parseStatement(above, nodeSha256).claims.prev, hash);
  }

  /** The chain that an opening continues, where it names one. */
  #predecessor(
    { claims, event }: Entrant,
    ch: Uint8Array,
    own: Chain | undefined,
  ): { readonly refused?: Placement; readonly chain?: Chain } {
    if (event?.kind !== "stream-opened") return { refused: FORK };
    const { before } = event;
    // An opening may arrive late, after those of chains that follow its own.
    const newest = this.#chains.newest(claims.iss, claims.sub, own?.successor ?? null);
    if (before === "none") return newest === undefined ? {} : { refused: FORK };
    if ("lost" in before) return {};
    if (equalBytes(before.ch, ch)) return { refused: FORK }; // its own predecessor
    const named = this.#chains.find(claims.iss, claims.sub, before.ch);
    const head = named && this.#archive.byPlace(named.id, before.seq);
    // It may be on its way: nothing contradicts it yet.
    if (named === undefined || head === undefined) return { refused: { kind: "refused", code: "hole" } };
    const isLast = named.last === before.seq && (named.opened === null || newest?.id === named.id);
    if (!isLast || named.successor !== null || !equalBytes(head.hash, before.hash)) return { refused: FORK };
    return { chain: named };
  }
}

const agrees = (prev: Uint8Array | undefined, hash: Uint8Array): boolean =>
  prev !== undefined && equalBytes(prev, hash);

function extend(
  chain: Chain,
  { claims, hash }: Pick<Entrant, "claims" | "hash">,
  opened: number | null,
): void {
  chain.count++;
  chain.opened ??= opened;
  chain.first = Math.min(chain.first, claims.seq);
  if (claims.seq > chain.last) {
    chain.last = claims.seq;
    chain.lastHash = hash;
  }
}
