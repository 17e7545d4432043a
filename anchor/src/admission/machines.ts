/**
 * Devices that say they run on another machine than the one they were enrolled on: a copied image, or a repair that nobody told. Their boot evidence is admitted all the same, since evidence of
 * a copy is evidence; the operator is told.
 *
 * @module
 */
import type { Logger } from "pino";
import { decodeEat, equalBytes, type KeyRecord, type Statement } from "@tallystick/evidence";
import type { Entrant } from "../sequence/place.ts";
import type { Tally } from "../tally.ts";

/** One device is told of as often. */
const TELL_EVERY_MS = 3_600_000;
/** Devices kept in mind; beyond, all may be told of again. */
const MAX_TOLD = 10_000;

/** True of boot evidence that names another machine than the enrolment, or none where the enrolment names one. */
export function isElsewhere(
  { content }: Pick<Statement, "content">,
  { machine }: Pick<KeyRecord, "machine">,
): boolean {
  if (content.type !== "eat" || machine === undefined) return false;
  const said = decodeEat(content.payload).machine;
  return said === undefined || !equalBytes(said, machine);
}

export type MachinesParts = {
  readonly tally: Pick<Tally, "count">;
  readonly nowMs: () => number;
  readonly logger: Pick<Logger, "warn">;
};

export class Machines {
  readonly #parts: MachinesParts;
  readonly #toldMs = new Map<string, number>();

  constructor(parts: MachinesParts) {
    this.#parts = parts;
  }

  /** Boot evidence from elsewhere was admitted. */
  admitted({ claims: { iss, seq } }: Pick<Entrant, "claims">): void {
    const { tally, nowMs, logger } = this.#parts;
    tally.count("machine-mismatch");
    const now = nowMs();
    if (now - (this.#toldMs.get(iss) ?? -Infinity) < TELL_EVERY_MS) return;
    if (this.#toldMs.size >= MAX_TOLD) this.#toldMs.clear();
    this.#toldMs.set(iss, now);
    logger.warn(
      { code: "machine-mismatch", iss, seq },
      `${iss} runs on another machine than it was enrolled on: a copy has its key, or it was repaired; revoke or re-enrol it`,
    );
  }
}
