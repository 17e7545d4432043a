/**
 * The key state: what a sequence of registry items says about every key. The anchor keeps it, receipts sign its root, and
 * anyone who has the registry derives the same.
 *
 * An item counts only if its signer's key is an operator's, valid at the item's own log index, and may act for the org concerned; any other item is
 * refused with a code, by the anchor at admission and by an auditor on derivation alike.
 *
 * @module
 */
import { equalBytes, toHex } from "./bytes.ts";
import { EvidenceError } from "./errors.ts";
import { decodeEvent } from "./event.ts";
import { encodeLeaf, judgeRevocation, type Succession } from "./key-leaf.ts";
import { freshRecord, mayActFor, type KeyRecord } from "./key-record.ts";
import { KeyTree, type KeyProof } from "./key-tree.ts";
import { parseIss, SYSTEM_STREAM } from "./names.ts";
import { nobleProvider } from "./provider.ts";
import type { SignatureProvider } from "./signature.ts";
import { decodeItem, type Enrolment, type Operator, type RegistryItem } from "./registry.ts";
import { sha256, type Hash } from "./sha256.ts";
import { parseStatement, verifyStatement, type Statement } from "./statement.ts";

export type KeyStateOptions = {
  readonly provider?: SignatureProvider;
  readonly hash?: Hash;
  /** False for the selection in a bundle: numbers ascend, but some are left out. */
  readonly complete?: boolean;
};

export class KeyState {
  readonly #records = new Map<string, KeyRecord>();
  readonly #currentOfDevice = new Map<string, string>();
  readonly #provider: SignatureProvider;
  readonly #complete: boolean;
  #count = 0;
  /** Items were left out so far: a key that is not known may stand in one of them. */
  #gap = false;
  #last: Uint8Array = new Uint8Array(32);
  #lastIndex = -1;
  #policy: (RegistryItem & { kind: "policy" }) | undefined;
  #ended: number | undefined;
  readonly #tree: KeyTree;
  /** Keys, by their names in `#records`, whose leaves in the tree are not up to date. */
  readonly #stale = new Set<string>();

  constructor({ provider = nobleProvider, hash = sha256, complete = true }: KeyStateOptions = {}) {
    this.#provider = provider;
    this.#complete = complete;
    this.#tree = new KeyTree([], hash);
  }

  /** Number of the next item. */
  get count(): number {
    return this.#count;
  }

  /** Hash of the last item; zeros before the first. */
  get last(): Uint8Array {
    return this.#last;
  }

  /** Item 0, once it was applied. */
  get policy(): (RegistryItem & { kind: "policy" }) | undefined {
    return this.#policy;
  }

  /** Log index of the `successor` item, with which the log ended: nothing after it counts. */
  get ended(): number | undefined {
    return this.#ended;
  }

  get(kid: Uint8Array): KeyRecord | undefined {
    return this.#records.get(toHex(kid));
  }

  /** The key that a device signs with now. */
  current(iss: string): KeyRecord | undefined {
    const kid = this.#currentOfDevice.get(iss);
    return kid === undefined ? undefined : this.#records.get(kid);
  }

  records(): IteratorObject<KeyRecord> {
    return this.#records.values();
  }

