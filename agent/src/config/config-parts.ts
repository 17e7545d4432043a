/**
 * What several parts of the configuration are made of.
 *
 * @module
 */
import { isEvidenceError } from "@tallystick/evidence";
import * as z from "zod";

// A configuration is read once: to compile its checks, as zod would, takes longer than to run them.
z.config({ jitless: true });

export const KIB = 1 << 10;
export const MIB = 1 << 20;

/** Runs one of evidence's checks inside the schema; its message already says what to do. */
export const passes =
  (check: (text: string) => unknown) =>
  (text: string, context: z.RefinementCtx): void => {
    try {
      check(text);
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      context.addIssue({ code: "custom", message: error.message });
    }
  };

/** Seconds within a range. */
export const seconds = (least: number, most: number) =>
  z
    .number(`give seconds, ${least} to ${most}`)
    .min(least, `give seconds, ${least} to ${most}`)
    .max(most, `give seconds, ${least} to ${most}`);
/** A whole number within a range. */
export const whole = (least: number, most: number) =>
  z
    .int(`give a whole number, ${least} to ${most}`)
    .min(least, `give a whole number, ${least} to ${most}`)
    .max(most, `give a whole number, ${least} to ${most}`);

/** A name of at most so many characters. */
export const name = (most: number) =>
  z.string().regex(new RegExp(`^[a-z0-9-]{1,${most}}$`), `use 1 to ${most} of a-z, 0-9 and -`);

export const Seal = z.strictObject({
  maxWaitMs: whole(20, 86_400_000).optional(),
  maxItems: whole(1, 1000).default(1000),
  maxBytes: whole(KIB, 24 * KIB).default(24 * KIB),
});

/** How long readings may wait in memory and in the journal, and how many make a statement. */
export type SealSettings = {
  readonly maxWaitMs: number;
  readonly maxItems: number;
  readonly maxBytes: number;
};

export const sealSettings = (seal: z.output<typeof Seal>, metered: boolean): SealSettings => ({
  ...seal,
  maxWaitMs: seal.maxWaitMs ?? (metered ? 900_000 : 60_000),
});
