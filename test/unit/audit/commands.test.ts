import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  CHECKS,
  encodeBundle,
  encodeItem,
  EVIDENCE_CODES,
  formatVkey,
  sealStatement,
} from "@tallystick/evidence";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LOG_CHECKS } from "../../../audit/src/judgement.ts";
import { auditCommand } from "../../support/audit-command.ts";
import { signerOf, World } from "../../support/world.ts";
import { serveWorld, type WorldServer } from "../../support/world-server.ts";

const folder = mkdtempSync(join(tmpdir(), "tally-audit-"));
let world: World;
let server: WorldServer;
const at = (name: string): string => join(folder, name);

function put(name: string, bytes: Uint8Array | string): string {
  mkdirSync(dirname(at(name)), { recursive: true });
  writeFileSync(at(name), bytes);
  return at(name);
}

beforeAll(async () => {
  world = await World.create();
  const device = await world.enrol("water/gw-1");
  const chain = device.chain("meter/m-1");
  await chain.open();
  await world.commit();
  for (let i = 0; i < 5; i++) await chain.readings();
  const first = await world.commit();
  const heads = await device.heads();
  await world.commit();
  const [opened, reading] = chain.statements;
  if (opened === undefined || reading === undefined) return;
  for (const [path, bytes] of world.files()) put(`public/${path}`, bytes);
  put("policy.txt", world.policy());
  put("old.note", first.note);
  const bundle = encodeBundle(world.bundle([{ chain }], [heads]));
  put("good.tally", bundle);
  put("tail.tally", encodeBundle(world.bundle([{ chain }])));
  put("short.tally", bundle.slice(0, -10));
  put("one.cose", world.transparent(reading, first));
  put("plain.cose", reading.bytes);
  put("text.txt", "not ours at all\n");
  put("empty", "");
  server = await serveWorld(world);
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const verify = (...args: readonly string[]) => auditCommand("verify", ...args, "--policy", at("policy.txt"));

describe("tally-audit verify", () => {
  test("of several files the worst counts, one JSON object a line", async () => {
    const files = ["good.tally", "plain.cose", "short.tally", "text.txt", "empty", "absent"].map(at);
    const { exit, stdout, stderr } = await verify(...files, "--json");
    expect(exit).toBe(1);
    expect(stderr).toBe("");
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ file, verdict, code }) => [file, verdict, code])).toEqual([
      [files[0], "restricted", undefined],
      [files[1], "not-verifiable", "receipt-missing"],
      [files[2], "invalid", "cbor-malformed"],
      [files[3], "invalid", "cbor-trailing"],
      [files[4], "invalid", "cbor-malformed"],
      [files[5], "invalid", "unreachable"],
    ]);
    for (const line of lines) {
      const allowed = ["checks", "code", "file", "provider", "restrictions", "times", "verdict"];
      expect(allowed).toEqual(expect.arrayContaining(Object.keys(line)));
    }
  });

  test("exit codes: restricted 0, with --strict 3, not verifiable 3", async () => {
    expect((await verify(at("good.tally"))).exit).toBe(0);
    expect((await verify(at("good.tally"), "--strict")).exit).toBe(3);
    expect((await verify(at("good.tally"), at("plain.cose"))).exit).toBe(3);
  });

  test("says the verdict first, what restricts it and what would lift that, levels and times by their names", async () => {
    const { stdout } = await verify(at("tail.tally"));
    expect(stdout.split("\n")[0]).toBe(`${at("tail.tally")}: verified with restrictions`);
    for (const words of [
      "tail-not-attested",
      "Lifted by: a bundle that reaches to the next `heads` statement",
      "water/gw-1 meter/m-1, chain",
      "seq 0 to 5, 6 statements, 15 readings",
      "claim level 1, observed by the gateway",
      "measured, as the device claims: 2026-",
      "sealed, by the device's own clock: 2026-",
      "committed, by the clock of the log's operator: 2026-",
      "checks passed",
      "Not shown by any of this: that the sensor told the truth",
    ]) {
      expect(stdout).toContain(words);
    }
  });

  test("says what a wrong file seems to be", async () => {
    const receipt = put("a.receipt", world.receipt([world.items[1] ?? expect.fail()]));
    const { exit, stdout } = await verify(
      at("text.txt"),
      at("empty"),
      at("old.note"),
      at("policy.txt"),
      receipt,
    );
    expect(exit).toBe(1);
    const words = [
      "a text, neither",
      "file is empty",
      "a signed note",
      "a text, neither",
      "a receipt without its statement",
    ];
    expect(
      stdout
        .split("INVALID")
        .slice(1)
        .map((part, i) => part.includes(words[i] ?? "?")),
    ).toEqual(words.map(() => true));
  });

  test("gives no readings of what is invalid", async () => {
    const { stdout } = await verify(at("short.tally"));
    expect(stdout).toContain("INVALID [cbor-malformed]");
    expect(stdout).not.toContain("readings");
  });

  test.for(["folder", "address"])(
    "a statement alone is verified with the registry from a log's %s",
    async (kind) => {
      const log = kind === "folder" ? at("public") : server.url;
      expect((await verify(at("one.cose"))).exit).toBe(3);
      const { exit, stdout } = await verify(at("one.cose"), "--log", log, "--json");
      expect(exit).toBe(0);
      const { verdict, checks } = JSON.parse(stdout) as {
        verdict: string;
        checks: { name: string; result: string }[];
      };
      expect(verdict).toBe("restricted");
      for (const name of ["registry", "keys", "signatures", "operators"]) {
        expect(checks).toContainEqual(expect.objectContaining({ name, result: "passed" }));
      }
    },
  );

  test("a registry item alone is the one that the registry has at its number", async () => {
    const own = await World.create();
    await own.enrol("water/gw-1");
    const [, item] = own.items;
    if (item === undefined) throw new Error("the device has its item");
    const enrolment = { kind: "enrol", device: "water/gw-2", key: signerOf("x").key } as const;
    const rival = await sealStatement(
      item.claims,
      { type: "registry", payload: encodeItem({ ...enrolment, streams: ["*"], silenceS: 900 }) },
      own.operator.signer,
    );
    own.admit(rival);
    await own.commit();
    for (const [path, bytes] of own.files()) put(`items/${path}`, bytes);
    for (const [name, one, code] of [
      ["item.cose", item, undefined],
      ["rival.cose", rival, "registry-mismatch"],
    ] as const) {
      put(name, own.transparent(one, own.newest));
      const { exit, stdout } = await verify(at(name), "--log", at("items"), "--json");
      expect([name, exit, (JSON.parse(stdout) as { code?: string }).code]).toEqual([
        name,
        code === undefined ? 0 : 1,
        code,
      ]);
    }
  });

  test("a copy of the registry that lacks items, or of another log, or is not there: not verifiable, never invalid", async () => {
    const [early] = world.batches;
    const other = await World.create({ origin: "other.example/2026" });
    await other.enrol("water/gw-1");
    await other.commit();
    for (const [path, bytes] of other.files()) put(`other/${path}`, bytes);
    for (const [path, bytes] of world.files(early))
      if (!path.startsWith("registry/")) put(`early/${path}`, bytes);
    for (const log of ["other", "early", "nowhere"]) {
      const { exit, stdout } = await verify(at("one.cose"), "--log", at(log), "--json");
      expect([log, exit, (JSON.parse(stdout) as { code: string }).code]).toEqual([
        log,
        3,
        "registry-missing",
      ]);
    }
  });

  test("a policy for another origin, or with another key for this one", async () => {
    const other = await World.create({ origin: "other.example/2026" });
    put("other.txt", other.policy());
    const unknown = await auditCommand("verify", at("good.tally"), "--policy", at("other.txt"), "--json");
    expect([unknown.exit, JSON.parse(unknown.stdout)]).toMatchObject([3, { code: "log-unknown" }]);
    put("key.txt", world.policy().replace(world.vkey, formatVkey(world.origin, signerOf("impostor").key)));
    const impostor = await auditCommand("verify", at("good.tally"), "--policy", at("key.txt"), "--json");
    expect([impostor.exit, JSON.parse(impostor.stdout)]).toMatchObject([1, { code: "log-key" }]);
  });

  test("a fault in the policy is named with its line", async () => {
    put("bad.txt", `${world.policy()}operater * x\n`);
    const { exit, stderr } = await auditCommand("verify", at("good.tally"), "--policy", at("bad.txt"));
    expect(exit).toBe(2);
    expect(stderr).toContain(`${at("bad.txt")}: line 4:`);
    expect((await auditCommand("verify", at("good.tally"))).exit).toBe(2);
    expect((await auditCommand("verify", "--policy", at("policy.txt"))).exit).toBe(2);
  });

  test("a file name can't write to the terminal", async () => {
    const { stdout } = await verify(at("\u001b[31mred"));
    expect(stdout).not.toContain("\u001b");
  });
});

