/**
 * The classes of what a coverage finds: a closed table, in the order in which findings are shown. docs/coverage.md says each in words.
 *
 * @module
 */

/** `fault`: missing or contradictory, and nothing that holds explains it. `told`: explained by somebody who signed it, or a part of life. */
export type Weight = "fault" | "told";

const CLASSES = {
  // what is not here
  missing: { weight: "fault", title: "missing, unexplained" },
  "not-handed-over": { weight: "fault", title: "in the ledger, not handed over" },
  bad: { weight: "fault", title: "here, and proves nothing" },
  "erased-unordered": { weight: "fault", title: "erased, by no order that counts" },
  erased: { weight: "told", title: "erased by order" },
  gap: { weight: "told", title: "missing, told by the device" },
  "open-begin": { weight: "fault", title: "the beginning is not shown" },
  "open-end": { weight: "fault", title: "the end is not attested" },
  "no-sample": { weight: "fault", title: "samples that were due and didn't come" },
  // what contradicts itself
  fork: { weight: "fault", title: "two histories" },
  discontinuity: { weight: "fault", title: "a chain whose predecessor is lost" },
  "re-enrolled": { weight: "told", title: "a chain whose predecessor is lost, enrolled anew" },
  "declared-suspect-later": { weight: "told", title: "by a key that was later declared suspect from before" },
  refused: { weight: "told", title: "refused by the log" },
  conflict: { weight: "fault", title: "two values for one time" },
  repeat: { weight: "told", title: "told twice" },
  reordered: { weight: "told", title: "admitted out of order" },
  // when
  late: { weight: "told", title: "late" },
  ahead: { weight: "fault", title: "of a time after its commit" },
  "clock-unsynchronised": { weight: "told", title: "sealed while the clock was not synchronised" },
  "clock-step": { weight: "told", title: "the clock was set" },
  silence: { weight: "fault", title: "silent for longer than allowed" },
  "heard-late": { weight: "told", title: "unheard for longer than allowed, and sealed meanwhile" },
  // registers
  backwards: { weight: "fault", title: "a register ran backwards" },
  "over-width": { weight: "fault", title: "a register wider than declared" },
  "unit-changed": { weight: "fault", title: "a register changed its unit" },
  rollover: { weight: "told", title: "a register rolled over" },
  "meter-changed": { weight: "told", title: "another meter, both registers consistent" },
  "meter-change-open": { weight: "fault", title: "another meter, end values missing" },
  "meter-change-inconsistent": {
    weight: "fault",
    title: "another meter, end values contradict the readings",
  },
  "meter-swapped": { weight: "fault", title: "another meter, untold" },
  // life
  "other-machine": { weight: "fault", title: "started on another machine" },
  restart: { weight: "told", title: "the agent started" },
  "new-chain": { weight: "told", title: "a new chain" },
  software: { weight: "told", title: "other software" },
  configuration: { weight: "told", title: "another configuration" },
} as const satisfies Record<string, { readonly weight: Weight; readonly title: string }>;

export type FindingClass = keyof typeof CLASSES;

/** All classes, in the order of the table. */
export const FINDING_CLASSES = Object.keys(CLASSES) as readonly FindingClass[];

export const weightOf = (name: FindingClass): Weight => CLASSES[name].weight;
/** For people; the class itself is what programs read. */
export const titleOf = (name: FindingClass): string => CLASSES[name].title;
