/**
 * The registry as the broker knows it: every item from number 0 on, verified here and applied to a key state of the broker's own. Its source is
 * believed nothing but that there is nothing newer.
 *
 * @module
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  decodeItem,
  equalBytes,
  EvidenceError,
  isEvidenceError,
  KeyState,
  logOf,
  operatorFault,
  parseStatement,
  type KeyRecord,
  type Statement,
  type TrustPolicy,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, sleep, systemTimer, type Timer } from "@tallystick/evidence/node";
import { KeptRegistry } from "./kept.ts";
import type { RegistrySource } from "./source.ts";

/** Longest pause after faults: when the source comes back, it is heard again within it. */
const MAX_PAUSE_MS = 8000;

/**
 * A revocation names the log index since which its key is suspect, and `KeyState` checks that this is not beyond the item's own index. The source
 * gives items without their log indexes, and here only their order matters; so item n stands at an index beyond any that a log reaches.
 */
const BEYOND_ANY_LOG = 2 ** 40;

export type Registry = {
  /** Undefined until the whole registry was here once: with a part of it a key that was revoked later would count. */
  keys(): KeyState | undefined;
  /** The key that a device may show now; undefined where it has none, it was revoked, or the policy's operators don't stand behind it. */
  device(iss: string): KeyRecord | undefined;
  /** All of these keys; undefined as {@link keys}. */
  devices(): readonly KeyRecord[] | undefined;
  /** Calls `listener` after each change of the keys; the function returned ends that. */
  onChange(listener: () => void): () => void;
  /** Since the source last said that there is nothing newer; since the start where it has not yet. */
  ageMs(): number;
  /** Asks the source once, until it has no more. @throws EvidenceError where it, or what it gives, is not good */
  catchUp(signal: AbortSignal): Promise<void>;
  /** Follows the source until `signal` fires. */
  run(signal: AbortSignal): Promise<void>;
};

export type RegistryOptions = {
  readonly source: RegistrySource;
  readonly policy: TrustPolicy;
  /** Folder in which the verified items are kept, in its folder `registry`. */
  readonly folder: string;
  readonly pollMs: number;
  /** Called at each fault: of the source, of what it gave, of the disk. The follower goes on. */
  readonly told: (error: EvidenceError) => void;
  readonly timer?: Timer;
  /** A monotonic clock. */
  readonly nowMs?: () => number;
};

/** Opens the registry with what was kept of it; nothing is asked for yet. */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  const follower = new Follower(options);
  await follower.load();
  return follower;
}

const newState = (): KeyState => new KeyState({ provider: createNodeProvider(), hash: nodeSha256 });

