/**
 * What happens to the passages of a trip at its lanes.
 *
 * @module
 */
import { amountOf, type Lane, type LaneTwist } from "../lane.ts";
import type { Plant } from "../planted.ts";
import { TARIFF_CENTS, type Fate, type Passage, type Trip } from "../trips.ts";

/** From a passage to the office's second look at it. */
const SECOND_LOOK_S = 1800;

/** What a passage costs once it was looked at again: that of the next class. */
export const reratedCents = ({ vehicleClass }: Passage): number => TARIFF_CENTS[rerated(vehicleClass)] ?? 0;
const rerated = (vehicleClass: number): number => (vehicleClass % 3) + 1;

/** Gives each lane's passages their fates, as far as they are met at the lane. */
export function meetFates(lanes: readonly Lane[], trips: readonly Trip[]): readonly Plant[] {
  const fates = new Map(trips.flatMap(({ passages, fate }) => passages.map(({ tx }) => [tx, fate] as const)));
  for (const lane of lanes) lane.twists.push(fatesOf(lane, ({ tx }) => fates.get(tx) ?? "plain"));
  const lost = trips.flatMap(({ passages, fate }) => (fate === "lost" ? passages : []));
  return lost.map(({ lane }) => () => ({
    fault: "a passage's statement missing",
    findings: [{ class: "missing", where: lanes[lane]?.name ?? "", count: 1 }],
  }));
}

function fatesOf(lane: Lane, fateOf: (passage: Passage) => Fate): LaneTwist {
  return {
    transaction: (passage, said) => {
      if (fateOf(passage) !== "unattested") return said;
      const { amount: _, ...rest } = said;
      return { ...rest, validity: "manual" };
    },
    lost: (passage) => fateOf(passage) === "lost",
    afterwards: (passage, { hash }) => {
      const fate = fateOf(passage);
      const atUnixS = Math.floor(passage.timeMs / 1000) + SECOND_LOOK_S;
      const cents = reratedCents(passage);
      const said = lane.transaction({ ...passage, vehicleClass: rerated(passage.vehicleClass), cents });
      const adjustment = { kind: "toll-adjustment", ref: hash, reason: "class corrected" } as const;
      const event = isSuperseded(fate)
        ? { ...said, supersedes: hash }
        : { ...adjustment, amount: amountOf(cents - passage.cents) };
      if (isSuperseded(fate) || fate === "rerated")
        lane.later(atUnixS, async () => lane.send(await lane.device.tell(lane.sub, event, atUnixS), atUnixS));
      return Promise.resolve();
    },
  };
}

const isSuperseded = (fate: Fate): boolean => fate === "superseded" || fate === "superseded-unheeded";
