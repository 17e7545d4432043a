/** Whatever ends the process, and wherever: no number is spent twice, nothing durable is lost, and chains have no holes. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { decimal, decodePack, formatDecimal, toHex, type Statement } from "@tallystick/evidence";
import { baseName } from "../../../agent/src/storage/journal.ts";
import { ISS, observation, Rig, STREAM } from "../../support/agent-rig.ts";
import { cutPower, PowerCut, type Cut } from "../../support/power-cut.ts";

type Step =
  | { readonly do: "read" }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "anchor"; readonly answers: boolean }
  | { readonly do: "lose-line" }
  | { readonly do: "crash"; readonly transactions: number; readonly cut: Cut }
  | { readonly do: "kill" }
  | { readonly do: "stop" };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Step>({ do: "read" }) },
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 90_000 }).map((ms): Step => ({ do: "pass", ms })) },
  { weight: 2, arbitrary: fc.boolean().map((answers): Step => ({ do: "anchor", answers })) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "lose-line" }) },
  {
    weight: 3,
    arbitrary: fc
      .record({
        transactions: fc.integer({ min: 0, max: 6 }),
        cut: fc.constantFrom<Cut>("before", "within", "after"),
      })
      .map((where): Step => ({ do: "crash", ...where })),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "kill" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "stop" }) },
);

/** `maxLossMs` of the rig's stream. */
const MAX_LOSS_MS = 10_000;

/** Values read so far: those that a crash may still take, and those that it may not. */
type Values = {
  next: number;
  young: number[];
  readonly safe: number[];
  power?: { readonly failed: boolean };
};

async function perform(rig: Rig, one: Step, values: Values): Promise<void> {
  switch (one.do) {
    case "read":
      values.young.push(values.next);
      rig.source.push(observation(values.next++));
      return rig.time.advance(0);
    case "pass":
      await rig.time.advance(one.ms);
      if (one.ms > MAX_LOSS_MS && values.power?.failed !== true) values.safe.push(...values.young.splice(0));
      return;
    case "anchor":
      rig.anchor.judge = () => (one.answers ? "receipt" : "silence");
      return;
    case "lose-line":
      rig.disconnect("lost");
      return rig.time.advance(0);
    case "crash":
      cutPower(rig, one.transactions, one.cut);
      await rig.time.advance(120_000);
      rig.crash();
      values.young = [];
      return rig.start();
    case "kill":
      rig.crash();
      values.young = [];
      return rig.start();
    case "stop":
      await rig.stop();
      return rig.start();
  }
}

const nameOf = ({ claims: { sub, ch, seq } }: Statement): string =>
  `${sub} ${toHex(ch ?? new Uint8Array())} ${seq}`;

/** Reads, seals, has receipts, tells heads: a good quarter of an hour. The power may fail at any transaction of it. */
const DAY: readonly Step[] = [
  { do: "read" },
  { do: "pass", ms: 65_000 },
  { do: "anchor", answers: false },
  { do: "read" },
  { do: "read" },
  { do: "pass", ms: 300_000 },
  { do: "lose-line" },
  { do: "anchor", answers: true },
  { do: "read" },
  { do: "pass", ms: 400_000 },
];

test.for(["within", "after"] as const)("the power fails %s each single transaction of a run", async (cut) => {
  for (let transactions = 0; ; transactions++) {
    const rig = new Rig();
    rig.connectAnchor();
    const values: Values = { next: 1, young: [], safe: [] };
    const power = cutPower(rig, transactions, cut);
    values.power = power;
    await rig.start().catch((error: unknown) => {
      if (!(error instanceof PowerCut)) throw error;
    });
    for (const one of DAY) {
      if (power.failed) break;
      await perform(rig, one, values);
    }
    rig.crash();
    if (!power.failed) {
      expect(transactions).toBeGreaterThan(15);
      break;
    }
    await rig.start();
    rig.source.push(observation(1_000_000));
    values.safe.push(1_000_000);
    await finish(rig, values);
  }
});

test("random crash points: each number is spent once, each value that was durable is sealed once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
      const rig = new Rig();
      rig.connectAnchor();
      const values: Values = { next: 1, young: [], safe: [] };
      try {
        await rig.start();
        for (const one of steps) await perform(rig, one, values);
        await finish(rig, values);
      } finally {
        rig.crash();
      }
    }),
    { numRuns: 10 },
  );
});

/** Gives every statement the time to have its receipt, and looks at what there is. */
async function finish(rig: Rig, { safe }: Values): Promise<void> {
  rig.anchor.judge = () => "receipt";
  await rig.time.advance(700_000);
  await rig.stop();
  check(rig, safe);
}

function check(rig: Rig, safe: readonly number[]): void {
  const spent = new Map<string, string>();
  for (const statement of [...rig.anchor.arrived, ...rig.sealed()]) {
    const name = nameOf(statement);
    const hash = toHex(statement.hash);
    expect(spent.get(name) ?? hash, `${name} was spent twice`).toBe(hash);
    spent.set(name, hash);
  }
  const sealed = rig.sealed(STREAM);
  const last = new Map<string, number>();
  for (const { claims } of rig.sealed()) {
    const chain = `${claims.sub} ${toHex(claims.ch ?? new Uint8Array())}`;
    expect(claims.seq, chain).toBe((last.get(chain) ?? -1) + 1);
    last.set(chain, claims.seq);
  }
  expect(rig.report().outbox.waiting.count, "all of them have receipts in the end").toBe(0);
  const seen = sealed
    .flatMap(({ content }) =>
      content.type === "senml" ? decodePack(content.payload, baseName(ISS, STREAM)) : [],
    )
    .map(({ value }) => ("v" in value && "mantissa" in value.v ? formatDecimal(value.v) : "?"));
  expect(new Set(seen).size, "no value is sealed twice").toBe(seen.length);
  const missing = safe
    .map((value) => formatDecimal(decimal(BigInt(value), -3)))
    .filter((value) => !seen.includes(value));
  expect(missing, "what was read long enough before a crash is there").toEqual([]);
}
