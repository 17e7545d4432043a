/**
 * The key state of the log: derived from the stored registry items at start-up, and again for an earlier size when somebody asks.
 *
 * @module
 */
import { equalBytes, KeyState, parseStatement, type SignatureProvider } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Archive } from "../storage/archive.ts";
import type { BatchRow } from "../storage/batches.ts";
import { storageFailed } from "../storage/database.ts";
import { Turns } from "../turns.ts";

/**
 * Derives the key state of a stored batch. The items' signatures were checked before they were stored and are not checked again; later items
 * that are applied to the result are.
 *
 * @throws EvidenceError `storage-failed` where the items do not lead to the key state that the batch states
 */
export function keyStateAt(archive: Archive, batch: Replayed, provider: SignatureProvider): KeyState {
  const replaying = replay(archive, batch, provider);
  for (;;) {
    const { done, value } = replaying.next();
    if (done === true) return value;
  }
}

type Replayed = Pick<BatchRow, "registry" | "keysRoot">;

/** Items read and applied at a time: some milliseconds. */
const SLICE = 64;

/** As {@link keyStateAt}, slice by slice; gives the state as far as it is after each. */
function* replay(
  archive: Archive,
  batch: Replayed,
  provider: SignatureProvider,
): Generator<KeyState, KeyState, undefined> {
  let stored = true;
  const keys = new KeyState({
    hash: nodeSha256,
    provider: {
      name: provider.name,
      verify: (key, message, signature) => stored || provider.verify(key, message, signature),
    },
  });
  const { count, last } = batch.registry;
  for (let from = 0; from < count; from += SLICE) {
    // To the end before anything else has its turn: the query is everybody's.
    for (const { bytes, index } of archive.items(from, Math.min(count, from + SLICE)))
      keys.apply(parseStatement(bytes, nodeSha256), index);
    yield keys;
  }
  stored = false;
  if (keys.count !== count || !equalBytes(keys.last, last) || !equalBytes(keys.root(), batch.keysRoot)) {
    throw storageFailed(
      "the stored registry does not lead to the stored key state: restore the database from a backup",
    );
  }
  return keys;
}

/** Key states of earlier sizes that are kept. */
const MAX_EARLIER = 4;
/** Items after which the tree of keys is brought up to date at the earliest: at the end that would be one long slice. */
const TREE_AFTER = 2048;

/** Key states by number of items: the present one, and a few that were asked for. */
export class KeyStates {
  readonly #present: KeyState;
  readonly #archive: Archive;
  readonly #provider: SignatureProvider;
  readonly #turns = new Turns();
  readonly #earlier = new Map<number, KeyState>();
  /** On their way, one after the other; whoever asks for the same waits for the same. */
  readonly #derived = new Map<number, Promise<KeyState>>();
  #deriving: Promise<unknown> = Promise.resolve();

  constructor(present: KeyState, archive: Archive, provider: SignatureProvider) {
    this.#present = present;
    this.#archive = archive;
    this.#provider = provider;
  }

  /**
   * Answers from the key state of a published batch: the present one as it is at this moment, an earlier one once it was derived.
   *
   * @param mayDerive - called before that, which takes a second where there are ten thousands of items; what it throws is the answer
   * @throws EvidenceError `storage-failed`
   */
  async at<T>(
    batch: BatchRow,
    answer: (keys: KeyState) => T,
    mayDerive: () => void = () => undefined,
  ): Promise<T> {
    const { count } = batch.registry;
    if (count === this.#present.count) return answer(this.#present);
    const known = this.#earlier.get(count);
    if (known !== undefined) {
      this.#keep(count, known);
      return answer(known);
    }
    let derived = this.#derived.get(count);
    if (derived === undefined) {
      mayDerive();
      derived = this.#derive(batch);
    }
    return answer(await derived);
  }

  #derive(batch: BatchRow): Promise<KeyState> {
    const { count } = batch.registry;
    const derived = this.#deriving
      .then(() => this.#inSlices(batch))
      .then((keys) => {
        this.#keep(count, keys);
        return keys;
      })
      .finally(() => this.#derived.delete(count));
    this.#derived.set(count, derived);
    this.#deriving = derived.catch(() => undefined);
    return derived;
  }

  async #inSlices(batch: BatchRow): Promise<KeyState> {
    const replaying = replay(this.#archive, batch, this.#provider);
    for (let rooted = 0; ;) {
      await this.#turns.next();
      const { done, value } = replaying.next();
      if (done === true) return value;
      if (value.count - rooted < Math.max(TREE_AFTER, value.count / 8)) continue;
      value.root();
      rooted = value.count;
    }
  }

  /** The one asked for last is let go last. */
  #keep(count: number, keys: KeyState): void {
    this.#earlier.delete(count);
    this.#earlier.set(count, keys);
    if (this.#earlier.size <= MAX_EARLIER) return;
    const [oldest = count] = this.#earlier.keys();
    this.#earlier.delete(oldest);
  }
}