class Follower implements Registry {
  readonly #options: RegistryOptions;
  readonly #timer: Timer;
  readonly #nowMs: () => number;
  readonly #kept: KeptRegistry;
  readonly #listeners = new Set<() => void>();
  #state = newState();
  #whole = false;
  #confirmedAtMs: number;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#timer = options.timer ?? systemTimer;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#kept = new KeptRegistry(options.folder);
    this.#confirmedAtMs = this.#nowMs();
  }

  keys(): KeyState | undefined {
    return this.#whole ? this.#state : undefined;
  }

  device(iss: string): KeyRecord | undefined {
    const keys = this.keys();
    const record = keys?.current(iss);
    if (keys === undefined || record === undefined || record.revoked !== null) return undefined;
    return operatorFault(record, keys, this.#options.policy) === undefined ? record : undefined;
  }

  devices(): readonly KeyRecord[] | undefined {
    return this.keys()
      ?.records()
      .filter((record) => record.role === "device" && this.device(record.iss) === record)
      .toArray();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  ageMs(): number {
    return this.#nowMs() - this.#confirmedAtMs;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { pollMs, told } = this.#options;
    let pauseMs = pollMs;
    while (!signal.aborted) {
      try {
        await this.catchUp(signal);
        pauseMs = pollMs;
      } catch (error) {
        if (signal.aborted) return;
        if (!isEvidenceError(error)) throw error;
        told(error);
        pauseMs = Math.min(Math.max(MAX_PAUSE_MS, pollMs), 2 * pauseMs);
      }
      await sleep(this.#timer, pauseMs, signal);
    }
  }

  /** What was kept is verified like what a stranger gives; where it does not hold, the registry is fetched anew. */
  async load(): Promise<void> {
    const source = this.#kept.source();
    const never = new AbortController().signal;
    try {
      for (;;) {
        const items = await source.items(this.#state.count, never);
        if (items.length === 0) break;
        for (const item of items) this.#apply(item);
        this.#kept.loaded(items);
        await nextTurn();
      }
      this.#whole = this.#state.count > 0;
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      this.#state = newState();
      this.#kept.restart();
      const message = `the kept registry does not hold, and is fetched anew: ${error.message}`;
      this.#options.told(new EvidenceError(error.code, message, error.where, error));
    }
  }

  /** Asks for the last item that is here and all after it, so that a source with another registry is noticed. */
  async catchUp(signal: AbortSignal): Promise<void> {
    const { source } = this.#options;
    for (;;) {
      const items = await source.items(Math.max(0, this.#state.count - 1), signal);
      const news = this.#beyondOurs(items);
      if (news.length === 0) break;
      this.#take(news);
    }
    if (this.#state.count === 0)
      throw new EvidenceError("registry-missing", `${source.name} has no registry items`);
    this.#confirmedAtMs = this.#nowMs();
    if (!this.#whole) {
      this.#whole = true;
      this.#changed();
    }
    await this.#save();
  }

  /** The items that are new here. What is here stands, whatever the source shows. */
  #beyondOurs(items: readonly Uint8Array[]): readonly Uint8Array[] {
    const { count, last } = this.#state;
    if (count === 0) return items;
    const [ours, ...news] = items;
    if (ours !== undefined && equalBytes(nodeSha256(ours), last)) return news;
    const shows = ours === undefined ? "fewer registry items than are" : "another registry than is";
    throw new EvidenceError("registry-mismatch", `${this.#options.source.name} shows ${shows} here`, {
      item: count - 1,
    });
  }

  #take(items: readonly Uint8Array[]): void {
    const before = this.#state.count;
    try {
      for (const item of items) {
        this.#apply(item);
        this.#kept.add([item]);
      }
    } finally {
      if (this.#whole && this.#state.count > before) this.#changed();
    }
  }

  #apply(bytes: Uint8Array): void {
    const statement = parseStatement(bytes, nodeSha256);
    const n = this.#state.count;
    if (n === 0) checkFounding(statement, this.#options.policy);
    this.#state.apply(statement, n === 0 ? 0 : BEYOND_ANY_LOG + n);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  async #save(): Promise<void> {
    try {
      await this.#kept.save();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#options.told(
        new EvidenceError("storage-failed", `can't keep the registry: ${reason}`, {}, cause),
      );
    }
  }
}

/**
 * Item 0 has to be of a log that the policy names, and signed by an operator whom it pins: everything after it is signed by those whom it
 * names, and those whom they added.
 *
 * @throws EvidenceError `log-unknown`, `log-key`, `operator-foreign`, or a code of a malformed item
 */
function checkFounding(statement: Statement, policy: TrustPolicy): void {
  const item = statement.content.type === "registry" ? decodeItem(statement.content.payload) : undefined;
  if (item?.kind !== "policy") throw new EvidenceError("entry-zero", "item 0 is not a log's policy");
  const log = logOf(policy, item.origin);
  if (log === undefined) throw new EvidenceError("log-unknown", `the trust policy has no log ${item.origin}`);
  if (!equalBytes(log.key.kid, item.log.kid))
    throw new EvidenceError("log-key", `the trust policy has another key for the log ${item.origin}`);
  const signer = item.operators.find(({ key }) => equalBytes(key.kid, statement.kid));
  const pinned = policy.operators.some(
    ({ vkey }) =>
      signer !== undefined && vkey.name === signer.iss && equalBytes(vkey.publicKey, signer.key.x),
  );
  if (!pinned)
    throw new EvidenceError("operator-foreign", "item 0 is not signed by an operator of the trust policy");
}
