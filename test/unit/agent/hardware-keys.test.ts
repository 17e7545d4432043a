/** A key in a token: made there, signs from another thread, and each fault says what to do. SoftHSM is the token. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { nobleProvider, toHex } from "@tallystick/evidence";
import { systemTimer } from "@tallystick/evidence/node";
import { TokenKeys, type TokenSettings } from "../../../agent/src/keys/token-keys.ts";
import type { Pkcs11 } from "../../../agent/src/keys/pkcs11.ts";
import { Token } from "../../../agent/src/keys/token.ts";
import type { LogLine } from "../../support/agent-rig.ts";
import { need } from "../../support/require.ts";
import { SoftToken } from "../../support/soft-token.ts";

const TOKEN_KEYS = new URL("../../../agent/src/keys/token-keys.ts", import.meta.url).href;
const haveToken = need("softhsm2-util") && need("pkcs11js");

let folder = "";
let token: SoftToken;
beforeAll(() => {
  if (!haveToken) return;
  folder = mkdtempSync(join(tmpdir(), "tally-token-"));
  token = new SoftToken(folder);
  process.env["SOFTHSM2_CONF"] = token.env["SOFTHSM2_CONF"];
});
afterAll(() => {
  if (folder !== "") rmSync(folder, { recursive: true, force: true });
});

const lines: LogLine[] = [];
const say =
  (level: LogLine["level"]) =>
  (about: object, message: string): void =>
    void lines.push({ level, about: { ...about }, message });
const log = { info: say("info"), warn: say("warn"), error: say("error") };

/** A process has one token open at a time, as an agent has. */
async function withKeys<T>(place: Partial<TokenSettings>, use: (keys: TokenKeys) => Promise<T>): Promise<T> {
  const keys = keysOf(place);
  try {
    return await use(keys);
  } finally {
    await keys.close();
  }
}

function keysOf(changes: Partial<TokenSettings> = {}, answerWithinMs?: number): TokenKeys {
  const keys = new TokenKeys(
    { ...token.place, name: "city/gw-1", next: join(folder, "pkcs11.next"), ...changes },
    { timer: systemTimer, log, ...(answerWithinMs === undefined ? {} : { answerWithinMs }) },
  );
  onTestFinished(() => keys.close());
  return keys;
}

const fault = async (what: Promise<unknown>): Promise<string> =>
  what.then(
    () => "none",
    (error: unknown) =>
      error instanceof Error && "code" in error ? `${String(error.code)}: ${error.message}` : String(error),
  );

