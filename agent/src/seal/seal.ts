/**
 * Sealing: what was read or happened becomes a signed statement, chained to the one before.
 *
 * All sealing goes through one queue. Whatever is asked for while a batch is being signed makes the next batch; each batch is one transaction:
 * statements into the outbox, chains moved on, journal entries removed. Nothing leaves this process before that transaction is on
 * disk, so a crash before it means that the numbers weren't spent, and a crash after it that they were, once.
 *
 * @module
 */
import {
  decimal,
  encodeEvent,
  sealStatement,
  type Before,
  type Claims,
  type Content,
  type Event,
  type Hash,
  type SeenTree,
  type StreamOpened,
} from "@tallystick/evidence";
import type { Chains, ChainView, Declared, StagedChains } from "./chains.ts";
import type { Time } from "../clock/clock.ts";
import type { DeviceKey } from "../keys/store.ts";
import type { LetGo, Outbox } from "../outbox/outbox.ts";
import type { SigningKeys } from "./signing-key.ts";
import type { Storage } from "../storage/storage.ts";

/** A statement to be: everything but its place in the chain. */
export type Order = {
  readonly sub: string;
  /** Time and quality to seal with; the time is left out at quality 0. */
  readonly time: Time;
  /** What it says; or that it opens a new chain of the stream, which then names the chain before. */
  readonly content: Content | Opens;
  readonly level?: Claims["lvl"];
  /** It is the last statement of its chain. */
  readonly closes?: true;
  /** What is known of the source from here on. */
  readonly declares?: Declared;
  /** Streams whose heads it tells. */
  readonly attests?: readonly string[];
  /** Statements that were let go, of which it tells. */
  readonly tells?: LetGo;
  /** It is the last statement of the key that signs it: this one signs whatever comes after it. */
  readonly handsTo?: DeviceKey;
  /** Runs within the transaction. @param row - of the statement in the outbox */
  readonly commit?: (row: number, hash: Uint8Array) => void;
};

export type Opens = { readonly opens: Declared & { readonly interval: StreamOpened["interval"] } };

/** A committed statement. */
export type SealedStatement = {
  readonly sub: string;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly bytes: Uint8Array;
};

/** The newest tree that the agent has verified a signature of, and the origin of its log: which one a statement gets to, nobody knows when it is sealed. */
export type Seen = Required<SeenTree>;

/** `lvl` of what the gateway itself read, and of what it says of itself. */
export const OBSERVED = 1;

type Call = {
  readonly make: (chains: ChainView) => readonly Order[];
  readonly resolve: (sealed: readonly SealedStatement[]) => void;
  readonly reject: (error: unknown) => void;
};

type Staged = SealedStatement & {
  readonly time: Time;
  readonly ch: Uint8Array;
  readonly tells: LetGo | undefined;
  readonly commit: Order["commit"];
};

export type SealerParts = {
  readonly iss: string;
  readonly signing: SigningKeys;
  readonly hash: Hash;
  readonly storage: Storage;
  readonly chains: Chains;
  readonly outbox: Outbox;
  readonly seen: () => Seen | undefined;
  /** Runs within each transaction: what else wants to be noted now and then. */
  readonly alongside?: () => void;
};

export class Sealer {
  readonly #parts: SealerParts;
  #queue: Call[] = [];
  #running = false;
  #broken: { readonly error: unknown } | undefined;

  constructor(parts: SealerParts) {
    this.#parts = parts;
  }

