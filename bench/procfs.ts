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
};

/** Processor time that a process has used so far. */
export function cpuTime(pid: number): CpuTime {
  return { totalS: ticks(`/proc/${pid}/stat`), mainS: ticks(`/proc/${pid}/task/${pid}/stat`) };
}

/** User and system time, the 14th and 15th field of `stat`; the second one, the name, may hold spaces. */
function ticks(path: string): number {
  const text = readFileSync(path, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
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

/**
 * Bytes that a process caused to be sent to the storage layer, in whole pages, each time a clean page becomes dirty. What the file system
 * writes for itself (journal, metadata) is not in it.
 */
export function bytesWritten(pid: number): number {
  const io = readFileSync(`/proc/${pid}/io`, "utf8");
  return Number(/^write_bytes: (\d+)/m.exec(io)?.[1]);
}

/** Threads of a process. */
export const threads = (pid: number): number => readdirSync(`/proc/${pid}/task`).length;
