/**
 * The registry as whoever adds to it needs it: its end, its operators, the keys that are taken. Taken from the public folder, or from what the running anchor knows; and
 * from the inbox what waits there.
 *
 * @module
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  decodeChange,
  decodeEntries,
  decodeItem,
  EvidenceError,
  equalBytes,
  KeyState,
  parseStatement,
  registryPath,
  TILE_WIDTH,
  type Enrolment,
  type Operator,
  type PublicKey,
  type RegistryItem,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { ITEM_ENDING, readItem } from "./inbox.ts";

/** What is known of a registry whose items are not at hand. */
export type RegistryEnd = {
  /** Number of the next item, and hash of the last. */
  readonly count: number;
  readonly last: Uint8Array;
  /** The operator whose key this is, as long as it counts. */
  readonly operatorOf: (key: PublicKey) => Operator | undefined;
  /** Whether a device has a key. */
  readonly hasDevice: (device: string) => boolean;
  /** Whether a key is anybody's. */
  readonly hasKey: (kid: Uint8Array) => boolean;
};

/** The end of the registry as the running anchor knows it. */
export function endOf(keys: Pick<KeyState, "count" | "last" | "get" | "current">): RegistryEnd {
  return {
    count: keys.count,
    last: keys.last,
    operatorOf: (key) => {
      const record = keys.get(key.kid);
      if (record?.role !== "operator" || record.revoked !== null) return undefined;
      return { iss: record.iss, actsFor: record.streams[0] ?? "", key };
    },
    hasDevice: (device) => keys.current(device) !== undefined,
    hasKey: (kid) => keys.get(kid) !== undefined,
  };
}

/** One item as read. */
type Read = { readonly statement: Statement; readonly item: RegistryItem };

/** The registry up to its last known item. Signatures are not checked: the anchor does. */
export class PublishedRegistry {
  readonly #items: Read[] = [];
  /** False where only the last item is known. */
  readonly #whole: boolean;
  readonly #before: RegistryEnd | undefined;

  private constructor(whole: boolean, before?: RegistryEnd) {
    this.#whole = whole;
    this.#before = before;
  }

  /** A registry of which this is known. */
  static after(end: RegistryEnd): PublishedRegistry {
    return new PublishedRegistry(true, end);
  }

  /**
   * Reads a public folder (or its `registry` folder), or a file that holds the last item.
   *
   * @throws EvidenceError `registry-missing`, `registry-malformed`, `registry-order`
   */
  static async read(place: string): Promise<PublishedRegistry> {
    if (!existsSync(place)) throw new EvidenceError("registry-missing", `${place}: no registry here`);
    if (statSync(place).isFile()) {
      const registry = new PublishedRegistry(false);
      registry.add(await readItem(place));
      return registry;
    }
    const folder = existsSync(join(place, "registry")) ? place : join(place, "..");
    const registry = new PublishedRegistry(true);
    for (let number = 0; ; number++) {
      const width = widthOf(folder, number);
      if (width === 0) break;
      const bytes = new Uint8Array(await readFile(join(folder, registryPath(number, width))));
      for (const one of decodeEntries(bytes, width)) registry.add(parseStatement(one, nodeSha256));
    }
    if (registry.count === 0) throw new EvidenceError("registry-missing", `${place}: no registry here`);
    return registry;
  }

  /** Adds what waits in an inbox, as far as it continues the registry. */
  async addWaiting(inbox: string): Promise<void> {
    const names = existsSync(inbox)
      ? readdirSync(inbox).filter((name) => name.endsWith(ITEM_ENDING) && !name.startsWith("."))
      : [];
    const waiting: Statement[] = [];
    for (const name of names) {
      try {
        waiting.push(await readItem(join(inbox, name)));
      } catch {
        // The anchor refuses it, or has taken it meanwhile.
      }
    }
    for (const statement of waiting.toSorted((a, b) => a.claims.seq - b.claims.seq)) {
      if (statement.claims.seq === this.count && equalBytes(statement.claims.prev ?? EMPTY, this.last)) {
        this.add(statement);
      }
    }
  }

  /** @throws EvidenceError `registry-malformed`, `registry-order` */
  add(statement: Statement): void {
    if (statement.content.type !== "registry")
      throw new EvidenceError("registry-malformed", "not a registry item");
    if (this.#whole && statement.claims.seq !== this.count) {
      throw new EvidenceError("registry-order", "the registry's items are not in order", {
        seq: statement.claims.seq,
      });
    }
    this.#items.push({ statement, item: decodeItem(statement.content.payload) });
  }

