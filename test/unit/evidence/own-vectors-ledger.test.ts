/**
 * Receipts, registry, trust policies and bundles against vectors that were made by other code (test/interop/make_vectors.py).
 *
 * @module
 */
import { describe, expect, test } from "vitest";
import {
  decodeBundle,
  decodeItem,
  decodeLeaf,
  ed25519Key,
  encodeBundle,
  encodeItem,
  encodeLeaf,
  encodeReceipt,
  equivocate,
  fromHex,
  hashLeaf,
  isForeignReceipt,
  judgeUse,
  KeyState,
  nobleProvider,
  nobleSigner,
  parseForeignReceipt,
  parsePolicy,
  parseReceipt,
  parseStatement,
  quorumMet,
  signBatch,
  toHex,
  verify,
  verifyForeignReceipt,
  verifyInclusion,
  verifyReceipt,
  type PublicKey,
  type Receipt,
} from "@tallystick/evidence";
import { codeOf, vectors, type Vectors } from "../../support/vectors.ts";

type Key = { name: string; seed: string; x: string };
const keyIn = (keys: readonly Key[], name: string): PublicKey => {
  const found = keys.find((key) => key.name === name);
  if (found === undefined) throw new Error(`no key ${name}`);
  return ed25519Key(fromHex(found.x));
};

const receipts = vectors("receipts") as Vectors<{
  keys: Key[];
  good: {
    name: string;
    hex: string;
    origin: string;
    time: number;
    size: number;
    root: string;
    reg: [number, string];
    keysRoot: string;
    hashes: string[];
    indexes: number[];
  }[];
  bad: { name: string; code: string; at: "parse" | "verify"; hex: string; hashes: string[] }[];
  equivocation: { name: string; hex: [string, string]; hashes: [string, string] }[];
  noEquivocation: { name: string; hex: [string, string]; hashes: [string, string] }[];
  foreign: { name: string; hex: string; hash: string };
}>;
const logKey = keyIn(receipts.keys, "receipt log");

describe(`receipts: ${receipts.source}`, () => {
  test.for(receipts.good)("$name", async (v) => {
    const receipt = parseReceipt(fromHex(v.hex));
    expect(receipt).toMatchObject({
      origin: v.origin,
      timeUnixS: v.time,
      size: v.size,
      registry: { count: v.reg[0], last: fromHex(v.reg[1]) },
      keysRoot: fromHex(v.keysRoot),
      kid: logKey.kid,
    });
    const { root, indexes } = verifyReceipt(receipt, v.hashes.map(fromHex), logKey, nobleProvider);
    expect(toHex(root)).toBe(v.root);
    expect(indexes).toEqual(v.indexes);
    const signer = nobleSigner(fromHex(receipts.keys[0]?.seed ?? ""));
    const { origin, timeUnixS, size, registry, keysRoot } = receipt;
    const batch = await signBatch({ origin, timeUnixS, size, registry, keysRoot }, root, signer);
    expect(toHex(encodeReceipt(batch, receipt.proofs))).toBe(v.hex);
  });

  test.for(receipts.bad.filter(({ at }) => at === "parse"))(
    "$name is refused with $code",
    ({ hex, code }) => {
      expect(codeOf(() => parseReceipt(fromHex(hex)))).toBe(code);
    },
  );

  test.for(receipts.bad.filter(({ at }) => at === "verify"))("$name: $code", ({ hex, hashes, code }) => {
    const run = () => verifyReceipt(parseReceipt(fromHex(hex)), hashes.map(fromHex), logKey, nobleProvider);
    expect(codeOf(run)).toBe(code);
  });

  const good = (hex: string, hash: string): Receipt & { root: Uint8Array } => {
    const receipt = parseReceipt(fromHex(hex));
    return { ...receipt, ...verifyReceipt(receipt, [fromHex(hash)], logKey, nobleProvider) };
  };

  test.for(receipts.equivocation)("two receipts of one size with another $name", ({ hex, hashes }) => {
    expect(equivocate(good(hex[0], hashes[0]), good(hex[1], hashes[1]))).toBe(true);
  });

  test.for(receipts.noEquivocation)("two receipts of one size with $name", ({ hex, hashes }) => {
    expect(equivocate(good(hex[0], hashes[0]), good(hex[1], hashes[1]))).toBe(false);
  });

  test("of other log software, without a size", () => {
    const bytes = fromHex(receipts.foreign.hex);
    expect(isForeignReceipt(bytes)).toBe(true);
    expect(codeOf(() => parseReceipt(bytes))).not.toBe("accepted");
    verifyForeignReceipt(parseForeignReceipt(bytes), fromHex(receipts.foreign.hash), logKey, nobleProvider);
  });
});

