/**
 * Rotation of the device's key. `tally-agent key rotate` makes the next key beside the one that signs; the agent finds it there, running or at its next start, and hands over: the
 * old key's last word is `key-rotated`, which names the new key and the heads up to which the old one counts, and whatever is sealed after it is signed by the new one.
 *
 * Handing over is one transaction, and the database is what says which key signs. So whatever ends the process, there is one story: either the old key signs on, or
 * its last word is in the outbox. The old key is kept until its last word has a receipt, and a statement of the new key has one, too.
 *
 * @module
 */
import {
  encodeEvent,
  equalBytes,
  isEvidenceError,
  SYSTEM_STREAM,
  toHex,
  type Head,
} from "@tallystick/evidence";
import { sleep, type Timer } from "@tallystick/evidence/node";
import type { ChainView } from "./chains.ts";
import type { DeviceKey, KeyStore } from "../keys/store.ts";
import type { Log } from "../log.ts";
import type { Meta } from "../storage/meta.ts";
import type { Outbox } from "../outbox/outbox.ts";
import type { Order, Sealer } from "./seal.ts";
import type { SigningKeys } from "./signing-key.ts";
import type { Query, Storage } from "../storage/storage.ts";
import { headBytes, MAX_HEADS_BYTES, type System } from "../self/system.ts";
import type { Timekeeping } from "../clock/timekeeping.ts";

/** The part of a key store that a rotation needs. */
export type RotationKeys = Pick<KeyStore, "place" | "open" | "next" | "settle">;

export type RotationParts = {
  readonly storage: Storage;
  readonly meta: Meta;
  readonly outbox: Outbox;
  readonly sealer: Sealer;
  readonly signing: SigningKeys;
  readonly system: Pick<System, "evidence">;
  readonly keys: RotationKeys;
  readonly time: Pick<Timekeeping, "now">;
  readonly timer: Timer;
  readonly log: Log;
};

/** How often a next key is looked for, and whether a rotation is through. */
const LOOK_EVERY_MS = 2000;

export class Rotation {
  readonly #parts: RotationParts;
  readonly #chains: Query<Head & { waiting: number }>;
  readonly #isReceipted: Query<{ state: number }>;
  readonly #isAccepted: Query<{ id: number }>;
  #warned = "";