  /**
   * Applies the next item.
   *
   * @param statement - a parsed statement of content type registry; its signature is checked here
   * @param index - its index in the log
   * @throws EvidenceError `registry-malformed`, `registry-order`, `entry-zero`, `key-unknown`, `key-issuer`, `key-not-enrolled`, `key-revoked`,
   *   `key-exists`, `operator-org`, `signature-invalid`, `log-ended`; nothing changes then
   */
  apply(statement: Statement, index: number): RegistryItem {
    if (statement.content.type !== "registry")
      throw new EvidenceError("registry-malformed", "not a registry item");
    const item = decodeItem(statement.content.payload);
    if (this.#ended !== undefined) {
      throw new EvidenceError("log-ended", "the log ended with its successor's name", { ended: this.#ended });
    }
    this.#checkOrder(statement, index);
    const n = statement.claims.seq;
    this.#gap ||= n > this.#count;
    if (item.kind === "policy") this.#found(item, statement, index);
    else this.#change(item, this.#signer(statement, index), n, index);
    this.#count = n + 1;
    this.#last = statement.hash;
    this.#lastIndex = index;
    return item;
  }

  /** Root of the key tree: `keys` of the receipts from here on. */
  root(): Uint8Array {
    return this.#keyTree().root;
  }

  /** @throws EvidenceError `key-unknown` */
  proof(kid: Uint8Array): KeyProof {
    const record = this.get(kid);
    if (record === undefined) throw new EvidenceError("key-unknown", "no such key", { kid: toHex(kid) });
    return this.#keyTree().proof(kid);
  }

  /**
   * Numbers of the items that someone needs to judge a key: item 0, those that brought, changed or revoked it, and the same of the operators behind
   * them. Ascending.
   */
  itemsFor(kid: Uint8Array): number[] {
    const items = new Set([0]);
    const seen = new Set<string>();
    // A list and no recursion: whoever writes the registry decides how long the way back is.
    const open = [kid];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const name = toHex(next);
      const record = this.get(next);
      if (record === undefined || seen.has(name)) continue;
      seen.add(name);
      for (const n of [record.item, ...record.changes]) items.add(n);
      const before = this.#before.get(name);
      for (const signer of this.#changers.get(name)?.values() ?? []) open.push(signer);
      for (const behind of [record.by, before]) if (behind !== undefined) open.push(behind);
    }
    return [...items].toSorted((a, b) => a - b);
  }

  /** The operators from the one that brought `kid` up to a founding one. */
  operatorsOf(kid: Uint8Array): KeyRecord[] {
    const chain: KeyRecord[] = [];
    let by = this.get(kid)?.by;
    while (by !== undefined && chain.length < this.#records.size) {
      const operator = this.get(by);
      if (operator === undefined) break;
      chain.push(operator);
      by = operator.by;
    }
    return chain;
  }

  /** Kid to the operators that changed or revoked it; and a rotated or re-enrolled key to the one before. */
  readonly #changers = new Map<string, Map<string, Uint8Array>>();
  readonly #before = new Map<string, Uint8Array>();

  #checkOrder({ claims }: Statement, index: number): void {
    const next = this.#count;
    const inOrder = this.#complete ? claims.seq === next : claims.seq >= next;
    if (!inOrder || index <= this.#lastIndex) {
      throw new EvidenceError("registry-order", "not the next registry item", {
        seq: claims.seq,
        expected: next,
        index,
      });
    }
    if (claims.seq === next && next > 0 && !equalBytes(claims.prev ?? new Uint8Array(), this.#last)) {
      throw new EvidenceError("registry-order", "the item names another predecessor", { seq: claims.seq });
    }
  }

  #found(item: RegistryItem & { kind: "policy" }, statement: Statement, index: number): void {
    if (statement.claims.seq !== 0 || index !== 0) {
      throw new EvidenceError("entry-zero", "a policy is item 0 and entry 0", {
        seq: statement.claims.seq,
        index,
      });
    }
    const signer = item.operators.find(({ key }) => equalBytes(key.kid, statement.kid));
    if (signer === undefined || signer.iss !== statement.claims.iss) {
      throw new EvidenceError("entry-zero", "the policy is not signed by one of its own operators");
    }
    verifyStatement(statement, signer.key, this.#provider);
    const kids = item.operators.map(({ key }) => toHex(key.kid));
    if (new Set(kids).size !== kids.length)
      throw new EvidenceError("key-exists", "an operator's key is listed twice");
    this.#policy = item;
    for (const operator of item.operators) this.#addOperator(operator, 0, 0, undefined);
  }

  /** The operator that signed an item: its key is known, counts at this index, and made this signature. */
  #signer(statement: Statement, index: number): KeyRecord {
    const signer = this.get(statement.kid);
    if (signer === undefined) throw this.#unknown("the item is not signed by an operator", statement.kid);
    if (signer.role !== "operator") throw new EvidenceError("key-unknown", "a device signs no items");
    if (signer.iss !== statement.claims.iss)
      throw new EvidenceError("key-issuer", "the key belongs to another operator");
    const { invalid } = judgeRevocation(signer, index);
    if (invalid !== undefined) throw new EvidenceError(invalid, "the operator's key was revoked", { index });
    verifyStatement(statement, signer.key, this.#provider);
    return signer;
  }

  #change(
    item: Exclude<RegistryItem, { kind: "policy" }>,
    signer: KeyRecord,
    n: number,
    index: number,
  ): void {
    switch (item.kind) {
      case "operator-added":
        this.#mayAdd(signer, item.operator);
        this.#addOperator(item.operator, n, index, signer.kid);
        return;
      case "enrol":
        mayActFor(signer, parseIss(item.device).org);
        if (this.#currentOfDevice.has(item.device)) {
          throw new EvidenceError("key-exists", "this device has a key already: re-enrol it", {
            device: item.device,
          });
        }
        this.#addDevice(item, n, index, signer.kid, false);
        return;
      case "re-enrol":
        mayActFor(signer, parseIss(item.device).org);
        this.#succeed(item, { by: "re-enrol" }, n, index, signer);
        return;
      case "rotate":
        this.#rotate(item.statement, n, index, signer);
        return;
      case "revoke":
        this.#revoke(item.kid, item.from, n, index, signer);
        return;
      case "successor":
        mayActFor(signer, "*");
        this.#ended = index;
        return;
    }
  }

  /** Operators of an org add others for it; only a `*` operator adds the first of an org, or another `*`. */
  #mayAdd(signer: KeyRecord, { actsFor }: Operator): void {
    const known = this.#records.values().some((one) => one.role === "operator" && one.streams[0] === actsFor);
    mayActFor(signer, actsFor === "*" || !known ? "*" : actsFor);
  }

