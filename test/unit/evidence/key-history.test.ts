/**
 * Keys with long histories: whoever writes a registry decides how long they are, and a reader must bear it.
 */
import { expect, test } from "vitest";
import {
  ed25519Key,
  encodeItem,
  KeyState,
  sealStatement,
  sha256,
  type PublicKey,
  type RegistryItem,
  type Signer,
  type Statement,
} from "@tallystick/evidence";

/** Deeper than a stack would bear. */
const KEYS = 20_000;

/** Signatures are not what is tried here. */
const provider = { name: "any", verify: () => true };
const keyOf = (n: number): PublicKey => ed25519Key(sha256(Uint8Array.of(n >> 16, n >> 8, n)));
const operator: Signer = { key: keyOf(0), sign: () => Promise.resolve(new Uint8Array(64)) };

async function item(n: number, prev: Statement | undefined, content: RegistryItem): Promise<Statement> {
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
    operator,
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
