/**
 * Coverage from the facts says of chains and samples what the evidence package's own coverage says of the same statements: two ways to walk, in the
 * order of the chain and in the order of time, with one answer wherever no sample comes late.
 */
import {
  coverage,
  decimal,
  encodePack,
  toHex,
  type Covered,
  type MissingKind,
  type Reading,
} from "@tallystick/evidence";
import { expect, test } from "vitest";
import type { Cause, StreamCoverage } from "../../../audit/src/coverage/body.ts";
import { coverFacts } from "../../../audit/src/coverage/cover.ts";
import { totalOf } from "../../../audit/src/coverage/numbers.ts";
import { Zone } from "../../../audit/src/zone.ts";
import { Dice } from "../../support/dice.ts";
import { FactsTown, HOUR_S, type Made } from "../../support/facts-town.ts";

const START = Date.parse("2026-10-24T00:00:00Z") / 1000;
const HOURS = 72;
const END = START + HOURS * HOUR_S + 1;

/** Days in which anything may happen but to the first and the last hour: what lies beyond them the two see differently. */
function world(dice: Dice): FactsTown {
  const town = new FactsTown(START);
  for (let hour = 1; hour <= HOURS; hour++) {
    const hourS = START + hour * HOUR_S;
    const inside = hour > 2 && hour < HOURS - 2;
    const what = inside ? dice.whole(0, 11) : 11;
    if (what === 0) {
      // The source is silent.
      town.read(hourS);
      town.heads(hourS + 6);
      continue;
    }
    if (what === 1) {
      town.read(hourS);
      const time = { from: decimal(hourS - 2700), to: decimal(hourS) };
      town.tell(town.meter, { kind: "gap", reason: "no room", count: 4, time }, hourS + 5);
      town.heads(hourS + 6);
      continue;
    }
    const made = town.hour(hourS);
    if (what === 2) made.held = false;
    if (what === 3) {
      made.held = false;
      const seq = { first: made.seq, last: made.seq };
      town.tell(town.meter, { kind: "gap", reason: "outbox full", count: 1, seq }, hourS + 10);
    }
    if (what === 4) town.reopen(hourS + 20);
    if (what === 5) town.reopen(hourS + 20, { before: { lost: "disk" } });
  }
  return town;
}

/** A statement of the town as the evidence package sees it. */
function covered(town: FactsTown, made: Made, prev: Made | undefined): Covered {
  const { sub, ch, seq, hash, kid, atS, tq, event } = made;
  const claims = {
    iss: town.iss,
    sub,
    ch,
    seq,
    tq: tq as 2,
    iat: atS,
    lvl: 1,
    ...(prev === undefined ? {} : { prev: prev.hash }),
  } as const;
  const readings = made.readings.map(({ name, t, v, rx }): Reading => ({
    name,
    unit: "kWh",
    value: { v: decimal(Number((v ?? "").replace(".", "")), -3) },
    time: decimal((t ?? 0) / 1_000_000),
    quality: [],
    received: decimal((rx ?? 0) / 1_000_000),
  }));
  const content =
    event === null
      ? { type: "senml" as const, payload: encodePack(`${town.iss}/${sub}/`, readings) }
      : { type: "event" as const, payload: new Uint8Array() };
  return { hash, kid, claims, content, ...(event === null ? {} : { event }) };
}

const CAUSE_OF: Record<MissingKind, Cause> = {
  hole: "unexplained",
  lost: "lost",
  told: "told",
  silence: "silent",
};

test("both say the same of what is held, missing, expected, and why", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const town = world(new Dice(seed));
    const statements = town.chains.flatMap(({ made }) =>
      made.flatMap((one, i) => (one.held ? [covered(town, one, made[i - 1])] : [])),
    );
    const [theirs] = coverage(statements).filter(({ sub }) => sub === town.sub);
    using facts = town.facts();
    const { body } = coverFacts(facts.db, {
      zone: new Zone("Europe/Vienna"),
      from: START,
      to: END,
      lateAfterS: 86_400,
      streams: [{ iss: town.iss, sub: town.sub }],
      scopes: town.scopes,
      write: () => {},
      progress: () => {},
    });
    const ours = body.streams[0] as StreamCoverage;
    const numbers = ours.chains.map(({ ch, held, missing }) => ({ ch, held, missing: totalOf(missing) }));
    const size = (ranges: readonly { from: number; to: number }[]): number =>
      ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    expect({ seed, numbers }).toEqual({
      seed,
      numbers: theirs?.chains.map(({ ch, held, missing }) => ({
        ch: toHex(ch),
        held: size(held),
        missing: size(missing),
      })),
    });
    expect({ seed, received: ours.total.received, expected: ours.total.expected }).toEqual({
      seed,
      received: theirs?.samples.timed,
      expected: theirs?.expected,
    });
    const byCause: Partial<Record<Cause, number>> = {};
    for (const { kind, samples } of theirs?.missing ?? []) {
      const cause = CAUSE_OF[kind];
      if (samples !== null && samples > 0) byCause[cause] = (byCause[cause] ?? 0) + samples;
    }
    const here = Object.fromEntries(Object.entries(ours.total.missing).filter(([, count]) => count > 0));
    expect({ seed, ...here }).toEqual({ seed, ...byCause });
  }
});