  constructor(parts: RotationParts) {
    const { storage } = parts;
    this.#parts = parts;
    this.#chains = storage.query(
      "SELECT sub, ch, seq, hash, EXISTS (SELECT 1 FROM outbox o WHERE o.chain = c.id AND o.state <> 1) AS waiting FROM chain c",
    );
    this.#isReceipted = storage.query("SELECT state FROM outbox WHERE id = ?");
    this.#isAccepted = storage.query("SELECT id FROM outbox WHERE id > ? AND state = 1 LIMIT 1");
  }

  /** Takes up what an earlier run began. @throws EvidenceError `storage-failed` */
  async resume(): Promise<void> {
    const { meta, keys, signing } = this.#parts;
    const old = meta.bytes("rotation-old");
    // It only shows at a connection who this is: a rotation goes on without it.
    if (old !== undefined) signing.cameFrom(await keys.open(old).catch(() => undefined));
  }

  /** Looks on until `signal` is aborted. @throws EvidenceError `storage-failed`; what a signer throws */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look();
      await sleep(this.#parts.timer, LOOK_EVERY_MS, signal);
    }
  }

  /** One look: begins a rotation where there is a next key, ends one that is through. */
  async look(): Promise<void> {
    const item = this.#parts.meta.number("rotation-item");
    if (item !== undefined) {
      if (this.#isThrough(item)) await this.#end();
      return;
    }
    const next = await this.#find();
    if (next !== undefined) await this.#begin(next);
  }

  async #find(): Promise<DeviceKey | undefined> {
    const { keys, signing } = this.#parts;
    try {
      const next = await keys.next();
      return next === undefined || equalBytes(next.key.kid, signing.current.key.kid) ? undefined : next;
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      this.#warn(error.code, `the next key can't be used: ${error.message}`);
      return undefined;
    }
  }

  async #begin(next: DeviceKey): Promise<void> {
    const { sealer, signing, outbox, system, meta, time, log } = this.#parts;
    if (outbox.systemStopped) return;
    const old = signing.current;
    const sealed = await sealer.seal((view) => {
      const heads = this.#heads(view);
      if (heads === undefined) return [];
      const payload = encodeEvent({ kind: "key-rotated", key: next.key, heads });
      const rotated: Order = {
        sub: SYSTEM_STREAM,
        time: time.now(),
        content: { type: "event", payload },
        handsTo: next,
        commit: (row) => {
          meta.set("rotation-item", row);
          meta.set("rotation-old", old.key.kid);
          meta.set("rotation-next", next.key.kid);
        },
      };
      // What the new key says first is about itself; once it has its receipt the log knows the key.
      return [rotated, ...system.evidence(next)];
    });
    if (sealed.length === 0) {
      this.#warn(
        "too-large",
        "the key can't be rotated yet: more chains wait for receipts than one statement can name",
      );
      return;
    }
    const [from, to] = [toHex(old.key.kid), toHex(next.key.kid)];
    log.info(
      { from, to },
      "the key is being rotated: the new one signs from here on; the log has to take it in",
    );
  }

  /**
   * Up to where the old key counts, in each chain. Where they don't all fit: at least in those of which the log doesn't have everything; what it has of the others stands.
   * Undefined where those don't fit either.
   */
  #heads(view: ChainView): readonly Head[] | undefined {
    const known = new Map(this.#chains.all().map((chain) => [toHex(chain.ch), chain]));
    const waiting = [...known.values()].filter((chain) => chain.waiting === 1);
    const ends = new Map<string, Head>();
    for (const { sub, ch, seq, hash } of [...waiting, ...view.ends()])
      ends.set(toHex(ch), { sub, ch, seq, hash });
    const all = [...ends.values()];
    const needed = all.filter(({ sub, ch, seq }) => {
      const chain = known.get(toHex(ch));
      return sub === SYSTEM_STREAM || chain?.waiting === 1 || chain?.seq !== seq; // sealed just now
    });
    if (bytesOf(needed) > MAX_HEADS_BYTES) return undefined;
    return bytesOf(all) <= MAX_HEADS_BYTES ? all : needed;
  }

  /** The last word of the old key has its receipt (or had one, and was pruned), and so has something that the new key signed. */
  #isThrough(item: number): boolean {
    const RECEIPTED = 1;
    const state = this.#isReceipted.get(item)?.state ?? RECEIPTED;
    return state === RECEIPTED && this.#isAccepted.get(item) !== undefined;
  }

  async #end(): Promise<void> {
    const { storage, meta, keys, signing, log } = this.#parts;
    const next = meta.bytes("rotation-next");
    if (next === undefined) return;
    const settled = await keys.settle(next).catch((error: unknown) => {
      if (!isEvidenceError(error)) throw error;
      // The new key signs all the same: only the old one is still there.
      this.#warn(error.code, `the rotation is through, but the old key is still there: ${error.message}`);
      return undefined;
    });
    if (settled === undefined) return;
    const { isNamed, text } = settled;
    storage.transaction(() => {
      for (const name of [
        "rotation-item",
        "rotation-old",
        "rotation-next",
        "token-key",
        "token-place",
      ] as const)
        meta.forget(name);
      if (isNamed) return;
      meta.set("token-key", next);
      meta.set("token-place", keys.place);
    });
    signing.cameFrom(undefined);
    log.info({ kid: toHex(next) }, `the rotation is through: ${text}`);
  }

  /** Each thing once, until another comes. */
  #warn(code: string, message: string): void {
    if (this.#warned === message) return;
    this.#warned = message;
    this.#parts.log.warn({ code }, message);
  }
}

const bytesOf = (heads: readonly Head[]): number => heads.reduce((sum, head) => sum + headBytes(head), 0);
