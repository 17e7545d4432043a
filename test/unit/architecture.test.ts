/**
 * Who may import whom. A new edge is a decision: it changes this table, docs/architecture.md and, for a package, a decision record.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");

const EVIDENCE = /^@tallystick\/evidence(?:\/node)?$/;
const MAY_IMPORT: Record<string, readonly RegExp[]> = {
  evidence: [/^@noble\/(?:curves|hashes)\//, /^cbor-x$/],
  agent: [EVIDENCE, /^node:/, /^(?:mqtt|serialport|zod|yaml|pino)$/],
  broker: [EVIDENCE, /^node:/, /^(?:aedes|ws|zod|yaml|pino)$/],
  anchor: [
    EVIDENCE,
    /^node:/,
    /^(?:mqtt|hono|@hono\/node-server|sodium-native|zod|yaml|pino|prom-client|uqr)(?:\/|$)/,
  ],
  audit: [EVIDENCE, /^node:/, /^(?:csv-parse|pdfkit|yaml|zod)$/],
};
/** The rooms of evidence in the order in which they build on one another, and whose work each uses beside what lies in no room. */
const EVIDENCE_ROOMS: Record<string, readonly string[]> = {
  cbor: [],
  keys: [],
  tree: ["cbor"],
  ledger: ["keys", "tree"],
  tokens: ["keys"],
  registry: ["keys", "tokens"],
  readings: ["cbor"],
  events: ["keys"],
  statement: ["cbor", "keys", "registry", "readings", "events"],
  chains: ["readings", "events", "statement"],
  "key-state": ["keys", "tokens", "tree", "registry", "events", "statement"],
  verify: ["cbor", "keys", "tree", "ledger", "statement", "chains", "key-state"],
};
/** In each package one file uses the MQTT client. */
const SPEAKS_MQTT = /^mqtt$/;

type Import = { readonly file: string; readonly specifier: string };

function importsOf(folder: string): Import[] {
  const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith(".ts") && !file.includes("node_modules"))
    .flatMap((file) => {
      const text = readFileSync(join(ROOT, folder, file), "utf8");
      const found = [
        ...text.matchAll(/\b(?:from|import)\s+"([^"]+)"/g),
        ...text.matchAll(/\bimport\(\s*"([^"]+)"\s*\)/g),
      ];
      return found.map(([, specifier = ""]) => ({ file, specifier }));
    });
}

/** Within `src`, or the package's own manifest, which knows its version. */
const staysInside = ({ file, specifier }: Import): boolean => {
  const target = join(file, "..", specifier);
  return specifier.startsWith(".") && (!target.startsWith("..") || target === join("..", "package.json"));
};

describe.for(Object.entries(MAY_IMPORT))("%s", ([name, allowed]) => {
  const imports = importsOf(join(name, "src"));

  test("has sources to look at", () => {
    expect(imports.length).toBeGreaterThan(10);
  });

  test("imports only what it may", () => {
    const inNode = ({ file }: Import): boolean => name === "evidence" && file.startsWith("node/");
    const foreign = imports.filter(
      (one) =>
        !staysInside(one) &&
        !allowed.some((pattern) => pattern.test(one.specifier)) &&
        !(inNode(one) && one.specifier.startsWith("node:")),
    );
    expect(foreign).toEqual([]);
  });

  test("lists in its package.json exactly what it imports", () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, name, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    const used = imports
      .filter(({ specifier }) => !specifier.startsWith(".") && !specifier.startsWith("node:"))
      .map(({ specifier }) =>
        specifier
          .split("/")
          .slice(0, specifier.startsWith("@") ? 2 : 1)
          .join("/"),
      );
    expect([...new Set(used)].toSorted()).toEqual(Object.keys(manifest.dependencies).toSorted());
    for (const version of Object.values(manifest.dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test("speaks MQTT in one file at most", () => {
    const files = imports.filter(({ specifier }) => SPEAKS_MQTT.test(specifier)).map(({ file }) => file);
    expect(new Set(files).size).toBeLessThanOrEqual(1);
  });
});

test("what needs a compiler is no part of an installation", () => {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    packages: Record<string, unknown>;
  };
  expect(Object.keys(lock.packages).filter((path) => path.endsWith("/pkcs11js"))).toEqual([]);
});

test("evidence keeps cbor-x in one file", () => {
  const files = importsOf("evidence/src").filter(({ specifier }) => specifier === "cbor-x");
  expect(files.map(({ file }) => file)).toEqual(["cbor.ts"]);
});

test("only evidence/src/node touches Node, and nothing else in evidence imports it", () => {
  const outside = importsOf("evidence/src").filter(({ file }) => !file.startsWith("node/"));
  expect(
    outside.filter(({ specifier }) => specifier.startsWith("node:") || specifier.includes("/node/")),
  ).toEqual([]);
});

describe("the rooms of evidence", () => {
  const roomOf = (path: string): string => (path.includes("/") ? (path.split("/")[0] ?? "") : "");
  const edges = importsOf("evidence/src")
    .filter(
      ({ file, specifier }) => specifier.startsWith(".") && file !== "index.ts" && !file.startsWith("node/"),
    )
    .map(({ file, specifier }) => ({ from: roomOf(file), to: roomOf(join(file, "..", specifier)) }));

  test.for(Object.entries(EVIDENCE_ROOMS))("%s uses what it may, and all of that", ([room, allowed]) => {
    const used = edges
      .filter(({ from, to }) => from === room && to !== room && to !== "")
      .map(({ to }) => to);
    expect([...new Set(used)].toSorted()).toEqual([...allowed].toSorted());
  });

  test("come in an order: each uses only those before it", () => {
    const order = Object.keys(EVIDENCE_ROOMS);
    for (const [room, allowed] of Object.entries(EVIDENCE_ROOMS))
      for (const used of allowed)
        expect(order.indexOf(used), `${room} uses ${used}`).toBeLessThan(order.indexOf(room));
  });

  test("are all there are; what lies in none uses only the reading of CBOR", () => {
    expect([...new Set(edges.map(({ from }) => from))].toSorted()).toEqual(
      ["", ...Object.keys(EVIDENCE_ROOMS)].toSorted(),
    );
    expect(new Set(edges.filter(({ from }) => from === "").map(({ to }) => to))).toEqual(
      new Set(["", "cbor"]),
    );
  });
});

test("nothing imports tests, benches or the demo", () => {
  const all = Object.keys(MAY_IMPORT).flatMap((name) => importsOf(join(name, "src")));
  expect(all.filter(({ specifier }) => /(?:^|\/)(?:test|bench|demo)\//.test(specifier))).toEqual([]);
});

test.for(["evidence", "agent", "broker", "anchor", "audit", "demo"])(
  "%s has rooms one can live in",
  (name) => {
    const folder = name === "demo" ? name : join(name, "src");
    const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" });
    const lengths = files
      .filter((file) => file.endsWith(".ts"))
      .map((file) => ({ file, lines: readFileSync(join(ROOT, folder, file), "utf8").split("\n").length }));
    expect(lengths.filter(({ lines }) => lines > 400)).toEqual([]);
  },
);
