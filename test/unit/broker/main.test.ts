import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import mqtt from "mqtt";
import { describe, expect, onTestFinished, test } from "vitest";
import { defaultConfig, readConfig } from "../../../broker/src/config.ts";

const MAIN = join(import.meta.dirname, "..", "..", "..", "broker", "src", "main.ts");

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child: ChildProcess = spawn(process.execPath, [MAIN, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], ...env },
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  let out = "";
  let err = "";
  child.stdout?.on("data", (text) => (out += String(text)));
  child.stderr?.on("data", (text) => (err += String(text)));
  const ended: Promise<Ended> = once(child, "close").then(([code]) => ({
    code: code as number | null,
    out,
    err,
  }));
  const firstLine = async (): Promise<string> => {
    for await (const line of createInterface({ input: child.stdout ?? process.stdin })) return line;
    throw new Error(`ended without a line: ${(await ended).err}`);
  };
  return { child, ended, firstLine };
}

function configFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "tally-broker-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "broker.yaml");
  writeFileSync(path, text);
  return path;
}

const FREE_PORT = { TALLYSTICK_BROKER_PORT: "0" };

describe("tally-broker run", () => {
  test("says where it listens, carries, and stops cleanly on SIGTERM with clients connected", async () => {
    const { child, ended, firstLine } = start(["run"], FREE_PORT);
    const line = await firstLine();
    expect(line).toMatch(/^listening on mqtt:\/\/127\.0\.0\.1:\d+$/);
    const url = line.replace("listening on ", "");
    const client = await mqtt.connectAsync(url, {
      clientId: "acme/gw-1",
      protocolVersion: 4,
      reconnectPeriod: 0,
    });
    client.on("error", () => {});
    await client.publishAsync("tally/v1/acme/gw-1/up", "x", { qos: 1 });
    child.kill("SIGTERM");
    const { code, err } = await ended;
    expect(code).toBe(0);
    for (const text of err.trim().split("\n")) expect(JSON.parse(text)).toHaveProperty("msg");
  });

  test("--json, metrics and health", async () => {
    const config = configFile(
      "version: 1\nlisten: { host: localhost, port: 0 }\nhttp: { port: 0 }\nlog: { level: silent }\n",
    );
    const { child, ended, firstLine } = start(["run", "--json", "--config", config]);
    const { listening, http } = JSON.parse(await firstLine()) as { listening: string; http: string };
    expect(listening).toMatch(/^mqtt:\/\/127\.0\.0\.1:\d+$/);
    const health = await fetch(`${http}/healthz`);
    expect(await health.json()).toEqual({ status: "ok" });
    await mqtt
      .connectAsync(listening, { clientId: "nobody", protocolVersion: 4, reconnectPeriod: 0 }, false)
      .catch(() => {});
    const metrics = await (await fetch(`${http}/metrics`)).text();
    expect(metrics).toContain('tally_broker_refused_total{code="client-unknown"} 1\n');
    expect(metrics).toContain("tally_broker_connections 0\n");
    expect((await fetch(`${http}/`)).status).toBe(404);
    expect((await fetch(`${http}/metrics`, { method: "POST" })).status).toBe(405);
    child.kill("SIGINT");
    expect((await ended).code).toBe(0);
  });

  test("a port that is taken is one clear line", async () => {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const { ended } = start(["run"], { TALLYSTICK_BROKER_PORT: String(port) });
    const { code, out, err } = await ended;
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toMatch(/^tally-broker run: 127\.0\.0\.1:\d+ is taken: .* \[address-in-use\]\n$/);
  });

  test.for(["0.0.0.0", "192.0.2.1", "::", "example.org", "127.1", ""])(
    "the address %j is refused: it is not loopback",
    async (host) => {
      const { ended } = start(["run"], { ...FREE_PORT, TALLYSTICK_BROKER_HOST: host });
      const { code, out, err } = await ended;
      expect({ code, out }).toEqual({ code: 1, out: "" });
      expect(err).toContain("[address-not-loopback]");
      expect(err.trim().split("\n").length).toBe(1);
    },
  );

  test("so is one for the metrics", async () => {
    const { ended } = start([
      "run",
      "-c",
      configFile("version: 1\nlisten: { port: 0 }\nhttp: { host: 0.0.0.0 }\n"),
    ]);
    const { code, err } = await ended;
    expect(code).toBe(1);
    expect(err).toContain("[address-not-loopback]");
  });
});

describe("tally-broker config check", () => {
  test("the example of the README is good", async () => {
    const { ended } = start(["config", "check", "--config", join(MAIN, "..", "..", "broker.example.yaml")]);
    expect(await ended).toEqual({ code: 0, out: "the configuration is good\n", err: "" });
  });

  test("the example has the defaults", () => {
    const example = readConfig(join(MAIN, "..", "..", "broker.example.yaml"), {});
    expect(example).toEqual(defaultConfig());
  });

  test("names every fault with its line and what to do", async () => {
    const config = configFile(`version: 1
listen:
  prot: 1883
limits:
  maxConnections: 0
services:
  - id: acme/gw-1
    publish: [down, sideways]
`);
    const { code, err } = await start(["config", "check", "--config", config]).ended;
    expect(code).toBe(2);
    const faults = err.trim().split("\n");
    for (const part of [
      ":3: listen.prot",
      ":5: limits.maxConnections",
      ":7: services.0.id",
      ":8: services.0.publish.1",
    ])
      expect(faults.filter((fault) => fault.includes(part)).length).toBe(1);
    expect(faults.length).toBe(4);
  });

  test("a network needs a registry, and files that belong together", async () => {
    const tls = "tls: { cert: /nowhere/broker.pem, key: /nowhere/broker.key }";
    const alone = await start(["config", "check", "-c", configFile(`version: 1\n${tls}\n`)]).ended;
    expect({ code: alone.code, err: alone.err }).toEqual({
      code: 2,
      err: expect.stringMatching(/:2: tls: goes with registry/) as string,
    });
    const registry = "registry: { from: /var/lib/tallystick/anchor/public, policy: /nowhere/policy }";
    const missing = configFile(`version: 1\n${tls}\n${registry}\n`);
    const { code, err } = await start(["config", "check", "-c", missing]).ended;
    expect({ code, err }).toEqual({
      code: 1,
      err: expect.stringMatching(/broker\.key: can't read it.*\[tls-malformed\]/) as string,
    });
  });

  test("a missing file and an unknown option are usage errors", async () => {
    expect((await start(["config", "check", "--config", "/nowhere/broker.yaml"]).ended).code).toBe(2);
    expect((await start(["run", "--verbose"]).ended).code).toBe(2);
  });
});

test("tally-broker secret make: a secret, and the hash by which the broker knows it", async () => {
  const { out } = await start(["secret", "make", "--json"]).ended;
  const { secret, hash } = JSON.parse(out) as { secret: string; hash: string };
  expect(Buffer.from(secret, "base64url")).toHaveLength(32);
  expect(hash).toBe(`sha256:${createHash("sha256").update(secret).digest("hex")}`);
});
