/**
 * What a fault run finds: each finding names the invariant of `docs/faults.md` that does not hold.
 *
 * @module
 */

export type Invariant = "F1" | "F2" | "F3" | "F4" | "F5" | "F6" | "F7" | "F8";

export type Finding = { readonly invariant: Invariant; readonly text: string };

/** Findings told of each invariant; a fault repeats itself. */
const MAX_TOLD = 12;

export const finding = (invariant: Invariant, text: string): Finding => ({ invariant, text });

/** Thrown where the world is not as it has to be. */
export class WorldFault extends Error {
  override readonly name = "WorldFault";
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    const lines = Map.groupBy(findings, ({ invariant }) => invariant)
      .values()
      .flatMap((some) => {
        const told = some.slice(0, MAX_TOLD).map(({ invariant, text }) => `${invariant}: ${text}`);
        return some.length > MAX_TOLD ? [...told, `… and ${some.length - MAX_TOLD} more`] : told;
      });
    super([`${findings.length} findings`, ...lines].join("\n  "));
    this.findings = findings;
  }
}
