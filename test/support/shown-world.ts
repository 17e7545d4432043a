/**
 * Evidence and results to be shown: a small world with a hostile text in it, and results of each kind as their verbs write them.
 *
 * @module
 */
import { decimal, encodeBundle } from "@tallystick/evidence";
import { CAUSES, type CoverageBody, type Stretch } from "../../audit/src/coverage/body.ts";
import { TOOL } from "../../audit/src/papers/tool.ts";
import {
  LINE_CLASSES,
  type LineClass,
  type LineRow,
  type ReconcileBody,
} from "../../audit/src/reconcile/body.ts";
import { resultText, type Result } from "../../audit/src/result.ts";
import type { SampleBody } from "../../audit/src/sample/body.ts";
import { World } from "./world.ts";

/** Markup, a turn of direction, and a bell. */
export const EVIL = '</td><script>alert(1)</script>"\u202etxt.exe\u0007';

const HASH = "c3c7c1a6494f1faef89e6bd54086202e1c1694f8b9b5a4c29ca04ea26b91f4d0";

/** `results`: texts of `result.json` by kind. */
export async function shownWorld(): Promise<{
  readonly bundle: Uint8Array;
  readonly policy: string;
  readonly results: ReadonlyMap<string, string>;
}> {
  const world = await World.create();
  const device = await world.enrol("water/gw-1");
  const chain = device.chain("meter/m-1");
  await chain.open();
  await world.commit();
  for (let i = 0; i < 12; i++) await chain.readings();
  await chain.event({
    kind: "gap",
    reason: EVIL.slice(0, 60),
    count: 3,
    time: { from: decimal(1_790_000_000), to: decimal(1_790_000_600) },
  });
  await world.commit();
  const heads = await device.heads();
  await world.commit();
  return {
    bundle: encodeBundle(world.bundle([{ chain }], [heads])),
    policy: world.policy(),
    results: new Map<string, string>([
      ["reconcile", resultText(result("reconcile", 291, reconcileBody()))],
      ["coverage", resultText(result("coverage", 3, coverageBody()))],
      ["sample", resultText(result("sample", 0, sampleBody()))],
    ]),
  };
}

const result = (kind: Result["kind"], findings: number, body: object): Result => ({
  v: 1,
  kind,
  tool: TOOL,
  verdict: "restricted",
  findings,
  log: { origin: "log.city.example/2026", size: 45_000, root: "7e".repeat(32) },
  inputs: [
    { role: "case", name: "september", sha256: "01".repeat(32), bytes: 70_000 },
    { role: "export", name: "bills-2026-09.csv", sha256: "02".repeat(32), bytes: 90_000_123 },
  ],
  checks: [
    { name: "format", result: "passed" },
    {
      name: "witnesses",
      result: "not-done",
      code: "no-witness",
      reason: "the trust policy asks for no independent witness",
    },
    { name: "signatures", result: "passed" },
  ],
  restrictions: ["no-witness"],
  notProven: ["sensor-truth", "export-origin"],
  repeat: ["tally-audit reconcile bills-2026-09.csv --map map.yaml --policy policy.txt -o FOLDER"],
  body,
});

const COUNTS: Partial<Record<LineClass, number>> = {
  "billed-and-proven": 912_340,
  "charged-twice": 41,
  "billed-not-proven": 230,
};

/** @param examples - rows that each class brings */
export function reconcileBody(examples = 6): ReconcileBody {
  return {
    against: "events",
    scope: {
      from: "2026-09-01T00:00:00+02:00",
      to: "2026-10-01T00:00:00+02:00",
      zone: "Europe/Berlin",
      graceBeforeS: 0,
      graceAfterS: 0,
    },
    export: { lines: 912_611, ignored: 4, money: [{ currency: "EUR", billed: "3102928.40" }] },
    evidence: { proven: 912_345, unproven: 3, inGrace: 12, notDemanded: 88 },
    classes: LINE_CLASSES.map((name) => {
      const count = COUNTS[name] ?? 0;
      return {
        class: name,
        count,
        money:
          count === 0
            ? []
            : [{ currency: "EUR", billed: "3101956.00", proven: "3101950.00", difference: "6.00" }],
        quantity: null,
        reasons: count === 41 ? { "same-key": 41 } : {},
        finding: count === 41 || count === 230,
        tolerated: 0,
        file: `${name}.csv`,
        examples: count === 0 ? [] : Array.from({ length: examples }, (_, i) => lineRow(i)),
      };
    }),
    metrics: [{ name: "charge-report-completeness", count: 912_340, of: 912_345 }],
  };
}

