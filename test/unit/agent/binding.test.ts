/** The machine that a device was enrolled on, kept beside its database. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { boundMachine, readBinding, writeBinding } from "../../../agent/src/binding.ts";
import { machineOf, type Machine } from "../../../agent/src/machine.ts";

const FILE = "agent.machine";
const digest = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const machine = (parts: Machine["parts"]): Machine => ({ ...machineOf(parts), unreadable: [] });
const GATEWAY = machine({ dmi: [digest(1)], network: [digest(2), digest(3)], "machine-id": [digest(4)] });

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "tally-binding-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test("a device that is bound to no machine starts anywhere", () => {
  expect(boundMachine(folder(), GATEWAY)).toBeUndefined();
});

test("the binding survives, for its owner only, and gives the enrolment's hash", async () => {
  const data = folder();
  await writeBinding(data, GATEWAY);
  expect(readBinding(data)).toEqual(machineOf(GATEWAY.parts));
  expect(statSync(join(data, FILE)).mode & 0o777).toBe(0o600);
  expect(boundMachine(data, GATEWAY)).toEqual(GATEWAY.hash);
  const asUser = machine({ network: [digest(2)], "machine-id": [digest(4)] });
  expect(asUser.hash).not.toEqual(GATEWAY.hash);
  expect(boundMachine(data, asUser)).toEqual(GATEWAY.hash);
});

test("a copy in another machine stops, and is told what to do", async () => {
  const data = folder();
  await writeBinding(data, GATEWAY);
  const copy = machine({ dmi: [digest(9)], "machine-id": [digest(4)] });
  expect(() => boundMachine(data, copy)).toThrow(
    expect.objectContaining({
      code: "machine-mismatch",
      message: expect.stringMatching(/tally-agent enrol.*machine --moved/) as string,
    }),
  );
});

test("bound again, it runs", async () => {
  const data = folder();
  await writeBinding(data, GATEWAY);
  const repaired = machine({ dmi: [digest(9)] });
  await writeBinding(data, repaired);
  expect(boundMachine(data, repaired)).toEqual(repaired.hash);
});

test.for(["", "tallystick machine 2\n", "tallystick machine 1\ndmi 00\n", "tallystick machine 1\n\0\n"])(
  "a damaged file is no binding, and none is no reason to go on: %j",
  (text) => {
    const data = folder();
    writeFileSync(join(data, FILE), text);
    expect(() => boundMachine(data, GATEWAY)).toThrow(expect.objectContaining({ code: "storage-failed" }));
  },
);
