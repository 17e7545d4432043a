import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import {
  ed25519Key,
  encodeSequence,
  parsePolicy,
  parseVkey,
  type EvidenceCode,
  type EvidenceError,
  type Statement,
} from "@tallystick/evidence";
import { pinOf } from "@tallystick/evidence/node";
import { openRegistry, type Registry } from "../../../broker/src/registry/follow.ts";
import { httpSource } from "../../../broker/src/registry/http-source.ts";
import { openSource } from "../../../broker/src/registry/settings.ts";
import type { RegistrySource } from "../../../broker/src/registry/source.ts";
import { AnchorLog, deviceSigner, type AnchorDevice } from "../../support/anchor-log.ts";
import { serveLog } from "../../support/registry-server.ts";
import { authority, selfSigned } from "../../support/tls-files.ts";
import { eventually } from "./start.ts";

const ISS = "city/gw-1";
const POLL_MS = 50;
let log: AnchorLog;
let device: AnchorDevice;

beforeEach(async () => {
  log = await newLog();
  device = await log.enrol(ISS);
});

async function newLog(): Promise<AnchorLog> {
  const made = await AnchorLog.create();
  onTestFinished(() => made.remove());
  return made;
}

const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "tally-registry-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

type Following = Registry & { readonly faults: EvidenceError[]; readonly codes: () => Set<EvidenceCode> };

/** Follows until the test ends, or until it says so. */
async function follow(
  source: RegistrySource | string,
  {
    folder = newFolder(),
    policy = log.policy,
    signal,
  }: { folder?: string; policy?: string; signal?: AbortSignal } = {},
): Promise<Following> {
  const faults: EvidenceError[] = [];
  const registry = await openRegistry({
    source: typeof source === "string" ? openSource({ from: source }) : source,
    policy: parsePolicy(policy),
    folder,
    pollMs: POLL_MS,
    told: (error) => faults.push(error),
  });
  const stop = new AbortController();
  const running = registry.run(signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]));
  onTestFinished(async () => {
    stop.abort();
    await running;
  });
  return Object.assign(registry, { faults, codes: () => new Set(faults.map(({ code }) => code)) });
}

const publish = async (...items: readonly Statement[]): Promise<void> => {
  for (const item of items) await log.publish(log.sequence([item], []));
};
const revoke = async (kid = device.signer.key.kid): Promise<void> =>
  publish(await log.item({ kind: "revoke", kid, from: log.size }));

/** The published items, as a source gives them. */
const itemsOf = (of: AnchorLog): readonly Uint8Array[] => {
  const { archive } = of.opened.store;
  return [...archive.items(0, of.opened.keys.count)].map(({ bytes }) => bytes);
};

/** A source that gives what the test says. */
const listSource = (items: () => readonly Uint8Array[]): RegistrySource => ({
  name: "list",
  items: async (from) => items().slice(from),
});

