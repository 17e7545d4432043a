/**
 * Keys with long histories: whoever writes a registry decides how long they are, and a reader must bear it.
 */
import { expect, test } from "vitest";
import { checkChains, examine } from "../../../evidence/src/verify/chains.ts";
import type { Placed } from "../../../evidence/src/verify/placed.ts";
import {
  ed25519Key,
  encodeEvent,
  encodeItem,
  Findings,
  KeyState,
  sealStatement,
  sha256,
  type PublicKey,
  type RegistryItem,
  type Signer,
  type Statement,
  type UsedKey,
} from "@tallystick/evidence";

/** Deeper than a stack would bear. */
const KEYS = 20_000;

/** Signatures are not what is tried here. */
const provider = { name: "any", verify: () => true };
const keyOf = (n: number): PublicKey => ed25519Key(sha256(Uint8Array.of(n >> 16, n >> 8, n)));
const signerOf = (n: number): Signer => ({ key: keyOf(n), sign: () => Promise.resolve(new Uint8Array(64)) });
const operator = signerOf(0);

async function item(
  n: number,
  prev: Statement | undefined,
  content: RegistryItem,
  by = operator,
): Promise<Statement> {
  const claims = {
    iss: "city/operator",
    sub: "registry",
    iat: 1_790_000_000,
    seq: n,
    tq: 2,
    lvl: 1,
  } as const;
  return sealStatement(
    { ...claims, ...(prev === undefined ? {} : { prev: prev.hash }) },
    { type: "registry", payload: encodeItem(content) },
    by,
  );
}

test(`the items behind a device's ${KEYS.toLocaleString("en")}th key are all of those before it`, async () => {
  const state = new KeyState({ provider, hash: sha256 });
  const founders = [{ iss: "city/operator", actsFor: "*", key: operator.key }];
  let last = await item(0, undefined, {
    kind: "policy",
    origin: "log.example/2026",
    log: keyOf(1),
    operators: founders,
  });
  state.apply(last, 0);
  for (let n = 1; n <= KEYS; n++) {
    const device = { device: "city/gw-1", key: keyOf(n + 1), streams: ["*"], silenceS: 900 };
    last = await item(
      n,
      last,
      n === 1 ? { kind: "enrol", ...device } : { kind: "re-enrol", ...device, reason: "broken" },
    );
    state.apply(last, n);
  }
  expect(state.itemsFor(keyOf(KEYS + 1).kid)).toHaveLength(KEYS + 1);
  expect(state.itemsFor(keyOf(3).kid)).toEqual([0, 1, 2, 3]);
});

/** Enough that walking the whole line anew for each key would take minutes. */
const ROTATIONS = 6000;

test(`who stands behind each of ${ROTATIONS.toLocaleString("en")} keys that named one another is found in one walk`, async () => {
  const state = new KeyState({ provider, hash: sha256 });
  const operators = [
    { iss: "city/operator", actsFor: "*", key: operator.key },
    { iss: "city/operator", actsFor: "*", key: keyOf(1) },
  ];
  let last: Statement | undefined;
  const apply = async (content: RegistryItem, by = operator): Promise<void> => {
    last = await item(state.count, last, content, by);
    state.apply(last, state.count);
  };
  await apply({ kind: "policy", origin: "log.example/2026", log: keyOf(2), operators });
  await apply({ kind: "enrol", device: "city/gw-1", key: keyOf(3), streams: ["*"], silenceS: 900 });
  const claims = { iss: "city/gw-1", sub: "sys", iat: 1_790_000_000, tq: 2, lvl: 1 } as const;
  const chain = { ch: new Uint8Array(8), prev: sha256(new Uint8Array()) };
  for (let n = 0; n < ROTATIONS; n++) {
    const payload = encodeEvent({ kind: "key-rotated", key: keyOf(n + 4), heads: [] });
    const rotated = await sealStatement(
      { ...claims, ...chain, seq: n + 1 },
      { type: "event", payload },
      signerOf(n + 3),
    );
    // The second operator registers one of them.
    const by = n === 9 ? signerOf(1) : operator;
    await apply({ kind: "rotate", statement: rotated.bytes }, by);
  }
  const keys = Array.from({ length: ROTATIONS + 1 }, (_, n) => keyOf(n + 3).kid);
  const behind = keys.map((kid) => state.operatorsOf(kid).length);
  expect(behind).toEqual(keys.map((_, n) => (n < 10 ? 1 : 2)));
  expect(keys.some((kid) => state.broughtBySuspect(kid))).toBe(false);
  await apply({ kind: "revoke", kid: keyOf(1).kid, from: 3 });
  expect(keys.map((kid) => state.broughtBySuspect(kid))).toEqual(keys.map((_, n) => n >= 10));
}, 20_000);

test("the heads that many rotations name are laid beside as many statements in one walk", () => {
  const log = { origin: "log.example/2026" };
  const ch = new Uint8Array(8);
  const hashes = Array.from({ length: KEYS + 1 }, (_, n) => keyOf(n).kid);
  const statement = (seq: number) => ({
    hash: hashes[seq],
    kid: hashes[seq],
    claims: { iss: "city/gw-1", sub: "sys", ch, seq, prev: hashes[seq - 1] },
  });
  const placed = hashes.slice(1).map((_, n) => ({ log, index: n, statement: statement(n + 1) }));
  const rotations = (hashOf: (seq: number) => Uint8Array | undefined) =>
    hashes.slice(1).map((kid, n) => {
      const heads = [{ sub: "sys", ch, seq: n + 1, hash: hashOf(n + 1) }];
      return { log, record: { kid, iss: "city/gw-1", succession: { by: "rotate", statement: kid, heads } } };
    });
  const verdict = (used: unknown): string => {
    const findings = new Findings();
    checkChains(examine(placed as unknown as Placed[]), used as UsedKey[], findings);
    return findings.verdict().verdict;
  };
  expect(verdict(rotations((seq) => hashes[seq]))).toBe("verified");
  const other = rotations((seq) => hashes[seq === KEYS ? 0 : seq]);
  expect(verdict(other)).toBe("invalid");
  // Two rotations that contradict each other: one of them is not of what is held.
  expect(verdict([...rotations((seq) => hashes[seq]), ...other])).toBe("invalid");
}, 20_000);