const registry = vectors("registry") as Vectors<{
  origin: string;
  keys: Key[];
  items: {
    name: string;
    n: number;
    index: number;
    hex: string;
    hash: string;
    payload: string;
    leaves: string[];
    root: string;
  }[];
  refused: { name: string; code: string; index: number; hex: string }[];
  refusedAfter: number;
  uses: {
    name: string;
    leaf: {
      iss: string;
      role: "device" | "operator";
      streams: string[];
      enrolled: number;
      superseded: number | null;
      suspect: number | null;
      revoked: number | null;
    };
    succession: null | "re-enrol" | { statement: string; heads: [sub: string, ch: string, seq: number][] };
    use: { iss: string; sub: string; ch: string; seq: number; hash: string; index: number };
    invalid: string | null;
    restriction: string | null;
  }[];
  refusedLeaves: { name: string; code: string; hex: string }[];
  proofs: { kid: string; leaf: string; size: number; index: number; path: string[] }[];
}>;

/** The state after the first `count` items. */
const stateAfter = (count: number): KeyState => {
  const state = new KeyState();
  for (const { hex, index } of registry.items.slice(0, count))
    state.apply(parseStatement(fromHex(hex)), index);
  return state;
};

describe(`registry: ${registry.source}`, () => {
  test.for(registry.items)("item $n, $name", ({ n, index, hex, hash, payload, leaves, root }) => {
    const state = stateAfter(n);
    const statement = parseStatement(fromHex(hex));
    expect(toHex(statement.hash)).toBe(hash);
    expect(toHex(encodeItem(decodeItem(fromHex(payload))))).toBe(payload);
    state.apply(statement, index);
    expect(state.count).toBe(n + 1);
    expect(toHex(state.last)).toBe(hash);
    const records = [...state.records()].toSorted((a, b) => (toHex(a.kid) < toHex(b.kid) ? -1 : 1));
    expect(records.map((record) => toHex(encodeLeaf(record)))).toEqual(leaves);
    expect(toHex(state.root())).toBe(root);
  });

  test.for(registry.refused)("$name does not count: $code", ({ hex, index, code }) => {
    const state = stateAfter(registry.refusedAfter);
    const before = toHex(state.root());
    expect(codeOf(() => state.apply(parseStatement(fromHex(hex)), index))).toBe(code);
    expect(toHex(state.root())).toBe(before);
    expect(state.count).toBe(registry.refusedAfter);
  });

  test.for(registry.refusedLeaves)("leaf, $name: $code", ({ hex, code }) => {
    expect(codeOf(() => decodeLeaf(fromHex(hex)))).toBe(code);
  });

  test.for(registry.uses)(
    "a key's use, $name: $invalid $restriction",
    ({ leaf, succession, use, ...expected }) => {
      const state = { ...leaf, kid: new Uint8Array(32), silenceS: 900 };
      const after =
        succession === null
          ? undefined
          : succession === "re-enrol"
            ? ({ by: "re-enrol" } as const)
            : ({
                by: "rotate",
                statement: fromHex(succession.statement),
                heads: succession.heads.map(([sub, ch, seq]) => ({ sub, ch: fromHex(ch), seq })),
              } as const);
      const found = judgeUse(state, { ...use, ch: fromHex(use.ch), hash: fromHex(use.hash) }, after);
      expect(found.invalid ?? null).toBe(expected.invalid);
      expect(found.restriction ?? null).toBe(expected.restriction);
    },
  );

  test.for(registry.proofs)("proof of key $kid", ({ kid, leaf, size, index, path }) => {
    const state = stateAfter(registry.items.length);
    expect(state.proof(fromHex(kid))).toEqual({ leaf: fromHex(leaf), size, index, path: path.map(fromHex) });
    verifyInclusion(hashLeaf(fromHex(leaf)), index, size, path.map(fromHex), state.root());
  });
});

