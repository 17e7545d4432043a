/**
 * What can be set of the anchor's own device.
 *
 * @module
 */
import { z } from "zod";
import { count } from "../config-parts.ts";

export const TrailSettings = z.strictObject({
  /** Its name; by default `anchor`, of the org of the log's first operator. */
  device: z
    .string()
    .regex(/^[a-z0-9-]{1,32}\/[a-z0-9-]{1,64}$/, "give org/device: 1 to 32 and 1 to 64 of a-z, 0-9 and -")
    .optional(),
  /** Longest time from an access to the heads that attest it, seconds. */
  heartbeatS: count(1, 86_400).default(300),
});

export type TrailConfig = z.output<typeof TrailSettings>;