/** A web server that answers as the test says. */
async function answering(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe.for([
  ["an anchor", async () => (await serving()).url],
  ["a folder", async () => log.publicFolder],
] as const)("from %s", ([, source]) => {
  test("a key counts once the registry was here, and no more within two seconds of its revocation", async () => {
    const registry = await follow(await source());
    await eventually(() => registry.keys() !== undefined);
    expect(registry.device(ISS)?.kid).toEqual(device.signer.key.kid);
    expect(registry.device("city/gw-2")).toBeUndefined();
    let changes = 0;
    const end = registry.onChange(() => changes++);
    await revoke();
    await eventually(() => registry.device(ISS) === undefined, 2000);
    expect(changes).toBe(1);
    end();
    const successor = deviceSigner("successor");
    const enrolment = { device: ISS, key: successor.key, streams: ["*"], silenceS: 900 };
    await publish(await log.item({ kind: "re-enrol", ...enrolment, reason: "lost" }));
    await eventually(() => registry.device(ISS) !== undefined, 2000);
    expect(registry.device(ISS)?.kid).toEqual(successor.key.kid);
    expect(changes).toBe(1);
    expect(registry.faults).toEqual([]);
    await eventually(() => registry.ageMs() < 2000);
  });

  test("hundreds of items, over the edge of a bundle, and what comes after them", async () => {
    const names = Array.from({ length: 254 }, (_, n) => `city/many-${n}`);
    const made: Statement[] = [];
    for (const name of names) {
      const { key } = deviceSigner(name);
      const item = await log.item(
        { kind: "enrol", device: name, key, streams: ["*"], silenceS: 900 },
        made.length === 0 ? {} : { claims: { seq: 2 + made.length, prev: (made.at(-1) as Statement).hash } },
      );
      made.push(item);
    }
    await log.publish(log.sequence(made, [])); // 256 items: a full bundle
    const folder = newFolder();
    const registry = await follow(await source(), { folder });
    await eventually(() => registry.keys()?.count === 256);
    await log.enrol("city/late-1");
    await eventually(() => registry.device("city/late-1") !== undefined);
    await log.enrol("city/late-2");
    await eventually(() => registry.device("city/late-2") !== undefined);
    expect(registry.faults).toEqual([]);
    const kept = join(folder, "registry");
    await eventually(
      () => existsSync(join(kept, "001.p", "2")) && readdirSync(join(kept, "001.p")).length === 1,
    );
    expect(readdirSync(kept).toSorted()).toEqual(["000", "001.p"]);
    for (const path of ["000", "001.p/2"])
      expect(readFileSync(join(kept, path))).toEqual(readFileSync(join(log.publicFolder, "registry", path)));
  });
});

async function serving(options: Parameters<typeof serveLog>[1] = {}): ReturnType<typeof serveLog> {
  const server = await serveLog(log, options);
  onTestFinished(() => server.close());
  return server;
}

describe("over TLS", () => {
  test("a pinned key is enough, whatever the certificate's dates; another key is refused", async () => {
    const folder = newFolder();
    const tls = selfSigned(folder, "anchor", { expired: true });
    const other = selfSigned(folder, "other");
    const { url } = await serving({ tls });
    const pin = pinOf(readFileSync(tls.cert, "utf8"));
    const registry = await follow(httpSource(url, { pin }));
    await eventually(() => registry.device(ISS) !== undefined);
    const wary = await follow(httpSource(url, { pin: pinOf(readFileSync(other.cert, "utf8")) }));
    await eventually(() => wary.faults.length > 1);
    expect(wary.codes()).toEqual(new Set(["tls-pin"]));
    expect(wary.keys()).toBeUndefined();
  });

  test("or an authority, whose name for the server has to hold", async () => {
    const folder = newFolder();
    const { ca, issue } = authority(folder);
    const { url } = await serving({ tls: issue("anchor", "anchor") });
    const registry = await follow(httpSource(url, { ca }));
    await eventually(() => registry.device(ISS) !== undefined);
    const stranger = await follow(httpSource(url, { ca: selfSigned(folder, "stranger").cert }));
    const system = await follow(httpSource(url, {}));
    await eventually(() => stranger.faults.length > 0 && system.faults.length > 0);
    expect([...stranger.codes(), ...system.codes()]).toEqual(["unreachable", "unreachable"]);
  });

  test("an authority's file that isn't there is told at the start", () => {
    expect(() => httpSource("https://127.0.0.1:1", { ca: "/nowhere/ca.pem" })).toThrow(
      expect.objectContaining({ code: "tls-malformed" }),
    );
  });
});

describe("what is kept", () => {
  test("is there without the anchor, and verified again", async () => {
    const folder = newFolder();
    const server = await serving();
    const stop = new AbortController();
    const first = await follow(server.url, { folder, signal: stop.signal });
    await eventually(() => existsSync(join(folder, "registry", "000.p", "2")));
    stop.abort();
    expect(first.faults).toEqual([]);
    await server.close();
    const second = await follow(server.url, { folder });
    expect(second.device(ISS)?.kid).toEqual(device.signer.key.kid);
    await eventually(() => second.faults.length > 0);
    expect(second.codes()).toEqual(new Set(["unreachable"]));
    expect(second.device(ISS)).toBeDefined();
    await revoke();
    await serving({ port: server.port });
    await eventually(() => second.device(ISS) === undefined);
  });

  test.for([
    [
      "a bit of the last bundle",
      (bytes: Buffer) => bytes.fill((bytes.at(-10) ?? 0) ^ 1, bytes.length - 10, bytes.length - 9),
    ],
    ["a bundle cut short", (bytes: Buffer) => bytes.subarray(0, -1)],
    ["a bundle of nothing", () => Buffer.alloc(0)],
  ] as const)("and spoilt (%s), is fetched anew", async ([, spoil]) => {
    const folder = newFolder();
    const file = join(folder, "registry", "000.p", "2");
    const stop = new AbortController();
    await follow(log.publicFolder, { folder, signal: stop.signal });
    await eventually(() => existsSync(join(folder, "registry", "000.p", "2")));
    stop.abort();
    const good = readFileSync(file);
    writeFileSync(file, spoil(Buffer.from(good)));
    const without = await follow(
      listSource(() => []),
      { folder },
    );
    expect(without.keys()).toBeUndefined();
    expect(without.faults[0]?.message).toContain("is fetched anew");
    const again = await follow(log.publicFolder, { folder });
    await eventually(() => again.device(ISS) !== undefined);
    await eventually(() => existsSync(file) && readFileSync(file).equals(good));
  });

  test("of another log, goes when there is a better one", async () => {
    const folder = newFolder();
    const stop = new AbortController();
    await follow(log.publicFolder, { folder, signal: stop.signal });
    await eventually(() => existsSync(join(folder, "registry", "000.p", "2")));
    stop.abort();
    const other = await newLog();
    const registry = await follow(other.publicFolder, { folder, policy: other.policy });
    expect(registry.codes()).toEqual(new Set(["log-key"]));
    await eventually(() => registry.keys()?.count === 1);
    expect(registry.device(ISS)).toBeUndefined();
    await eventually(() => existsSync(join(folder, "registry", "000.p", "1")));
    expect(readdirSync(join(folder, "registry", "000.p"))).toEqual(["1"]);
  });

  test("a disk that takes nothing stops nobody", async () => {
    const folder = newFolder();
    writeFileSync(join(folder, "registry"), "a file where the folder goes");
    const registry = await follow(log.publicFolder, { folder });
    await eventually(() => registry.faults.length > 1);
    expect(registry.codes()).toEqual(new Set(["storage-failed"]));
    expect(registry.device(ISS)).toBeDefined();
  });
});

describe("a source that can't be believed", () => {
  const refused = async (
    items: () => readonly Uint8Array[],
    code: EvidenceCode,
    policy = log.policy,
  ): Promise<Following> => {
    const registry = await follow(listSource(items), { policy });
    await eventually(() => registry.faults.length > 0);
    expect(registry.codes()).toEqual(new Set([code]));
    return registry;
  };

  test("another log, another key for it, other operators: nothing of it is taken", async () => {
    const other = await newLog();
    const [logLine = "", operatorLine = ""] = log.policy.split("\n");
    const [otherLog = "", otherOperator = ""] = other.policy.split("\n");
    const items = itemsOf(log);
    const policyOf = (...lines: readonly string[]): string => [...lines, "quorum none", ""].join("\n");
    const named = otherLog.replace("tally.example", "other.example");
    expect(named).not.toBe(otherLog);
    const registries = [
      await refused(() => items, "log-key", policyOf(otherLog, operatorLine)),
      await refused(() => items, "operator-foreign", policyOf(logLine, otherOperator)),
    ];
    for (const registry of registries) expect(registry.keys()).toBeUndefined();
  });

  test("an item 0 that names the pinned operator beside its own signer", async () => {
    const mallory = deviceSigner("mallory");
    const forged = await log.item(
      {
        kind: "policy",
        origin: log.config.origin ?? "tally.example/2026",
        log: ed25519Key(parseVkey((log.policy.split("\n")[0] ?? "").slice(4)).publicKey),
        operators: [
          { iss: "city/operator", actsFor: "*", key: log.operator.key },
          { iss: "mallory/operator", actsFor: "*", key: mallory.key },
        ],
      },
      { signer: mallory, iss: "mallory/operator", claims: { seq: 0, prev: undefined as never } },
    );
    await refused(() => [forged.bytes], "operator-foreign");
  });

  test("an enrolment that a device signed, one with a flipped bit, items in another order, one left out", async () => {
    await log.enrol("city/gw-2");
    const items = itemsOf(log);
    const [first, second, third] = items as [Uint8Array, Uint8Array, Uint8Array];
    const forged = await log.item(
      { kind: "enrol", device: "city/x", key: deviceSigner("x").key, streams: ["*"], silenceS: 900 },
      { signer: device.signer },
    );
    const bad = third.slice();
    bad[bad.length - 1] = (bad.at(-1) ?? 0) ^ 1;
    const registries = [
      await refused(() => [...items, forged.bytes], "key-unknown"),
      await refused(() => [first, second, bad], "signature-invalid"),
      await refused(() => [first, third, second], "registry-order"),
      await refused(() => [first, third], "registry-order"),
      await refused(() => [second, first], "entry-zero"),
    ];
    for (const registry of registries) expect(registry.keys()).toBeUndefined();
  });

  test("one that shows fewer or other items than are here: those here stand", async () => {
    let shown = itemsOf(log);
    const registry = await follow(listSource(() => shown));
    await eventually(() => registry.device(ISS) !== undefined);
    const all = shown;
    shown = all.slice(0, 1);
    await eventually(() => registry.faults.length > 0);
    const other = await newLog();
    await other.enrol("city/gw-9");
    shown = itemsOf(other);
    const before = registry.faults.length;
    await eventually(() => registry.faults.length > before);
    expect(registry.codes()).toEqual(new Set(["registry-mismatch"]));
    expect(registry.device(ISS)).toBeDefined();
    expect(registry.keys()?.count).toBe(2);
    shown = all;
    await revoke();
    shown = itemsOf(log);
    await eventually(() => registry.device(ISS) === undefined);
  });

  test("a part of the registry lets nobody in: the rest may hold the revocation", async () => {
    await revoke();
    const items = itemsOf(log);
    let most = 2;
    const slow: RegistrySource = {
      name: "slow",
      async items(from) {
        if (from > 0 && most === 2) throw new Error("gone");
        return items.slice(from, most);
      },
    };
    const source: RegistrySource = {
      ...slow,
      items: (from, signal) =>
        slow.items(from, signal).catch(() => httpSource("http://127.0.0.1:1", {}).items(from, signal)),
    };
    const registry = await follow(source);
    await eventually(() => registry.faults.length > 0);
    expect(registry.keys()).toBeUndefined();
    most = 3;
    await eventually(() => registry.keys() !== undefined);
    expect(registry.device(ISS)).toBeUndefined();
  });

  test("an operator whom the policy doesn't pin for an org lets nobody in there", async () => {
    const operator = { iss: "town/operator", actsFor: "town", key: deviceSigner("town operator").key };
    await publish(await log.item({ kind: "operator-added", operator }));
    await log.enrol("town/gw-1");
    const [logLine = "", operatorLine = ""] = log.policy.split("\n");
    const onlyCity = [logLine, operatorLine.replace("operator *", "operator city"), "quorum none", ""].join(
      "\n",
    );
    const all = await follow(log.publicFolder);
    const city = await follow(log.publicFolder, { policy: onlyCity });
    await eventually(() => all.keys() !== undefined && city.keys() !== undefined);
    expect([all.device("town/gw-1"), all.device(ISS)].map((one) => one !== undefined)).toEqual([true, true]);
    expect([city.device("town/gw-1"), city.device(ISS)].map((one) => one !== undefined)).toEqual([
      false,
      true,
    ]);
  });
});

describe("a server that means harm", () => {
  const told = async (
    answer: (request: IncomingMessage, response: ServerResponse) => void,
    code: EvidenceCode,
    timeoutMs = 10_000,
  ): Promise<Following> => {
    const registry = await follow(httpSource(await answering(answer), {}, timeoutMs));
    await eventually(() => registry.faults.length > 0);
    expect(registry.codes()).toEqual(new Set([code]));
    expect(registry.keys()).toBeUndefined();
    return registry;
  };

  test("2 GB in one answer", async () => {
    const chunk = Buffer.alloc(1 << 20);
    let sent = 0;
    await told((_, response) => {
      response.writeHead(200, { "content-length": String(2 ** 31) });
      const more = (): void => {
        sent += chunk.length;
        if (sent < 2 ** 31 && response.write(chunk)) setImmediate(more);
      };
      response.on("drain", more);
      more();
    }, "too-large");
    expect(sent).toBeLessThan(64 << 20);
  });

  test("a byte string of 4 GB, announced", async () => {
    const registry = await told(
      (_, response) => response.end(Buffer.from("5b00000001000000000102", "hex")),
      "cbor-malformed",
    );
    expect(registry.faults.length).toBeGreaterThan(0);
  });

  test("a byte every now and then", async () => {
    await told(
      (_, response) => {
        response.writeHead(200);
        const drip = setInterval(() => response.write("a"), 20);
        response.on("close", () => clearInterval(drip));
      },
      "unreachable",
      300,
    );
  });

  test("no answer at all, another status, somewhere else, what is no item", async () => {
    await told(() => {}, "unreachable", 200);
    await told((_, response) => response.writeHead(500).end("x"), "http-answer");
    await told(
      (_, response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
      "http-answer",
    );
    await told((_, response) => response.end(encodeSequence([1, 2])), "member-type");
    await told((_, response) => response.end(encodeSequence([new Uint8Array(5)])), "cbor-trailing");
    await told(
      (_, response) => response.end(encodeSequence(Array.from({ length: 257 }, () => new Uint8Array(1)))),
      "too-large",
    );
    await told((_, response) => response.end(encodeSequence([new Uint8Array(32_769)])), "too-large");
    await told((_, response) => response.end(encodeSequence([])), "registry-missing");
  });

  test("an answer cut off in the midst of an item", async () => {
    const whole = encodeSequence(itemsOf(log));
    await told((_, response) => response.end(whole.subarray(0, -3)), "cbor-malformed");
    await told((_, response) => {
      response.writeHead(200, { "content-length": String(whole.length) });
      response.write(whole.subarray(0, 20), () => response.destroy());
    }, "unreachable");
  });

  test("is asked less and less often, and every poll again when it is well", async () => {
    let asked = 0;
    let ill = true;
    const items = itemsOf(log);
    const url = await answering((request, response) => {
      asked++;
      const from = Number(new URL(request.url ?? "", "http://x").searchParams.get("from"));
      if (ill) response.writeHead(503).end();
      else response.end(encodeSequence(items.slice(from)));
    });
    const registry = await follow(url);
    await eventually(() => asked >= 4); // after 50, 100, 200 ms
    const atFourth = asked;
    ill = false;
    expect(atFourth).toBeLessThan(8);
    await eventually(() => registry.device(ISS) !== undefined);
    const before = asked;
    await eventually(() => asked > before + 3, 2000);
  });
});
