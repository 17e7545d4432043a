import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, onTestFinished, test } from "vitest";
import { need } from "../support/require.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const DEMO = join(ROOT, "demo", "main.ts");
const AUDIT = join(ROOT, "audit", "src", "main.ts");

const onLinux = process.platform === "linux";
const haveScript = need("script");

interface Started {
  readonly child: ChildProcess;
  readonly text: () => string;
  /** Resolves when `pattern` was printed. */
  printed(pattern: RegExp): Promise<void>;
  readonly ended: Promise<{ readonly code: number | null; readonly text: string }>;
}

function start(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Started {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
  onTestFinished(() => {
    child.kill("SIGTERM"); // SIGKILL would leave the town's processes behind
  });
  let text = "";
  const watchers = new Set<() => void>();
  const add = (chunk: Buffer): void => {
    text += chunk.toString();
    for (const look of watchers) look();
  };
  child.stdout.on("data", add);
  child.stderr.on("data", add);
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, text }));
  const printed = (pattern: RegExp): Promise<void> =>
    Promise.race([
      new Promise<void>((resolve) => {
        const look = (): void => {
          if (!pattern.test(text)) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
      ended.then(() => {
        if (!pattern.test(text)) throw new Error(`ended without ${String(pattern)}:\n${text}`);
        return undefined;
      }),
    ]);
  return { child, text: () => text, printed, ended };
}

const demo = (...args: readonly string[]): Started => start(process.execPath, [DEMO, ...args]);

const audit = (...args: readonly string[]): Started["ended"] =>
  start(process.execPath, [AUDIT, ...args]).ended;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "tally-demo-test-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Processes whose command line names `text`: pid and command line. */
const processes = (text: string): readonly { readonly pid: number; readonly command: string }[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const command = readFileSync(join("/proc", name, "cmdline"), "utf8").replaceAll("\0", " ");
        return command.includes(text) ? [{ pid: Number(name), command }] : [];
      } catch {
        return []; // it ended meanwhile
      }
    });

const sizeOf = (checkpoint: string): number => Number(checkpoint.split("\n")[1]);

describe.skipIf(!onLinux)("npm start", () => {
  test("-- --once ends by itself: receipts verified, bundles written, one changed bit refused; and again, on the same chains", async () => {
    const data = folder();
    const first = await demo("--once", "--data", data).ended;
    expect(first.code, first.text).toBe(0);
    expect(first.text).toMatch(/meter\/home: read .+ → signed #\d+ .+ → entry \d+ → receipt verified here/);
    expect(first.text).toMatch(/one bit changed .*: refused: signature-invalid/);
    expect(processes(data)).toEqual([]);

    const policy = join(data, "policy.txt");
    const bundles = ["host-gateway", "meter-home", "sys"].map((name) =>
      join(data, "evidence", `${name}.tally`),
    );
    expect(bundles.every(existsSync)).toBe(true);
    const verified = await audit("verify", ...bundles, "--policy", policy);
    expect(verified.code, verified.text).toBe(0);
    const publicFolder = join(data, "anchor", "public");
    const whole = await audit("log", publicFolder, "--policy", policy);
    expect(whole.code, whole.text).toBe(0);

    const checkpoint = readFileSync(join(publicFolder, "checkpoint"), "utf8");
    const second = await demo("--once", "--data", data).ended;
    expect(second.code, second.text).toBe(0);
    expect(sizeOf(readFileSync(join(publicFolder, "checkpoint"), "utf8"))).toBeGreaterThan(
      sizeOf(checkpoint),
    );
    expect(second.text).not.toContain("stream-opened"); // the same chains go on
    const old = join(data, "old-checkpoint");
    writeFileSync(old, checkpoint);
    const since = await audit("log", publicFolder, "--policy", policy, "--since", old);
    expect(since.code, since.text).toBe(0);
    const grown = await audit("verify", ...bundles, "--policy", policy);
    expect(grown.code, grown.text).toBe(0);
  });

  test("a signal ends every process and removes what was not to be kept", async () => {
    const base = folder();
    const town = start(process.execPath, [DEMO], { TMPDIR: base });
    await town.printed(/meter\/home: read .+ receipt verified here/);
    expect(processes(base).length).toBe(3);
    town.child.kill("SIGTERM");
    const { code, text } = await town.ended;
    expect(code, text).toBe(0);
    expect(processes(base)).toEqual([]);
    expect(readdirSync(base)).toEqual([]);
  });

  test("a signal during the start does so too", async () => {
    const base = folder();
    const town = start(process.execPath, [DEMO], { TMPDIR: base });
    await town.printed(/starting/);
    town.child.kill("SIGINT");
    const { code, text } = await town.ended;
    expect(code, text).toBe(0);
    expect(processes(base)).toEqual([]);
    expect(readdirSync(base)).toEqual([]);
  });

  test.for(["broker", "agent", "anchor"])(
    "when the %s dies the town ends with its last words",
    async (name) => {
      const data = folder();
      const town = demo("--data", data);
      await town.printed(/meter\/home: read .+ receipt verified here/);
      const victim = processes(data).find(({ command }) => command.includes(`${name}.yaml`));
      if (victim === undefined) throw new Error(`no ${name} among the processes`);
      process.kill(victim.pid, "SIGKILL");
      const { code, text } = await town.ended;
      expect(code).toBe(1);
      expect(text).toContain(`tally-${name} ended (SIGKILL); its last words:`);
      expect(processes(data)).toEqual([]);
    },
  );

  test("two towns in one folder: the second says why not, the first goes on", async () => {
    const data = folder();
    const town = demo("--data", data);
    await town.printed(/meter\/home: read .+ receipt verified here/);
    const { code, text } = await demo("--once", "--data", data).ended;
    expect(code).toBe(1);
    expect(text).toContain("[storage-in-use]");
    expect(processes(data).filter(({ command }) => command.includes(".yaml")).length).toBe(3);
    town.child.kill("SIGTERM");
    expect((await town.ended).code).toBe(0);
  });

  test("an option that does not exist is a usage error", async () => {
    const { code, text } = await demo("--twice").ended;
    expect(code).toBe(2);
    expect(text).toContain("usage: npm start");
  });
});

describe.skipIf(!onLinux || !haveScript)("npm start on a terminal", () => {
  test("shows the town, and every attack fails", async () => {
    const base = folder();
    const command = `stty cols 150 rows 40; exec ${process.execPath} ${DEMO}`;
    const town = start("script", ["-qec", command, "/dev/null"], { TMPDIR: base });
    const press = (key: string): boolean => town.child.stdin?.write(key) ?? false;
    await town.printed(/meter\/home +\d+ +\d+ +[1-9]\d* +\d+ +\d+ ms +1-0:1\.7\.0/);
    press("t");
    await town.printed(/as it was signed: verified/);
    await town.printed(/one bit changed .* made .*: refused: signature-invalid/);
    press("d");
    await town.printed(/lost: a message with \d+ statement/);
    await town.printed(/it came again: .* sent [2-9] times/);
    press("k");
    await town.printed(/the anchor was killed/);
    await town.printed(/the anchor is back with \d+ entries/);
    press("u");
    await town.printed(/meter UNPLUGGED/);
    press("u");
    await town.printed(/the meter is plugged in/);
    press("b");
    await town.printed(/meter-home\.tally: verified/);
    press("q");
    const { code, text } = await town.ended;
    expect(code, text).toBe(0);
    expect(text).toContain("\u001b[?25h");
    expect(processes(base)).toEqual([]);
    expect(readdirSync(base)).toEqual([]);
  });
});
