/**
 * What Linux tells of a process and of files, without touching either: who holds a lock, what a process wrote, how large it is, how much room there is.
 *
 * @module
 */
import { readFileSync, statfsSync, statSync } from "node:fs";

/**
 * The process that holds the exclusive lock of a SQLite file; null where nobody does, undefined where that can't be seen. The lock itself is not tried: a
 * program that starts at this moment would find it taken.
 */
export function lockHolder(path: string): number | null | undefined {
  try {
    const { ino } = statSync(path, { bigint: true });
    for (const line of readFileSync("/proc/locks", "latin1").split("\n")) {
      // `1: POSIX  ADVISORY  WRITE 2514 fe:00:10117138 1073741824 1073742335`; those that wait for a lock have an arrow
      const found = /^\d+: POSIX +ADVISORY +WRITE (\d+) [0-9a-f]+:[0-9a-f]+:(\d+) /.exec(line);
      if (found?.[1] !== undefined && found[2] === String(ino)) return Number(found[1]);
    }
    return null;
  } catch (cause) {
    return isMissing(cause, path) ? null : undefined;
  }
}

const isMissing = (cause: unknown, path: string): boolean =>
  cause instanceof Error &&
  "code" in cause &&
  cause.code === "ENOENT" &&
  "path" in cause &&
  cause.path === path;

/** Bytes that a process has had written to storage so far; undefined where Linux doesn't say. */
export function bytesWritten(pid: number | "self"): number | undefined {
  const io = readProc(`/proc/${pid}/io`);
  const written = /^write_bytes: (\d+)$/m.exec(io ?? "")?.[1];
  return written === undefined ? undefined : Number(written);
}

/** Memory of a process that is in RAM, bytes; undefined where Linux doesn't say. */
export function residentBytes(pid: number | "self"): number | undefined {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readProc(`/proc/${pid}/status`) ?? "")?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** The user that a process runs as; undefined where Linux doesn't say. */
export function userOf(pid: number): number | undefined {
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(readProc(`/proc/${pid}/status`) ?? "")?.[1];
  return uid === undefined ? undefined : Number(uid);
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}

/** Bytes that ordinary users may still write where `path` is; undefined where that isn't known. */
export function freeBytesAt(path: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

/** Bytes of a SQLite database with its log; 0 where there is none. */
export function databaseBytes(path: string): number {
  let bytes = 0;
  for (const ending of ["", "-wal", "-shm"])
    bytes += statSync(path + ending, { throwIfNoEntry: false })?.size ?? 0;
  return bytes;
}

/** A number of bytes for people: `1.4 MiB`. */
export function inBytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** step;
  return `${step === 0 ? Math.round(bytes) : value.toFixed(value < 10 ? 1 : 0)} ${units[step] ?? ""}`;
}

/** A span of time for people: `3.2 days`. */
export function inTime(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  const days = seconds / 86_400;
  return `${days < 10 ? days.toFixed(1) : Math.round(days)} days`;
}
