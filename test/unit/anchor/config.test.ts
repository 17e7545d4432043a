import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ConfigError } from "@tallystick/evidence/node";
import { connectionOf } from "../../../anchor/src/broker-connection.ts";
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
  const commented = ["origin", "username", "passwordFile", "tls", "ca", "cert", "key"];
  expect(keys).toEqual(expect.arrayContaining(commented));
});

test("the environment overrides the file", () => {
  const file = write("anchor.yaml", "version: 1\ndata: /a\nbroker: { clientId: b }\n");
  const config = readConfig(file, {
    TALLYSTICK_ANCHOR_DATA: "/elsewhere",
    TALLYSTICK_BROKER_URL: "mqtt://10.0.0.7:1884",
  });
  expect(config.data).toBe("/elsewhere");
  expect(config.broker).toMatchObject({ url: "mqtt://10.0.0.7:1884", clientId: "b" });
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
  const moved = { ...config, keys: { log: "/safe/log.pem", operator: "op.pem" } };
  expect(placesOf(moved)).toMatchObject({ logKey: "/safe/log.pem", operatorKey: "/data/op.pem" });
});

test("credentials come from files, the password from the first line", () => {
  const { broker } = defaultConfig("/data");
  const passwordFile = write("password", "secret\n");
  const caFile = write("ca.pem", "an authority");
  expect(connectionOf({ ...broker, username: "anchor", passwordFile, tls: { ca: caFile } })).toMatchObject({
    username: "anchor",
    password: "secret",
    ca: "an authority",
  });
  expect(() => connectionOf({ ...broker, passwordFile: join(folder, "none") })).toThrow(
    expect.objectContaining({ code: "key-file-unreadable" }),
  );
});
