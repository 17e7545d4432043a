/** An operator's key on another machine: requests go there, items come back, and nothing else does. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { concatBytes, nobleSigner, toHex, type Signer, type Statement } from "@tallystick/evidence";
import { approve as approveCommand } from "../../../anchor/src/commands/approve.ts";
import { placesOf } from "../../../anchor/src/config.ts";
import { approve } from "../../../anchor/src/enrolment/approval.ts";
import {
  bringItems,
  exportRequests,
  readItems,
  signBatch,
  type EnrolItem,
} from "../../../anchor/src/enrolment/elsewhere.ts";
import { decodeBatch } from "../../../anchor/src/enrolment/request.ts";
import { nameOf, requestNamed } from "../../../anchor/src/enrolment/requests.ts";
import { PublishedRegistry } from "../../../anchor/src/registry/published-registry.ts";
import { Inbox } from "../../../anchor/src/registry/inbox.ts";
import { put } from "../../../anchor/src/registry/submit.ts";
import { deviceSigner } from "../../support/anchor-log.ts";
import { commandHere } from "../../support/command-here.ts";
import { TestDesk } from "../../support/enrolment-desk.ts";

const NOW = 1_790_000_000;
const MACHINE = new Uint8Array(32).fill(7);
let desk: TestDesk;
beforeEach(async () => {
  desk = await TestDesk.open({ approve: "ask" });
});
afterEach(() => desk.close());

async function asks(device: string): Promise<Signer> {
  const signer = deviceSigner(device);
  expect(await desk.ask(await desk.invite(device), signer, MACHINE)).toEqual({ state: "waiting" });
  return signer;
}

async function registry(): Promise<PublishedRegistry> {
  const { public: folder, inbox } = placesOf(desk.config);
  const read = await PublishedRegistry.read(folder);
  await read.addWaiting(inbox);
  return read;
}

const exported = async (): Promise<Uint8Array> =>
  exportRequests(
    desk.requests.list().map(({ request }) => request),
    await registry(),
  );

const brought = async (items: Uint8Array): Promise<readonly string[]> => {
  const devices: string[] = [];
  await bringItems(
    readItems(items),
    await registry(),
    placesOf(desk.config).inbox,
    async ({ file, statement }, enrolment) => {
      await desk.requests.approved(nameOf(enrolment), { file, hash: statement.hash });
      devices.push(enrolment.device);
    },
  );
  return devices;
};

test("several requests in one file become items that follow one another", async () => {
  const signers = [await asks("city/gw-1"), await asks("city/gw-2"), await asks("town/gw-1")];
  const batch = decodeBatch(await exported());
  expect(batch).toMatchObject({ count: 1, operators: [{ iss: "city/operator", actsFor: "*" }] });
  const items = await signBatch(batch, desk.log.operator, NOW);
  expect(await brought(items)).toEqual(["city/gw-1", "city/gw-2", "town/gw-1"]);
  expect(desk.requests.list().map(({ standing }) => standing.state)).toEqual([
    "approved",
    "approved",
    "approved",
  ]);
  expect(await desk.sequence()).toBe(3);
  for (const [i, device] of ["city/gw-1", "city/gw-2", "town/gw-1"].entries())
    expect(desk.log.opened.keys.current(device)).toMatchObject({
      kid: signers[i]?.key.kid,
      machine: MACHINE,
    });
});

test("items that come too late, or a second time, say so; and the device waits on", async () => {
  const signer = await asks("city/gw-1");
  const items = await signBatch(decodeBatch(await exported()), desk.log.operator, NOW);
  await desk.log.enrol("city/other");
  await expect(brought(items)).rejects.toThrow(/export the requests again/);
  const again = await signBatch(decodeBatch(await exported()), desk.log.operator, NOW);
  expect(await brought(again)).toEqual(["city/gw-1"]);
  await expect(brought(again)).rejects.toThrow(expect.objectContaining({ code: "registry-order" }));
  expect(await desk.sequence()).toBe(1);
  expect(desk.log.opened.keys.current("city/gw-1")?.kid).toEqual(signer.key.kid);
});

test("somebody else's key signs nothing, and an operator nothing of another org", async () => {
  await asks("town/gw-1");
  const batch = decodeBatch(await exported());
  await expect(signBatch(batch, nobleSigner(MACHINE), NOW)).rejects.toThrow(
    expect.objectContaining({ code: "key-unknown" }),
  );
  const [operator] = batch.operators;
  const ofCity = { ...batch, operators: operator === undefined ? [] : [{ ...operator, actsFor: "city" }] };
  await expect(signBatch(ofCity, desk.log.operator, NOW)).rejects.toThrow(
    expect.objectContaining({ code: "operator-org" }),
  );
});

test("a file of requests that was altered on its way enrols nothing: the registry refuses what it can't be", async () => {
  await asks("city/gw-1");
  const batch = decodeBatch(await exported());
  const twice = { ...batch, requests: [...batch.requests, ...batch.requests] };
  await expect(signBatch(twice, desk.log.operator, NOW)).rejects.toThrow(
    expect.objectContaining({ code: "key-exists" }),
  );
  const elsewhere = await signBatch({ ...batch, last: MACHINE }, desk.log.operator, NOW);
  await expect(brought(elsewhere)).rejects.toThrow(expect.objectContaining({ code: "registry-order" }));
});

test("nothing but enrolments is brought", async () => {
  await desk.log.enrol("city/gw-9");
  const { kid } = deviceSigner("city/gw-9").key;
  const revoke = await desk.log.item({ kind: "revoke", kid, from: 1 });
  expect(() => readItems(revoke.bytes)).toThrow(expect.objectContaining({ code: "registry-malformed" }));
  expect(() => readItems(concatBytes(revoke.bytes.subarray(0, 40)))).toThrow();
  expect(() => readItems(new Uint8Array([0xd2]))).toThrow();
});

test("a request is meant by its name, its file, or its device; and not by half of it", async () => {
  await asks("city/gw-1");
  await asks("city/gw-2");
  const [first] = desk.requests.list();
  const name = first?.name ?? "";
  for (const given of [
    name,
    `${name}.cbor`,
    `/var/lib/tallystick/anchor/requests/${name}.cbor`,
    first?.request.device ?? "",
  ])
    expect(requestNamed(desk.requests, given).name).toBe(name);
  expect(() => requestNamed(desk.requests, "city/gw-3")).toThrow(
    /no such request; there are: enrol-city\.gw-/,
  );
});

test("what an operator here approves while another does elsewhere is one item", async () => {
  const signer = await asks("city/gw-1");
  const [listed] = desk.requests.list();
  if (listed === undefined) throw new Error("nothing waits");
  const { public: folder, inbox } = placesOf(desk.config);
  const approver = {
    signer: desk.log.operator,
    requests: desk.requests,
    read: () => PublishedRegistry.read(folder),
    inbox,
    nowUnixS: () => NOW,
  };
  const both = await Promise.all([approve(listed, approver), approve(listed, approver)]);
  expect(both.filter((one) => one !== undefined)).toHaveLength(1);
  expect(await desk.sequence()).toBe(1);
  expect(desk.log.opened.keys.current("city/gw-1")?.kid).toEqual(signer.key.kid);
});

test("what was approved can't be refused any more, whoever approved it and however far it came", async () => {
  const refuse = (...names: readonly string[]) =>
    commandHere(approveCommand, "--refuse", ...names, "--reason", "a thief", "--data", desk.config.data);
  const signer = await asks("city/gw-1");
  await asks("city/gw-2");
  const states = () => desk.requests.list().map(({ request, standing }) => [request.device, standing.state]);
  const items = await signBatch(decodeBatch(await exported()), desk.log.operator, NOW);
  // In the inbox, and not noted yet: whoever brought it died in between.
  const { statement, enrolment } = readItems(items)[0] as EnrolItem;
  await put(statement, placesOf(desk.config).inbox);
  const late = await refuse("city/gw-2", "city/gw-1");
  expect([late.exit, late.stdout]).toEqual([1, ""]);
  expect(late.stderr).toMatch(/approved already.*revoke --kid [0-9a-f]{16}\) \[key-exists\]/);
  expect(states()).toEqual([
    ["city/gw-1", "waiting"],
    ["city/gw-2", "waiting"],
  ]);
  // Noted.
  await desk.requests.approved(nameOf(enrolment), { file: "000000001.cose", hash: statement.hash });
  expect((await refuse("city/gw-1")).exit).toBe(1);
  // In the registry.
  expect(await desk.sequence()).toBe(1);
  expect((await refuse("city/gw-1")).exit).toBe(1);
  expect(desk.log.opened.keys.current("city/gw-1")?.kid).toEqual(signer.key.kid);
  expect(await refuse("city/gw-2")).toMatchObject({ exit: 0 });
  expect(states()).toContainEqual(["city/gw-2", "refused"]);
});

test("a refusal is remembered as long as its invite, or the same key would ask anew with it", async () => {
  const signer = deviceSigner("city/gw-1");
  const invite = await desk.invite("city/gw-1", { expiresS: 300 * 86_400 });
  await desk.ask(invite, signer, MACHINE);
  await desk.requests.refused(desk.requests.list()[0]?.name ?? "", "a thief");
  desk.log.clock.now += 200 * 86_400;
  const late = desk.log.clock.now;
  desk.invites.tidy();
  const isInvite = (id: Uint8Array): boolean => desk.invites.has(id);
  desk.requests.tidy(() => false, isInvite, late);
  await expect(desk.ask(invite, signer, MACHINE)).rejects.toThrow(
    expect.objectContaining({ code: "enrol-refused" }),
  );
  desk.log.clock.now += 200 * 86_400;
  desk.invites.tidy();
  desk.requests.tidy(() => false, isInvite, desk.log.clock.now);
  expect(desk.requests.list()).toEqual([]);
});

test("where an approved item lies is known under whatever path its operator saw the inbox", async () => {
  await asks("city/gw-1");
  const name = desk.requests.list()[0]?.name ?? "";
  const { inbox, requests } = placesOf(desk.config);
  const items = await signBatch(decodeBatch(await exported()), desk.log.operator, NOW);
  const statement = readItems(items)[0]?.statement as Statement;
  await put(statement, inbox);
  await desk.requests.approved(name, { file: "/mnt/anchor/inbox/000000001.cose", hash: statement.hash });
  expect(readFileSync(join(requests, `${name}.approved`), "utf8")).toBe(
    `${toHex(statement.hash)} 000000001.cose\n`,
  );
  await new Inbox(inbox).refuse("000000001.cose", "key-exists", "there already", statement.hash);
  expect(desk.requests.find(name)?.standing).toMatchObject({ state: "failed", code: "key-exists" });
  // As it was written before.
  writeFileSync(join(requests, `${name}.approved`), `${toHex(statement.hash)} /mnt/inbox/000000001.cose\n`);
  expect(desk.requests.find(name)?.standing).toMatchObject({ state: "failed", code: "key-exists" });
});
