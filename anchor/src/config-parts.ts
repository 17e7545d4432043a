/**
 * Kinds of settings that occur in several places of the configuration.
 *
 * @module
 */
import { z } from "zod";

export const path = z.string().min(1, "give a path");

export const count = (least: number, most: number) =>
  z
    .int(`use a whole number from ${least} to ${most}`)
    .min(least, `use at least ${least}`)
    .max(most, `use at most ${most}`);

export const hostPort = (example: string) =>
  z.string().regex(/^(\[[0-9a-fA-F:]+\]|[^:]+):\d{1,5}$/, `give host:port, e.g. ${example}`);
