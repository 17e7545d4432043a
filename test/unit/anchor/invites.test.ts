/** Invites as files: used once whoever dies, bounded, forgotten in time; the table of them, the picture of one, and how much an address may ask. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { encode } from "uqr";
import { describe, expect, onTestFinished, test } from "vitest";
import { toHex } from "@tallystick/evidence";
import { ConfigError } from "@tallystick/evidence/node";
import { AddressBudget, networkOf } from "../../../anchor/src/enrolment/budget.ts";
import { csvLine, readInvites } from "../../../anchor/src/enrolment/invite-csv.ts";
import {
  InviteStore,
  sameSecret,
  secretHash,
  type StoredInvite,
} from "../../../anchor/src/enrolment/invites.ts";
import { qrSvg, qrText } from "../../../anchor/src/enrolment/qr.ts";

const DAY_S = 86_400;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "tally-invites-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const invite = (n: number, other: Partial<StoredInvite> = {}): StoredInvite => ({
  id: new Uint8Array(16).fill(n),
  device: `city/gw-${n}`,
  secretHash: secretHash(new Uint8Array(16).fill(n)),
  madeUnixS: 1000,
  expiresUnixS: 2000,
  streams: ["*"],
  silenceS: 900,
  ...other,
});

const kid = (n: number): Uint8Array => new Uint8Array(32).fill(n);

describe("the store", () => {
  test("keeps what an invite is for, for its owner only, and no secret", async () => {
    const place = folder();
    const store = new InviteStore(place, { maxOpen: 10, nowUnixS: () => 1000 });
    const whole = invite(1, { reEnrol: "disk lost", streams: ["meter/*", "host/self"] });
    await store.add([whole]);
    expect(store.find(whole.id)).toEqual({ ...whole, use: undefined });
    expect(store.find(invite(2).id)).toBeUndefined();
    for (const name of readdirSync(place)) expect(statSync(join(place, name)).mode & 0o777).toBe(0o600);
    expect(sameSecret(whole, new Uint8Array(16).fill(1))).toBe(true);
    expect(sameSecret(whole, new Uint8Array(16).fill(2))).toBe(false);
    expect(sameSecret(undefined, new Uint8Array(16))).toBe(false);
  });

  test("is used by whoever comes first, and says who that was", async () => {
    const store = new InviteStore(folder(), { maxOpen: 10, nowUnixS: () => 1000 });
    await store.add([invite(1)]);
    const first = { kid: kid(7), machine: kid(8), atUnixS: 1500 };
    expect(await store.use(invite(1).id, first)).toEqual(first);
    expect(await store.use(invite(1).id, { kid: kid(9), atUnixS: 1501 })).toEqual(first);
    expect(store.find(invite(1).id)?.use).toEqual(first);
  });

  test("takes so many and no more, and then none of them", async () => {
    const store = new InviteStore(folder(), { maxOpen: 3, nowUnixS: () => 1000 });
    await store.add([invite(1), invite(2)]);
    await expect(store.add([invite(3), invite(4)])).rejects.toThrow(
      expect.objectContaining({ code: "pool-full" }),
    );
    expect(store.list()).toHaveLength(2);
    await store.use(invite(1).id, { kid: kid(1), atUnixS: 1000 });
    await store.add([invite(3), invite(4)]);
    expect(store.list()).toHaveLength(4);
  });

  test("forgets what ended a month ago, the invite before its use", async () => {
    const place = folder();
    let now = 1000;
    const store = new InviteStore(place, { maxOpen: 10, nowUnixS: () => now });
    await store.add([invite(1), invite(2), invite(3, { expiresUnixS: 1000 + 60 * DAY_S })]);
    await store.use(invite(2).id, { kid: kid(1), atUnixS: 1000 + 5 * DAY_S });
    now = 1000 + 32 * DAY_S;
    store.tidy();
    expect(store.list().map(({ device }) => device)).toEqual(["city/gw-2", "city/gw-3"]);
    now = 1000 + 40 * DAY_S;
    store.tidy();
    expect(store.list().map(({ device }) => device)).toEqual(["city/gw-3"]);
    expect(readdirSync(place)).toHaveLength(1);
  });

  test("says which file is damaged, and doesn't take it for none", async () => {
    const place = folder();
    const store = new InviteStore(place, { maxOpen: 10, nowUnixS: () => 1000 });
    await store.add([invite(1), invite(2)]);
    const path = join(place, `${toHex(invite(1).id)}.json`);
    for (const text of [
      "",
      "{}",
      "[",
      readFileSync(path, "utf8").replace('"version":1', '"version":2'),
      "x".repeat(70_000),
    ]) {
      writeFileSync(path, text);
      expect(() => store.find(invite(1).id)).toThrow(/damaged|too large/);
    }
    expect(() => store.tidy()).not.toThrow();
    writeFileSync(join(place, `${toHex(invite(2).id)}.used`), "{}");
    expect(() => store.find(invite(2).id)).toThrow(/damaged/);
  });

  test("of processes that use the same invites at the same moment each invite has one, also where one of them is killed", async () => {
    const COUNT = 60;
    const place = folder();
    const store = new InviteStore(place, { maxOpen: 1000, nowUnixS: () => 1000 });
    await store.add(Array.from({ length: COUNT }, (_, n) => invite(n)));
    const script = fileURLToPath(new URL("../../support/use-invites.ts", import.meta.url));
    const racers = ["a", "b", "c", "killed"].map((name) => {
      const child = spawn(process.execPath, [script, place, name], { stdio: ["pipe", "pipe", "inherit"] });
      let out = "";
      child.stdout.on("data", (chunk: Buffer) => {
        out += chunk.toString();
        if (name === "killed" && out.split("\n").length > 4) child.kill("SIGKILL");
      });
      const ended = new Promise<readonly string[]>((resolve) =>
        child.on("close", () => resolve(out.split("\n").filter((line) => /^[0-9a-f]{32}$/.test(line)))),
      );
      return { child, ended, ready: () => out.startsWith("ready") };
    });
    await expect.poll(() => racers.every(({ ready }) => ready()), { timeout: 30_000 }).toBe(true);
    for (const { child } of racers) child.stdin.end("go");
    const won = (await Promise.all(racers.map(({ ended }) => ended))).flat();
    expect(new Set(won).size).toBe(won.length);
    // Nothing is lost: what a killed process won and did not say is won all the same.
    expect(store.list().filter(({ use }) => use?.kid !== undefined)).toHaveLength(COUNT);
    expect(won.length).toBeGreaterThanOrEqual(COUNT - 1);
  });
});

describe("a table of invites", () => {
  const DEFAULTS = { streams: ["*"], silenceS: 900 };
  const read = (text: string): unknown => {
    try {
      return readInvites("t.csv", text, DEFAULTS).map(({ line, device, streams, silenceS }) => [
        line,
        device,
        streams,
        silenceS,
      ]);
    } catch (error) {
      if (error instanceof ConfigError) return error.faults;
      throw error;
    }
  };

  test("is read as spreadsheets write it", () => {
    expect(
      read(
        '\uFEFFOrg, Device ,streams,silence\r\ncity,gw-1,"meter/a, host/*",1h\r\n\r\ncity,gw-2,meter/b;meter/c,\r\n',
      ),
    ).toEqual([
      [2, "city/gw-1", ["meter/a", "host/*"], 3600],
      [4, "city/gw-2", ["meter/b", "meter/c"], 900],
    ]);
    expect(read("device,org\ngw-1,city")).toEqual([[2, "city/gw-1", ["*"], 900]]);
    expect(read('org,device,streams\ncity,gw-1,"a\nb"\ncity,gw-2,c')).toEqual([
      [2, "city/gw-1", ["a", "b"], 900],
      [4, "city/gw-2", ["c"], 900],
    ]);
  });

  test.for<[string, string, RegExp]>([
    ["nothing", "", /t\.csv:1: no column org, no column device/],
    ["no device", "org,device\n", /t\.csv: no device below the header/],
    ["a column of its own", "org,device,name\n", /t\.csv:1: column "name"/],
    ["a column twice", "org,device,org\n", /t\.csv:1: column "org"/],
    ["too few cells", "org,device,streams\ncity,gw-1\n", /t\.csv:2: columns: 2 cells under 3 columns/],
    ["too many cells", "org,device\ncity,gw-1,a,b\n", /t\.csv:2: columns: 4 cells under 2 columns/],
    ["another org", "org,device\nCity,gw-1\n", /t\.csv:2: org: /],
    ["an operator", "org,device\ncity,operator\n", /t\.csv:2: device: operator is reserved/],
    ["a device twice", "org,device\ncity,gw-1\ncity,gw-1\n", /t\.csv:3: device: city\/gw-1 stands in line 2/],
    ["a stream that is none", "org,device,streams\ncity,gw-1,a B\n", /t\.csv:2: streams: B: /],
    ["a time that is none", "org,device,silence\ncity,gw-1,soon\n", /t\.csv:2: silence: .*15m/],
    ["a quote that never ends", 'org,device\ncity,"gw-1\n', /t\.csv:2: a quote within a cell/],
    ["a quote in the middle", 'org,device\ncity,gw"1\n', /t\.csv:2: a quote within a cell/],
  ])("with %s is told, with its line, and nothing is made", ([, text, fault]) => {
    expect(String(read(text))).toMatch(fault);
  });

  test("tells every fault, up to fifty", () => {
    const faults = read(`org,device\n${"X,Y\n".repeat(100)}`) as readonly string[];
    expect(faults.length).toBe(52);
    expect(faults.at(-1)).toContain("nothing was made");
  });

  test("too many, or too large, is not read", () => {
    expect(String(read(`org,device\n${"a,b\n".repeat(10_001)}`))).toContain("more than 10000");
    expect(String(read("x".repeat(9 << 20)))).toContain("larger than");
  });

  test("is written so that it can be read", () => {
    expect(csvLine(["a", 'b "c"', "d,e", "f\ng"])).toBe('a,"b ""c""","d,e","f\ng"\r\n');
  });
});

describe("a QR code", () => {
  const TEXT = "tally-invite:abcdefghijklmnopqrstuvwxyz";
  const { data, size } = encode(TEXT, { ecc: "L", border: 2 });
  const HALVES: Readonly<Record<string, readonly [boolean, boolean]>> = {
    " ": [false, false],
    "\u2580": [true, false],
    "\u2584": [false, true],
    "\u2588": [true, true],
  };

  test.for<[string, boolean]>([
    ["on a terminal", true],
    ["in a pipe", false],
  ])("%s has every module in its place", ([, colours]) => {
    // eslint-disable-next-line no-control-regex -- the colours of a terminal
    const lines = qrText(TEXT, colours)
      .replaceAll(/\u001b\[[0-9;]*m/g, "")
      .replace(/\n$/, "")
      .split("\n")
      .map((line) => line.padEnd(size));
    const seen = lines.flatMap((line) => {
      const halves = Array.from(line, (block) => HALVES[block] ?? [false, false]);
      return [halves.map(([top]) => top === colours), halves.map(([, below]) => below === colours)];
    });
    expect(seen.slice(0, size)).toEqual(data);
    expect(seen.slice(size).flat()).not.toContain(true);
  });

  test("as SVG is black on white", () => {
    expect(qrSvg(TEXT)).toMatch(/^<svg .*fill="white".*fill="black".*<\/svg>$/s);
  });
});

describe("an address", () => {
  test("may ask so often in a minute, and what is refused costs more", () => {
    let nowMs = 0;
    const budget = new AddressBudget(60, () => nowMs);
    for (let i = 0; i < 6; i++) {
      expect(budget.has("192.0.2.1")).toBe(true);
      budget.charge("192.0.2.1", 10);
    }
    expect(budget.has("192.0.2.1")).toBe(false);
    expect(budget.has("192.0.2.2")).toBe(true);
    nowMs = 1000;
    expect(budget.has("192.0.2.1")).toBe(true);
    budget.charge("192.0.2.1", 10);
    nowMs = 10_000;
    expect(budget.has("192.0.2.1")).toBe(false);
    nowMs = 3_600_000;
    for (let i = 0; i < 60; i++) budget.charge("192.0.2.1", 1);
    expect(budget.has("192.0.2.1")).toBe(false);
  });

  test("of IPv6 is its network: whoever has one has them all", () => {
    expect(networkOf("::ffff:192.0.2.1")).toBe("192.0.2.1");
    expect(networkOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2");
    expect(networkOf("2001:db8::1")).toBe("2001:db8:0:0");
    expect(networkOf("2001:db8:1:2::9")).toBe("2001:db8:1:2");
    expect(networkOf("fe80::1%eth0")).toBe("fe80:0:0:0");
    expect(networkOf("::1")).toBe("0:0:0:0");
  });

  test("is one of so many: those that were silent longest are forgotten, and memory is bounded", () => {
    const budget = new AddressBudget(60, () => 0);
    budget.charge("198.51.100.1", 60);
    for (let i = 0; i < 10_000; i++) budget.charge(`10.0.${i >> 8}.${i & 255}`, 1);
    expect(budget.has("198.51.100.1")).toBe(true);
  });
});
