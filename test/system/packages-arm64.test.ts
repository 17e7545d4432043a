/**
 * The agent's tarball for arm64, as far as it can be run here: Node and the agent start, make a key and read a meter's telegram, and the native code of
 * serial lines is of the right kind.
 *
 * @module
 */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startState, telegram } from "../../demo/meter.ts";
import { pack } from "../../packaging/pack.ts";
import { need } from "../support/require.ts";

const QEMU = "qemu-aarch64-static";
/** Debian's C library for arm64, which Node needs. */
const LIBRARIES = "/usr/aarch64-linux-gnu";
const TIMEOUT_MS = 60_000;

const run = promisify(execFile);

describe.runIf(need(QEMU))("the tarball for arm64", () => {
  let folder = "";
  let home = "";
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tallystick-arm64-"));
    const options = { out: folder, compression: "none", unixS: 1_700_000_000 } as const;
    const target = { product: "agent", architecture: "arm64", version: "0.1.0" } as const;
    const { tarball } = await pack(target, options);
    mkdirSync(join(folder, "root"));
    execFileSync("tar", ["-xf", tarball, "-C", join(folder, "root")]);
    home = join(folder, "root", "usr", "lib", "tallystick", "agent");
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const onArm = async (...argv: readonly string[]): Promise<string> => {
    const node = ["-L", LIBRARIES, join(home, "bin", "node")];
    return (await run(QEMU, [...node, ...argv], { timeout: TIMEOUT_MS })).stdout;
  };

  test("makes a key, and reads a telegram", async () => {
    const [entry, key, frame] = [
      join(home, "tally-agent.js"),
      join(folder, "device.key"),
      join(folder, "frame"),
    ];
    expect(await onArm(entry, "key", "make", "--key", key)).toMatch(
      /^kid [0-9a-f]{64}\n-----BEGIN PUBLIC KEY/,
    );
    expect(statSync(key).mode & 0o777).toBe(0o600);
    writeFileSync(frame, telegram(startState(1_700_000_000), 1_700_000_000));
    const lines = (await onArm(entry, "decode", "--kind", "p1", frame)).trim().split("\n");
    const readings = lines.map((line) => JSON.parse(line) as { n: string; q: readonly string[] });
    expect(readings.map(({ n }) => n)).toContain("1-0:1.8.1");
  });

  test("has the native code of serial lines, for glibc and this machine alone", async () => {
    const [prebuild = "", ...more] = readdirSync(join(home, "prebuilds"), {
      recursive: true,
      encoding: "utf8",
    }).filter((name) => name.endsWith(".node"));
    expect(more).toEqual([]);
    const load =
      "const m = { exports: {} }; process.dlopen(m, process.argv[1]); console.log(process.arch, typeof m.exports.open)";
    expect(await onArm("-e", load, join(home, "prebuilds", prebuild))).toBe("arm64 function\n");
  });
});
