/**
 * The machine that this device was enrolled on, beside the database: so that a copy of its disk in another machine notices, and stops before it signs with the same key.
 *
 * This keeps honest people from running one device twice. A thief who can change this file can take the key as well.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EvidenceError, fromHex, toHex } from "@tallystick/evidence";
import { writeDurable } from "@tallystick/evidence/node";
import { machineOf, sameMachine, type Machine } from "../self/machine.ts";
import { storageError } from "./storage.ts";

const BINDING_FILE = "agent.machine";
const VERSION = "tallystick machine 1";
const LINE = /^[a-z-]{1,20}(?: [0-9a-f]{64})+$/;

/**
 * The machine that this device is bound to; undefined where it was enrolled without.
 *
 * @throws EvidenceError `storage-failed` where the file is damaged
 */
export function readBinding(directory: string): Omit<Machine, "unreadable"> | undefined {
  const path = join(directory, BINDING_FILE);
  if (!existsSync(path)) return undefined;
  const [version, ...lines] = readFileSync(path, "utf8").trimEnd().split("\n");
  if (version !== VERSION || !lines.every((line) => LINE.test(line)))
    throw new EvidenceError("storage-failed", `${path} is damaged; see: tally-agent machine --help`);
  return machineOf(
    Object.fromEntries(
      lines.map((line) => {
        const [source = "", ...digests] = line.split(" ");
        return [source, digests.map(fromHex)];
      }),
    ),
  );
}

/** Binds this device to `machine` from now on; survives a power cut. @throws EvidenceError `storage-full`, `storage-failed` */
export async function writeBinding(directory: string, { parts }: Pick<Machine, "parts">): Promise<void> {
  const path = join(directory, BINDING_FILE);
  const lines = Object.entries(parts).map(([source, some]) => [source, ...some.map(toHex)].join(" "));
  try {
    await writeDurable(path, `${[VERSION, ...lines].join("\n")}\n`, { mode: 0o600 });
  } catch (cause) {
    throw storageError(cause, path);
  }
}

/**
 * The hash by which the registry knows this machine. It is the one of the enrolment, also for a user who can read fewer sources than the one who enrolled.
 *
 * @returns undefined where the device is bound to no machine
 * @throws EvidenceError `machine-mismatch` where it is bound to another one; `storage-failed`
 */
export function boundMachine(directory: string, machine: Machine): Uint8Array | undefined {
  const bound = readBinding(directory);
  if (bound === undefined) return undefined;
  if (sameMachine(bound.parts, machine.parts)) return bound.hash;
  const known = machine.sources.length === 0 ? "nothing" : machine.sources.join(", ");
  throw new EvidenceError(
    "machine-mismatch",
    `${directory} was enrolled on another machine (known by ${bound.sources.join(", ")}; here: ${known}). ` +
      "A copied image gets a data directory, a key and an enrolment of its own: tally-agent enrol. After a repair: tally-agent machine --moved",
  );
}
