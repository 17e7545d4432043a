import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync, chmodSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer, type TLSSocket } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { exporterOf, ownPin, parsePin, peerPin, pinOf, readTls, reloadTls } from "@tallystick/evidence/node";
import { selfSigned, type TestCertificate } from "../../support/tls-files.ts";

let folder: string;
let files: TestCertificate;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tally-tls-"));
  files = selfSigned(folder, "server");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Both ends of a new connection to a server with the files' certificate. */
async function serve(): Promise<{
  readonly server: ReturnType<typeof createServer>;
  readonly dial: () => Promise<{ readonly near: TLSSocket; readonly far: TLSSocket }>;
}> {
  const server = createServer(readTls(files).options);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    server,
    async dial() {
      const accepted = once(server, "secureConnection") as Promise<[TLSSocket]>;
      const near = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
      const [[far]] = await Promise.all([accepted, once(near, "secureConnect")]);
      return { near, far };
    },
  };
}

test("both ends of a connection derive the same value and the same pin, and no other connection has that value", async () => {
  const { server, dial } = await serve();
  const [first, second] = [await dial(), await dial()];
  try {
    expect(exporterOf(first.near)).toEqual(exporterOf(first.far));
    expect(exporterOf(first.near)).toHaveLength(32);
    expect(exporterOf(second.near)).not.toEqual(exporterOf(first.near));
    expect(peerPin(first.near)).toBe(readTls(files).pin);
    expect(ownPin(first.far)).toBe(readTls(files).pin);
    expect(peerPin(first.far)).toBeUndefined();
    expect(ownPin(first.near)).toBeUndefined();
  } finally {
    for (const { near } of [first, second]) near.destroy();
    server.close();
  }
});

test("a pin stays when the certificate is renewed for the same key", () => {
  const renewed = selfSigned(folder, "renewed", { key: files.key });
  expect(readTls(renewed).pin).toBe(readTls(files).pin);
  expect(readTls(selfSigned(folder, "other")).pin).not.toBe(readTls(files).pin);
  expect(parsePin(readTls(files).pin)).toBe(readTls(files).pin);
});

test("new files serve new connections; what can't be read is told, and the certificate before goes on", async () => {
  const { server, dial } = await serve();
  const before = readTls(files).pin;
  const told: string[] = [];
  let look = (): void => {};
  const timer = { after: (_waitMs: number, run: () => void) => ((look = run), () => (look = () => {})) };
  const stop = reloadTls(server, files, timer, (outcome) =>
    told.push(typeof outcome === "string" ? outcome : outcome.code),
  );
  const old = await dial();
  try {
    look();
    expect(told).toEqual([]);
    writeFileSync(files.cert, "half of a cert");
    look();
    expect(told).toEqual(["tls-malformed"]);
    const meanwhile = await dial();
    expect(peerPin(meanwhile.near)).toBe(before);
    meanwhile.near.destroy();
    const next = selfSigned(folder, "next");
    copyFileSync(next.cert, files.cert);
    copyFileSync(next.key, files.key);
    look();
    expect(told).toEqual(["tls-malformed", readTls(next).pin]);
    const after = await dial();
    expect(peerPin(after.near)).toBe(readTls(next).pin);
    expect(old.near.destroyed).toBe(false);
    after.near.destroy();
  } finally {
    stop();
    old.near.destroy();
    server.close();
  }
});

test.for<[string, () => unknown, string]>([
  ["a key that others can read", () => (chmodSync(files.key, 0o640), readTls(files)), "key-file-mode"],
  ["a missing file", () => readTls({ ...files, cert: join(folder, "none.pem") }), "tls-malformed"],
  [
    "a key of another certificate",
    () => readTls({ ...files, key: selfSigned(folder, "other").key }),
    "tls-malformed",
  ],
  ["a certificate that is none", () => pinOf("none"), "tls-malformed"],
  ["a pin that is none", () => parsePin("sha256:00"), "tls-malformed"],
])("%s is refused", ([, act, code]) => {
  expect(act).toThrow(expect.objectContaining({ code }));
});
