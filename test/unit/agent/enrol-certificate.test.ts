/** Waiting for a client certificate: what is told of what is there, and when it goes on. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { untilCertified } from "../../../agent/src/enrol/certificate.ts";
import { FakeTime } from "../../support/fake-time.ts";
import { selfSigned } from "../../support/tls-files.ts";

function place(): string {
  const folder = mkdtempSync(join(tmpdir(), "tally-certificate-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

const ENDLESS = new AbortController().signal;

test("each thing that is wrong is told once; with the right one it goes on", async () => {
  const folder = place();
  const [own, other] = [selfSigned(folder, "own"), selfSigned(folder, "other")];
  const cert = join(folder, "device.pem");
  const time = new FakeTime();
  const told: string[] = [];
  let isDone = false;
  const parts = {
    tls: { cert, key: own.key },
    iss: "city/gw-1",
    timer: time,
    tell: (text: string) => told.push(text),
    once: false,
  };
  const done = untilCertified(parts, ENDLESS).finally(() => (isDone = true));
  await time.advance(10_000);
  writeFileSync(cert, "-----BEGIN CERTIFICATE-----\nhalf of"); // as a copy that is under way
  await time.advance(10_000);
  cpSync(other.cert, cert);
  await time.advance(10_000);
  expect([isDone, told]).toEqual([
    false,
    [
      expect.stringMatching(/^waiting for .*device\.pem.*registry --device city\/gw-1 --pem/),
      expect.stringContaining("[tls-malformed]"),
      expect.stringContaining("another one than the certificate's: key values mismatch"),
    ],
  ]);
  cpSync(own.cert, cert);
  await time.advance(1000);
  expect(await done).toBe(true);
});

test("it isn't waited for where nobody wants to, where the operator stops it, or where none is named", async () => {
  const tls = { cert: join(place(), "device.pem"), key: "/nowhere" };
  const parts = { iss: "city/gw-1", timer: new FakeTime(), tell: () => {} };
  expect(await untilCertified({ ...parts, tls, once: true }, ENDLESS)).toBe(false);
  expect(await untilCertified({ ...parts, tls, once: false }, AbortSignal.abort())).toBe(false);
  expect(await untilCertified({ ...parts, tls: { pin: "sha256:…" }, once: true }, ENDLESS)).toBe(true);
});
