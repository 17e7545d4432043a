/**
 * The commands that change the registry, in this process: each item that they write is sequenced by a real log, which is the one to say that it counts.
 */
import { generateKeyPairSync } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { decodeItem, parseStatement, toHex, type Statement } from "@tallystick/evidence";
import { loadSigner, nodeSha256, publicKeyPem, runCommand, type Command } from "@tallystick/evidence/node";
import {
  operatorAdd,
  operatorChange,
  operatorConsent,
  operatorPropose,
} from "../../../anchor/src/commands/operator.ts";
import { reEnrol } from "../../../anchor/src/commands/re-enrol.ts";
import { registry } from "../../../anchor/src/commands/registry.ts";
import { revoke } from "../../../anchor/src/commands/revoke.ts";
import { rotate } from "../../../anchor/src/commands/rotate.ts";
import { placesOf } from "../../../anchor/src/config.ts";
import { AnchorLog, deviceSigner, eventOf, type AnchorDevice } from "../../support/anchor-log.ts";

const COMMANDS: Record<string, Command> = {
  "operator add": operatorAdd,
  "operator propose": operatorPropose,
  "operator consent": operatorConsent,
  "operator change": operatorChange,
  "re-enrol": reEnrol,
  registry,
  revoke,
  rotate,
};
const ISS = "city/gw-1";

let log: AnchorLog;
let device: AnchorDevice;

beforeEach(async () => {
  log = await AnchorLog.create();
  device = await log.enrol(ISS, ["meter/*"]);
});
afterEach(() => log.remove());

type Ran = { readonly code: number; readonly stdout: string; readonly complaint: string };

async function anchor(...args: readonly string[]): Promise<Ran> {
  let [stdout, complaint] = ["", ""];
  const out = vi
    .spyOn(process.stdout, "write")
    .mockImplementation((text) => ((stdout += String(text)), true));
  const err = vi
    .spyOn(process.stderr, "write")
    .mockImplementation((text) => ((complaint += String(text)), true));
  try {
    const code = await runCommand("tally-anchor", "0", COMMANDS, args);
    return { code, stdout, complaint };
  } finally {
    out.mockRestore();
    err.mockRestore();
  }
}

const path = (name: string): string => join(log.folder, name);
const readItem = (file: string): Statement => parseStatement(new Uint8Array(readFileSync(file)), nodeSha256);