const lineRow = (i: number): LineRow => ({
  line: String(i + 2),
  type: "charge",
  key: i === 0 ? EVIL : `INV-2026-${1000 + i}`,
  account: "A-77",
  stream: "toll/lane-4/passages",
  time: "2026-09-03T07:12:44.120+02:00",
  until: "",
  currency: "EUR",
  billed: "3.40",
  proven: "3.40",
  difference: "0.00",
  quantityBilled: "",
  quantityProven: "",
  reason: "same-key",
  statements: HASH,
  indexes: String(400 + i),
  checkpoint: "45000",
});

const none = Object.fromEntries(CAUSES.map((cause) => [cause, 0])) as Stretch["missing"];
const tally = { expected: 96, received: 96, missing: none, late: 0, repeats: 0, conflicts: 0 };

function coverageBody(): CoverageBody {
  const colours = ["green", "green", "amber", "red", "none"] as const;
  const days = Array.from({ length: 45 }, (_, i) => ({
    label: new Date(Date.UTC(2026, 8, 1 + i)).toISOString().slice(0, 10),
    from: "2026-09-01T00:00:00+02:00",
    to: "2026-09-02T00:00:00+02:00",
    colour: colours[i % 5] ?? "green",
    ...tally,
  }));
  return {
    zone: "Europe/Berlin",
    from: "2026-09-01T00:00:00+02:00",
    to: "2026-10-16T00:00:00+02:00",
    lateAfterS: 86_400,
    streams: [
      {
        iss: "water/gw-1",
        sub: "meter/m-1",
        state: "incomplete",
        source: "p1",
        meter: EVIL,
        interval: "900",
        begins: { by: "chain", at: null },
        ends: { by: "open", at: null },
        chains: [
          {
            ch: "4fafca6409486662",
            seqs: { from: 0, to: 2900 },
            held: 2897,
            missing: { ...none, unexplained: 3 },
            attested: null,
          },
        ],
        readings: 2870,
        untimed: 0,
        clock: [0, 2, 2868, 0],
        qualities: [],
        first: "2026-09-01T00:00:00+02:00",
        last: "2026-09-29T23:45:00+02:00",
        total: { ...tally, missing: { ...none, unexplained: 3 } },
        months: [],
        days,
      },
    ],
    devices: [],
    counts: [{ class: "missing", weight: "fault", count: 3 }],
    findings: [
      {
        class: "missing",
        iss: "water/gw-1",
        sub: "meter/m-1",
        ch: null,
        seqs: { from: 17, to: 19 },
        from: null,
        to: null,
        count: 3,
        name: null,
        says: EVIL,
      },
    ],
  };
}

const sampleBody = (): SampleBody => ({
  algorithm: "tally-sample 1",
  seed: EVIL,
  n: 2,
  method: "stratified",
  of: "lines",
  kinds: [],
  from: [{ name: "result.json", sha256: "04".repeat(32) }],
  stratify: "class",
  population: { count: 912_611, amount: null, currency: null },
  start: null,
  strata: [{ name: EVIL, count: 912_611, drawn: 2 }],
  drawn: 2,
  file: "items.csv",
  examples: [1, 2].map((number) => ({
    number: String(number),
    id: `billed-and-proven ${number}`,
    rank: HASH,
    stratum: "billed-and-proven",
    amount: "3.4",
    hits: "1",
    stream: "toll/lane-4/passages",
    line: "2",
    key: EVIL,
    class: "billed-and-proven",
    statements: HASH,
    indexes: "400",
    bundle: `items/${number}.tally`,
    verdict: "restricted",
  })),
});
