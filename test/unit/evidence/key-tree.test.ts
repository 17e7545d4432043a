/**
 * The tree of keys, changed key by key, against the same tree made at once from nothing but its definition.
 */
import { describe, expect, test } from "vitest";
import {
  compareBytes,
  hashLeaf,
  hashNode,
  sha256,
  toHex,
  verifyInclusion,
  KeyTree,
} from "@tallystick/evidence";

type Key = { readonly kid: Uint8Array; readonly leaf: Uint8Array };

const kidOf = (n: number): Uint8Array => sha256(Uint8Array.of(n >> 8, n & 255));
const keyOf = (n: number, state = 0): Key => ({ kid: kidOf(n), leaf: Uint8Array.of(n >> 8, n & 255, state) });

/** MTH of RFC 6962 section 2.1, word for word. */
function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (only === undefined) return sha256(new Uint8Array());
  if (leaves.length === 1) return hashLeaf(only);
  let half = 1;
  while (half * 2 < leaves.length) half *= 2;
  return hashNode(rootOf(leaves.slice(0, half)), rootOf(leaves.slice(half)));
}

/** What the tree has to be: a map by kid. */
class Model {
  readonly #keys = new Map<string, Key>();
  set(keys: readonly Key[]): void {
    for (const key of keys) this.#keys.set(toHex(key.kid), key);
  }
  sorted(): Key[] {
    return [...this.#keys.values()].toSorted((a, b) => compareBytes(a.kid, b.kid));
  }
}

function check(tree: KeyTree, model: Model, everyProof: boolean): void {
  const keys = model.sorted();
  const root = rootOf(keys.map(({ leaf }) => leaf));
  expect(toHex(tree.root)).toBe(toHex(root));
  if (!everyProof) return;
  for (const [i, { kid, leaf }] of keys.entries()) {
    const proof = tree.proof(kid);
    expect([proof.index, proof.size, toHex(proof.leaf)]).toEqual([i, keys.length, toHex(leaf)]);
    verifyInclusion(hashLeaf(proof.leaf), proof.index, proof.size, proof.path, root);
  }
}

describe("the tree of keys", () => {
  test("added one by one, in whatever order, has the root and the proofs of the whole at every size to 130", () => {
    const [tree, model] = [new KeyTree([], sha256), new Model()];
    check(tree, model, true);
    for (let n = 0; n < 130; n++) {
      tree.set([keyOf(n)]);
      model.set([keyOf(n)]);
      check(tree, model, n % 16 === 0 || n > 120);
    }
    expect(() => tree.proof(kidOf(999))).toThrow(expect.objectContaining({ code: "key-unknown" }));
  });

  test("takes any mixture of new keys and new leaves of old ones, many at a time", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const [tree, model] = [new KeyTree([], sha256), new Model()];
      let state = seed;
      const below = (limit: number): number => {
        state = (state * 48_271) % 2_147_483_647;
        return state % limit;
      };
      for (let step = 1; step <= 12; step++) {
        const numbers = new Set(Array.from({ length: below(30) }, () => below(150)));
        const keys = [...numbers].map((n) => keyOf(n, step));
        tree.set(keys);
        model.set(keys);
        check(tree, model, step === 12);
      }
    }
  });

  test("made at once or from nothing is the same", () => {
    const keys = Array.from({ length: 77 }, (_, n) => keyOf(n));
    const model = new Model();
    model.set(keys);
    check(new KeyTree(keys, sha256), model, true);
  });

  test("a change of one key hashes its path, and an added one no leaf but its own", () => {
    let [leaves, nodes] = [0, 0];
    const counted = (bytes: Uint8Array): Uint8Array => {
      if (bytes[0] === 0) leaves++;
      else nodes++;
      return sha256(bytes);
    };
    const tree = new KeyTree(
      Array.from({ length: 1024 }, (_, n) => keyOf(n)),
      counted,
    );
    [leaves, nodes] = [0, 0];
    tree.set([keyOf(500, 1)]);
    expect([leaves, nodes]).toEqual([1, 10]);
    [leaves, nodes] = [0, 0];
    tree.set([keyOf(1024)]);
    expect(leaves).toBe(1);
    expect(nodes).toBeLessThan(1024);
  });
});
