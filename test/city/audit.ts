/**
 * The audit of the city: a case, its coverage, and each export beside it; laid beside the plan.
 *
 * @module
 */
import type { CoverageBody } from "../../audit/src/coverage/body.ts";
import type { MadeCity } from "./city.ts";
import { Desk } from "./desk.ts";
import type { Export } from "./exports/all.ts";
import { judgeCoverage, judgeReconcile, readResult, type Difference } from "./judge.ts";

/** What each verb missed and what it found beyond the plan, by its name, or the export's. */
export type Audited = { readonly what: string; readonly difference: Difference; readonly seconds: number };

/**
 * @param say - told of each verb as soon as it is done
 * @throws Error where a program doesn't do its part at all
 */
export async function auditCity(
  city: MadeCity,
  exports: readonly Export[],
  say: (audited: Audited) => void = () => undefined,
): Promise<readonly Audited[]> {
  const desk = new Desk(city);
  const audited: Audited[] = [];
  const timed = async (what: string, work: () => Promise<Difference>): Promise<void> => {
    const startedMs = performance.now();
    const difference = await work();
    const one = { what, difference, seconds: (performance.now() - startedMs) / 1000 };
    audited.push(one);
    say(one);
  };
  try {
    let place = "";
    await timed("case", async () => {
      await desk.open();
      await desk.erase();
      place = await desk.takeCase();
      await desk.leave();
      return { missed: [], beyond: [] };
    });
    await timed("coverage", async () =>
      judgeCoverage(readResult<CoverageBody>(await desk.coverage(place)), city),
    );
    for (const one of exports)
      await timed(one.name, async () => judgeReconcile(await desk.reconcile(place, one.name), one));
  } finally {
    await desk.close();
  }
  return audited;
}
