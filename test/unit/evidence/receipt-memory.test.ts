/**
 * Receipts of a batch that is known are read and hashed in a shorter way: it must accept and refuse what the long way does, bit by bit.
 */
import {
  encodeReceipt,
  Findings,
  parsePolicy,
  parseTransparent,
  ReceiptCheck,
  toHex,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import fc from "fast-check";
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
    if (i % 10 === 0 || i % 17 < 3) batches.push(await world.commit());
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

test("nor does one whose path has a hash too few or too many, in any place, or leads from another place", () => {
  const known = warm();
  for (const at of [0, 3, 77, 78, 140, 149]) {
    const statement = statements[at] ?? expect.fail();
    for (const batch of [world.firstOf(statement), world.newest]) {
      const { index, path } = world.proof(statement, batch);
      const wrong = path.flatMap((one, i) => [
        { index, path: path.toSpliced(i, 1) },
        { index, path: path.toSpliced(i, 0, one) },
        { index, path: path.toSpliced(i, 1, path[i + 1] ?? statement.hash) },
        { index: index ^ (2 ** i), path },
      ]);
      for (const proof of wrong.filter((one) => one.path.length > 0 && one.index < batch.size)) {
        // Before it the good one, of which a wrong one shares the most.
        expect(known.check(world.receipt([statement], batch), statement.hash)).toBeDefined();
        expect(known.check(encodeReceipt(batch.signed, [proof]), statement.hash)).toBeUndefined();
      }
    }
  }
});

test("in any order, and of trees of any shape, what the long way says", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(statements.length - 1), fc.nat(batches.length - 1)), { maxLength: 120 }),
      (asked) => {
        const known = fresh();
        for (const [at, number] of asked) {
          const statement = statements[at] ?? expect.fail();
          const batch = batches[number] ?? expect.fail();
          if (batch.size <= world.indexOf(statement)) continue;
          const good = known.check(world.receipt([statement], batch), statement.hash);
          expect(good).toMatchObject({ index: world.indexOf(statement), tree: { size: batch.size } });
        }
      },
    ),
    { numRuns: 60 },
  );
});

test("what was given stays as it is, and a Buffer, of which a slice is a view, too", () => {
  const check = fresh();
  const given = statements.flatMap((statement) =>
    [world.firstOf(statement), world.newest, world.newest].map((batch) => ({
      entry: statement.hash,
      receipt: Buffer.from(world.receipt([statement], batch)),
    })),
  );
  const before = given.map(({ receipt }) => toHex(receipt));
  for (const { entry, receipt } of given) expect(check.check(receipt, entry)).toBeDefined();
  expect(given.map(({ receipt }) => toHex(receipt))).toEqual(before);

  const statement = statements[77] ?? expect.fail();
  const transparent = Buffer.from(world.transparent(statement, world.firstOf(statement), world.newest));
  const read = [parseTransparent(transparent), parseTransparent(transparent)];
  for (const one of read) expect(one.statement).toEqual(statement);
  expect(read[1]?.receipts.map(toHex)).toEqual(
    [world.firstOf(statement), world.newest].map((batch) => toHex(world.receipt([statement], batch))),
  );
});