/** A key pair in two files: `NAME.pem` and `NAME.pub.pem`. */
function keyFiles(name: string): { readonly secret: string; readonly open: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const [secret, open] = [path(`${name}.pem`), path(`${name}.pub.pem`)];
  writeFileSync(secret, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  writeFileSync(open, publicKey.export({ type: "spki", format: "pem" }));
  return { secret, open };
}

/** Runs a command that writes an item, and lets the log take it. */
async function taken(...args: readonly string[]): Promise<Ran & { readonly statement: Statement }> {
  const file = path("item.cose");
  const ran = await anchor(...args, "--data", log.config.data, "-o", file);
  expect(ran).toMatchObject({ code: 0, complaint: "" });
  const statement = readItem(file);
  const { refused, batch } = log.sequence([statement], []);
  expect(refused).toEqual([]);
  await log.publish({ batch });
  return { ...ran, statement };
}

const refused = async (...args: readonly string[]): Promise<[number, string]> => {
  const { code, complaint } = await anchor(...args, "--data", log.config.data, "-o", path("refused.cose"));
  expect(existsSync(path("refused.cose"))).toBe(false);
  return [code, complaint];
};

type Listed = {
  readonly items: number;
  readonly operators: readonly { readonly for: string; readonly threshold: number; readonly count: number }[];
  readonly keys: readonly Record<string, unknown>[];
};
const listed = async (...more: readonly string[]): Promise<Listed> =>
  JSON.parse((await anchor("registry", "--data", log.config.data, "--json", ...more)).stdout) as Listed;

describe("revoke, re-enrol, rotate", () => {
  test("a device's key is revoked from now on, and another one takes over", async () => {
    const chain = device.chain();
    await log.publish(log.sequence([], await chain.filled(3)));
    const { stdout, statement } = await taken("revoke", "--device", ISS);
    expect(stdout).toContain(
      `revokes ${ISS}, key ${toHex(device.signer.key.kid).slice(0, 16)}, suspect from log index 5`,
    );
    expect(stdout).toContain("refused from the item on");
    expect(
      decodeItem(statement.content.type === "registry" ? statement.content.payload : new Uint8Array()),
    ).toEqual({
      kind: "revoke",
      kid: device.signer.key.kid,
      from: 5,
    });
    expect(log.sequence([], await chain.next()).refused.map(({ code }) => code)).toEqual(["key-revoked"]);

    const again = keyFiles("again");
    const outcome = await taken("re-enrol", "--device", ISS, "--key", again.open, "--reason", "stolen");
    expect(outcome.stdout).toContain(`re-enrols ${ISS}`);
    const { keys } = await listed("--device", ISS);
    expect(keys).toMatchObject([
      { state: "revoked", item: 1, enrolled: 1, suspect: 5, revoked: 5, superseded: 6, streams: ["meter/*"] },
      {
        state: "current",
        item: 3,
        enrolled: 6,
        streams: ["meter/*"],
        silence: 900,
        kid: toHex(loadSigner(again.secret).key.kid),
      },
    ]);
  });

  test("a key by its name, suspect since earlier; and what is refused at once", async () => {
    const kid = toHex(device.signer.key.kid);
    expect(await refused("revoke", "--device", "city/gw-9")).toEqual([
      1,
      expect.stringContaining("[key-unknown]"),
    ]);
    expect(await refused("revoke", "--kid", "0000000000")).toEqual([
      1,
      expect.stringContaining("[key-unknown]"),
    ]);
    expect(await refused("revoke", "--kid", "xyz")).toEqual([2, expect.stringContaining("8 to 64")]);
    expect(await refused("revoke")).toEqual([2, expect.stringContaining("--device or --kid")]);
    expect(await refused("revoke", "--device", ISS, "--from", "soon")).toEqual([
      2,
      expect.stringContaining("--from"),
    ]);
    const key = keyFiles("other").open;
    expect(await refused("re-enrol", "--device", "city/gw-9", "--key", key, "--reason", "new")).toEqual([
      1,
      expect.stringContaining("[key-unknown]"),
    ]);
    expect(await refused("re-enrol", "--device", ISS, "--key", key, "--reason", "x".repeat(201))).toEqual([
      1,
      expect.stringContaining("[member-range]"),
    ]);
    const operator = toHex(log.operator.key.kid);
    expect(await refused("revoke", "--kid", operator)).toEqual([
      2,
      expect.stringContaining("the last operator for *: nobody could add another one"),
    ]);
    await taken("revoke", "--kid", kid.slice(0, 12), "--from", "1");
    expect((await listed("--device", ISS)).keys).toMatchObject([
      { state: "revoked", suspect: 1, revoked: 2 },
    ]);
  });

  test("a device's own word for its next key, from a file", async () => {
    const next = deviceSigner("next");
    const sys = device.chain("sys");
    await sys.open();
    const rotated = await sys.seal(eventOf({ kind: "key-rotated", key: next.key, heads: [] }));
    const file = path("rotated.cose");
    writeFileSync(file, rotated.bytes);
    await taken("rotate", file);
    expect((await listed("--device", ISS)).keys).toMatchObject([
      { state: "rotated", superseded: 2 },
      { state: "current", kid: toHex(next.key.kid), item: 2 },
    ]);
    // The same again: the old key isn't the present one any more.
    expect(await refused("rotate", file)).toEqual([1, expect.stringContaining("[key-unknown]")]);
    writeFileSync(file, sys.statements[0]?.bytes ?? "");
    expect(await refused("rotate", file)).toEqual([1, expect.stringContaining("[registry-malformed]")]);
    const nothing = await anchor("rotate", "--data", log.config.data);
    expect([nothing.code, nothing.complaint]).toEqual([0, expect.stringContaining("no device asks")]);
  });
});

describe("operators", () => {
  test("one adds another for an org; then two of three replace one, on machines of their own", async () => {
    const [a, b, c, d] = ["a", "b", "c", "d"].map(keyFiles) as [Keys, Keys, Keys, Keys];
    await taken("operator", "add", "--org", "water", "--key", a.open);
    const founding = path("founding.cbor");
    const propose = ["operator", "propose", "--data", log.config.data, "--org", "water"];
    const proposed = await anchor(
      ...propose,
      "--add",
      b.open,
      "--add",
      c.open,
      "--threshold",
      "2",
      "-o",
      founding,
    );
    expect(proposed.stdout).toContain("takes the consent of 1");
    await taken("operator", "change", founding, "--operator", a.secret);
    expect((await listed()).operators).toEqual([
      { for: "*", threshold: 1, count: 1 },
      { for: "water", threshold: 2, count: 3 },
    ]);

    // One alone: neither by the item that asks nobody, nor by a change without the other's consent.
    const alone = ["--operator", a.secret];
    expect(await refused("operator", "add", "--org", "water", "--key", d.open, ...alone)).toEqual([
      1,
      expect.stringContaining("[operator-quorum]"),
    ]);
    const kidOfA = toHex(loadSigner(a.secret).key.kid);
    expect(await refused("revoke", "--kid", kidOfA, "--operator", b.secret)).toEqual([
      1,
      expect.stringContaining("[operator-quorum]"),
    ]);
    const change = path("change.cbor");
    await anchor(...propose, "--add", d.open, "--remove", kidOfA.slice(0, 16), "-o", change);
    expect(await refused("operator", "change", change, "--operator", b.secret)).toEqual([
      1,
      expect.stringContaining("[operator-quorum]"),
    ]);

    // The machine of the other operator has its key, a copy of the public folder, and the proposal.
    const elsewhere = path("elsewhere");
    mkdirSync(elsewhere);
    cpSync(log.publicFolder, join(elsewhere, "public"), { recursive: true });
    const consent = path("consent.cwt");
    const consents = ["--registry", join(elsewhere, "public"), "--operator", c.secret, "-o", consent];
    const agreed = await anchor("operator", "consent", change, "--data", elsewhere, ...consents);
    expect(agreed).toMatchObject({ code: 0, complaint: "" });
    expect(agreed.stdout).toContain(`removes  key ${kidOfA.slice(0, 16)}`);
    await taken("operator", "change", change, consent, "--operator", b.secret);
    const { keys } = await listed();
    expect(keys.filter(({ iss }) => iss === "water/operator").map(({ state }) => state)).toEqual([
      "revoked",
      "current",
      "current",
      "current",
    ]);
    // The consent was good for one change.
    expect(await refused("operator", "change", change, consent, "--operator", b.secret)).toEqual([
      1,
      expect.stringContaining("[registry-order]"),
    ]);
    const late = await anchor(
      "operator",
      "consent",
      change,
      "--data",
      log.config.data,
      "--operator",
      c.secret,
      "-o",
      consent,
    );
    expect([late.code, late.complaint]).toEqual([1, expect.stringContaining("[registry-order]")]);
  });

  test("what is refused, and why", async () => {
    const key = keyFiles("w").open;
    expect(await refused("operator", "add", "--org", "Water", "--key", key)).toEqual([
      1,
      expect.stringContaining("[name-malformed]"),
    ]);
    expect(await refused("operator", "add", "--org", "*", "--key", key)).toEqual([
      2,
      expect.stringContaining("--iss"),
    ]);
    expect(await refused("operator", "add", "--org", "water", "--key", key, "--iss", "water/gw-1")).toEqual([
      2,
      expect.stringContaining("--iss"),
    ]);
    const change = path("change.cbor");
    const propose = ["operator", "propose", "--data", log.config.data, "--org", "water"];
    await anchor(...propose, "--add", key, "--threshold", "2", "-o", change);
    expect(await refused("operator", "change", change)).toEqual([
      1,
      expect.stringContaining("[operator-quorum]"),
    ]);
    expect(await refused("operator", "change", key)).toEqual([
      1,
      expect.stringContaining("w.pub.pem: not a proposal"),
    ]);
    expect(await refused("operator", "change")).toEqual([2, expect.stringContaining("proposal")]);
    expect(await refused("operator", "consent", change)).toEqual([
      1,
      expect.stringContaining("[operator-org]"),
    ]);
    expect((await anchor(...propose, "--threshold", "0", "-o", change)).code).toBe(2);
  });
});

type Keys = ReturnType<typeof keyFiles>;

describe("registry", () => {
  test("a table of keys; from a public folder without the log's indexes", async () => {
    const { stdout } = await anchor("registry", "--data", log.config.data);
    const kid = toHex(device.signer.key.kid).slice(0, 16);
    expect(stdout.split("\n")).toEqual([
      expect.stringMatching(/^NAME +KEY +STATE +ITEM +SINCE +UNTIL +STREAMS$/),
      expect.stringMatching(/^city\/operator +[0-9a-f]{16} +current +0 +0 +operator for \*$/),
      expect.stringMatching(new RegExp(`^city/gw-1 +${kid} +current +1 +1 +meter/\\*$`)),
      "operators of *: 1 of 1 change them",
      "",
    ]);
    const copy = JSON.parse(
      (await anchor("registry", "--registry", placesOf(log.config).public, "--data", "x", "--json")).stdout,
    ) as Listed;
    expect(copy.items).toBe(2);
    expect(copy.keys[1]).toMatchObject({ iss: ISS, item: 1, enrolled: null });
    const nobody = await anchor("registry", "--data", log.config.data, "--device", "city/gw-9");
    expect([nobody.code, nobody.complaint]).toEqual([1, expect.stringContaining("no device")]);
  });

  test("the current key of a device, for whoever certifies it; none where it has none that counts", async () => {
    const pem = ["registry", "--data", log.config.data, "--device", ISS, "--pem"];
    expect((await anchor(...pem)).stdout).toBe(
      `kid ${toHex(device.signer.key.kid)}\n${publicKeyPem(device.signer.key)}`,
    );
    expect((await anchor("registry", "--data", log.config.data, "--pem")).code).toBe(2);
    await taken("revoke", "--device", ISS);
    const none = await anchor(...pem);
    expect([none.code, none.stdout, none.complaint]).toEqual([
      1,
      "",
      expect.stringContaining("no key of this"),
    ]);
  });

  test("without a database, a public folder is enough; without either it says so", async () => {
    rmSync(placesOf(log.config).database);
    expect((await listed()).keys).toHaveLength(2);
    rmSync(log.publicFolder, { recursive: true });
    const none = await anchor("registry", "--data", log.config.data);
    expect([none.code, none.complaint]).toEqual([1, expect.stringContaining("[registry-missing]")]);
  });
});
