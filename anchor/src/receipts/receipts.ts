/**
 * Receipts: one message for all of a device's statements in a batch, all under the batch's one signature; and for a statement that came again, the
 * receipt that it has already, made anew from the stored tree.
 *
 * A receipt leaves only after its tree was published. None is kept: a lost one costs one more sending.
 *
 * @module
 */
import {
  downTopic,
  encodeDown,
  encodeReceipt,
  HASH_BYTES,
  inclusionPath,
  LIMITS,
  type SignedBatch,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Downlink } from "./downlink.ts";
import type { Placed, Store } from "../sequence/sequence.ts";
import { signedBatch, type LogIdentity } from "../publish/sign.ts";
import type { Tally } from "../tally.ts";
import type { Time } from "../time.ts";
import type { Growth } from "../sequence/tree.ts";

type ReceiptLimits = {
  /** Statements that came again and wait for their receipt; further ones are dropped, and come again. */
  readonly maxRepeats: number;
};

type Proven = { readonly hash: Uint8Array; readonly index: number; readonly path: readonly Uint8Array[] };
type Repeat = { readonly iss: string; readonly hash: Uint8Array; readonly index: number };

/** What a message has besides its proofs: signature, signed claims, heads of the arrays around them. */
const FIXED_BYTES = 1024;
/** CBOR around one hash, and around one proof: heads, size, index. */
const HASH_HEAD_BYTES = 2;
const PROOF_HEAD_BYTES = 32;
/** Repeats answered before others get a turn. */
const REPEATS_AT_ONCE = 256;

export type ReceiptParts = {
  readonly store: Store;
  readonly log: LogIdentity;
  readonly downlink: Downlink;
  readonly limits: ReceiptLimits;
  readonly tally: Tally;
  readonly time: Pick<Time, "soon">;
  /** True once the process must end: nothing is signed any more. */
  readonly halted: () => boolean;
  /** The archive could not be read: the process must end. */
  readonly onFault: (error: unknown) => void;
};

export class Receipts {
  readonly #parts: ReceiptParts;
  #repeats: Repeat[] = [];
  #answering: Promise<void> | undefined;

  constructor(parts: ReceiptParts) {
    this.#parts = parts;
  }

  /** Sends the receipts of a batch that was published. */
  issue(signed: SignedBatch, growth: Growth, admitted: readonly Placed[]): void {
    const byDevice = new Map<string, Placed[]>();
    for (const placed of admitted) {
      const { iss } = placed.statement.claims;
      const list = byDevice.get(iss);
      if (list === undefined) byDevice.set(iss, [placed]);
      else list.push(placed);
    }
    for (const [iss, list] of byDevice) {
      const proven = list.map(({ statement, index }) => ({
        hash: statement.hash,
        index,
        path: growth.path(index),
      }));
      this.#send(iss, signed, proven);
    }
  }

  /** Queues the answer to a statement that is in a published tree already. */
  repeat(iss: string, hash: Uint8Array, index: number): void {
    if (this.#repeats.length >= this.#parts.limits.maxRepeats) {
      this.#parts.tally.count("repeat-dropped");
      return;
    }
    this.#repeats.push({ iss, hash, index });
    this.#answering ??= this.#answer().catch(this.#parts.onFault);
  }

  /** Resolves when all queued answers were sent. */
  async idle(): Promise<void> {
    await this.#answering;
  }

  async #answer(): Promise<void> {
    const { store, log, time, halted } = this.#parts;
    for (;;) {
      await new Promise<void>((resolve) => time.soon(resolve));
      const some = this.#repeats.splice(0, REPEATS_AT_ONCE);
      if (some.length === 0) break;
      for (const group of grouped(store, some)) {
        if (halted()) break;
        const row = store.batches.at(group.size);
        if (row === undefined) continue;
        const proven = group.repeats.map(({ hash, index }) => {
          const path = inclusionPath(index, group.size, (level, n) => store.tiles.node(level, n), nodeSha256);
          return { hash, index, path };
        });
        this.#send(group.iss, await signedBatch(log, row), proven);
      }
    }
    this.#answering = undefined;
  }

  #send(iss: string, signed: SignedBatch, proven: readonly Proven[]): void {
    const topic = downTopic(iss);
    for (const part of messages(proven)) {
      const receipt = encodeReceipt(signed, part);
      const message = encodeDown({ kind: "receipt", hashes: part.map(({ hash }) => hash), receipt });
      const sent = this.#parts.downlink.send(topic, message);
      this.#parts.tally.count(sent ? "receipt-sent" : "receipt-dropped", part.length);
    }
  }
}

/** Splits proofs into messages within the limits of size and number. */
function* messages(proven: readonly Proven[]): Generator<readonly Proven[], void, undefined> {
  let from = 0;
  let bytes = FIXED_BYTES;
  for (const [at, { path }] of proven.entries()) {
    const more = (path.length + 1) * (HASH_BYTES + HASH_HEAD_BYTES) + PROOF_HEAD_BYTES;
    if (bytes + more > LIMITS.maxDownBytes || at - from === LIMITS.maxUpItems) {
      yield proven.slice(from, at);
      from = at;
      bytes = FIXED_BYTES;
    }
    bytes += more;
  }
  if (from < proven.length) yield proven.slice(from);
}

type Group = { readonly iss: string; readonly size: number; readonly repeats: Repeat[] };

/** Repeats of one device and one batch travel together. */
function grouped(store: Store, repeats: readonly Repeat[]): IteratorObject<Group> {
  const groups = new Map<string, Group>();
  for (const repeat of repeats) {
    const size = store.batches.holding(repeat.index)?.size;
    if (size === undefined) continue;
    const name = `${size} ${repeat.iss}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, { iss: repeat.iss, size, repeats: [repeat] });
    else group.repeats.push(repeat);
  }
  return groups.values();
}
