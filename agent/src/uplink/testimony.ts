/**
 * The newest receipt, sent up: what the log signed and may have forgotten.
 *
 * An anchor that was put back to an older state would sign a second history. It stops when it is shown its own signature of a newer tree, and
 * that is in devices' hands. A receipt proves its tree only together with the statement that it is for, so both travel in one message, a
 * kilobyte or two: at the beginning of a connection, now and then; when the anchor asks for statements again, as a restored one does; when it
 * says that it is behind what this device has seen; and, where it signed two trees of one size, the receipt of the first.
 *
 * @module
 */
import { encodeReceipt, isEvidenceError, parseReceipt } from "@tallystick/evidence";
import type { Clock } from "../clock/clock.ts";
import type { Meta } from "../storage/meta.ts";
import type { Query, Storage } from "../storage/storage.ts";

export type TestimonyParts = {
  readonly storage: Storage;
  readonly meta: Pick<Meta, "number">;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly metered: boolean;
};

/** What the anchor said that calls for a receipt: for the newest, or for the one in this row. */
export type Called = "newest" | { readonly row: number };

/** A connection begins with the newest receipt, unless one did so long ago. Bytes are dear on a metered line. */
const CONNECTED_EVERY_MS = { default: 600_000, metered: 21_600_000 } as const;
/** Whoever asks is answered, but no more often than this. */
const ASKED_EVERY_MS = 10_000;

type Proof = { readonly receipt: Uint8Array; readonly place: number; readonly bytes: Uint8Array };

export class Testimony {
  readonly #meta: Pick<Meta, "number">;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #connectedEveryMs: number;
  readonly #ofItem: Query<Proof>;
  readonly #ofRow: Query<Proof>;
  #called: Called | undefined;
  #sentMs = -Infinity;

  constructor({ storage, meta, clock, metered }: TestimonyParts) {
    this.#meta = meta;
    this.#clock = clock;
    this.#connectedEveryMs = metered ? CONNECTED_EVERY_MS.metered : CONNECTED_EVERY_MS.default;
    const from = `SELECT r.bytes AS receipt, o.place, s.bytes FROM outbox o
      JOIN receipt r ON r.id = o.receipt JOIN statement s ON s.id = o.id`;
    this.#ofItem = storage.query(`${from} WHERE o.id = ? AND o.state = 1`);
    this.#ofRow = storage.query(`${from} WHERE o.receipt = ? AND o.state = 1 LIMIT 1`);
  }

  /** A connection has begun. */
  connected(): void {
    if (this.#clock.monotonicMs() - this.#sentMs >= this.#connectedEveryMs) this.#called ??= "newest";
  }

  /** The anchor said something that calls for it. */
  call(called: Called): void {
    // A proof that the log signed two trees is not given up for the newest receipt, which may be of the second.
    if (typeof this.#called !== "object") this.#called = called;
  }

  /** When {@link next} may have something, as far as is known now. */
  get dueMs(): number {
    return this.#called === undefined ? Infinity : this.#sentMs + ASKED_EVERY_MS;
  }

  /** The message to send now; undefined where nothing calls for one, or there is no receipt. */
  next(): Uint8Array | undefined {
    const called = this.#called;
    if (called === undefined || this.#clock.monotonicMs() < this.dueMs) return undefined;
    this.#called = undefined;
    const item = this.#meta.number("seen-item");
    const proof =
      typeof called === "object"
        ? this.#ofRow.get(called.row)
        : item === undefined
          ? undefined
          : this.#ofItem.get(item);
    const message = proof && withOneProof(proof);
    if (message !== undefined) this.#sentMs = this.#clock.monotonicMs();
    return message;
  }
}

/** A receipt may hold proofs of many statements; sent up is the one of this statement, and the statement. */
function withOneProof({ receipt, place, bytes }: Proof): Uint8Array | undefined {
  try {
    const { sign1, size, proofs } = parseReceipt(receipt);
    const proof = proofs[place];
    if (proof === undefined) return undefined;
    const signed = { protectedBytes: sign1.protectedBytes, signature: sign1.signature, size };
    return new Uint8Array(Buffer.concat([encodeReceipt(signed, [proof]), bytes]));
  } catch (error) {
    if (isEvidenceError(error)) return undefined;
    throw error;
  }
}
