/**
 * What Linux says about a process: processor time by thread, memory, bytes written. Elsewhere there is no /proc, and these rows say so.
 *
 * @module
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/** Clock ticks a second in /proc/PID/stat: 100 on every Linux that Node runs on (USER_HZ). */
const TICKS_PER_S = 100;

export type CpuTime = {
  /** All threads, seconds. */
  readonly totalS: number;
  /** The thread that runs JavaScript's event loop. */
  readonly mainS: number;
  /** V8's own threads: garbage collection, compilation. */
  readonly v8S: number;
  /** Threads of libuv's pool: file system calls. */
  readonly filesS: number;
  /** All others: worker threads. */
  readonly workersS: number;
};

/** Processor time that a process has used so far. Threads that ended count in the total only. */
export function cpuTime(pid: number): CpuTime {
  const used = { mainS: 0, v8S: 0, filesS: 0, workersS: 0 };
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const stat = statOf(`/proc/${pid}/task/${thread}/stat`);
    if (Number(thread) === pid) used.mainS += stat.seconds;
    else if (stat.name.startsWith("V8Worker")) used.v8S += stat.seconds;
    else if (stat.name.startsWith("libuv-worker")) used.filesS += stat.seconds;
    else used.workersS += stat.seconds;
  }
  return { ...used, totalS: statOf(`/proc/${pid}/stat`).seconds };
}

/** Name, and user and system time: the 2nd, 14th and 15th field of `stat`; the name may hold spaces. */
function statOf(path: string): { name: string; seconds: number } {
  const text = readFileSync(path, "utf8");
  const nameEnd = text.lastIndexOf(")");
  const fields = text.slice(nameEnd + 2).split(" ");
  const name = text.slice(text.indexOf("(") + 1, nameEnd);
  return { name, seconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S };
}

/** Time of all cores together so far, and the part of it in which they had nothing to do or waited for a disk, seconds. */
export function idleTime(): { allS: number; idleS: number } {
  const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n");
  // user, nice, system, idle, iowait, irq, softirq, steal; what follows is counted in user already
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const allS = ticks.reduce((sum, one) => sum + one, 0) / TICKS_PER_S;
  return { allS, idleS: ((ticks[3] ?? 0) + (ticks[4] ?? 0)) / TICKS_PER_S };
}

/** Memory in bytes: resident now, its peak since {@link resetPeak}, and the part of it that is no file's. */
export function memory(pid: number): { rss: number; peak: number; anonymous: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
  return { rss: kib("VmRSS") * 1024, peak: kib("VmHWM") * 1024, anonymous: kib("RssAnon") * 1024 };
}

/** Begins a new peak. */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** Bytes that a process has read by system calls so far, from whatever: files, sockets, pipes; and those that had to come from a disk. */
export function bytesRead(pid: number): { calls: number; disk: number } {
  const io = readFileSync(`/proc/${pid}/io`, "utf8");
  const field = (name: string): number => Number(new RegExp(`^${name}: (\\d+)`, "m").exec(io)?.[1]);
  return { calls: field("rchar"), disk: field("read_bytes") };
}

/**
 * Bytes that a process caused to be sent to the storage layer, in whole pages, each time a clean page becomes dirty. What the file system
 * writes for itself (journal, metadata) is not in it.
 */
export function bytesWritten(pid: number): number {
  const io = readFileSync(`/proc/${pid}/io`, "utf8");
  return Number(/^write_bytes: (\d+)/m.exec(io)?.[1]);
}
