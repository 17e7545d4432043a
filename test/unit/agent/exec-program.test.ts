/** Real programs: started again, ended with all they started, left unread, bounded in what they may say beside their lines. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { monotonicMs } from "../../../agent/src/clock/clock.ts";
import { isRefused } from "../../../agent/src/sources/exec/line.ts";
import {
  openProgram,
  type Batch,
  type Program,
  type ProgramPatience,
} from "../../../agent/src/sources/exec/program.ts";

const PATIENCE: ProgramPatience = { endMs: 200, deafMs: 200, retryMinMs: 5, retryMaxMs: 20 };

class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), "tally-exec-"));
  readonly messages: string[] = [];
  readonly stop = new AbortController();

  constructor() {
    onTestFinished(() => {
      this.stop.abort();
      rmSync(this.folder, { recursive: true, force: true });
    });
  }

  /** A program of this JavaScript; `say(object)` prints a line. */
  program(source: string, changes: Partial<ProgramPatience> = {}, maxLinesPerS = 100_000): Program {
    const file = join(this.folder, "program.mjs");
    writeFileSync(
      file,
      `import { appendFileSync } from "node:fs";
       const note = (text) => appendFileSync(${JSON.stringify(join(this.folder, "notes"))}, text + "\\n");
       const say = (line) => process.stdout.write(JSON.stringify(line) + "\\n");
       ${source}`,
    );
    const say = (message: string): void => void this.messages.push(message);
    const context = {
      clock: { now: () => ({ timeUnixMs: 0, tq: 0 as const }), monotonicMs },
      log: { info: say, warn: say },
    };
    const command = [process.execPath, file];
    return openProgram({ name: "office", command, againS: 0.01, maxLinesPerS }, context, {
      ...PATIENCE,
      ...changes,
    });
  }

  get notes(): readonly string[] {
    const file = join(this.folder, "notes");
    return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
  }
}

const idsOf = ({ lines }: Batch): readonly (string | undefined)[] =>
  lines.map((line) => (isRefused(line) ? line.error.code : line.id));

/** Pulls until so many lines came. */
async function pull(program: Program, bench: Bench, count: number): Promise<readonly (string | undefined)[]> {
  const ids: (string | undefined)[] = [];
  for await (const batch of program.batches(bench.stop.signal)) {
    ids.push(...idsOf(batch));
    if (ids.length >= count) break;
  }
  return ids;
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (isSo()) return;
    await delay(10);
  }
  throw new Error(`${what}: not within ten seconds`);
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test("one that ends is started again, and says why it failed once", async () => {
  const bench = new Bench();
  const program = bench.program(`say({ id: String(process.pid), name: "n", v: 1 }); process.exitCode = 3;`);
  const ids = await pull(program, bench, 4);
  expect(new Set(ids).size).toBe(4);
  expect(bench.messages[0]).toMatch(/^office: ended with code 3; started again/);
  expect(program.counters.reconnects).toBeGreaterThanOrEqual(3);
});

test("one that ends well is started again, and nothing is said of it", async () => {
  const bench = new Bench();
  const program = bench.program(`say({ id: String(process.pid), name: "n", v: 1 });`);
  expect(new Set(await pull(program, bench, 3)).size).toBe(3);
  expect(bench.messages).toEqual([]);
  expect(program.counters.reconnects).toBe(0);
});