  /**
   * Seals what `make` returns, in that order and with nothing of the same call left out, and resolves when it is on disk. `make` is called when its turn
   * comes, and sees the chains as they then will be.
   *
   * After a fault nothing more is sealed: the state on disk is unknown, and the process has to start again from it.
   *
   * @throws EvidenceError `storage-failed`; what `make` or the signer throws
   */
  seal(make: (chains: ChainView) => readonly Order[]): Promise<readonly SealedStatement[]> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ make, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0) {
      const calls = this.#queue;
      this.#queue = [];
      try {
        if (this.#broken !== undefined) throw this.#broken.error;
        const results = await this.#batch(calls);
        for (const [i, call] of calls.entries()) call.resolve(results[i] ?? []);
      } catch (error) {
        this.#broken = { error };
        for (const call of calls) call.reject(error);
      }
    }
    this.#running = false;
  }

  async #batch(calls: readonly Call[]): Promise<readonly (readonly SealedStatement[])[]> {
    const { storage, chains, outbox, signing, alongside } = this.#parts;
    const staged = chains.stage();
    const results: Staged[][] = [];
    let key = signing.current;
    for (const { make } of calls) {
      const sealed: Staged[] = [];
      for (const order of make(staged)) {
        sealed.push(await this.#sign(order, staged, key));
        key = order.handsTo ?? key;
      }
      results.push(sealed);
    }
    const statements = results.flat();
    if (statements.length === 0) return results;
    const moved = staged.touched();
    const written = storage.transaction(() => {
      const rows = moved.map(({ chain, before }) => ({ ...chain, id: chains.write(chain, before) }));
      const idOf = new Map(rows.map(({ ch, id }) => [String(ch), id]));
      outbox.told(statements.flatMap(({ tells }) => tells ?? []));
      for (const { ch, commit, tells, ...sealed } of statements) {
        const row = outbox.insert(idOf.get(String(ch)) ?? -1, sealed, tells);
        commit?.(row, sealed.hash);
      }
      alongside?.();
      return rows;
    });
    signing.handTo(key);
    chains.accept(written);
    outbox.changed();
    return results;
  }

  async #sign(order: Order, staged: StagedChains, signer: DeviceKey): Promise<Staged> {
    const { iss, hash: sha256, seen } = this.#parts;
    const { sub, time, level, closes, declares, attests, tells, commit } = order;
    const content = "opens" in order.content ? opened(sub, order.content, staged) : order.content;
    const chain = staged.get(sub);
    if (chain === undefined || chain.closed) throw new Error(`stream ${sub} has no open chain`);
    const seq = chain.seq + 1;
    const tree = seen();
    const claims: Claims = {
      iss,
      sub,
      ch: chain.ch,
      seq,
      tq: time.tq,
      lvl: level ?? OBSERVED,
      ...(time.tq === 0 ? {} : { iat: Math.floor(time.timeUnixMs / 1000) }),
      ...(seq === 0 ? {} : { prev: chain.hash }),
      ...(tree === undefined ? {} : { seen: tree }),
    };
    const { bytes, hash } = await sealStatement(claims, content, signer, sha256);
    staged.change(sub, {
      seq,
      hash,
      closed: closes ?? false,
      ...(declares === undefined ? {} : { declared: declares }),
    });
    for (const told of attests ?? []) staged.change(told, { attested: staged.get(told)?.seq ?? -1 });
    return { sub, seq, hash, bytes, ch: chain.ch, time, tells, commit };
  }
}

function opened(sub: string, { opens }: Opens, staged: StagedChains): Content {
  const before = staged.before(sub);
  const { interval, ...declared } = opens;
  staged.open(sub, declared);
  return openedContent({ interval, ...declared }, before);
}

/**
 * What opens a stream's chain anew, with what is known of its source, where there is none that is open and something is left to be sealed: readings that
 * are on the disk must find a chain, whatever closed theirs.
 */
export function reopened(
  sub: string,
  view: ChainView,
  { now, intervalS }: { now: Time; intervalS: number },
): readonly Order[] {
  const chain = view.get(sub);
  if (chain !== undefined && !chain.closed) return [];
  const declared = chain?.declared ?? { source: "unknown", names: [] };
  return [{ sub, time: now, content: { opens: { ...declared, interval: decimal(Math.round(intervalS)) } } }];
}

/** Content of the statement that opens a chain. @throws EvidenceError for names that no event can hold */
export const openedContent = (opens: Opens["opens"], before: Before): Content =>
  eventContent({ kind: "stream-opened", before, ...opens });

export const eventContent = (event: Event): Content => ({ type: "event", payload: encodeEvent(event) });
