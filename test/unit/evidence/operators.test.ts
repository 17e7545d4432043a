/**
 * Operators by consent, as the key state applies them: what a refused change leaves behind, what a bundle needs, who stands behind whom.
 */
import { beforeEach, expect, test } from "vitest";
import {
  decodeChange,
  decodeItem,
  encodeChange,
  encodeItem,
  isEvidenceError,
  KeyState,
  openConsent,
  parseStatement,
  sealConsent,
  toHex,
} from "@tallystick/evidence";
import { changeOperators, nextChange } from "../../support/operator-change.ts";
import { operatorOf, World } from "../../support/world.ts";

const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => operatorOf("water/operator", "water", name)) as [
  ReturnType<typeof operatorOf>,
  ReturnType<typeof operatorOf>,
  ReturnType<typeof operatorOf>,
  ReturnType<typeof operatorOf>,
];
let world: World;

/** Item 1: water gets a, b and c, two of whom must agree. */
beforeEach(async () => {
  world = await World.create();
  await changeOperators(world, nextChange(world, "water", { add: [a, b, c], threshold: 2 }), [
    world.operator,
  ]);
});

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (isEvidenceError(error)) return error.code;
    throw error;
  }
  return "nothing";
};

test("a change that is refused leaves everything as it was", async () => {
  const state = world.keyState(world.entries.length);
  const before = toHex(state.root());
  // The removal and the first addition would be good.
  const change = nextChange(world, "water", { add: [d, a], remove: [b.key.kid] });
  const refused = await changeOperators(world, change, [a, c]);
  expect(codeOf(() => state.apply(refused, world.indexOf(refused)))).toBe("key-exists");
  expect([toHex(state.root()), state.count, state.operatorRule("water").round]).toEqual([before, 2, 1]);
  expect(state.operatorRule("water").operators.map(({ key }) => toHex(key.kid))).toEqual(
    [a, b, c].map(({ key }) => toHex(key.kid)),
  );
});

test("the rule in force, and the leaf of whoever was replaced", async () => {
  const item = await changeOperators(
    world,
    nextChange(world, "water", { add: [d], remove: [a.key.kid], threshold: 3 }),
    [b, c],
  );
  const state = world.keyState(world.entries.length);
  expect(state.operatorRule("water")).toMatchObject({ threshold: 3, round: 2 });
  expect(state.operatorRule("*")).toMatchObject({ threshold: 1, round: 0 });
  expect(state.get(a.key.kid)).toMatchObject({
    superseded: null,
    suspect: world.indexOf(item),
    revoked: world.indexOf(item),
  });
  expect(state.operatorsOf(d.key.kid).map(({ key }) => toHex(key.kid))).toEqual(
    [b, c, world.operator].map(({ key }) => toHex(key.kid)),
  );
});

test("what a bundle needs is enough to judge every change of the org, and no more of the registry", async () => {
  await world.enrol("roads/gw-1");
  await changeOperators(world, nextChange(world, "water", { add: [d], remove: [a.key.kid] }), [b, c]);
  await world.enrol("roads/gw-2");
  const device = await world.enrol("water/gw-1", { by: d });
  const state = world.keyState(world.entries.length);
  expect(state.itemsFor(device.signer.key.kid)).toEqual([0, 1, 3, 5]);
  const selection = new KeyState({ complete: false });
  for (const n of [0, 1, 3, 5]) {
    const item = world.items[n];
    if (item !== undefined) selection.apply(item, world.indexOf(item));
  }
  expect(selection.get(d.key.kid)).toEqual(state.get(d.key.kid));
  // Without the change that founded the org, nobody is to blame.
  const without = new KeyState({ complete: false });
  const [policy, , , change] = world.items;
  if (policy === undefined || change === undefined) throw new Error("four items");
  without.apply(policy, 0);
  expect(codeOf(() => without.apply(change, world.indexOf(change)))).toBe("registry-missing");
});

test.for([
  ["a threshold of 0", "member-range", { threshold: 0 }],
  ["an org without its form", "name-malformed", { actsFor: "Water" }],
  ["a kid of 31 bytes", "member-range", { remove: [new Uint8Array(31)] }],
  ["an operator that is none", "registry-malformed", { add: [{ ...a, iss: "water/gw-1" }] }],
] as const)("a change with %s is refused: %s", ([, code, wrong]) => {
  const change = encodeChange({ actsFor: "water", round: 0, threshold: 1, add: [], remove: [], ...wrong });
  expect(codeOf(() => decodeChange(change))).toBe(code);
  // It is a fault of form, in the item around it too.
  const item = encodeItem({ kind: "operators", change, consents: [] });
  expect(codeOf(() => decodeItem(item))).toBe(code);
});

test("a consent is to one change in one log", async () => {
  const change = nextChange(world, "water", { add: [d] });
  const consent = await sealConsent(world.origin, change, b.iss, b.signer);
  expect(openConsent(consent, world.origin, change)).toMatchObject({ iss: b.iss, kid: b.key.kid });
  expect(codeOf(() => openConsent(consent, "log.other.example/2026", change))).toBe("operator-quorum");
  const later = encodeChange({ ...decodeChange(change), round: 2 });
  expect(codeOf(() => openConsent(consent, world.origin, later))).toBe("operator-quorum");
  expect(codeOf(() => openConsent(change, world.origin, change))).toBe("token-malformed");
  expect(codeOf(() => parseStatement(consent))).not.toBe("nothing");
});
