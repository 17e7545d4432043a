import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeBundle, encodeBundle, parsePolicy, parseTransparent, verify } from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, httpPlace, noProgress } from "@tallystick/evidence/node";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { buildBundle } from "../../../audit/src/bundle/build.ts";
import { parseInstant, parseSeqs, parseStream, type Period } from "../../../audit/src/bundle/period.ts";
import { openLog } from "../../../audit/src/log/note.ts";
import { auditCommand } from "../../support/audit-command.ts";
import { successorOf } from "../../support/attacks/life.ts";
import { createTown } from "../../support/attacks/town.ts";
import { changeOperators, nextChange } from "../../support/operator-change.ts";
import { operatorOf, signerOf, World, type WorldOperator } from "../../support/world.ts";
import type { Chain, Device } from "../../support/world-device.ts";
import { serveWorld, type Instead, type WorldServer } from "../../support/world-server.ts";

const provider = createNodeProvider();
const folder = mkdtempSync(join(tmpdir(), "tally-bundle-"));
const servers: WorldServer[] = [];
let world: World;
let device: Device;
let chain: Chain;
let policyFile: string;

beforeAll(async () => {
  world = await World.create();
  const water = operatorOf("water/operator", "water");
  await world.register({ kind: "operator-added", operator: water });
  device = await world.enrol("water/gw-1", { by: water });
  await world.enrol("water/gw-2", { by: water });
  chain = device.chain("meter/m-1");
  await chain.open();
  await world.commit();
  for (let i = 1; i <= 40; i++) {
    await chain.readings();
    if (i % 5 === 0) await world.commit();
    if (i % 12 === 0) await device.heads();
  }
  await world.commit();
  policyFile = join(folder, "policy.txt");
  writeFileSync(policyFile, world.policy());
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

async function serve(instead?: Instead): Promise<WorldServer> {
  const server = await serveWorld(world, instead);
  servers.push(server);
  return server;
}

const code = (expected: string): unknown => expect.objectContaining({ code: expected }) as unknown;

async function build(server: WorldServer, period: Period, streams = ["water/gw-1/meter/m-1"]) {
  const place = httpPlace(server.url, { timeoutMs: 2000, attempts: 1, retryMs: 1 });
  const policy = parsePolicy(world.policy());
  const log = await openLog(place, policy, provider);
  const means = { provider, hash: nodeSha256, progress: noProgress };
  const made = await buildBundle({ place, log, streams: streams.map(parseStream), period, ...means });
  return { made, verdict: verify(encodeBundle(made), { policy, provider, hash: nodeSha256 }) };
}

describe("a bundle of a stream", () => {
  test("reaches to the next number that a heads statement names, and is complete", async () => {
    const { made, verdict } = await build(await serve(), { by: "seq", from: 3, to: 10 });
    expect(made.scope).toMatchObject([{ sub: "meter/m-1", from: 3, to: 12 }]);
    expect(verdict).toMatchObject({ verdict: "restricted", restrictions: ["no-witness"] });
    expect(made.statements).toHaveLength(11);
    expect(parseTransparent(made.statements.at(-1) ?? expect.fail()).statement.event?.kind).toBe("heads");
    expect(made.registry).toHaveLength(3); // policy, operator-added, enrol: not the other device's
    for (const name of ["seen", "completeness", "operators"]) {
      expect(verdict.checks.find((check) => check.name === name)).toMatchObject({ result: "passed" });
    }
  });

  test("by commit time covers what was committed from the first instant on and before the second", async () => {
    const time = (n: number): number => world.firstOf(chain.statements[n] ?? expect.fail()).claims.timeUnixS;
    const { made } = await build(await serve(), { by: "time", fromS: time(6), toS: time(21) });
    expect(made.scope).toMatchObject([{ from: 6, to: 24 }]);
  });

  test("at its very end, where no heads statement follows, says so", async () => {
    const { made, verdict } = await build(await serve(), { by: "seq", from: 38, to: 40 });
    expect(made.scope).toMatchObject([{ from: 38, to: 40 }]);
    expect(verdict.restrictions).toContain("tail-not-attested");
  });

  test("of several streams holds a shared heads statement once", async () => {
    const { made, verdict } = await build(await serve(), { by: "seq", from: 0, to: 2 }, [
      "water/gw-1/meter/m-1",
      "water/gw-1/sys",
    ]);
    expect(made.scope).toHaveLength(2);
    const hashes = made.statements.map((one) =>
      Buffer.from(parseTransparent(one).statement.hash).toString("hex"),
    );
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(verdict.verdict).toBe("restricted");
  });

  test("across a rotation, a re-enrolment and a revocation brings what the keys need", async () => {
    const own = await World.create();
    const gateway = await own.enrol("water/gw-1");
    const meter = gateway.chain("meter/m-1");
    await meter.open();
    await own.commit();
    await meter.readings();
    await gateway.rotate();
    await meter.readings();
    await own.commit();
    const lost = signerOf("water/gw-1 key after loss");
    const streams = ["*"];
    const enrolment = {
      device: gateway.iss,
      key: lost.key,
      streams,
      silenceS: 900,
      reason: "board replaced",
    };
    await own.register({ kind: "re-enrol", ...enrolment });
    gateway.signer = lost;
    const after = gateway.chain("meter/m-1");
    await after.open({ before: { lost: "board replaced" } });
    await after.readings();
    await gateway.heads([meter, after]);
    await own.commit();
    await own.register({ kind: "revoke", kid: lost.key.kid, from: own.entries.length });
    await own.commit();
    const server = await serveWorld(own);
    servers.push(server);
    const place = httpPlace(server.url, { timeoutMs: 2000, attempts: 1, retryMs: 1 });
    const policy = parsePolicy(own.policy());
    const log = await openLog(place, policy, provider);
    const means = { provider, hash: nodeSha256, progress: noProgress };
    const period = { by: "time", fromS: 0, toS: Infinity } as const;
    const made = await buildBundle({
      place,
      log,
      streams: [parseStream("water/gw-1/meter/m-1")],
      period,
      ...means,
    });
    expect(made.scope).toHaveLength(2);
    expect(made.registry).toHaveLength(5);
    const verdict = verify(encodeBundle(made), { policy, provider });
    expect(verdict).toMatchObject({ verdict: "restricted", restrictions: ["no-witness"] });
    const theirs = own.bundle(
      [{ chain: meter }, { chain: after }],
      (await gateway.sys()).statements.slice(-1),
    );
    expect(verify(encodeBundle(theirs), { policy, provider })).toMatchObject({
      restrictions: ["no-witness"],
    });
  });

  test("of an org that changes its operators by consent brings what its changes need, under a pin that was replaced", async () => {
    const own = await World.create();
    const [first, second, third] = ["first", "second", "third"].map((name) =>
      operatorOf("water/operator", "water", name),
    ) as [WorldOperator, WorldOperator, WorldOperator];
    await changeOperators(own, nextChange(own, "water", { add: [first, second], threshold: 2 }), [
      own.operator,
    ]);
    await own.enrol("roads/gw-1");
    const change = nextChange(own, "water", { add: [third], remove: [first.key.kid] });
    await changeOperators(own, change, [second, first]);
    const gateway = await own.enrol("water/gw-1", { by: third });
    const meter = gateway.chain("meter/m-1");
    await meter.open();
    await gateway.heads();
    await own.commit();
    const server = await serveWorld(own);
    servers.push(server);
    const place = httpPlace(server.url, { timeoutMs: 2000, attempts: 1, retryMs: 1 });
    const policy = parsePolicy(own.policy({ operators: [first] }));
    const means = { provider, hash: nodeSha256, progress: noProgress };
    const made = await buildBundle({
      place,
      log: await openLog(place, policy, provider),
      streams: [parseStream("water/gw-1/meter/m-1")],
      period: { by: "seq", from: 0, to: 0 },
      ...means,
    });
    expect(made.registry).toHaveLength(4); // all but the enrolment of roads
    expect(made.keys).toHaveLength(5); // the device, the three of water, the one for all
    expect(verify(encodeBundle(made), { policy, provider })).toMatchObject({
      verdict: "restricted",
      restrictions: ["no-witness"],
    });
  });

  test("stays at its checkpoint while the log grows", async () => {
    const own = await World.create();
    const gateway = await own.enrol("water/gw-1");
    const meter = gateway.chain("meter/m-1");
    await meter.open();
    await own.commit();
    const server = await serveWorld(own);
    servers.push(server);
    const place = httpPlace(server.url, { timeoutMs: 2000, attempts: 1, retryMs: 1 });
    const policy = parsePolicy(own.policy());
    const log = await openLog(place, policy, provider);
    await meter.readings();
    await gateway.heads();
    await own.commit();
    const means = { provider, hash: nodeSha256, progress: noProgress };
    const streams = [parseStream("water/gw-1/meter/m-1")];
    const period = { by: "time", fromS: 0, toS: Infinity } as const;
    const made = await buildBundle({ place, log, streams, period, ...means });
    expect(made.scope).toMatchObject([{ from: 0, to: 0 }]);
    expect(verify(encodeBundle(made), { policy, provider }).verdict).toBe("restricted");
  });

  test("that is not there, or of an empty period, is refused", async () => {
    const server = await serve();
    await expect(build(server, { by: "seq", from: 100, to: 200 })).rejects.toThrow(code("bundle-scope"));
    await expect(build(server, { by: "seq", from: 0, to: 1 }, ["water/gw-1/meter/m-9"])).rejects.toThrow(
      /meter\/m-1/,
    );
    await expect(build(server, { by: "time", fromS: 0, toS: 1 })).rejects.toThrow(code("bundle-scope"));
  });
});

describe("an anchor that lies", () => {
  const json =
    (value: unknown): Instead =>
    (path, response) =>
      path.startsWith("chains/") && response.end(JSON.stringify(value)) !== undefined;
  const row = {
    seq: 1,
    index: 1,
    hash: "00".repeat(32),
    kid: "00".repeat(32),
    iat: null,
    time: 1,
    kind: null,
  };

  test.for([
    ["no list", {}],
    ["a row that is none", [7]],
    ["a number out of range", [{ ...row, seq: 99 }]],
    ["the same row again and again", [row, row]],
    ["a hash that is too short", [{ ...row, hash: "00" }]],
    ["a number that is no whole one", [{ ...row, index: 1.5 }]],
  ] as const)("%s", async ([, value]) => {
    await expect(build(await serve(json(value)), { by: "seq", from: 1, to: 3 })).rejects.toThrow(
      code("http-answer"),
    );
  });

  test("sends another statement than the one asked for", async () => {
    const other = world.transparent(chain.statements[0] ?? expect.fail(), world.newest);
    const server = await serve(
      (path, response) => path.startsWith("statements/") && response.end(other) !== undefined,
    );
    await expect(build(server, { by: "seq", from: 1, to: 3 })).rejects.toThrow(code("http-answer"));
  });

  test("sends no JSON, or JSON without end", async () => {
    const html = await serve((path, response) => path === "streams" && response.end("<html>") !== undefined);
    await expect(build(html, { by: "seq", from: 1, to: 3 })).rejects.toThrow(code("http-answer"));
    const endless = await serve((path, response) => {
      if (path !== "streams") return false;
      response.write("[");
      const more = (): void => {
        if (!response.destroyed) response.write(" ".repeat(65_536), () => setImmediate(more));
      };
      more();
      return true;
    });
    await expect(build(endless, { by: "seq", from: 1, to: 3 })).rejects.toThrow(code("too-large"));
  });

  test("shows altered tiles: they are named, the log is not accused of a fork", async () => {
    const server = await serve((path, response) => {
      if (!path.startsWith("tile/0/")) return false;
      const tile = world.files().get(path)?.slice() ?? expect.fail();
      tile[0] = (tile[0] ?? 0) ^ 1;
      response.end(tile);
      return true;
    });
    await expect(build(server, { by: "seq", from: 3, to: 10 })).rejects.toThrow(code("tile-mismatch"));
  });

  test("leaves out a statement: the bundle names the hole", async () => {
    const hidden = Buffer.from(chain.statements[5]?.hash ?? expect.fail()).toString("hex");
    const server = await serve(
      (path, response) => path === `statements/${hidden}` && response.writeHead(404).end() !== undefined,
    );
    const { verdict } = await build(server, { by: "seq", from: 3, to: 10 });
    expect(verdict.restrictions).toContain("hole");
  });
});

describe("tally-audit bundle", () => {
  test("writes what it verified, and the file is verified again", async () => {
    const server = await serve();
    const output = join(folder, "a.tally");
    const args = ["bundle", server.url, "--policy", policyFile, "--stream", "water/gw-1/meter/m-1"];
    const made = await auditCommand(...args, "--seq", "1..5", "-o", output);
    expect(made).toMatchObject({ exit: 0 });
    expect(made.stdout).toContain("verified with restrictions");
    expect(decodeBundle(new Uint8Array(readFileSync(output))).scope).toMatchObject([{ from: 1, to: 12 }]);
    const verified = await auditCommand("verify", output, "--policy", policyFile, "--json");
    expect(verified.exit).toBe(0);
    expect(JSON.parse(verified.stdout)).toMatchObject({ file: output, verdict: "restricted" });
  });

  test("refuses to write what is invalid", async () => {
    const server = await serve((path, response) => {
      if (!path.startsWith("statements/")) return false;
      const hash = path.slice("statements/".length);
      const one = chain.statements.find((statement) => Buffer.from(statement.hash).toString("hex") === hash);
      if (one?.claims.seq !== 4) return false;
      const bytes = world.transparent(one, world.firstOf(one), world.newest).slice();
      const at = Buffer.from(bytes).lastIndexOf(Buffer.from(world.newest.signed.signature));
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      response.end(bytes);
      return true;
    });
    const output = join(folder, "b.tally");
    const args = ["bundle", server.url, "--policy", policyFile, "--stream", "water/gw-1/meter/m-1"];
    const made = await auditCommand(...args, "--seq", "1..5", "-o", output, "--json");
    expect(made.exit).toBe(1);
    expect(JSON.parse(made.stdout)).toMatchObject({ verdict: "invalid", code: "signature-invalid" });
    expect(existsSync(output)).toBe(false);
  });

  test.for([
    [["--stream", "water/gw-1", "-o", "x"], "--stream water/gw-1"],
    [["--stream", "water/gw-1/m", "--seq", "5..1", "-o", "x"], "--seq"],
    [["--stream", "water/gw-1/m", "--from", "yesterday", "-o", "x"], "--from"],
    [["--stream", "water/gw-1/m"], "--output"],
    [["-o", "x"], "--stream"],
  ] as const)("usage: %j", async ([args, named]) => {
    const { exit, stderr } = await auditCommand(
      "bundle",
      "http://127.0.0.1:1/",
      "--policy",
      policyFile,
      ...args,
    );
    expect(exit).toBe(2);
    expect(stderr).toContain(named);
  });
});

describe("periods and streams", () => {
  test("instants are RFC 3339 with a zone", () => {
    expect(parseInstant("2026-11-20T12:00:00Z")).toBe(1_795_176_000);
    expect(parseInstant("2026-11-20T13:00:00+01:00")).toBe(1_795_176_000);
    expect(parseInstant("2026-11-20T12:00:00.5Z")).toBe(1_795_176_000.5);
    expect(parseInstant("2026-11-20")).toBe(1_795_132_800);
    for (const text of ["2026-11-20T12:00:00", "2026-02-30", "now", "2026-13-01", ""]) {
      expect(parseInstant(text)).toBeUndefined();
    }
  });

  test("numbers and names", () => {
    expect(parseSeqs("3..10")).toEqual({ by: "seq", from: 3, to: 10 });
    for (const text of ["10..3", "3..", "a..b", "3-10", "1..99999999999999999"])
      expect(parseSeqs(text)).toBeUndefined();
    expect(parseStream("water/gw-1/meter/m-1")).toEqual({ iss: "water/gw-1", sub: "meter/m-1" });
    for (const text of ["water", "water/gw-1", "Water/gw-1/m", "water/gw-1/"]) {
      expect(() => parseStream(text)).toThrow(code("name-malformed"));
    }
  });
});

describe("over a log and its successor", () => {
  /** The town's log, ended; what was sealed before the move and came after it; the successor. */
  async function moved(lost = 0) {
    const town = await createTown();
    const next = await successorOf(town);
    const { size, root } = town.world.newest;
    await next.world.commit();
    for (let i = 0; i < lost; i++) await next.meter.readings(1, { admit: false });
    await next.meter.readings(3, { claims: { seen: { size, root, origin: town.world.origin } } });
    while (next.world.entries.length <= size) await next.meter.readings();
    await next.device.heads();
    await next.world.commit();
    const [older, newer] = [await serveWorld(town.world), await serveWorld(next.world)];
    servers.push(older, newer);
    const file = join(folder, "moved-policy.txt");
    const policy = town.world.policy({ quorum: "none", operators: [town.water] });
    writeFileSync(file, policy.replace(/^log /m, `log ${next.world.vkey}\nlog `));
    const last = next.meter.statements.length - 1;
    return { urls: [older.url, newer.url], file, last, stream: `${town.gateway.iss}/${town.meter.sub}` };
  }

  async function bundled(urls: readonly string[], file: string, ...more: readonly string[]) {
    const output = join(folder, "moved.tally");
    rmSync(output, { force: true });
    const { exit, stdout, stderr } = await auditCommand(
      "bundle",
      ...urls,
      "--policy",
      file,
      ...more,
      "-o",
      output,
      "--json",
    );
    const judgement =
      stdout === ""
        ? undefined
        : (JSON.parse(stdout) as {
            verdict: string;
            restrictions: string[];
            checks: { name: string; reason?: string }[];
          });
    return {
      exit,
      stderr,
      judgement,
      bundle: existsSync(output) ? decodeBundle(readFileSync(output)) : undefined,
    };
  }

  test("a chain that goes on is one scope, complete from its first statement to its last", async () => {
    const { urls, file, last, stream } = await moved();
    const { exit, judgement, bundle } = await bundled(urls, file, "--stream", stream);
    expect({ exit, ...judgement }).toMatchObject({
      exit: 0,
      verdict: "restricted",
      restrictions: ["no-witness"],
    });
    expect(bundle?.scope).toMatchObject([{ from: 0, to: last }]);
    expect(bundle?.logs).toHaveLength(2);
    expect(judgement?.checks.find(({ name }) => name === "completeness")?.reason).toBe(
      `complete ${stream} 0..${last}`,
    );
    expect(judgement?.checks.filter(({ name }) => name === "seen")).toMatchObject([{ result: "passed" }]);
  });

  test("the successor alone is no fork: what was seen of the old log is not checked", async () => {
    const { urls, file, stream } = await moved();
    const { judgement } = await bundled(urls.slice(1), file, "--stream", stream);
    expect(judgement).toMatchObject({ verdict: "restricted", restrictions: ["no-witness"] });
    expect(judgement?.checks).toContainEqual(
      expect.objectContaining({ name: "seen", result: "not-done" }) as object,
    );
  });

  test("what is in neither of them is a hole", async () => {
    const { urls, file, stream } = await moved(1);
    const { judgement } = await bundled(urls, file, "--stream", stream);
    expect(judgement).toMatchObject({ verdict: "restricted", restrictions: ["hole", "no-witness"] });
  });

  test("one that has nothing of the period isn't in it; where none has, nothing is written", async () => {
    const { urls, file, stream, last } = await moved();
    const late = await bundled(urls, file, "--stream", stream, "--seq", `${last}..${last}`);
    expect(late.bundle?.logs).toHaveLength(1);
    const none = await bundled(urls, file, "--stream", stream, "--seq", "900..901");
    expect(none).toMatchObject({ exit: 1, bundle: undefined });
    expect(none.stderr).toContain("bundle-scope");
  });

  test("the same one twice is refused", async () => {
    const { urls, file, stream } = await moved();
    const twice = await bundled([urls[0] ?? "", `${urls[0]}?`], file, "--stream", stream);
    expect(twice.bundle).toBeUndefined();
  });
});
