/**
 * What coverage says of values, of meters that are exchanged, and of the life of a device and its chains.
 *
 * @module
 */
import { decimal, encodeEat, type BootEvidence } from "@tallystick/evidence";
import { describe, expect, test } from "vitest";
import { decodeContent, encodeContent } from "../../../audit/src/certificate/content.ts";
import { certificateOf } from "../../../audit/src/certificate/make.ts";
import type { CoverageBody } from "../../../audit/src/coverage/body.ts";
import type { Result } from "../../../audit/src/result.ts";
import { BOOT_EVIDENCE } from "../../support/statements.ts";
import { FROM, TO, NOON, found, onlyOf, PERIOD_SAMPLES, town, cover } from "../../support/coverage-desk.ts";
import { type FactsTown, hashOf, HOUR_S, REGISTER } from "../../support/facts-town.ts";

describe("values", () => {
  test("told twice", () => {
    const covered = cover(
      town((hourS, made) => {
        const again = made.meter.made.at(-1)?.readings ?? [];
        if (hourS !== NOON) return false;
        made.report([...again, ...made.read(hourS)], hourS + 5);
        made.heads(hourS + 6);
        return true;
      }),
    );
    expect(found(covered)).toEqual(["repeat 1", "repeat 1", "repeat 1", "repeat 1"]);
    expect(covered.stream.total).toMatchObject({ repeats: 4, received: PERIOD_SAMPLES, conflicts: 0 });
  });

  test("two values for one time; other digits of the same value are none", () => {
    const made = town();
    const one = made.meter.made[40];
    const [first, second] = one?.readings ?? [];
    if (one !== undefined && first !== undefined && second !== undefined)
      one.readings.push({ ...first, v: "9.5" }, { ...second, v: `${second.v}0` });
    const covered = cover(made);
    expect(found(covered)).toEqual(["conflict 1", "repeat 1"]);
    expect(covered.all.find((each) => each.class === "conflict")).toMatchObject({ name: REGISTER });
    expect(covered.stream.total).toMatchObject({ conflicts: 1, repeats: 1 });
  });

  test("a register that runs backwards", () => {
    const covered = cover(town((hourS, made) => void (hourS === NOON && (made.registerWh -= 3000))));
    expect(onlyOf(covered)).toMatchObject({
      class: "backwards",
      name: REGISTER,
      from: "2026-11-03T11:00:00+01:00",
    });
  });

  test("backwards from the last reading before the period", () => {
    const covered = cover(
      town((hourS, made) => void (hourS === FROM + HOUR_S && (made.registerWh -= 3000))),
      {
        from: FROM + 1,
      },
    );
    expect(found(covered)).toEqual(["backwards 1"]);
  });

  test("a register that rolls over at its declared width", () => {
    const covered = cover(town((hourS, made) => void (hourS === NOON && (made.registerWh = 999_999_750))));
    expect(onlyOf(covered)).toMatchObject({
      class: "rollover",
      says: expect.stringContaining("6 digits") as string,
    });
  });

  test("a fall from a value far below its width is no rollover", () => {
    const covered = cover(
      town((hourS, made) => {
        if (hourS === NOON) made.registerWh = 800_000_000;
        if (hourS === NOON + HOUR_S) made.registerWh = 1000;
      }),
    );
    expect(found(covered)).toEqual(["backwards 1"]);
  });

  test("wider than declared", () => {
    const made = town(() => {}, {
      names: [{ name: REGISTER, unit: "kWh", type: "counter", digits: { whole: 2, fraction: 3 } }],
    });
    expect(found(cover(made))).toEqual([`over-width ${PERIOD_SAMPLES}`]);
  });

  test("another unit", () => {
    const made = town();
    for (const one of made.meter.made.slice(40))
      one.readings = one.readings.map((row) => ({ ...row, unit: "Wh" }));
    expect(found(cover(made))).toEqual(["unit-changed 1"]);
  });

  test("what no opening declares a counter may fall", () => {
    const made = town((hourS, one) => void (hourS === NOON && (one.registerWh -= 3000)), { names: [] });
    expect(found(cover(made))).toEqual([]);
  });
});

