/**
 * What a device's `heads` statements attest, gathered before its other chains are taken: it decides where each of them may end.
 *
 * @module
 */
import { parseTransparent, toHex, type Hash } from "@tallystick/evidence";
import type { Source, SourceChain } from "./source.ts";

/** A number that some `heads` names, and the hash of that statement. */
export type Attested = { readonly seq: number; readonly heads: Uint8Array };

/** A chain that is named: where it is, and its numbers, rising. */
type Named = { readonly sub: string; readonly ch: Uint8Array; readonly attested: Attested[] };

export class DeviceHeads {
  readonly #named = new Map<string, Named>();

  /** Reads the `sys` chains of one device, as far as they are handed over. */
  static async of(source: Source, sys: readonly SourceChain[], hash: Hash): Promise<DeviceHeads> {
    const heads = new DeviceHeads();
    for (const chain of sys) {
      if (chain.from === null || chain.to === null) continue;
      for await (const bytes of source.statements(chain, chain.from, chain.to)) {
        const { statement } = parseTransparent(bytes, hash);
        if (statement.event?.kind !== "heads" || statement.claims.iss !== chain.iss) continue;
        for (const { sub, ch, seq } of statement.event.heads)
          heads.#add(sub, ch, { seq, heads: statement.hash });
      }
    }
    for (const { attested } of heads.#named.values()) attested.sort((a, b) => a.seq - b.seq);
    return heads;
  }

  /** The lowest number from `seq` on that is attested. */
  next({ sub, ch }: Pick<SourceChain, "sub" | "ch">, seq: number): Attested | undefined {
    const all = this.#named.get(nameOf(sub, ch))?.attested ?? [];
    let [low, high] = [0, all.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((all[middle]?.seq ?? seq) < seq) low = middle + 1;
      else high = middle;
    }
    return all[low];
  }

  /** The highest number that is attested, up to `seq`. */
  newest({ sub, ch }: Pick<SourceChain, "sub" | "ch">, seq: number): Attested | undefined {
    return this.#named.get(nameOf(sub, ch))?.attested.findLast((one) => one.seq <= seq);
  }

  /** Chains that the device names. */
  chains(): readonly { readonly sub: string; readonly ch: Uint8Array; readonly last: Attested }[] {
    return [...this.#named.values()].flatMap(({ sub, ch, attested }) => {
      const last = attested.at(-1);
      return last === undefined ? [] : [{ sub, ch, last }];
    });
  }

  #add(sub: string, ch: Uint8Array, attested: Attested): void {
    const name = nameOf(sub, ch);
    const known = this.#named.get(name);
    if (known === undefined) this.#named.set(name, { sub, ch: ch.slice(), attested: [attested] });
    else known.attested.push(attested);
  }
}

const nameOf = (sub: string, ch: Uint8Array): string => `${sub}/${toHex(ch)}`;
