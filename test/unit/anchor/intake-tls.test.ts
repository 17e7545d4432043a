/** The anchor's line to a broker on TLS: whom it tells its secret. */
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { pinOf } from "@tallystick/evidence/node";
import { connectionOf } from "../../../anchor/src/intake/broker-connection.ts";
import { defaultConfig, type Config } from "../../../anchor/src/config.ts";
import { Intake } from "../../../anchor/src/intake/intake.ts";
import { makeSecret } from "../../../broker/src/access/secret.ts";
import { selfSigned, type TestCertificate } from "../../support/tls-files.ts";
import { device } from "../../support/token-client.ts";
import { WorldKeys } from "../../support/world-keys.ts";
import { startBroker } from "../broker/start.ts";

const ISS = "acme/gw-1";
const WAIT = { timeout: 10_000, interval: 20 };

let folder: string;
let files: TestCertificate;
let passwordFile: string;
const { secret, hash } = makeSecret();
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tally-intake-"));
  files = selfSigned(folder, "broker");
  passwordFile = join(folder, "password");
  writeFileSync(passwordFile, `${secret}\n`, { mode: 0o600 });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** An intake that notes what happens to it. */
function intake(url: string, tls: Config["broker"]["tls"]): string[] {
  const seen: string[] = [];
  const broker = { ...defaultConfig("/data").broker, url, passwordFile, tls, settleMs: 10 };
  const made = new Intake(connectionOf(broker), {
    message: (iss, payload) => seen.push(`${iss} ${Buffer.from(payload).toString()}`),
    whenRoom: (resume) => resume(),
    checkpoint: () => {},
    state: () => {},
    settled: () => seen.push("settled"),
    stray: () => {},
    connection: (state, reason = "") => seen.push(`${state} ${reason}`),
  });
  onTestFinished(() => made.end({ force: true }));
  return seen;
}

test("the pinned broker is told the secret, and brings what devices send", async () => {
  const keys = await WorldKeys.of(ISS);
  const services = [
    {
      id: "anchor",
      publish: [],
      subscribe: ["up" as const, "checkpoint" as const],
      whenSlow: "wait" as const,
      secret: hash,
    },
  ];
  const tls = { listen: { host: "127.0.0.1", port: 0 }, ...files };
  const broker = await startBroker({ listen: false, tls, services }, keys);
  const seen = intake(broker.url, { pin: broker.pin });
  await vi.waitFor(() => expect(seen).toContain("settled"), WAIT);
  const client = await device(broker.url, ISS, keys.named(ISS).signer);
  onTestFinished(() => void client.end(true));
  await client.publishAsync("tally/v1/acme/gw-1/up", "statement", { qos: 1 });
  await vi.waitFor(() => expect(seen).toContain(`${ISS} statement`), WAIT);
  expect(broker.codes).toEqual([]);
});

test("whoever has another key, or no good certificate, or just TLS 1.2, is told nothing, and tried again", async () => {
  let bytes = 0;
  let handshakes = 0;
  const certificate = { cert: readFileSync(files.cert), key: readFileSync(files.key) };
  const listening = async (options: object): Promise<string> => {
    const server = createServer({ ...certificate, ...options }, (socket) => {
      handshakes++;
      socket.on("error", () => {}).on("data", (chunk) => (bytes += chunk.length));
    });
    server.on("tlsClientError", () => handshakes++);
    server.listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    return `mqtts://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const stranger = await listening({});
  const old = await listening({ maxVersion: "TLSv1.2" });
  const other = pinOf(readFileSync(selfSigned(folder, "other").cert));
  const caFile = join(folder, "ca.pem");
  copyFileSync(selfSigned(folder, "authority").cert, caFile);
  const all = [
    intake(stranger, { pin: other }),
    intake(stranger, { ca: caFile }),
    intake(stranger, {}),
    intake(old, { pin: pinOf(certificate.cert) }),
  ];
  rmSync(caFile); // what can't be read at a later attempt is no reason to trust anybody else
  await vi.waitFor(() => expect(handshakes).toBeGreaterThan(7), WAIT);
  expect(bytes).toBe(0);
  for (const seen of all) expect(seen[0]).toMatch(/^lost /);
  expect(all[0]?.[0]).toMatch(/not the pinned one: .*set broker\.tls\.pin/);
});
