/**
 * The commands that say who may read and what has to go, in this process: the registry item that they make is sequenced by a real log.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { parseStatement, toHex } from "@tallystick/evidence";
import {
  createKeyFile,
  nodeSha256,
  readPublicKeyFile,
  runCommand,
  type Command,
} from "@tallystick/evidence/node";
import { enrol } from "../../../anchor/src/commands/enrol.ts";
import { erase } from "../../../anchor/src/commands/erase.ts";
import { tokenAdd, tokenList, tokenRevoke } from "../../../anchor/src/commands/token.ts";
import { trail } from "../../../anchor/src/commands/trail.ts";
import { placesOf, type Places } from "../../../anchor/src/config.ts";
import { Orders } from "../../../anchor/src/erasure/orders.ts";
import { covers } from "../../../anchor/src/reads/scope.ts";
import { TokenStore } from "../../../anchor/src/reads/tokens.ts";
import { AnchorLog } from "../../support/anchor-log.ts";

const COMMANDS: Record<string, Command> = {
  enrol,
  erase,
  trail,
  "token add": tokenAdd,
  "token list": tokenList,
  "token revoke": tokenRevoke,
};
const OWN = "city/anchor";
let log: AnchorLog;
let places: Places;

beforeEach(async () => {
  log = await AnchorLog.create();
  places = placesOf(log.config);
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
    const code = await runCommand("tally-anchor", "0", COMMANDS, [...args, "--data", log.config.data]);
    return { code, stdout, complaint };
  } finally {
    out.mockRestore();
    err.mockRestore();
  }
}

/** Takes in what waits in the inbox. */
async function takeItems(): Promise<void> {
  for (const name of readdirSync(places.inbox).filter((one) => one.endsWith(".cose"))) {
    const item = parseStatement(new Uint8Array(readFileSync(join(places.inbox, name))), nodeSha256);
    const done = log.sequence([item], []);
    expect(done.refused).toEqual([]);
    await log.publish(done);
    mkdirSync(join(places.inbox, "done"), { recursive: true });
    renameSync(join(places.inbox, name), join(places.inbox, "done", name));
  }
}

const record = () => log.opened.keys.current(OWN);

describe("the anchor's own device", () => {
  test("is enrolled by whatever needs it first, once", async () => {
    for (const args of [["trail"], ["trail"], ["erase", "00".repeat(32), "--order", "o"]])
      expect((await anchor(...args)).code).toBe(0);
    await takeItems();
    expect(record()).toMatchObject({ streams: ["access"], silenceS: 259_200 });
    expect(toHex(record()?.kid ?? new Uint8Array())).toBe(toHex(readPublicKeyFile(places.anchorKey).kid));
    const { size } = log;
    expect(JSON.parse((await anchor("trail", "--json")).stdout)).toMatchObject({ device: OWN, item: null });
    await takeItems();
    expect(log.size).toBe(size);
  });

  test("is enrolled by the operator elsewhere, as the message says", async () => {
    const away = join(log.folder, "operator.pem");
    renameSync(places.operatorKey, away);
    const asked = await anchor("trail");
    expect(asked.code).toBe(1);
    expect(asked.complaint).toContain("[key-not-enrolled]");
    const [, told = ""] = /tally-anchor (enrol .*?);/.exec(asked.complaint) ?? [];
    const item = join(log.folder, "item.cose");
    const args = told.replace("KEYFILE", away).replace("DIR", places.public).replace("ITEM", item).split(" ");
    expect((await anchor(...args)).code).toBe(0);
    const done = log.sequence([parseStatement(new Uint8Array(readFileSync(item)), nodeSha256)], []);
    await log.publish(done);
    expect((await anchor("trail")).stdout).toContain(
      `${OWN}, key ${toHex(record()?.kid ?? new Uint8Array()).slice(0, 16)}`,
    );
  });

  test("with another key than the enrolled one is not made again", async () => {
    await anchor("trail");
    await takeItems();
    rmSync(places.anchorKey);
    createKeyFile(places.anchorKey);
    const asked = await anchor("trail");
    expect([asked.code, asked.complaint]).toEqual([1, expect.stringContaining("tally-anchor re-enrol")]);
    await takeItems();
    expect(log.opened.keys.count).toBe(2);
  });
});