const policies = vectors("policies") as Vectors<{
  good: { name: string; text: string; logs: number; witnesses: number; operators: string[] }[];
  quorums: { name: string; text: string; met: string[][]; unmet: string[][] }[];
  refused: { name: string; text: string }[];
}>;

describe(`trust policies: ${policies.source}`, () => {
  test.for(policies.good)("$name", ({ text, logs, witnesses, operators }) => {
    const policy = parsePolicy(text);
    expect(policy.logs).toHaveLength(logs);
    expect(policy.witnesses.size).toBe(witnesses);
    expect(policy.operators.map(({ org }) => org)).toEqual(operators);
  });

  test.for(policies.quorums)("quorum: $name", ({ text, met, unmet }) => {
    const policy = parsePolicy(text);
    expect(met.map((names) => quorumMet(policy, names))).toEqual(met.map(() => true));
    expect(unmet.map((names) => quorumMet(policy, names))).toEqual(unmet.map(() => false));
  });

  test.for(policies.refused)("$name is refused", ({ text }) => {
    expect(codeOf(() => parsePolicy(text))).toBe("policy-malformed");
  });
});

type Row = { name: string; policy: string; verdict: string; code: string | null; restrictions: string[] } & (
  { hex: string } | { same: string }
);
const bundles = vectors("bundle") as Vectors<{
  bundles: Row[];
  transparent: { name: string; hex: string; items: string[]; itemIndexes: number[]; code?: string }[];
}>;
const hexOf = (row: Row): string => {
  const named = "hex" in row ? row : bundles.bundles.find(({ name }) => name === row.same);
  if (named === undefined || !("hex" in named)) throw new Error(`no bytes for ${row.name}`);
  return named.hex;
};

describe(`bundles: ${bundles.source}`, () => {
  test.for(bundles.bundles)("$name: $verdict $code", (row) => {
    const verdict = verify(fromHex(hexOf(row)), { policy: parsePolicy(row.policy) });
    expect({ ...verdict, restrictions: verdict.restrictions.toSorted() }).toMatchObject({
      verdict: row.verdict,
      restrictions: row.restrictions.toSorted(),
    });
    expect(verdict.code ?? null).toBe(row.code);
  });

  test.for(bundles.bundles.filter(({ verdict }) => verdict === "verified"))(
    "$name is written in the same bytes",
    (row) => {
      expect(toHex(encodeBundle(decodeBundle(fromHex(hexOf(row)))))).toBe(hexOf(row));
    },
  );

  test.for(bundles.transparent)("transparent statement, $name", ({ hex, items, itemIndexes, code }) => {
    const state = new KeyState();
    const statements = items.map((item) => parseStatement(fromHex(item)));
    for (const [n, item] of statements.entries()) state.apply(item, itemIndexes[n] ?? 0);
    const policy = parsePolicy(`${bundles.bundles[0]?.policy.replace(/quorum .*/, "quorum none")}`);
    const verdict = verify(fromHex(hex), {
      policy,
      registry: { at: () => state, hashOf: (n) => statements[n]?.hash },
    });
    expect(verdict).toMatchObject(
      code === undefined
        ? { verdict: "restricted", restrictions: ["no-witness"] }
        : { verdict: "invalid", code },
    );
  });
});
