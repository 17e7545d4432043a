/** Boot evidence from another machine than the enrolled one: admitted, counted, and told of once an hour. */
import { expect, test } from "vitest";
import { encodeEat, toHex } from "@tallystick/evidence";
import { Machines } from "../../../anchor/src/admission/machines.ts";
import { AnchorDevice, AnchorLog, deviceSigner } from "../../support/anchor-log.ts";
import { AnchorPipeline } from "../../support/anchor-pipeline.ts";
import { BOOT_EVIDENCE } from "../../support/statements.ts";

const HERE = new Uint8Array(32).fill(1);
const THERE = new Uint8Array(32).fill(2);

async function enrolled(log: AnchorLog, iss: string, machine?: Uint8Array): Promise<AnchorDevice> {
  const device = new AnchorDevice(iss, deviceSigner(iss), log.clock);
  const item = await log.item({
    kind: "enrol",
    device: iss,
    key: device.signer.key,
    streams: ["*"],
    silenceS: 900,
    ...(machine === undefined ? {} : { machine }),
  });
  await log.publish(log.sequence([item], []));
  return device;
}

test("another machine, or none, is told of; the enrolled one, and a device that is bound to none, are not", async () => {
  const log = await AnchorLog.create();
  const told: object[] = [];
  let nowMs = 0;
  const pipeline = new AnchorPipeline(log);
  const logger = { warn: (about: object) => void told.push(about) };
  const machines = new Machines({ tally: pipeline.tally, nowMs: () => nowMs, logger });
  const { machine: _machine, ...nowhere } = BOOT_EVIDENCE;
  const bound = await enrolled(log, "city/gw-1", HERE);
  const free = await enrolled(log, "city/gw-2");
  for (const device of [bound, free]) {
    const sys = device.chain("sys");
    await sys.open();
    const { kid } = device.signer.key;
    for (const evidence of [{ ...nowhere, machine: HERE }, { ...nowhere, machine: THERE }, nowhere])
      sys.statements.push(await sys.seal({ type: "eat", payload: encodeEat({ ...evidence, kid }) }));
    pipeline.receive(device.iss, ...sys.statements);
    await pipeline.batch();
    expect(pipeline.refusals(device.iss).size).toBe(0);
    for (const { hash } of sys.statements)
      expect(log.opened.store.archive.byHash(hash), toHex(hash)).toBeDefined();
  }
  for (const statement of pipeline.elsewhere) machines.admitted(statement);
  expect(pipeline.tally.of("machine-mismatch")).toBe(2);
  expect(told).toEqual([{ code: "machine-mismatch", iss: "city/gw-1", seq: 2 }]);
  nowMs = 3_600_000;
  machines.admitted({ claims: { iss: "city/gw-1", sub: "sys", seq: 9 } });
  expect(told).toHaveLength(2);
  log.close();
});