  #addOperator({ iss, actsFor, key }: Operator, n: number, index: number, by: Uint8Array | undefined): void {
    this.#add({
      ...freshRecord(key, "operator", iss, n, index),
      streams: [actsFor],
      silenceS: 0,
      ...(by === undefined ? {} : { by }),
    });
  }

  #addDevice(enrolled: Enrolment, n: number, index: number, by: Uint8Array, reEnrolled: boolean): void {
    const { device, key, streams, silenceS, machine } = enrolled;
    this.#add({
      ...freshRecord(key, "device", device, n, index),
      streams,
      silenceS,
      by,
      reEnrolled,
      ...(machine === undefined ? {} : { machine }),
    });
    this.#currentOfDevice.set(device, toHex(key.kid));
  }

  #add(record: KeyRecord): void {
    if (this.#records.has(toHex(record.kid))) {
      throw new EvidenceError("key-exists", "this key is in the registry already", {
        kid: toHex(record.kid),
      });
    }
    this.#put(record);
  }

  #put(record: KeyRecord): void {
    const name = toHex(record.kid);
    this.#records.set(name, record);
    this.#stale.add(name);
  }

  #succeed(enrolled: Enrolment, succession: Succession, n: number, index: number, signer: KeyRecord): void {
    const old = this.current(enrolled.device);
    if (old === undefined) throw this.#unknown(`${enrolled.device} has no key to succeed`);
    this.#addDevice(enrolled, n, index, signer.kid, succession.by === "re-enrol");
    this.#put({
      ...old,
      superseded: index,
      succession,
      changes: [...old.changes, n],
    });
    this.#noteChange(old.kid, signer.kid);
    this.#before.set(toHex(enrolled.key.kid), old.kid);
  }

  #rotate(bytes: Uint8Array, n: number, index: number, signer: KeyRecord): void {
    const rotated = parseStatement(bytes);
    const { iss, sub } = rotated.claims;
    const old = this.current(iss);
    if (old === undefined || !equalBytes(old.kid, rotated.kid)) {
      throw this.#unknown("a rotation is signed by the device's current key", rotated.kid);
    }
    if (judgeRevocation(old, index).invalid !== undefined)
      throw new EvidenceError("key-revoked", "a revoked key names no successor");
    mayActFor(signer, parseIss(iss).org);
    verifyStatement(rotated, old.key, this.#provider);
    const event =
      sub === SYSTEM_STREAM && rotated.content.type === "event"
        ? decodeEvent(rotated.content.payload)
        : undefined;
    if (event?.kind !== "key-rotated")
      throw new EvidenceError("registry-malformed", "not a key-rotated statement on sys");
    const { streams, silenceS, machine } = old;
    const next = {
      device: iss,
      key: event.key,
      streams,
      silenceS,
      ...(machine === undefined ? {} : { machine }),
    };
    this.#succeed(next, { by: "rotate", statement: rotated.hash, heads: event.heads }, n, index, signer);
  }

  #revoke(kid: Uint8Array, from: number, n: number, index: number, signer: KeyRecord): void {
    const record = this.get(kid);
    if (record === undefined) throw this.#unknown("no such key to revoke", kid);
    mayActFor(signer, record.role === "operator" ? (record.streams[0] ?? "*") : parseIss(record.iss).org);
    if (from > index)
      throw new EvidenceError("registry-malformed", "a key is suspect from the past on", { from, index });
    this.#put({
      ...record,
      suspect: Math.min(record.suspect ?? from, from),
      revoked: record.revoked ?? index,
      changes: [...record.changes, n],
    });
    this.#noteChange(kid, signer.kid);
  }

  /** In a whole registry nobody brought the key; in a selection the item that did may be left out, and nobody is to blame. */
  #unknown(message: string, kid: Uint8Array = new Uint8Array()): EvidenceError {
    const code = this.#gap ? "registry-missing" : "key-unknown";
    return new EvidenceError(code, this.#gap ? `an item is not here: ${message}` : message, {
      kid: toHex(kid),
    });
  }

  #noteChange(kid: Uint8Array, signer: Uint8Array): void {
    const signers = this.#changers.get(toHex(kid)) ?? new Map<string, Uint8Array>();
    this.#changers.set(toHex(kid), signers.set(toHex(signer), signer));
  }

  #keyTree(): KeyTree {
    if (this.#stale.size > 0) {
      const records = [...this.#stale].flatMap((name) => this.#records.get(name) ?? []);
      this.#tree.set(records.map((record) => ({ kid: record.kid, leaf: encodeLeaf(record) })));
      this.#stale.clear();
    }
    return this.#tree;
  }
}
