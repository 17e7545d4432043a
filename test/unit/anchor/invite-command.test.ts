/** `tally-anchor invite`: what can't be told, or would be refused later, is told before any invite is kept. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { toHex } from "@tallystick/evidence";
import { placesOf } from "../../../anchor/src/config.ts";
import { inviteList } from "../../../anchor/src/commands/invite-list.ts";
import { invite } from "../../../anchor/src/commands/invite.ts";
import { commandHere } from "../../support/command-here.ts";
import { TestDesk } from "../../support/enrolment-desk.ts";

let desk: TestDesk;
let config: string;
let table: string;
beforeEach(async () => {
  desk = await TestDesk.open();
  const { cert, key } = desk.certificate;
  config = desk.place("anchor.yaml");
  table = desk.place("t.csv");
  writeFileSync(
    config,
    `version: 1\ndata: ${desk.config.data}\npublic: { listen: "127.0.0.1:8443", tls: { cert: ${cert}, key: ${key} } }\nenrolment: { maxInvites: 3, broker: { url: "mqtt://127.0.0.1:1883" } }\n`,
  );
  writeFileSync(table, "org,device\ncity,gw-7\ncity,gw-8\n");
});
afterEach(() => desk.close());

const run = (...args: readonly string[]) => commandHere(invite, "--config", config, ...args);
const ONE = ["--org", "city", "--device", "gw-9"] as const;

describe("before any is kept", () => {
  test("options that don't go together, and files that can't be written, are told", async () => {
    const svg = desk.place("x.svg");
    const out = desk.place("out.csv");
    const nowhere = join(table, "out.csv");
    for (const [args, exit, told] of [
      [["--csv", table, "--svg", svg], 2, "--svg is for one device"],
      [["--csv", table, "--json", "-o", out], 2, "-o is for the table"],
      [["--csv", table, "--org", "city"], 2, "--org and --device are in the table"],
      [["--csv", table, "--device", "gw-9"], 2, "--org and --device are in the table"],
      [["-o", out, ...ONE], 2, "-o is for --csv"],
      [["--csv", table, "-o", nowhere], 1, "t.csv"],
      [[...ONE, "--svg", nowhere], 1, "t.csv"],
    ] as const)
      expect([args, await run(...args)]).toMatchObject([
        args,
        { exit, stderr: expect.stringContaining(told) as string },
      ]);
    expect(desk.invites.list()).toEqual([]);
    expect([svg, out].filter((file) => existsSync(file))).toEqual([]);
  });

  test("what the registry would refuse is told, of a table with its line", async () => {
    const many = Array.from({ length: 257 }, (_, i) => `s${i}`).join(",");
    const long = Array.from({ length: 256 }, (_, i) => `${i}/${"x".repeat(140)}`.slice(0, 125)).join(",");
    for (const [args, told] of [
      [["--streams", many], /streams.*\[invite-malformed\]/],
      [["--streams", "meter/a,meter/a"], /a stream is listed twice \[invite-malformed\]/],
      [["--re-enrol", "--reason", "ä".repeat(101)], /--reason: use at most 200 bytes/],
      [["--streams", long], /too many streams for one registry item/],
    ] as const) {
      const { exit, stderr } = await run(...ONE, ...args);
      expect(exit).not.toBe(0);
      expect(stderr).toMatch(told);
    }
    writeFileSync(table, "org,device,streams\ncity,gw-7,a\ncity,gw-8,b b\n");
    expect(await run("--csv", table)).toMatchObject({
      exit: 2,
      stderr: expect.stringMatching(/t\.csv:3: device: city\/gw-8: the registry would refuse this/) as string,
    });
    expect(desk.invites.list()).toEqual([]);
  });

  test("there has to be room, or nothing is written", async () => {
    const out = desk.place("out.csv");
    expect(await run("--csv", table, "-o", out)).toMatchObject({ exit: 0, stdout: "" });
    expect(readFileSync(out, "utf8").match(/tally-invite:/g)).toHaveLength(2);
    const more = desk.place("more.csv");
    writeFileSync(table, "org,device\ncity,gw-17\ncity,gw-18\n");
    expect(await run("--csv", table, "-o", more)).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining("[pool-full]") as string,
    });
    expect(existsSync(more)).toBe(false);
    expect(desk.invites.list()).toHaveLength(2);
  });
});

test("one whose file is damaged is told, and the others are listed", async () => {
  await run("--csv", table);
  const [first, second] = desk.invites.list();
  const path = join(placesOf(desk.config).invites, `${toHex(first?.id ?? new Uint8Array())}.json`);
  writeFileSync(path, "{}");
  const { exit, stdout, stderr } = await commandHere(inviteList, "--config", config);
  expect([exit, stderr]).toEqual([1, expect.stringContaining(`${path} is damaged`)]);
  expect(stdout).toMatch(new RegExp(`^${toHex(second?.id ?? new Uint8Array())} .*\n$`));
});
