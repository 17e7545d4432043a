/**
 * What happens to a stream besides its readings: chains that begin, gaps that are told, meters that are swapped, ends that nothing attests.
 *
 * @module
 */
import { toHex } from "@tallystick/evidence";
import type { Edge } from "./body.ts";
import type { Chain, CoverMeans, SaidOfChains } from "./chains.ts";
import type { FindingList } from "./findings.ts";
import type { Days } from "./moments.ts";
import { lostBefore, type GapEvent } from "./said.ts";
import type { StreamScan } from "./scan.ts";
import type { StreamName } from "./view.ts";

/** Openings in the period, and meters that changed untold. @returns whether a chain begins in it whose predecessor is lost, with nobody to cover it */
export function tellLife(
  name: StreamName,
  chains: readonly Chain[],
  { openings, covered }: Pick<SaidOfChains, "openings" | "covered">,
  changes: readonly { readonly new: string }[],
  { findings, days }: CoverMeans,
): boolean {
  let meter: string | null = null;
  let isBroken = false;
  for (const [i, { id, ch }] of chains.entries()) {
    const opening = id === null ? undefined : openings.get(id);
    if (opening === undefined) continue;
    const { us } = opening;
    const where = { ch: toHex(ch), seqs: { from: 0, to: 0 }, fromUs: us, toUs: us };
    if (us !== null && days.has(us)) {
      const lost = lostBefore(opening);
      if (lost !== undefined) {
        const isCovered = covered.has(opening.chain);
        const says = `the chain before is lost: ${JSON.stringify(lost)}`;
        findings.add(isCovered ? "re-enrolled" : "discontinuity", name, says, where);
        isBroken ||= !isCovered;
      } else if (i > 0) findings.add("new-chain", name, "behind the one before", where);
      if (meter !== null && opening.meter !== null && opening.meter !== meter)
        if (!changes.some((change) => change.new === opening.meter))
          findings.add("meter-swapped", name, `${meter}, then ${opening.meter}, and no meter-changed`, where);
    }
    meter = opening.meter ?? meter;
  }
  return isBroken;
}

/** Readings that were never sealed, as the device says. */
export function tellGaps(
  name: StreamName,
  gaps: readonly GapEvent[],
  scan: StreamScan,
  { findings, days }: CoverMeans,
): void {
  for (const { own, at, us, time, reason, count } of gaps) {
    if (!own) continue;
    const stretch = time ?? (us === null ? null : { fromUs: us, toUs: us });
    if (stretch === null || stretch.toUs < days.fromUs || stretch.fromUs >= days.toUs) continue;
    scan.counts.hole(stretch.fromUs, stretch.toUs, "told");
    const says = `never sealed: ${JSON.stringify(reason)}, as the device signed`;
    findings.add("gap", name, says, { seqs: { from: at, to: at }, ...stretch, count });
  }
}

export function tellEdges(
  name: StreamName,
  { begins, ends }: { readonly begins: Edge; readonly ends: Edge },
  findings: FindingList,
  { fromUs, toUs }: Days,
): void {
  if (begins.by === "open") {
    const says = "nothing here shows that no earlier statement has to do with the period";
    findings.add("open-begin", name, says, { fromUs, toUs: null });
  }
  if (ends.by !== "open") return;
  const until = ends.at === null ? "nothing here attests" : `after ${ends.at} nothing attests`;
  findings.add("open-end", name, `${until} that there was nothing more`, { fromUs: null, toUs });
}