describe("another meter", () => {
  const change = (lastWh: (town: FactsTown) => number | null, firstWh: number | null) =>
    town((hourS, made) => {
      if (hourS !== NOON) return;
      const last = lastWh(made);
      const registers = (wh: number | null) =>
        wh === null ? [] : [{ name: REGISTER, value: decimal(wh, -3) }];
      const ends = { last: registers(last), first: registers(firstWh) };
      made.tell(made.meter, { kind: "meter-changed", old: "e-1", new: "e-2", ...ends }, hourS - HOUR_S + 30);
      made.registerWh = 5000;
    });

  test("with both ends, and they fit", () => {
    expect(found(cover(change(({ registerWh }) => registerWh, 5000)))).toEqual(["meter-changed 1"]);
  });

  test("with an old end below what had been shown", () => {
    expect(found(cover(change(({ registerWh }) => registerWh - 10, 5000)))).toEqual([
      "meter-change-inconsistent 1",
    ]);
  });

  test("with a new end above what was shown then", () => {
    expect(found(cover(change(({ registerWh }) => registerWh, 6000)))).toEqual([
      "meter-change-inconsistent 1",
    ]);
  });

  test("with an end missing", () => {
    expect(found(cover(change(({ registerWh }) => registerWh, null)))).toEqual(["meter-change-open 1"]);
    expect(found(cover(change(() => null, 5000)))).toEqual(["meter-change-open 1"]);
  });

  test("swapped between two chains, and nobody says so", () => {
    const covered = cover(
      town((hourS, made) => void (hourS === NOON && made.reopen(hourS - HOUR_S + 60, { meter: "e-9" }))),
    );
    expect(found(covered)).toEqual(["meter-swapped 1", "new-chain 1"]);
  });
});

