/**
 * Room on the disk. An agent whose disk is full can keep nothing, so it reads nothing: it waits, within this process, until there is room, and
 * says so. Ending instead would have its supervisor start it again and again, and at last give it up; it would not be there when space returns.
 *
 * @module
 */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isEvidenceError } from "@tallystick/evidence";
import { sleep, type Timer } from "@tallystick/evidence/node";
import type { Log } from "../log.ts";
import type { Storage } from "./storage.ts";

/** With less than this free the agent isn't started: its first minutes would fill the rest. */
export const MIN_FREE_BYTES = 2 << 20;

/** The reason of gaps for what was not read meanwhile. */
export const DISK_FULL = "disk-full";

const LOOK_EVERY_MS = 10_000;
/** It is said at once, then after this long, then after twice as long each time. */
const REMIND_FIRST_MS = 60_000;
const REMIND_MAX_MS = 6 * 3_600_000;

export type RoomParts = {
  readonly directory: string;
  readonly open: () => Storage;
  /** Bytes that this process may still use there; undefined where nobody can tell. */
  readonly freeBytes: () => number | undefined;
  readonly timer: Timer;
  readonly log: Log;
  /** Called at each look that finds the disk full. */
  readonly onFull?: () => Promise<void>;
};

/**
 * Opens the database once there is room for it, however long that takes. Each try is the ordinary start on what is there.
 *
 * @returns undefined where `signal` was aborted first; `waited`: whether the disk was full
 * @throws EvidenceError what `open` throws, but for `storage-full`
 */
export async function openWithRoom(
  { directory, open, freeBytes, timer, log, onFull }: RoomParts,
  signal: AbortSignal,
): Promise<{ readonly storage: Storage; readonly waited: boolean } | undefined> {
  let remindMs = 0;
  let everyMs = REMIND_FIRST_MS;
  for (let waitedMs = 0; !signal.aborted; waitedMs += LOOK_EVERY_MS) {
    const free = freeBytes();
    if (free === undefined || free >= MIN_FREE_BYTES) {
      const storage = opened(open);
      if (storage !== undefined) return { storage, waited: waitedMs > 0 };
    }
    if (waitedMs >= remindMs) {
      remindMs = waitedMs + everyMs;
      everyMs = Math.min(everyMs * 2, REMIND_MAX_MS);
      log.error(
        { code: "storage-full", freeBytes: free ?? null, neededBytes: MIN_FREE_BYTES },
        `${directory}: the disk is full; no source is read until there is room: free space, nothing needs to be started again`,
      );
    }
    await onFull?.();
    await sleep(timer, LOOK_EVERY_MS, signal);
  }
  return undefined;
}

function opened(open: () => Storage): Storage | undefined {
  try {
    return open();
  } catch (error) {
    if (isEvidenceError(error) && error.code === "storage-full") return undefined;
    throw error;
  }
}

/**
 * An empty file beside the database: that the last run ended because the disk was full. A name takes no room of its own; where not even that can be
 * written, the next gap says only that the agent was stopped.
 */
export type FullMark = { isThere(): boolean; make(): void; remove(): void };

export function fullMarkIn(directory: string): FullMark {
  const path = join(directory, "agent.full");
  return {
    isThere: () => existsSync(path),
    make: () => {
      try {
        writeFileSync(path, "");
      } catch {
        // it is only a hint
      }
    },
    remove: () => rmSync(path, { force: true }),
  };
}

/** True where a full disk ended the stages, or one of several things that did. */
export const isDiskFull = (error: unknown): boolean =>
  error instanceof AggregateError
    ? error.errors.some(isDiskFull)
    : isEvidenceError(error) && error.code === "storage-full";
