/**
 * Receipts of a batch that is known are read and hashed in a shorter way: it must accept and refuse what the long way does, bit by bit.
 */
import { Findings, parsePolicy, ReceiptCheck, type Statement } from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { beforeAll, expect, test } from "vitest";
import { World, type Batch } from "../../support/world.ts";

const provider = createNodeProvider();
let world: World;
let statements: Statement[];
let batches: Batch[];

beforeAll(async () => {
  world = await World.create();
  const device = await world.enrol("water/gw-1");
  const chain = device.chain("meter/m-1");
  await chain.open();
  batches = [await world.commit()];
  for (let i = 1; i <= 150; i++) {
    await chain.readings(1);
    if (i % 10 === 0) batches.push(await world.commit());
  }
  statements = chain.statements;
});

/** A check that knows every batch, and many nodes of the newest tree. */
function warm(): ReceiptCheck {
  const check = fresh();
  for (let round = 0; round < 2; round++)
    for (const statement of statements)
      for (const batch of [world.firstOf(statement), world.newest])
        expect(check.check(world.receipt([statement], batch), statement.hash)).toBeDefined();
  return check;
}

const fresh = (): ReceiptCheck =>
  new ReceiptCheck(parsePolicy(world.policy()), provider, nodeSha256, new Findings());

test("says of good receipts what the long way says", () => {
  const known = warm();
  for (const statement of statements) {
    for (const batch of batches) {
      if (batch.size <= world.indexOf(statement)) continue;
      const bytes = world.receipt([statement], batch);
      expect(known.check(bytes, statement.hash)).toEqual(fresh().check(bytes, statement.hash));
    }
  }
});

test("a receipt with any other bit holds for nothing, nor does one of another statement", () => {
  const known = warm();
  for (const at of [3, 77, 140]) {
    const statement = statements[at] ?? expect.fail();
    for (const batch of [world.firstOf(statement), world.newest]) {
      const bytes = world.receipt([statement], batch);
      for (let bit = 0; bit < 8 * bytes.length; bit++) {
        const bent = bytes.slice();
        bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const found = known.check(bent, statement.hash);
        if (found !== undefined) expect.fail(`bit ${bit} of ${bytes.length} holds`);
      }
      const other = statements[at + 1] ?? expect.fail();
      expect(known.check(bytes, other.hash)).toBeUndefined();
      expect(known.check(bytes, statement.hash)).toBeDefined();
    }
  }
});
