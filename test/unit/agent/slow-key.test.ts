/** A key that takes its time, as one in hardware does: order, what a crash may take, and a clean stop stay what they are. */
import { expect, test } from "vitest";
import { nobleSigner, type Signer } from "@tallystick/evidence";
import { SigningKeys } from "../../../agent/src/seal/signing-key.ts";
import { COUNTER, observation, Rig, STREAM } from "../../support/agent-rig.ts";

/** A chip of the slow kind. */
const SIGNING_MS = 300;

function slowSigner(rig: Rig, takesMs: () => number = () => SIGNING_MS): Signer {
  const fast = nobleSigner(new Uint8Array(32).fill(9));
  return {
    key: fast.key,
    sign: async (message) => {
      await new Promise<void>((resolve) => rig.time.after(takesMs(), resolve));
      return fast.sign(message);
    },
  };
}

async function started(takesMs?: () => number, yaml = ""): Promise<Rig> {
  const rig = new Rig(yaml);
  rig.connectAnchor();
  let isStarted = false;
  const starting = rig.start({ signing: new SigningKeys(slowSigner(rig, takesMs)) }).finally(() => {
    isStarted = true;
  });
  while (!isStarted) await rig.time.advance(100);
  await starting;
  return rig;
}

test("chains have no holes, all has its receipt, and a clean stop seals what is pending", async () => {
  const rig = await started();
  for (let value = 1; value <= 30; value++) {
    rig.source.push(observation(value));
    await rig.time.advance(7000);
  }
  await rig.stop();
  const next = new Map<string, number>();
  for (const { claims } of rig.sealed()) {
    expect(claims.seq).toBe(next.get(claims.sub) ?? 0);
    next.set(claims.sub, claims.seq + 1);
  }
  const records = rig.sealed(STREAM).reduce((sum, statement) => sum + statement.records, 0);
  expect(records).toBe(30);
  expect(rig.report().streams.every(({ journalled }) => journalled === 0)).toBe(true);
});

test("what is being signed is journalled when it is due: a crash takes no more than maxLossMs", async () => {
  let takesMs = SIGNING_MS;
  const rig = await started(() => takesMs);
  rig.source.push(observation(1));
  await rig.time.advance(70_000); // the chain is open
  takesMs = 60_000;
  rig.source.push(observation(2));
  await rig.time.advance(60_500); // its statement is being signed
  expect(rig.sealed(STREAM)).toHaveLength(2);
  rig.source.push(observation(3));
  await rig.time.advance(10_500); // maxLossMs is 10 s
  rig.crash();
  const journalled = rig.report().streams.find(({ sub }) => sub === STREAM)?.journalled;
  expect(journalled).toBe(2);
});

test("a stop that waits for the key in vain leaves what is pending in the journal, however long that might have waited", async () => {
  let takesMs = SIGNING_MS;
  const patient = `streams: [{ name: ${STREAM}, source: { kind: host }, every: 0, maxLossMs: 60000 }]`;
  const rig = await started(() => takesMs, patient);
  rig.source.push(observation(1));
  await rig.time.advance(70_000);
  takesMs = Infinity;
  rig.source.push(observation(2));
  await rig.time.advance(1000);
  await expect(rig.stop()).rejects.toThrow("didn't stop");
  expect(rig.report().streams.find(({ sub }) => sub === STREAM)?.journalled).toBe(1);
  await rig.start();
  await rig.stop();
  expect(rig.sealed(STREAM).reduce((sum, { records }) => sum + records, 0)).toBe(2);
});

test("and so does one that comes while a chain waits to be opened", async () => {
  let takesMs = SIGNING_MS;
  const patient = `streams: [{ name: ${STREAM}, source: { kind: host }, every: 0, maxLossMs: 60000 }]`;
  const rig = await started(() => takesMs, patient);
  rig.source.push(observation(1));
  await rig.time.advance(70_000);
  rig.source.push(observation(2));
  await rig.time.advance(1000);
  takesMs = Infinity;
  rig.source.push({ ...observation(3), registers: [{ ...COUNTER, digits: { whole: 7, fraction: 3 } }] });
  await rig.time.advance(1000);
  await expect(rig.stop()).rejects.toThrow("didn't stop");
  expect(rig.report().streams.find(({ sub }) => sub === STREAM)?.journalled).toBe(1);
});
