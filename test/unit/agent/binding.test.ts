/** The machine that a device was enrolled on, kept beside its database. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { expect, onTestFinished, test } from "vitest";
import { toHex } from "@tallystick/evidence";
import { boundMachine, readBinding, writeBinding } from "../../../agent/src/storage/binding.ts";
import { machineOf, readMachine, type Machine } from "../../../agent/src/self/machine.ts";
import { FakeAnchor } from "../../support/fake-anchor.ts";

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

test("the command says by what the machine is known, whether it is the one, and binds it after a repair", async () => {
  const data = folder();
  const config = join(data, "agent.yaml");
  const vkey = new FakeAnchor().vkey;
  writeFileSync(config, `version: 1\norg: city\ndevice: gw-1\ndata: ${data}\nlog: ["${vkey}"]\n`);
  const command = async (
    ...args: readonly string[]
  ): Promise<{ code: number; told: { same: boolean; bound: object | null } }> => {
    const main = join(import.meta.dirname, "..", "..", "..", "agent", "src", "main.ts");
    const child = spawn(process.execPath, [main, "machine", "--json", "--config", config, ...args]);
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    const [code] = (await once(child, "close")) as [number];
    return { code, told: JSON.parse(out) as { same: boolean; bound: object | null } };
  };
  expect(await command()).toMatchObject({ code: 0, told: { same: true, bound: null } });
  await writeBinding(data, GATEWAY);
  expect(await command()).toMatchObject({ code: 1, told: { same: false } });
  const here = readMachine();
  const bound = here.hash === undefined ? { hash: null } : { hash: toHex(here.hash) };
  expect(await command("--moved")).toMatchObject({ code: 0, told: { same: true, bound } });
  expect(await command()).toMatchObject({ code: 0, told: { same: true } });
});
