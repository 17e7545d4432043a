/**
 * The key state: what a sequence of registry items says about every key. The anchor keeps it, receipts sign its root, and
 * anyone who has the registry derives the same.
 *
 * An item counts only if its signer's key is an operator's, valid at the item's own log index, and may act for the org concerned; any other item is
 * refused with a code, by the anchor at admission and by an auditor on derivation alike.
 *
 * @module
 */
import { equalBytes, toHex } from "../bytes.ts";
import { verifyCwt } from "../tokens/cwt.ts";
import { EvidenceError } from "../errors.ts";
import { decodeEvent } from "../events/event.ts";
import { encodeLeaf, judgeRevocation, type Succession } from "./key-leaf.ts";
import { freshRecord, mayActFor, type KeyRecord } from "./key-record.ts";
import { KeyProvenance } from "./key-provenance.ts";
import { KeyTree, type KeyProof } from "./key-tree.ts";
import { parseIss, SYSTEM_STREAM } from "../names.ts";
import { createNobleProvider } from "../keys/provider.ts";
import type { SignatureProvider } from "../keys/signature.ts";
import { judgeChange, OperatorRules } from "./operator-rules.ts";
import { decodeChange, type Operator } from "../registry/operators.ts";
import { decodeItem, type Enrolment, type RegistryItem } from "../registry/registry.ts";
import { sha256, type Hash } from "../sha256.ts";
import { parseStatement, verifyStatement, type Statement } from "../statement/statement.ts";

export type KeyStateOptions = {
  readonly provider?: SignatureProvider;
  readonly hash?: Hash;
  /** False for the selection in a bundle: numbers ascend, but some are left out. */
  readonly complete?: boolean;
};

export class KeyState {
  readonly #records = new Map<string, KeyRecord>();
  readonly #currentOfDevice = new Map<string, string>();
  readonly #rules = new OperatorRules();
  readonly #provenance = new KeyProvenance((kid) => this.get(kid), this.#rules);
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
  /** Names of keys; found when they are asked for, until a record changes. */
  #broughtBySuspects: ReadonlySet<string> | undefined;

  constructor({ provider = createNobleProvider(), hash = sha256, complete = true }: KeyStateOptions = {}) {
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
   * them; where an org has changed its operators by consent, of all the operators that it had. Ascending.
   */
  itemsFor(kid: Uint8Array): number[] {
    return this.#provenance.itemsFor(kid);
  }

  /** The operators behind `kid`: those that brought it or consented, of a key that came by `rotate` also those of the keys before it, and those behind them, up to the founding ones. Nearest first. */
  operatorsOf(kid: Uint8Array): KeyRecord[] {
    return this.#provenance.operatorsOf(kid);
  }

  /**
   * True where an operator behind `kid` was declared suspect from before an item that it signed or consented to, and that brought `kid` or what stands
   * behind it: the item counts, as a statement in that time does, and whoever held the operator's key may have brought a key of his own.
   */
  broughtBySuspect(kid: Uint8Array): boolean {
    this.#broughtBySuspects ??= this.#provenance.broughtBySuspects(this.#records.values());
    return this.#broughtBySuspects.has(toHex(kid));
  }

  /** Operators that act for exactly this org and whose keys count, and how many of them a change takes. */
  operatorRule(org: string): {
    readonly threshold: number;
    readonly round: number;
    readonly operators: readonly KeyRecord[];
  } {
    const { threshold, round, kids } = this.#rules.of(org);
    const operators = kids.flatMap((kid) => this.get(kid) ?? []).filter(({ revoked }) => revoked === null);
    return { threshold, round, operators };
  }

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
    for (const operator of item.operators) this.#addOperator(operator, 0, 0, []);
  }

  /** The operator that signed an item: its key is known, counts at this index, and made this signature. */
  #signer(statement: Statement, index: number): KeyRecord {
    const signer = this.#operator(statement.kid, "the item is not signed by an operator");
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
        mayActFor(signer, item.operator.actsFor);
        this.#rules.mustAllowOne(item.operator.actsFor);
        this.#addOperator(item.operator, n, index, [signer.kid]);
        return;
      case "operators":
        this.#changeOperators(item, n, index, signer);
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

  #changeOperators(
    { change: bytes, consents }: RegistryItem & { kind: "operators" },
    n: number,
    index: number,
    signer: KeyRecord,
  ): void {
    const change = decodeChange(bytes);
    mayActFor(signer, change.actsFor);
    const origin = this.#policy?.origin ?? "";
    const { by, removed } = judgeChange(
      { origin, change, bytes, consents, index, signer },
      {
        rule: this.#rules.of(change.actsFor),
        gap: this.#gap,
        has: (kid) => this.get(kid) !== undefined,
        operator: (kid) => this.#operator(kid, "a change of operators names none"),
        verify: ({ token }, { key }) => verifyCwt(token, key, this.#provider),
      },
    );
    for (const record of removed) this.#putRevoked(record, index, n, index, by);
    for (const operator of change.add) this.#addOperator(operator, n, index, by);
    this.#rules.changed(change, n, by);
  }

  /** @throws EvidenceError `key-unknown`, `registry-missing` */
  #operator(kid: Uint8Array, otherwise: string): KeyRecord {
    const record = this.get(kid);
    if (record === undefined) throw this.#unknown(otherwise, kid);
    if (record.role !== "operator") throw new EvidenceError("key-unknown", otherwise, { kid: toHex(kid) });
    return record;
  }

  #addOperator({ iss, actsFor, key }: Operator, n: number, index: number, by: readonly Uint8Array[]): void {
    this.#add({ ...freshRecord(key, "operator", iss, n, index), streams: [actsFor], silenceS: 0, by });
    this.#rules.added(actsFor, key.kid);
  }

  #addDevice(enrolled: Enrolment, n: number, index: number, by: Uint8Array, reEnrolled: boolean): void {
    const { device, key, streams, silenceS, machine } = enrolled;
    this.#add({
      ...freshRecord(key, "device", device, n, index),
      streams,
      silenceS,
      by: [by],
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
    this.#broughtBySuspects = undefined;
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
    this.#provenance.changed(old.kid, signer.kid);
    this.#provenance.succeeded(enrolled.key.kid, old.kid);
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
    const org = record.role === "operator" ? (record.streams[0] ?? "*") : parseIss(record.iss).org;
    mayActFor(signer, org);
    if (record.role === "operator") this.#rules.mustAllowOne(org);
    if (from > index)
      throw new EvidenceError("registry-malformed", "a key is suspect from the past on", { from, index });
    this.#putRevoked(record, from, n, index, [signer.kid]);
  }

  #putRevoked(record: KeyRecord, from: number, n: number, index: number, by: readonly Uint8Array[]): void {
    this.#put({
      ...record,
      suspect: Math.min(record.suspect ?? from, from),
      revoked: record.revoked ?? index,
      changes: [...record.changes, n],
    });
    const [org] = record.role === "operator" ? record.streams : [];
    if (org !== undefined && record.revoked === null) this.#rules.revoked(org);
    for (const signer of by) this.#provenance.changed(record.kid, signer);
  }

  /** In a whole registry nobody brought the key; in a selection the item that did may be left out, and nobody is to blame. */
  #unknown(message: string, kid: Uint8Array = new Uint8Array()): EvidenceError {
    const code = this.#gap ? "registry-missing" : "key-unknown";
    return new EvidenceError(code, this.#gap ? `an item is not here: ${message}` : message, {
      kid: toHex(kid),
    });
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
