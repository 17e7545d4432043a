/**
 * The bounds of V8's heap for commands that let millions of rows pass.
 *
 * @module
 */
import { boundHeap } from "@tallystick/evidence/node";

const YOUNG_BYTES = 16 << 20;
const OLD_GROWTH_PERCENT = 50;

/** For the rest of the process. */
export const keepHeapSmall = (): void =>
  boundHeap({ youngBytes: YOUNG_BYTES, oldGrowthPercent: OLD_GROWTH_PERCENT });
