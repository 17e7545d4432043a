import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ConfigError } from "@tallystick/evidence/node";
import { connectionOf } from "../../../anchor/src/intake/broker-connection.ts";
import { defaultConfig, placesOf, readConfig } from "../../../anchor/src/config.ts";

const EXAMPLE = join(import.meta.dirname, "..", "..", "..", "anchor", "anchor.example.yaml");
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tally-anchor-config-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Every setting that has a default, by its own name. */
const namesIn = (value: unknown): readonly string[] =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.entries(value).flatMap(([name, inner]) => (inner === undefined ? [] : [name, ...namesIn(inner)]))
    : [];

const faults = (file: string): readonly string[] => {
  try {
    readConfig(file, {});
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
  }
  return [];
};

test("the example states every setting with its default", () => {
  expect(readConfig(EXAMPLE, {})).toEqual(defaultConfig("/var/lib/tallystick/anchor"));
  const keys = [...readFileSync(EXAMPLE, "utf8").matchAll(/^ *#? *(\w+):/gm)].map(([, key]) => key);
  const commented = [
    "origin",
    "username",
    "passwordFile",
    "tls",
    "ca",
    "cert",
    "key",
    "public",
    "url",
    "pin",
  ];
  expect(keys).toEqual(expect.arrayContaining(commented));
  expect(keys).toEqual(expect.arrayContaining([...namesIn(defaultConfig("/data"))]));
});

test("the environment overrides the file", () => {
  const file = write("anchor.yaml", "version: 1\ndata: /a\nbroker: { clientId: b }\n");
  const config = readConfig(file, {
    TALLYSTICK_ANCHOR_DATA: "/elsewhere",
    TALLYSTICK_BROKER_URL: "mqtts://10.0.0.7:1884",
  });
  expect(config.data).toBe("/elsewhere");
  expect(config.broker).toMatchObject({ url: "mqtts://10.0.0.7:1884", clientId: "b" });
});

test("faults are named by line and key", () => {
  const file = write(
    "bad.yaml",
    "version: 2\npool:\n  maxItems: many\nbroker:\n  url: 7\nhtpp: {}\nhttp: { listen: nowhere }\n",
  );
  const [found] = [faults(file).map((fault) => fault.slice(file.length))];
  for (const start of [
    ":1: version:",
    ":3: pool.maxItems:",
    ":5: broker.url:",
    ":6: htpp: no such setting",
    ":7: http.listen:",
  ]) {
    expect(found).toContainEqual(expect.stringMatching(new RegExp(`^${start}`)));
  }
});

test("keys are where the configuration says, relative to the data", () => {
  const config = defaultConfig("/data");
  expect(placesOf(config)).toMatchObject({
    logKey: "/data/keys/log.pem",
    inbox: "/data/inbox",
    public: "/data/public",
  });
  const moved = { ...config, keys: { ...config.keys, log: "/safe/log.pem", operator: "op.pem" } };
  expect(placesOf(moved)).toMatchObject({ logKey: "/safe/log.pem", operatorKey: "/data/op.pem" });
});

test("credentials come from files, the password from the first line", () => {
  const { broker } = defaultConfig("/data");
  const passwordFile = write("password", "secret\n");
  expect(connectionOf({ ...broker, passwordFile })).toMatchObject({ username: "anchor", password: "secret" });
  expect(connectionOf({ ...broker, username: "ledger", passwordFile })).toMatchObject({ username: "ledger" });
  for (const missing of [{ passwordFile: join(folder, "none") }, { tls: { ca: join(folder, "none") } }])
    expect(() => connectionOf({ ...broker, ...missing })).toThrow(
      expect.objectContaining({ code: "key-file-unreadable" }),
    );
});

test("beyond this machine the broker is reached by TLS only, and known by one thing", () => {
  const pin = `sha256:${"0f".repeat(32)}`;
  const brokers = [
    "{ url: 'mqtt://broker.example' }",
    "{ url: 'mqtt://127.0.0.1.example' }",
    `{ url: 'mqtts://broker.example', tls: { pin: '${pin}', ca: /ca.pem } }`,
    "{ url: 'mqtts://broker.example', tls: { pin: 'sha256:0f' } }",
    "{ url: 'mqtts://broker.example', tls: { cert: /cert.pem } }",
  ];
  for (const broker of brokers)
    expect(faults(write("tls.yaml", `version: 1\nbroker: ${broker}\n`)), broker).toHaveLength(1);
  const good = write(
    "good.yaml",
    `version: 1\nbroker: { url: 'mqtts://x', tls: { pin: ['${pin}', '${pin}'] } }\n`,
  );
  expect(readConfig(good, {}).broker.tls.pin).toHaveLength(2);
});
