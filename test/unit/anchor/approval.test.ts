/** An operator's key on another machine: requests go there, items come back, and nothing else does. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { concatBytes, nobleSigner, type Signer } from "@tallystick/evidence";
import { placesOf } from "../../../anchor/src/config.ts";
import { approve } from "../../../anchor/src/enrolment/approval.ts";
import { bringItems, exportRequests, readItems, signBatch } from "../../../anchor/src/enrolment/elsewhere.ts";
import { decodeBatch } from "../../../anchor/src/enrolment/request.ts";
import { nameOf, requestNamed } from "../../../anchor/src/enrolment/requests.ts";
import { PublishedRegistry } from "../../../anchor/src/registry/published-registry.ts";
import { deviceSigner } from "../../support/anchor-log.ts";
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
