/**
 * A lane operator's export without keys: a line for each passage, by lane, class and time to the second. UTF-8.
 *
 * @module
 */
import type { City } from "../city.ts";
import { laneName, plazaName } from "../lane.ts";
import { CLOCK_BACK_UNIX_S, HOUR_S } from "../calendar.ts";
import { commaText, localText, Sheet } from "./csv.ts";

export function windows({ trips }: City): Sheet {
  const sheet = new Sheet(["plaza", "lane", "class", "passed", "amount"]);
  for (const { passages, fate } of trips) {
    // The office's second look is no line of this export, and an adjustment has no key of its own.
    if (fate === "rerated") sheet.unbilled.push("");
    for (const { tx, lane, timeMs, vehicleClass, cents } of passages) {
      const unixS = Math.floor(timeMs / 1000);
      const cells = [
        plazaName(lane),
        laneName(lane),
        String(vehicleClass),
        localText(unixS),
        commaText(cents, 2),
      ];
      sheet.add(cells, foundAs(fate, unixS));
      if (isTakenForEarlier(unixS)) sheet.unbilled.push(tx);
    }
  }
  return sheet;
}

function foundAs(fate: string, unixS: number): string {
  if (isTakenForEarlier(unixS)) return "billed-not-proven";
  switch (fate) {
    case "twin":
      return "ambiguous";
    case "lost":
      return "billed-not-proven";
    case "unattested":
      return "amount-not-attested";
    // The passage as it was signed first is what this export tells of.
    case "superseded":
    case "superseded-unheeded":
      return "amount-differs";
    default:
      return "billed-and-proven";
  }
}

/** In the second of the two hours of the same name: the map reads such a line as of the first, where nothing passed. */
const isTakenForEarlier = (unixS: number): boolean =>
  unixS >= CLOCK_BACK_UNIX_S && unixS < CLOCK_BACK_UNIX_S + HOUR_S;
