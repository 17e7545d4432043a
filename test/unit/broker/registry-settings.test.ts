/**
 * Where the broker finds the registry, and whom it believes: what its settings and the trust policy have to say.
 *
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { readTrustPolicy, RegistrySettings } from "../../../broker/src/registry/settings.ts";
import { AnchorLog } from "../../support/anchor-log.ts";

describe("settings", () => {
  const faults = (settings: object): string[] => {
    const result = RegistrySettings.safeParse({ policy: "policy", ...settings });
    return result.success
      ? []
      : result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  };

  test("take an anchor beyond loopback by TLS only, and pins and authorities where there is TLS", () => {
    const pin = `sha256:${"0".repeat(64)}`;
    expect(faults({ from: "/srv/log" })).toEqual([]);
    expect(faults({ from: "http://127.0.0.1:8080" })).toEqual([]);
    expect(faults({ from: "https://anchor.example", pin })).toEqual([]);
    expect(faults({ from: "http://anchor.example" })).toEqual([
      "from: beyond loopback the anchor is asked by https://",
    ]);
    expect(faults({ from: "https://anchor.example/items" })).toEqual([
      "from: https://HOST[:PORT], nothing after it",
    ]);
    expect(faults({ from: "/srv/log", pin })).toEqual(["from: a pin or an authority goes with https://"]);
    expect(faults({ from: "https://a", pin, ca: "ca.pem" })).toEqual([
      "ca: a pin needs no authority: remove one of the two",
    ]);
  });

  test("a policy has to be there, be one, and pin an operator", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tally-policy-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const log = await AnchorLog.create();
    onTestFinished(() => log.remove());
    const path = join(folder, "policy");
    expect(() => readTrustPolicy(path)).toThrow(expect.objectContaining({ code: "policy-malformed" }));
    writeFileSync(path, "nonsense\n");
    expect(() => readTrustPolicy(path)).toThrow(`${path}: line 1`);
    writeFileSync(path, `${log.policy.split("\n")[0]}\nquorum none\n`);
    expect(() => readTrustPolicy(path)).toThrow(expect.objectContaining({ code: "operators-not-pinned" }));
    writeFileSync(path, log.policy);
    expect(readTrustPolicy(path).operators.length).toBe(1);
  });
});