describe.runIf(haveToken)("a key in a token", () => {
  test.for(["p256", "ed25519"] as const)("%s: made there, signs in order, never comes out", async (type) => {
    const keys = keysOf({ label: type });
    const made = await keys.make(type);
    const key = await keys.open();
    expect(key.token).toBe("SoftHSM v2");
    expect(toHex(key.key.kid)).toBe(toHex(made.kid));
    expect(await keys.print()).toEqual(made);
    const messages = Array.from({ length: 40 }, (_, i) => new Uint8Array(1 + i * 7).fill(i));
    for (const message of messages) {
      // nobleProvider refuses high s, of which every other signature of ECDSA would have one
      expect(nobleProvider.verify(made, message, await key.sign(message))).toBe(true);
    }
    const together = messages.slice(0, 10);
    const signatures = await Promise.all(together.map((message) => key.sign(message)));
    for (const [i, signature] of signatures.entries())
      expect(nobleProvider.verify(made, together[i] ?? new Uint8Array(), signature)).toBe(true);
    expect(await fault(keys.make(type))).toMatch(/^key-file-exists: .*never overwritten/);
  });

  test("several of one name are told apart by id, and none of another name is taken", async () => {
    const one = await withKeys({ label: "twin", id: "0a" }, (keys) => keys.make(undefined));
    const two = await withKeys({ label: "twin", id: "0b" }, (keys) => keys.make(undefined));
    await withKeys({ label: "twin" }, async (keys) => {
      expect(await fault(keys.open())).toMatch(/^hardware-key: .*give pkcs11.id, one of 0[ab]/);
    });
    await withKeys({ id: "0a" }, async (keys) => expect((await keys.open()).key).toEqual(one));
    await withKeys({ label: "twin", id: "0b" }, async (keys) => {
      expect((await keys.open()).key).toEqual(two);
      expect((await keys.open(one.kid)).key).toEqual(one);
      expect(await fault(keys.open(new Uint8Array(32)))).toMatch(/^hardware-key: .*is not in the token/);
    });
  });

  test.for<[string, Partial<TokenSettings>, RegExp]>([
    ["no module", { module: "/nowhere/x.so" }, /can't load this PKCS#11 module/],
    ["a module that is none", { module: "/etc/passwd" }, /can't load this PKCS#11 module/],
    ["another token", { token: "other" }, /there is no token "other": .*there is: "edge" in slot/],
    ["another slot", { token: undefined, slot: 4_294_967_295 }, /there is no token in slot 4294967295/],
    ["no such key", { label: "nobody" }, /tally-agent key make/],
    ["no PIN", { pinFile: undefined }, /give pkcs11.pinFile/],
    ["no PIN file", { pinFile: "/nowhere/pin" }, /can't read the PIN/],
  ])("%s", async ([, place, text]) => {
    const said = await fault(keysOf({ label: "p256", ...place }).open());
    expect(said).toMatch(/^hardware-key: /);
    expect(said).toMatch(text);
  });

  test("a wrong PIN is tried once, and neither PIN is ever said", async () => {
    const pinFile = join(folder, "wrong-pin");
    writeFileSync(pinFile, "98765432", { mode: 0o600 });
    const said = await withKeys({ label: "p256", pinFile }, (keys) => fault(keys.open()));
    expect(said).toMatch(/^hardware-key: .*the PIN is wrong.*each try counts/);
    chmodSync(pinFile, 0o640);
    await withKeys({ label: "p256", pinFile }, async (keys) => {
      expect(await fault(keys.open())).toMatch(/^hardware-key: .*chmod 600/);
    });
    expect(said + JSON.stringify(lines)).not.toMatch(/98765432|1234\b/);
  });

  test("a token that is pulled out is waited for, and used again when it is back", async () => {
    const keys = keysOf({ label: "pulled" });
    await keys.make(undefined);
    const key = await keys.open();
    const message = new Uint8Array(9);
    await key.sign(message);
    token.unplug();
    lines.length = 0;
    const late = key.sign(message);
    setTimeout(() => token.plug(), 300);
    expect(nobleProvider.verify(key.key, message, await late)).toBe(true);
    expect(lines.map(({ level }) => level)).toEqual(["warn", "info"]);
  });

  test("a module that never comes back doesn't hold the process: it ends by SIGKILL, its error told", async () => {
    // SoftHSM reads its configuration when it is initialised, and a FIFO without a writer never gives any.
    const conf = join(folder, "fifo");
    execFileSync("mkfifo", [conf]);
    const place = { ...token.place, name: "city/gw-1", next: join(folder, "pkcs11.next"), label: "p256" };
    const program = `
      import { TokenKeys } from ${JSON.stringify(TOKEN_KEYS)};
      const timer = { after: (ms, run) => { const t = setTimeout(run, ms); return () => clearTimeout(t); } };
      await new TokenKeys(${JSON.stringify(place)}, { timer, answerWithinMs: 1500 }).open().catch((error) => console.log(error.code));
      process.exit(1);`;
    const file = join(folder, "stuck.mjs");
    writeFileSync(file, program);
    const child = spawn(process.execPath, [file], {
      env: { ...process.env, SOFTHSM2_CONF: conf },
    });
    let said = "";
    child.stdout.on("data", (chunk) => (said += String(chunk)));
    const [, signal] = (await once(child, "exit")) as [number | null, string | null];
    expect({ said, signal }).toEqual({ said: "hardware-key\n", signal: "SIGKILL" });
  });

  test("whoever asks too much, or when it is over, is told", async () => {
    const keys = keysOf({ label: "p256" });
    const key = await keys.open();
    const asked = await Promise.all(Array.from({ length: 40 }, () => fault(key.sign(new Uint8Array(1)))));
    expect(asked.filter((one) => one === "none")).toHaveLength(16);
    expect(asked.filter((one) => one.startsWith("hardware-key"))).toHaveLength(24);
    const waiting = fault(key.sign(new Uint8Array(1)));
    await keys.close();
    expect(await waiting).toMatch(/^hardware-key: .*stops/);
    expect(await fault(key.sign(new Uint8Array(1)))).toMatch(/^hardware-key/);
  });
});

describe("a token that counts", () => {
  /** As much of a module as it takes to log in. */
  class FakeModule {
    logins = 0;
    readonly flags: number;

    constructor(flags: number) {
      this.flags = flags;
    }

    readonly C_Initialize = (): void => {};
    readonly C_GetSlotList = (): Buffer[] => [Buffer.alloc(8, 1), Buffer.alloc(8)];
    readonly C_GetTokenInfo = (slot: Buffer): object => {
      if (slot[0] === 1) throw Object.assign(new Error("CKR_TOKEN_NOT_RECOGNIZED"), { code: 0xe1 });
      return { label: "edge".padEnd(32), model: "chip", flags: this.flags };
    };
    readonly C_OpenSession = (): Buffer => Buffer.alloc(8);
    readonly C_Login = (): void => {
      this.logins += 1;
    };
  }

  const LOGIN_REQUIRED = 0x4;
  test.for<[string, number, string | undefined]>([
    ["plenty of tries", LOGIN_REQUIRED, undefined],
    ["one try left", LOGIN_REQUIRED | 0x20000, "one wrong PIN more would lock the token"],
    ["locked", LOGIN_REQUIRED | 0x40000, "the PIN is locked"],
  ])("%s", ([, flags, refusal]) => {
    const home = mkdtempSync(join(tmpdir(), "tally-pin-"));
    onTestFinished(() => rmSync(home, { recursive: true }));
    const pinFile = join(home, "pin");
    writeFileSync(pinFile, "1234\n", { mode: 0o600 });
    const module = new FakeModule(flags);
    const open = (): Token =>
      new Token(module as unknown as Pkcs11, { module: "m.so", token: "edge", label: "x", pinFile });
    if (refusal === undefined) open();
    else expect(open).toThrow(refusal);
    expect(module.logins).toBe(refusal === undefined ? 1 : 0);
  });
});