describe("tally-anchor token", () => {
  const ADD = ["token", "add", "--name", "audit-office", "--stream", "water/*", "--expires", "30d"] as const;

  test("gives a token out, lists and withdraws it, and keeps nothing of it but its hash", async () => {
    const { stdout, complaint } = await anchor(...ADD, "--stream", "power/gw-7/meter/*");
    expect(stdout).toMatch(/^tally-read-[\w-]{43}\n$/);
    expect(complaint).toContain("audit-office may read water/*, power/gw-7/meter/*");
    const kept = readdirSync(places.tokens).map((name) => readFileSync(join(places.tokens, name), "utf8"));
    expect(kept.join()).not.toContain(stdout.trim().slice(11));
    const store = new TokenStore(places.tokens);
    expect(store.shown(`Bearer ${stdout.trim()}`, Date.now() / 1000).name).toBe("audit-office");
    expect((await anchor(...ADD)).complaint).toContain("revoke it first");
    expect((await anchor("token", "list")).stdout).toMatch(/^good +\d{4}-\S+ +audit-office +water/);
    expect((await anchor("token", "revoke", "audit-office")).code).toBe(0);
    expect((await anchor("token", "revoke", "audit-office")).code).toBe(1);
    expect(JSON.parse((await anchor("token", "list", "--json")).stdout)).toMatchObject({ state: "revoked" });
    expect((await anchor(...ADD)).code).toBe(0); // the name is free again
  });

  test.for([
    ["--stream", "water"],
    ["--stream", "water/gw-1"],
    ["--stream", "water/gw-*"],
    ["--stream", "Water/*"],
    ["--stream", "water/gw-1/meter*"],
    ["--stream", "*/gw-1/meter"],
    ["--expires", "2020-01-01"],
    ["--expires", "2027-13-01"],
    ["--expires", "soon"],
    ["--expires", "999999999d"],
    ["--name", "Audit"],
    ["--name", "-"],
  ])("refuses %s %s before anything is made", async ([option = "", value = ""]) => {
    const given = { "--name": "a", "--stream": "*", "--expires": "1d", [option]: value };
    const args = Object.entries(given).map(([name, one]) => `${name}=${one}`);
    const { code, complaint } = await anchor("token", "add", ...args);
    expect([code, complaint]).toEqual([2, expect.stringContaining(option)]);
    expect(existsSync(places.tokens)).toBe(false);
  });

  test("a damaged file says so, and who holds another token reads on", async () => {
    const { stdout } = await anchor(...ADD);
    const store = new TokenStore(places.tokens);
    const now = Date.now() / 1000;
    const [name = ""] = readdirSync(places.tokens);
    writeFileSync(join(places.tokens, name), "{}");
    expect(() => store.shown(`Bearer ${stdout.trim()}`, now)).toThrow(
      expect.objectContaining({ code: "storage-failed" }),
    );
    writeFileSync(join(places.tokens, `${"0".repeat(64)}.json.tmp`), "{");
    expect(() => store.shown("Bearer tally-read-x", now)).toThrow(
      expect.objectContaining({ code: "token-unknown" }),
    );
  });
});

test.for([
  // scope, asked for, and whether it is in it
  ["*", "*", "*", true],
  ["water/*", "*", "*", false],
  ["water/*", "water/*", "*", true],
  ["water/*", "water/*", "meter/*", true],
  ["water/*", "water/gw-1", "meter/a", true],
  ["water/*", "waters/gw-1", "meter/a", false],
  ["water/*", "waters/*", "*", false],
  ["water/gw-1/*", "water/*", "*", false],
  ["water/gw-1/*", "water/gw-1", "*", true],
  ["water/gw-1/*", "water/gw-10", "*", false],
  ["water/gw-1/meter/*", "water/gw-1", "*", false],
  ["water/gw-1/meter/*", "water/gw-1", "meter/*", true],
  ["water/gw-1/meter/*", "water/gw-1", "meter/a/*", true],
  ["water/gw-1/meter/*", "water/gw-1", "meter", false],
  ["water/gw-1/meter/*", "water/gw-1", "meters/a", false],
  ["water/gw-1/meter/*", "water/gw-1", "sys", true],
  ["water/gw-1/meter/*", "water/gw-2", "sys", false],
  ["water/gw-1/meter/*", "water/*", "sys", false],
  ["water/gw-1/meter/a", "water/gw-1", "meter/a", true],
  ["water/gw-1/meter/a", "water/gw-1", "meter/a/b", false],
  ["water/gw-1/meter/a", "water/gw-1", "meter/*", false],
] as const)("scope %s, asked for %s %s: %s", ([scope, iss, sub, within]) => {
  expect(covers([scope], { iss, sub })).toBe(within);
});

describe("tally-anchor erase", () => {
  test("leaves one order a statement, which the anchor finds", async () => {
    const hash = "ab".repeat(32);
    for (let i = 0; i < 2; i++)
      expect((await anchor("erase", hash, "--order", "court 17/2026")).stdout).toBe(
        "ordered: 1 to be erased\n",
      );
    const orders = new Orders(places.erasures);
    expect(await orders.look()).toEqual([{ hash: new Uint8Array(32).fill(0xab), order: "court 17/2026" }]);
    expect(orders.fateOf(new Uint8Array(32).fill(0xab))).toBeUndefined();
  });

  test("refuses what is no hash, and no order", async () => {
    for (const args of [
      ["erase", "--order", "o"],
      ["erase", "ab", "--order", "o"],
      ["erase", "ab".repeat(32)],
      ["erase", "ab".repeat(32), "--order", "x".repeat(201)],
    ])
      expect((await anchor(...args)).code).toBe(2);
    expect(existsSync(places.erasures)).toBe(false);
  });
});