describe("life", () => {
  test("a restart, another version, another configuration", () => {
    const covered = cover(
      town((hourS, made) => {
        if (hourS !== NOON) return;
        const boot = {
          kind: "boot",
          version: "0.2.0",
          boot: hashOf("again").slice(0, 16),
          alive: hourS - 70,
        } as const;
        made.tell(made.sys, boot, hourS - 10);
        made.tell(made.sys, { kind: "config-changed", hash: hashOf("configuration") }, hourS - 9);
      }),
    );
    expect(found(covered)).toEqual(["configuration 1", "restart 1", "software 1"]);
    expect(covered.body.devices[0]).toMatchObject({ starts: 1, versions: ["0.2.0"] });
  });

  test("boot evidence: other files of the same version, another machine under the same key", () => {
    const prove = (made: FactsTown, atS: number, evidence: Partial<BootEvidence>): void =>
      void made.prove(encodeEat({ ...BOOT_EVIDENCE, ...evidence }), atS);
    const same = cover(
      town((hourS, made) => {
        if (hourS === NOON - 5 * HOUR_S || hourS === NOON) prove(made, hourS, {});
      }),
    );
    expect(found(same)).toEqual([]);
    const other = cover(
      town((hourS, made) => {
        if (hourS === NOON - 5 * HOUR_S) prove(made, hourS, { machine: hashOf("one") });
        if (hourS === NOON) prove(made, hourS, { machine: hashOf("another") });
        if (hourS === NOON + HOUR_S)
          prove(made, hourS, { machine: hashOf("another"), files: { count: 1, hash: hashOf("files") } });
      }),
    );
    expect(found(other)).toEqual(["other-machine 1", "software 1"]);
  });

  test("a new chain behind the one before", () => {
    const covered = cover(town((hourS, made) => void (hourS === NOON && made.reopen(hourS - HOUR_S + 60))));
    expect(found(covered)).toEqual(["new-chain 1"]);
    expect(covered.stream.chains).toHaveLength(2);
    expect(covered.stream.state).toBe("complete");
    expect(covered.stream.total).toMatchObject({ expected: PERIOD_SAMPLES, received: PERIOD_SAMPLES });
  });

  test("a chain whose predecessor is lost, and the same after a re-enrolment", () => {
    const lost = town(
      (hourS, made) =>
        void (hourS === NOON && made.reopen(hourS - HOUR_S + 60, { before: { lost: "disk" } })),
    );
    const broken = cover(lost);
    expect(found(broken)).toEqual(["discontinuity 1"]);
    // Nothing is missing that anybody knows of; what was lost nobody knows.
    expect(broken.stream).toMatchObject({ state: "incomplete", total: { expected: PERIOD_SAMPLES } });
    lost.reEnrolled = true;
    const covered = cover(lost);
    expect(found(covered)).toEqual(["re-enrolled 1"]);
    expect(covered.stream.state).toBe("complete");
  });

  test("of two losses under one re-enrolment the first in the log is covered", () => {
    const made = town((hourS, one) => {
      if (hourS === NOON) one.reopen(hourS - HOUR_S + 60, { before: { lost: "disk" } });
      if (hourS === NOON + 2 * HOUR_S) one.reopen(hourS - HOUR_S + 60, { before: { lost: "again" } });
    });
    made.reEnrolled = true;
    const says = (covered: ReturnType<typeof cover>): string[] =>
      covered.all.map((one) => `${one.class}: ${one.says}`).toSorted();
    const covered = cover(made);
    expect(covered.stream.state).toBe("incomplete");
    expect(says(covered)).toEqual([
      'discontinuity: the chain before is lost: "again"',
      're-enrolled: the chain before is lost: "disk"',
    ]);
    const opening = made.meter.made[0];
    if (opening !== undefined) opening.order = 0.5; // behind the first entry
    expect(says(cover(made))).toEqual([
      'discontinuity: the chain before is lost: "disk"',
      're-enrolled: the chain before is lost: "again"',
    ]);
  });

  test("a statement that the log refused", () => {
    const covered = cover(
      town((hourS, made) => {
        if (hourS !== NOON) return;
        const refused = { kind: "refused", seq: 7, hash: hashOf("no"), code: "fork", sub: made.sub } as const;
        made.tell(made.sys, refused, hourS);
      }),
    );
    expect(found(covered)).toEqual(["refused 1"]);
  });

  test("a stream that was closed", () => {
    const covered = cover(
      town((hourS, made) => {
        if (hourS === NOON)
          made.tell(made.meter, { kind: "stream-closed", reason: "taken down" }, hourS - HOUR_S + 60);
        if (hourS >= NOON) made.heads(hourS);
        return hourS >= NOON;
      }),
    );
    expect(found(covered)).toEqual([]);
    expect(covered.stream).toMatchObject({ ends: { by: "chain" }, state: "complete" });
    expect(covered.stream.days.map(({ expected, colour }) => [expected, colour])).toEqual([
      [96, "green"],
      [45, "green"],
      [0, "none"],
    ]);
  });

  test("events that come as they come: nothing is due, and a hole is found all the same", () => {
    const made = town(() => {}, { interval: decimal(0) });
    const whole = cover(made);
    expect(found(whole)).toEqual([]);
    expect(whole.stream.total).toMatchObject({ expected: null, received: PERIOD_SAMPLES });
    const one = made.meter.made[40];
    if (one !== undefined) one.held = false;
    const covered = cover(made);
    expect(found(covered)).toEqual(["missing 1"]);
    expect(covered.stream.days.map(({ colour }) => colour)).toEqual(["green", "red", "green"]);
  });
});

test("a device that names the last number that there is keeps nobody from a certificate", () => {
  const made = town((hourS, one) => {
    if (hourS !== NOON) return;
    const head = {
      sub: one.sub,
      ch: hashOf("nothing").slice(0, 8),
      seq: Number.MAX_SAFE_INTEGER,
      hash: hashOf("x"),
    };
    one.tell(one.sys, { kind: "heads", all: false, heads: [head] }, hourS);
  });
  const { body, all } = cover(made);
  expect(all.map((one) => one.class)).toEqual(["missing"]);
  const hash = Buffer.from(hashOf("evidence")).toString("hex");
  const result: Result<CoverageBody> = {
    v: 1,
    kind: "coverage",
    tool: { name: "tally-audit", version: "0" },
    verdict: "verified",
    findings: 1,
    log: { origin: "log.example/2026", size: 9, root: hash },
    inputs: [
      { role: "case", name: "case", sha256: hash, bytes: 1 },
      { role: "policy", name: "policy", sha256: hash, bytes: 1 },
    ],
    checks: [],
    restrictions: [],
    notProven: [],
    repeat: [],
    body,
  };
  const certificate = certificateOf(result, { from: FROM, to: TO });
  expect(decodeContent(encodeContent(certificate))).toEqual(certificate);
});
