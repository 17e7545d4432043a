/**
 * `tally-agent machine`: by what this machine is known, and whether the device was enrolled on it; and, after a repair, that it is the same device all the same.
 *
 * @module
 */
import process from "node:process";
import { toHex } from "@tallystick/evidence";
import { EXIT, type Arguments } from "@tallystick/evidence/node";
import { readBinding, writeBinding } from "../storage/binding.ts";
import { configPath, readSettings } from "../config/config.ts";
import { readMachine, sameMachine, type Machine } from "../self/machine.ts";

type Known = Pick<Machine, "hash" | "sources">;

export async function runMachine({ values }: Arguments): Promise<number> {
  const { data } = readSettings(configPath(values["config"], process.env), process.env);
  const machine = readMachine();
  if (values["moved"] === true) await writeBinding(data, machine);
  const bound = readBinding(data);
  const isSame = bound === undefined || sameMachine(bound.parts, machine.parts);
  const { unreadable } = machine;
  if (values["json"] === true) {
    const told = {
      machine: asJson(machine),
      unreadable,
      bound: bound === undefined ? null : asJson(bound),
      same: isSame,
    };
    process.stdout.write(`${JSON.stringify(told)}\n`);
  } else {
    const note = unreadable.length === 0 ? "" : `; not readable for this user: ${unreadable.join(", ")}`;
    process.stdout.write(`machine   ${inWords(machine)}${note}\n`);
    process.stdout.write(
      bound === undefined
        ? "bound     to none\n"
        : `bound     ${inWords(bound)}: ${isSame ? "this machine" : "ANOTHER MACHINE"}\n`,
    );
  }
  return isSame ? EXIT.good : EXIT.failed;
}

const inWords = ({ hash, sources }: Known): string =>
  hash === undefined ? "known by nothing" : `${toHex(hash)} (${sources.join(", ")})`;

const asJson = ({ hash, sources }: Known): object => ({
  hash: hash === undefined ? null : toHex(hash),
  sources,
});
