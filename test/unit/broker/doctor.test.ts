/** The broker's doctor: certificates, listeners, registry; and looking changes nothing. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { exitOf, findingLines, type Finding } from "@tallystick/evidence/node";
import { readConfig } from "../../../broker/src/config.ts";
import { examine } from "../../../broker/src/doctor.ts";
import { AnchorLog } from "../../support/anchor-log.ts";
import { freePort } from "../../support/loopback.ts";
import { PlainBroker } from "../../support/plain-broker.ts";
import { selfSigned } from "../../support/tls-files.ts";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "tally-broker-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function examined(at: string, settings: object): Promise<readonly Finding[]> {
  const file = join(at, "broker.yaml");
  writeFileSync(file, JSON.stringify({ version: 1, data: join(at, "data"), ...settings }));
  return examine(file, readConfig(file, {}));
}

const about = (findings: readonly Finding[], name: string): readonly Finding[] =>
  findings.filter((one) => one.about === name);

test("on loopback: whether somebody listens", async () => {
  const at = folder();
  const broker = await PlainBroker.start();
  onTestFinished(() => broker.stop());
  const up = await examined(at, { listen: { port: broker.port } });
  expect(findingLines(up).filter((line) => !line.startsWith("OK"))).toEqual([]);
  const down = await examined(at, { listen: { port: await freePort() } });
  expect(about(down, "mqtt")).toMatchObject([{ result: "warn" }]);
  expect(exitOf(down)).toBe(0);
  expect(existsSync(join(at, "data"))).toBe(false);
});

test("on a network: certificate, pin, registry and its policy", async () => {
  const at = folder();
  const log = await AnchorLog.create();
  onTestFinished(() => log.remove());
  const policy = join(at, "policy.txt");
  writeFileSync(policy, log.policy);
  const registry = { from: log.publicFolder, policy };
  const settings = async (tls: object, more: object): Promise<readonly Finding[]> =>
    examined(at, { listen: false, tls: { listen: { port: await freePort() }, ...tls }, ...more });

  const good = await settings(selfSigned(at, "good"), { registry });
  expect(about(good, "tls")).toMatchObject([
    { result: "ok", text: expect.stringMatching(/sha256:[0-9a-f]{64}$/) as string },
    { result: "ok" },
  ]);
  expect(about(good, "registry")).toMatchObject([{ result: "warn" }, { result: "ok" }]);
  const over = await settings(selfSigned(at, "over", { expired: true }), { registry });
  expect(about(over, "tls")[1]).toMatchObject({
    result: "fail",
    text: expect.stringContaining("was over") as string,
  });
  writeFileSync(policy, log.policy.replace(/^operator .*$/m, ""));
  expect(about(await settings(selfSigned(at, "good"), { registry }), "registry")).toMatchObject([
    { result: "fail", text: expect.stringContaining("operator") as string },
  ]);
});
