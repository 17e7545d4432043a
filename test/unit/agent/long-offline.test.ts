/** Months without a line and clocks that are wrong: nothing is lost, order stays, and an auditor is told what is known of when. */
import { expect, test } from "vitest";
import { decodePack, formatDecimal, toHex, type Event, type Statement } from "@tallystick/evidence";
import { ISS, NOW } from "../../support/agent-rig.ts";
import { AnchoredAgent } from "../../support/anchored-agent.ts";

const METER = "meter/m-1";
const OPTIONS = {
  whenFull: "stop",
  maxBytes: 64 << 20,
  streams: [{ name: METER, everyS: 1800, names: 2 }],
  yaml: "metered: true",
} as const;
const HOUR_S = 3600;
const DAY_S = 86_400;

const events = <K extends Event["kind"]>(
  statements: readonly Statement[],
  kind: K,
): Extract<Event, { kind: K }>[] =>
  statements.flatMap(({ event }) => (event?.kind === kind ? [event as Extract<Event, { kind: K }>] : []));

/** Numbers of each chain, in the order of the log. */
function numbers(statements: readonly Statement[]): ReadonlyMap<string, readonly number[]> {
  const found = new Map<string, number[]>();
  for (const { claims } of statements) {
    const name = `${claims.sub} ${toHex(claims.ch ?? new Uint8Array())}`;
    found.set(name, [...(found.get(name) ?? []), claims.seq]);
  }
  return found;
}

test("90 days offline, with power cuts: all of it arrives in order, and old evidence verifies", async () => {
  const world = await AnchoredAgent.create(OPTIONS);
  await world.start();
  await world.pass(3 * HOUR_S);
  const old = await world.bundle(METER);
  const oldJudged = world.judge(old);
  const before = world.log.size;
  world.isOnline = false;
  const offlineS = world.rig.system.wallUnixMs() / 1000;
  for (let day = 0; day < 90; day += 3) {
    await world.pass(HOUR_S);
    world.crash();
    world.rig.time.nowMs += 71 * HOUR_S * 1000;
    await world.start();
  }
  await world.pass(HOUR_S);
  expect(world.log.size).toBe(before);
  world.isOnline = true;
  await world.pass(600);
  await world.rig.stop();
  world.log.check();
  expect(world.rig.report()).toMatchObject({
    outbox: { waiting: { count: 0 }, dropped: [] },
    rejections: [],
    alarms: [],
  });

  for (const [chain, seqs] of numbers(world.ledger)) expect(seqs, chain).toEqual(seqs.map((_, i) => i));
  world.check(METER); // what the meter said is here, or told to be missing
  expect(events(world.ledger, "boot").length).toBe(31);

  expect(oldJudged.verdict.verdict).toBe("restricted");
  expect(world.judge(old)).toEqual(oldJudged);
  const { verdict, times } = world.judge(await world.bundle(METER));
  expect(verdict).toMatchObject({ verdict: "restricted", restrictions: ["gap", "no-witness"] });
  const meter = times.find(({ sub }) => sub === METER);
  expect(meter?.widestS).toBeGreaterThan(89 * DAY_S);
  expect(meter?.widestS).toBeLessThan(92 * DAY_S);
  expect(meter?.notAfter).toBeLessThanOrEqual(world.log.clock.now);
  expect(meter?.notAfter).toBeGreaterThan(offlineS + 90 * DAY_S);
  expect(meter?.notBefore).toBeLessThan(offlineS);
  expect(meter?.notBefore).toBeGreaterThan(NOW / 1000 - DAY_S);
});

test("a gateway that starts in 1970: no false time, a step that readers can re-time by, and bounds from the log", async () => {
  const world = await AnchoredAgent.create(OPTIONS);
  const { rig } = world;
  const offsetMs = NOW - rig.time.nowMs;
  world.trueUnixMs = () => offsetMs + rig.time.nowMs;
  rig.system.set(0);
  rig.system.isSynchronised = false;
  await world.start();
  await world.pass(2 * HOUR_S);
  rig.system.set(world.trueUnixMs());
  rig.system.isSynchronised = true;
  await world.pass(2 * HOUR_S);
  await rig.stop();
  const { ledger } = world;
  const [unknown, known] = [0, 2].map((tq) => ledger.filter(({ claims }) => claims.tq === tq));
  expect(unknown?.length).toBeGreaterThan(5);
  expect(known?.length).toBeGreaterThan(5);
  expect(unknown?.every(({ claims }) => claims.iat === undefined)).toBe(true);
  expect(known?.every(({ claims }) => Math.abs((claims.iat ?? 0) - NOW / 1000) < DAY_S)).toBe(true);
  const steps = events(ledger, "clock-step");
  expect(steps).toHaveLength(1);
  expect(Number(formatDecimal(steps[0]!.after))).toBeCloseTo(NOW / 1000 + 2 * HOUR_S, -3);
  expect(
    numbers(ledger).get([...numbers(ledger).keys()].find((name) => name.startsWith(METER)) ?? ""),
  ).toEqual(ledger.filter(({ claims }) => claims.sub === METER).map((_, i) => i));
  const { verdict, times } = world.judge(await world.bundle(METER));
  expect(verdict.verdict).toBe("restricted");
  const meter = times.find(({ sub }) => sub === METER);
  expect(meter?.notAfter).toBeLessThanOrEqual(world.trueUnixMs() / 1000);
  expect(meter?.notAfter).toBeGreaterThan(NOW / 1000 + 3 * HOUR_S);
});

test("a clock set back by an hour: told, nothing refused, order by number", async () => {
  const world = await AnchoredAgent.create(OPTIONS);
  const { rig } = world;
  const offsetMs = NOW - rig.time.nowMs;
  world.trueUnixMs = () => offsetMs + rig.time.nowMs;
  await world.start();
  await world.pass(2 * HOUR_S);
  rig.system.set(world.trueUnixMs() - HOUR_S * 1000);
  await world.pass(2 * HOUR_S);
  await rig.stop();
  const { ledger } = world;
  const [step, ...more] = events(ledger, "clock-step");
  expect(more).toEqual([]);
  expect(Number(formatDecimal(step!.before)) - Number(formatDecimal(step!.after))).toBeCloseTo(HOUR_S, -1);
  for (const [chain, seqs] of numbers(ledger)) expect(seqs, chain).toEqual(seqs.map((_, i) => i));
  expect(rig.report()).toMatchObject({ outbox: { waiting: { count: 0 } }, rejections: [] });
  const readings = ledger.flatMap(({ content }) =>
    content.type === "senml" ? decodePack(content.payload, `${ISS}/${METER}/`) : [],
  );
  expect(readings.length).toBe(2 * (world.meters.get(METER)?.said.length ?? 0));
  expect(world.judge(await world.bundle(METER)).verdict.verdict).toBe("restricted");
});