describe("tally-audit log", () => {
  const log = (...args: readonly string[]) => auditCommand("log", ...args, "--policy", at("policy.txt"));

  test("a folder, with an older checkpoint and receipts listed after one option", async () => {
    const given = [
      "--since",
      at("old.note"),
      "--receipts",
      at("one.cose"),
      at("good.tally"),
      "--statements",
      folder,
    ];
    const { exit, stdout } = await log(at("public"), ...given.slice(0, 5));
    expect(stdout).toContain("only grew from the");
    expect(stdout).toContain("devices saw");
    expect(exit).toBe(0);
  });

  test("an anchor's address: its own newest receipt shows that the registry is whole", async () => {
    const { exit, stdout } = await log(server.url, "--json");
    expect(exit).toBe(0);
    const judgement = JSON.parse(stdout) as {
      file: string;
      checks: { name: string; result: string; code?: string }[];
    };
    expect(judgement.file).toBe(server.url);
    expect(judgement.checks).toContainEqual(expect.objectContaining({ name: "receipts", result: "passed" }));
    const names: readonly string[] = LOG_CHECKS;
    for (const { name, code } of judgement.checks) {
      expect(names).toContain(name);
      if (code !== undefined) expect(EVIDENCE_CODES).toContain(code);
    }
    expect(CHECKS.length).toBeGreaterThan(0);
  });

  test("no answer, a place that is none, a wrong --since", async () => {
    expect((await log("http://127.0.0.1:1/", "--json")).exit).toBe(3);
    expect((await log(at("nowhere"))).exit).toBe(3);
    expect((await log(at("public"), "--since", at("absent"))).exit).toBe(2);
    expect((await log()).exit).toBe(2);
  });

  test("an altered entry", async () => {
    for (const [path, bytes] of world.files()) put(`altered/${path}`, bytes);
    const path = `tile/entries/000.p/${world.newest.size}`;
    const bytes = world.files().get(path)?.slice() ?? expect.fail();
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    put(`altered/${path}`, bytes);
    const { exit, stdout } = await log(at("altered"));
    expect(exit).toBe(1);
    expect(stdout.split("\n")[0]).toBe(`${at("altered")}: INVALID [tile-mismatch]`);
    expect(stdout).toContain(path);
  });
});

test("a file without the right to read it", async () => {
  const path = put("secret.cose", "x");
  chmodSync(path, 0o000);
  const { exit, stdout } = await verify(path, "--json");
  // The super-user reads everything: then it is merely not ours.
  expect([1, ["unreachable", "cbor-malformed"]]).toEqual([
    exit,
    expect.arrayContaining([(JSON.parse(stdout) as { code: string }).code]),
  ]);
});
