/** Which machine this is: what a copy of its disk carries along, and what not. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { toHex } from "@tallystick/evidence";
import { readMachine, sameMachine, type Machine } from "../../../agent/src/self/machine.ts";

type Card = {
  readonly address: string;
  readonly bus?: string;
  readonly assigned?: number;
  readonly radio?: boolean;
};
type Hardware = {
  readonly id?: string;
  readonly uuid?: string;
  readonly serial?: string;
  readonly cpu?: string;
  readonly cards?: Readonly<Record<string, Card>>;
};

const UUID = "4c4c4544-0042-3510-8051-b4c04f4b3732";
const ID = "3d1219c7c4c5404aaa1f6d2a48adfda4";
const ADDRESS = "00:1b:21:3a:4f:01";
const OTHER_ADDRESS = "00:1b:21:3a:4f:02";

/** The files of a machine, below a folder of the test's own. */
function machine({ id = ID, uuid, serial, cpu, cards = {} }: Hardware = {}): Machine {
  const root = mkdtempSync(join(tmpdir(), "tally-machine-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  put("etc/machine-id", `${id}\n`);
  if (uuid !== undefined) put("sys/class/dmi/id/product_uuid", `${uuid}\n`);
  if (serial !== undefined) put("proc/device-tree/serial-number", `${serial}\0`);
  if (cpu !== undefined) put("proc/cpuinfo", `processor\t: 0\nHardware\t: BCM2835\nSerial\t\t: ${cpu}\n`);
  for (const [name, { address, bus = "pci", assigned = 0, radio = false }] of Object.entries(cards)) {
    const folder = `sys/class/net/${name}`;
    put(`${folder}/address`, `${address}\n`);
    put(`${folder}/type`, "1\n");
    put(`${folder}/addr_assign_type`, `${assigned}\n`);
    put(`${folder}/uevent`, `${radio ? "DEVTYPE=wlan\n" : ""}INTERFACE=${name}\n`);
    if (bus === "none") continue;
    mkdirSync(join(root, folder, "device"));
    symlinkSync(`../../../../bus/${bus}`, join(root, folder, "device", "subsystem"));
  }
  return readMachine(root);
}

const same = (a: Machine, b: Machine): boolean => sameMachine(a.parts, b.parts);

test("the same machine has the same hash, in which no id can be read", () => {
  const hardware = { uuid: UUID, cards: { eth0: { address: ADDRESS } } };
  const [first, again] = [machine(hardware), machine(hardware)];
  expect(first).toEqual(again);
  expect(first.sources).toEqual(["dmi", "network", "machine-id"]);
  expect(first.hash).toHaveLength(32);
  expect(first.hardware).toBe(true);
});

test("the order of cards and the case of letters make no difference", () => {
  const [a, b] = [{ address: ADDRESS }, { address: OTHER_ADDRESS }];
  const one = machine({ uuid: UUID, cards: { eth0: a, eth1: b } });
  const other = machine({ uuid: UUID.toUpperCase(), cards: { lan1: b, lan2: a } });
  expect(toHex(other.hash ?? new Uint8Array())).toBe(toHex(one.hash ?? new Uint8Array()));
});

test.for<[string, Hardware, Hardware]>([
  ["board", { serial: "10000000a1b2c3d4" }, { serial: "10000000a1b2c3d5" }],
  ["UUID", { uuid: UUID }, { uuid: UUID.replace("4c", "4d") }],
  ["processor", { cpu: "00000000a1b2c3d4" }, { cpu: "00000000a1b2c3d5" }],
  ["card", { cards: { eth0: { address: ADDRESS } } }, { cards: { eth0: { address: OTHER_ADDRESS } } }],
  ["kind of hardware", { serial: "10000000a1b2c3d4" }, { uuid: UUID }],
])("a copy of the disk on another %s is another machine", ([, from, to]) => {
  const [original, copy] = [machine(from), machine(to)];
  expect(toHex(copy.hash ?? new Uint8Array())).not.toBe(toHex(original.hash ?? new Uint8Array()));
  expect(same(original, copy)).toBe(false);
});

test("with nothing but a machine-id that is said, and a copy can't be told", () => {
  const [original, copy] = [machine(), machine()];
  expect(original).toMatchObject({ sources: ["machine-id"], hardware: false });
  expect(same(original, copy)).toBe(true);
  expect(same(original, machine({ id: "0".repeat(31) + "1" }))).toBe(false);
});

test("with nothing at all there is no hash", () => {
  expect(readMachine(join(tmpdir(), "tally-no-such-machine"))).toEqual({
    hash: undefined,
    sources: [],
    unreadable: [],
    hardware: false,
    parts: {},
  });
});

test.for([
  "00000000-0000-0000-0000-000000000000",
  "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
  "03000200-0400-0500-0006-000700080009",
  "To Be Filled By O.E.M.",
  "Default string",
  "",
])("what makers leave where an id belongs is none: %s", (uuid) => {
  expect(machine({ uuid }).sources).toEqual(["machine-id"]);
});

test.for<[string, Card]>([
  ["on a plug", { address: ADDRESS, bus: "usb" }],
  ["of a container or bridge", { address: ADDRESS, bus: "none" }],
  ["with an address that was set", { address: ADDRESS, assigned: 3 }],
  ["with a made-up address", { address: ADDRESS, assigned: 1 }],
  ["of a radio", { address: ADDRESS, radio: true }],
  ["without an address", { address: "00:00:00:00:00:00" }],
])("a network card %s tells no machine", ([, card]) => {
  expect(machine({ cards: { eth0: card } }).sources).toEqual(["machine-id"]);
});

test("another card is added, one is replaced, the machine-id is made anew at each start: still the same machine", () => {
  const before = machine({ cards: { eth0: { address: ADDRESS }, eth1: { address: OTHER_ADDRESS } } });
  const after = machine({
    id: "b".repeat(32),
    cards: { eth0: { address: ADDRESS }, eth1: { address: "00:1b:21:3a:4f:03" } },
  });
  expect(same(before, after)).toBe(true);
});

test("who may not read the UUID finds the machine by its card", () => {
  const cards = { eth0: { address: ADDRESS } };
  const [asRoot, asUser] = [machine({ uuid: UUID, cards }), machine({ cards })];
  expect(same(asRoot, asUser)).toBe(true);
  expect(same(asUser, asRoot)).toBe(true);
});

test("where one side knows no hardware, the machine-id decides", () => {
  expect(same(machine({ uuid: UUID }), machine())).toBe(true);
  expect(same(machine({ uuid: UUID }), machine({ id: "b".repeat(32) }))).toBe(false);
});

test("this machine answers, and the same each time", () => {
  expect(readMachine()).toEqual(readMachine());
});