  /** Number of the next item. */
  get count(): number {
    const last = this.#items.at(-1);
    return last === undefined ? (this.#before?.count ?? 0) : last.statement.claims.seq + 1;
  }

  /** Hash of the last item. */
  get last(): Uint8Array {
    return this.#items.at(-1)?.statement.hash ?? this.#before?.last ?? EMPTY;
  }

  /** The operators of the items at hand. */
  get operators(): readonly Operator[] {
    return this.#items.flatMap(({ item }) => {
      if (item.kind === "policy") return [...item.operators];
      if (item.kind === "operators") return [...decodeChange(item.change).add];
      return item.kind === "operator-added" ? [item.operator] : [];
    });
  }

  /** The operator whose key this is, as far as it is known. */
  #operatorOf(key: PublicKey): Operator | undefined {
    const known = this.#before?.operatorOf(key);
    return known ?? this.operators.find((operator) => equalBytes(operator.key.kid, key.kid));
  }

  /** The operator whose key this is. @throws EvidenceError `key-unknown`, which names `file` */
  mustKnow(key: PublicKey, file: string): Operator {
    const operator = this.#operatorOf(key);
    if (operator !== undefined) return operator;
    throw new EvidenceError("key-unknown", `${file}: no operator of this registry has this key`);
  }

  /** Origin and key of the log, from item 0. @throws EvidenceError `registry-missing` where that is not at hand */
  get log(): { readonly origin: string; readonly key: PublicKey } {
    const policy = this.#items[0]?.item;
    if (policy?.kind === "policy") return { origin: policy.origin, key: policy.log };
    throw new EvidenceError("registry-missing", "item 0 is not here: give the public folder");
  }

  /** Whether an item brings this very `key-rotated` statement. */
  bringsRotation(hash: Uint8Array): boolean {
    return this.#items.some(
      ({ item }) => item.kind === "rotate" && equalBytes(nodeSha256(item.statement), hash),
    );
  }

  /**
   * What the items say of every key. They tell their order and not their places in the log, which are made up here: what counts is the same, and no index
   * in it means anything.
   *
   * @throws EvidenceError `registry-missing` where not all items are at hand; the code of an item that doesn't count
   */
  keyState(): KeyState {
    if (this.#items[0]?.item.kind !== "policy")
      throw new EvidenceError("registry-missing", "this takes the whole registry: give the public folder");
    return replay(this.#items);
  }

  /** @throws EvidenceError the code with which an item would be refused that came next; nothing where not all items are at hand */
  mustTake(statement: Statement): void {
    if (this.#items[0]?.item.kind !== "policy" || statement.content.type !== "registry") return;
    replay([...this.#items, { statement, item: decodeItem(statement.content.payload) }]);
  }

  /** True where the device has a key, or the key a device. */
  knows(device: string, key: PublicKey): boolean {
    return this.hasDevice(device) || this.hasKey(key);
  }

  hasKey({ kid }: PublicKey): boolean {
    const known = this.#before?.hasKey(kid) === true;
    return known || this.#enrolments().some(({ key }) => equalBytes(key.kid, kid));
  }

  /** True where an item that is at hand enrols this very key for this device. */
  enrols(name: string, { kid }: PublicKey): boolean {
    return this.#enrolments().some(({ device, key }) => device === name && equalBytes(key.kid, kid));
  }

  hasDevice(name: string): boolean {
    const known = this.#before?.hasDevice(name) === true;
    return known || this.#enrolments().some(({ device }) => device === name);
  }

  #enrolments(): readonly Enrolment[] {
    return this.#items.flatMap(({ item }) =>
      item.kind === "enrol" || item.kind === "re-enrol" ? [item] : [],
    );
  }
}

/** The key state after these items, each at some place behind the one before and behind what it speaks of. */
function replay(items: readonly Read[]): KeyState {
  const provider = { name: "unchecked", verify: () => true };
  const state = new KeyState({ hash: nodeSha256, provider });
  let index = -1;
  for (const { statement, item } of items) {
    index = Math.max(index + 1, item.kind === "revoke" ? item.from : 0);
    state.apply(statement, index);
  }
  return state;
}

const EMPTY = new Uint8Array();

/** Items in the widest file of a bundle; 0 where there is none. */
function widthOf(folder: string, number: number): number {
  const full = join(folder, registryPath(number, TILE_WIDTH));
  if (existsSync(full)) return TILE_WIDTH;
  const partial = `${full}.p`;
  if (!existsSync(partial)) return 0;
  return Math.max(0, ...readdirSync(partial).map(Number).filter(Number.isInteger));
}
