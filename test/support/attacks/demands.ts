/**
 * What a row of the attack table may demand, in few words.
 *
 * @module
 */
import type { Attack } from "./town.ts";

type Demands = Attack["demands"];

export const verified: Demands = { verdict: "verified" };
export const restricted = (...restrictions: string[]): Demands => ({ verdict: "restricted", restrictions });
export const invalid = (code: string): Demands => ({ verdict: "invalid", code });
export const notVerifiable = (code: string): Demands => ({ verdict: "not-verifiable", code });
