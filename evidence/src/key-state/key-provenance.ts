/**
 * What stands behind a key: the operators that brought it, and the items that someone needs to judge it without the rest of the registry.
 *
 * @module
 */
import { toHex } from "../bytes.ts";
import { judgeRevocation } from "./key-leaf.ts";
import type { KeyRecord } from "./key-record.ts";
import type { OperatorRules } from "./operator-rules.ts";

type Find = (kid: Uint8Array) => KeyRecord | undefined;

export class KeyProvenance {
  /** Kid to the operators that changed or revoked it; and a rotated or re-enrolled key to the one before. */
  readonly #changers = new Map<string, Map<string, Uint8Array>>();
  readonly #before = new Map<string, Uint8Array>();
  /** What {@link KeyProvenance.#vouching} said of a key, which nothing changes: the next keys of a long line begin there. */
  readonly #vouched = new Map<string, readonly Uint8Array[]>();
  readonly #find: Find;
  readonly #rules: OperatorRules;

  constructor(find: Find, rules: OperatorRules) {
    this.#find = find;
    this.#rules = rules;
  }

  /** The operator signed, or consented to, an item that changed the key. */
  changed(kid: Uint8Array, operator: Uint8Array): void {
    const changers = this.#changers.get(toHex(kid)) ?? new Map<string, Uint8Array>();
    this.#changers.set(toHex(kid), changers.set(toHex(operator), operator));
  }

  succeeded(kid: Uint8Array, before: Uint8Array): void {
    this.#before.set(toHex(kid), before);
  }

  /** As `KeyState.itemsFor`. */
  itemsFor(kid: Uint8Array): number[] {
    const items = new Set([0]);
    const seen = new Set<string>();
    const orgs = new Set<string>();
    // A list and no recursion: whoever writes the registry decides how long the way back is.
    const open = [kid];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const name = toHex(next);
      const record = this.#find(next);
      if (record === undefined || seen.has(name)) continue;
      seen.add(name);
      for (const n of [record.item, ...record.changes]) items.add(n);
      for (const changer of this.#changers.get(name)?.values() ?? []) open.push(changer);
      for (const by of record.by) open.push(by);
      const before = this.#before.get(name);
      if (before !== undefined) open.push(before);
      const [org] = record.role === "operator" ? record.streams : [];
      if (org === undefined || orgs.has(org)) continue;
      orgs.add(org);
      const rule = this.#rules.of(org);
      if (rule.round === 0) continue;
      for (const n of rule.items) items.add(n);
      for (const one of [...rule.kids, ...rule.behind]) open.push(one);
    }
    return [...items].toSorted((a, b) => a - b);
  }

  /** As `KeyState.operatorsOf`. */
  operatorsOf(kid: Uint8Array): KeyRecord[] {
    const found = new Map<string, KeyRecord>();
    const open = [...this.#vouching(kid)];
    for (const by of open) {
      const operator = this.#find(by);
      if (operator === undefined || found.has(toHex(by))) continue;
      found.set(toHex(by), operator);
      open.push(...operator.by); // the loop comes to them
    }
    return [...found.values()];
  }

  /** Names of the keys of which `KeyState.broughtBySuspect` is true. @param records - all of them, each behind those that stand behind it */
  broughtBySuspects(records: Iterable<KeyRecord>): ReadonlySet<string> {
    const found = new Set<string>();
    for (const record of records) {
      const { kid, by, enrolled } = record;
      const before = this.#rotatedFrom(record);
      const isSuspect = by.some((signer) => {
        const operator = this.#find(signer);
        const suspected =
          operator !== undefined && judgeRevocation(operator, enrolled).restriction !== undefined;
        return suspected || found.has(toHex(signer));
      });
      if (isSuspect || (before !== undefined && found.has(toHex(before.kid)))) found.add(toHex(kid));
    }
    return found;
  }

  /** Kids of the operators that signed or consented to what brought the key and, where it came by `rotate`, the keys before it; the newest first. */
  #vouching(kid: Uint8Array): readonly Uint8Array[] {
    const line: KeyRecord[] = [];
    let known: readonly Uint8Array[] | undefined;
    for (let key = this.#find(kid); key !== undefined && known === undefined;) {
      known = this.#vouched.get(toHex(key.kid));
      if (known === undefined) line.push(key);
      key = this.#rotatedFrom(key);
    }
    let all = known ?? [];
    for (const { kid: next, by } of line.toReversed()) {
      const names = new Set(all.map(toHex));
      const added = by.filter((one) => !names.has(toHex(one)));
      if (added.length > 0) all = [...added, ...all];
      this.#vouched.set(toHex(next), all);
    }
    return all;
  }

  /** The key that named this one as its next. */
  #rotatedFrom({ kid }: KeyRecord): KeyRecord | undefined {
    const before = this.#before.get(toHex(kid));
    const old = before && this.#find(before);
    return old?.succession?.by === "rotate" ? old : undefined;
  }
}