test("one that isn't there is tried again", async () => {
  const bench = new Bench();
  const say = (message: string): void => {
    bench.messages.push(message);
    if (bench.messages.length === 2) bench.stop.abort();
  };
  const context = {
    clock: { now: () => ({ timeUnixMs: 0, tq: 0 as const }), monotonicMs },
    log: { info: say, warn: say },
  };
  const options = { name: "office", command: ["/nonexistent/program"], againS: 1, maxLinesPerS: 10 };
  for await (const _ of openProgram(options, context, PATIENCE).batches(bench.stop.signal))
    throw new Error("a line");
  expect(bench.messages[0]).toMatch(/^office: can't be run: .*ENOENT/);
});

test("answers reach the run that printed the lines; one that closes its standard input is left in peace", async () => {
  const bench = new Bench();
  const program = bench.program(
    `say({ id: "1", name: "n", v: 1 });
     process.stdin.on("data", (chunk) => { note(String(chunk).trim()); process.exit(); });`,
  );
  for await (const { answer } of program.batches(bench.stop.signal)) {
    await answer('{"ack":"1"}\n');
    if (bench.notes.length > 0) break;
  }
  expect(bench.notes[0]).toBe('{"ack":"1"}');
  const quiet = new Bench();
  const closing = quiet.program(
    `process.stdin.destroy(); say({ id: "1", name: "n", v: 1 }); setTimeout(() => {}, 50);`,
  );
  let batches = 0;
  for await (const { answer } of closing.batches(quiet.stop.signal)) {
    await delay(20);
    await answer("x".repeat(1 << 20));
    if ((batches += 1) === 2) break;
  }
  expect(quiet.messages).toEqual([]);
});

test("one that doesn't read its answers is ended, and told why in the log", async () => {
  const bench = new Bench();
  const program = bench.program(`say({ id: "1", name: "n", v: 1 }); setInterval(() => {}, 1000);`);
  let batches = 0;
  for await (const { answer } of program.batches(bench.stop.signal)) {
    await answer("x".repeat(4 << 20));
    if ((batches += 1) === 2) break;
  }
  expect(bench.messages[0]).toMatch(/doesn't read its answers/);
});

test("while nobody pulls, its output isn't read: it waits in the pipe", async () => {
  const bench = new Bench();
  const program = bench.program(
    `const line = JSON.stringify({ id: "x".repeat(100), name: "n", v: 1 }) + "\\n";
     let n = 0;
     const more = () => { while (n < 100000) { n += 1; if (!process.stdout.write(line)) { note(String(n)); return; } } };
     process.stdout.on("drain", more); more();`,
  );
  const batches = program.batches(bench.stop.signal)[Symbol.asyncIterator]();
  await batches.next();
  await until("it has filled the pipe", () => bench.notes.length > 0);
  await delay(300);
  expect(Number(bench.notes.at(-1))).toBeLessThan(10_000);
  for (let i = 0; i < 10; i++) await batches.next();
  await until("it writes on", () => Number(bench.notes.at(-1)) > 1000);
  await batches.return?.();
});

test("faster than it may, it is read slower, and nothing is lost", async () => {
  const bench = new Bench();
  const [count, perS] = [600, 300];
  const program = bench.program(
    `for (let n = 0; n < ${count}; n++) say({ id: String(n), name: "n", v: 1, padding: "x".repeat(1000) });
     setInterval(() => {}, 1000);`,
    {},
    perS,
  );
  const startMs = monotonicMs();
  expect(await pull(program, bench, count)).toHaveLength(count);
  // Never sooner, however its lines are cut: a second's worth is free, and what a stream gives at once (128 KiB at most) isn't paid for before it is taken.
  const unpaid = perS + 131;
  expect(monotonicMs() - startMs).toBeGreaterThan(((count - unpaid) / perS) * 1000);
});

test("its standard error is logged line by line, without control characters, and not without end", async () => {
  const bench = new Bench();
  const program = bench.program(
    `process.stderr.write("\\u001b[2Jall is well\\n");
     for (let n = 0; n < 5000; n++) process.stderr.write("line " + n + " " + "x".repeat(600) + "\\n");
     say({ id: "1", name: "n", v: 1 }); setInterval(() => {}, 1000);`,
  );
  await pull(program, bench, 1);
  await until("it is logged", () => bench.messages.length >= 20);
  expect(bench.messages[0]).toBe("office: stderr: \u{fffd}[2Jall is well");
  expect(bench.messages.length).toBeLessThan(40);
  expect(Math.max(...bench.messages.map((message) => message.length))).toBeLessThan(600);
});

test("when the agent stops it ends, with what it started, even if it doesn't want to", async () => {
  const bench = new Bench();
  const program = bench.program(
    `import { spawn } from "node:child_process";
     process.on("SIGTERM", () => note("asked"));
     const other = spawn("/bin/sleep", ["600"], { stdio: "inherit" });
     note(process.pid + " " + other.pid);
     say({ id: "1", name: "n", v: 1 });
     setInterval(() => {}, 1000);`,
  );
  for await (const _ of program.batches(bench.stop.signal)) bench.stop.abort();
  const pids = (bench.notes[0] ?? "").split(" ").map(Number);
  expect(pids).toHaveLength(2);
  await until("both have ended", () => !pids.some(isAlive));
});

test("one that ends leaves nothing behind that it started", async () => {
  const bench = new Bench();
  const program = bench.program(
    `import { spawn } from "node:child_process";
     const other = spawn("/bin/sleep", ["600"], { stdio: "ignore" });
     other.unref();
     note(String(other.pid));
     say({ id: "1", name: "n", v: 1 });`,
  );
  await pull(program, bench, 2);
  const first = Number(bench.notes[0]);
  await until("what it started has ended", () => !isAlive(first));
});

test("of the agent's environment it gets the few names it needs", async () => {
  const bench = new Bench();
  process.env["TALLYSTICK_SECRET"] = "x";
  onTestFinished(() => void delete process.env["TALLYSTICK_SECRET"]);
  const program = bench.program(`note(Object.keys(process.env).join()); say({ id: "1", name: "n", v: 1 });`);
  await pull(program, bench, 1);
  expect(bench.notes[0]).not.toContain("TALLYSTICK");
  expect(bench.notes[0]).toContain("PATH");
});
