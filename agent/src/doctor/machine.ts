/**
 * Whether this is the machine that the device was enrolled on.
 *
 * @module
 */
import { isEvidenceError } from "@tallystick/evidence";
import { fail, ok, unknown, warn, type Finding } from "@tallystick/evidence/node";
import { boundMachine } from "../storage/binding.ts";
import { readMachine } from "../self/machine.ts";
import type { Patient } from "./patient.ts";

export function machineFindings({ settings }: Patient): readonly Finding[] {
  const machine = readMachine();
  const known = machine.sources.join(", ");
  try {
    const bound = boundMachine(settings.data, machine);
    if (bound !== undefined) return [ok("machine", `the one that this device was enrolled on, by ${known}`)];
  } catch (error) {
    if (!isEvidenceError(error) || error.code !== "machine-mismatch") throw error;
    // Another user may see less of the same machine.
    if (machine.unreadable.length > 0)
      return [
        unknown(
          "machine",
          `${machine.unreadable.join(", ")} can't be read by this user`,
          "run the doctor as root",
        ),
      ];
    return [fail("machine", error.message, "see machine-mismatch in docs/codes.md")];
  }
  return [
    machine.sources.length === 0
      ? warn(
          "machine",
          "nothing tells it from another one: a copied disk won't be noticed",
          "give it an /etc/machine-id",
        )
      : ok("machine", `this device is bound to no machine; this one is known by ${known}`),
  ];
}
