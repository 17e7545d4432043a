/**
 * strace as the tool that makes one system call fail: the command line for it, and what it has written down.
 *
 * The tracer runs beside the program (`-D`), which keeps its own process id and its parent. Calls are counted for each thread by itself: SQLite's are all
 * the main thread's, and `UV_THREADPOOL_SIZE=1` leaves one thread for the files that libuv writes.
 *
 * @see strace(1), "Tampering"
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";

export const SYSCALLS = [
  "pwrite64",
  "pwritev",
  "write",
  "fsync",
  "fdatasync",
  "rename",
  "ftruncate",
] as const;
export type Syscall = (typeof SYSCALLS)[number];

export const FAULTS = ["EIO", "ENOSPC", "SIGKILL"] as const;
export type Fault = (typeof FAULTS)[number];

/** One thread for files, so that their calls come in one order. */
export const ONE_FILE_THREAD = { UV_THREADPOOL_SIZE: "1" } as const;

/** Other names of the same call, on other processors or in newer C libraries; `?`: where there is none of this name, no matter. */
const NAMES: Readonly<Record<Syscall, string>> = {
  pwrite64: "pwrite64",
  pwritev: "?pwritev,?pwritev2",
  write: "write",
  fsync: "fsync",
  fdatasync: "fdatasync",
  rename: "?rename,?renameat,?renameat2",
  ftruncate: "ftruncate",
};

type Injection = { readonly syscall: Syscall; readonly nth: number; readonly fault: Fault };

export type Tracing = {
  readonly traceFile: string;
  /** Only calls on these files are seen, counted and failed; without it all are seen. */
  readonly paths?: readonly string[];
  readonly inject?: Injection;
};

/** The command line under which a program is started. */
export function straceCommand({ traceFile, paths = [], inject }: Tracing): readonly string[] {
  const trace = SYSCALLS.map((name) => NAMES[name]).join(",");
  const command = ["strace", "-D", "-f", "-y", "-s", "0", "--quiet=attach", "-o", traceFile];
  // Faster, but a signal is not sent then (strace 6.1).
  if (inject?.fault !== "SIGKILL") command.push("--seccomp-bpf");
  command.push("-e", "signal=none", "-e", `trace=${trace}`);
  for (const path of paths) command.push("-P", path);
  if (inject !== undefined) command.push("-e", `inject=${expressionOf(inject)}`);
  return command;
}

function expressionOf({ syscall, nth, fault }: Injection): string {
  const what = fault === "SIGKILL" ? "signal=SIGKILL" : `error=${fault}`;
  return `${NAMES[syscall]}:${what}:when=${nth}`;
}

/** A call that strace saw; `path` is the file's, of a rename the new name. */
export type Call = {
  readonly syscall: Syscall;
  readonly path: string;
  readonly pid: string;
  readonly injected: boolean;
};

export type Trace = {
  readonly calls: readonly Call[];
  /** Whether a signal ended it, which here can only be the injected one. */
  readonly killed: boolean;
};

const CALL = /^(\d+) +(\w+)\((.*)$/;
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>(.*)$/;

/** Whether an strace that writes this file is still there: it outlives what it traces by a moment. */
export function isTracing(traceFile: string): boolean {
  return readdirSync("/proc").some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, "latin1").split("\0").includes(traceFile);
    } catch {
      return false; // it has just ended
    }
  });
}

export function readTrace(file: string): Trace {
  const calls: Call[] = [];
  const open = new Map<string, number>();
  let killed = false;
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (line.includes("+++ killed by SIGKILL") || line.endsWith(" = ?")) killed = true;
    const resumed = RESUMED.exec(line);
    const [, pid = "", name = "", rest = ""] = resumed ?? CALL.exec(line) ?? [];
    const syscall = syscallOf(name);
    if (syscall === undefined) continue;
    const injected = rest.includes("(INJECTED)");
    const at = resumed === null ? undefined : open.get(pid);
    const begun = at === undefined ? undefined : calls[at];
    if (at !== undefined && begun !== undefined) {
      calls[at] = { ...begun, injected };
      continue;
    }
    open.set(pid, calls.length);
    calls.push({ syscall, path: pathOf(syscall, rest), pid, injected });
  }
  return { calls, killed };
}

const syscallOf = (name: string): Syscall | undefined =>
  SYSCALLS.find((one) => NAMES[one].split(",").some((other) => other.replace("?", "") === name));

/** `21</path>, …`, or of a rename the last of its texts. */
const pathOf = (syscall: Syscall, rest: string): string =>
  (syscall === "rename" ? rest.match(/"([^"]*)"[^"]*$/)?.[1] : /^\d+<([^>]*)>/.exec(rest)?.[1]) ?? "";
