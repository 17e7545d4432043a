/**
 * A meter's three days of winter and what coverage says of them: a town in which all is well, for a test to spoil in one way.
 *
 * @module
 */
import type { Scope } from "@tallystick/evidence";
import type { CoverageBody, Finding, StreamCoverage } from "../../audit/src/coverage/body.ts";
import { coverFacts } from "../../audit/src/coverage/cover.ts";
import { Zone } from "../../audit/src/zone.ts";
import { FactsTown, HOUR_S } from "./facts-town.ts";

export const at = (text: string): number => Date.parse(text) / 1000;
export const VIENNA = new Zone("Europe/Vienna");
/** Three days of winter. */
export const FROM = at("2026-11-02T00:00:00+01:00");
export const TO = at("2026-11-05T00:00:00+01:00");
export const START = FROM - 12 * HOUR_S;
export const END = TO + 12 * HOUR_S;
/** Some hour in the middle of the second day. */
export const NOON = at("2026-11-03T12:00:00+01:00");

/** An honest town from half a day before to half a day after the period; `twist` takes over hours, and gives true where it did. */
export function town(
  twist: (hourS: number, town: FactsTown) => boolean | void = () => {},
  opening = {},
): FactsTown {
  const made = new FactsTown(START, { opening });
  for (let hourS = START + HOUR_S; hourS <= END; hourS += HOUR_S)
    if (twist(hourS, made) !== true) made.hour(hourS);
  return made;
}

export type Covered = {
  readonly body: CoverageBody;
  readonly stream: StreamCoverage;
  readonly all: readonly Finding[];
};

export function cover(
  made: FactsTown,
  { zone = VIENNA, from = FROM, to = TO, lateAfterS = 86_400, scopes = [] as readonly Scope[] } = {},
): Covered {
  using facts = made.facts();
  const all: Finding[] = [];
  const { body } = coverFacts(facts.db, {
    zone,
    from,
    to,
    lateAfterS,
    streams: [{ iss: made.iss, sub: made.sub }],
    scopes,
    write: (finding) => all.push(finding),
    progress: () => {},
  });
  const [stream] = body.streams;
  if (stream === undefined) throw new Error("no stream");
  return { body, stream, all };
}

/** Class and count of every finding. */
export const found = ({ all }: Covered): string[] => all.map((one) => `${one.class} ${one.count}`).toSorted();

export const onlyOf = ({ all }: Covered): Finding => {
  const [only, ...others] = all;
  if (only === undefined || others.length > 0) throw new Error(`${all.length} findings in place of one`);
  return only;
};

export const PERIOD_SAMPLES = 3 * 96;
