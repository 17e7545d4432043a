/**
 * On what was measured, and when: figures without their machine mean nothing.
 *
 * @module
 */
import { statfsSync } from "node:fs";
import { arch, cpus, loadavg, platform, release, totalmem } from "node:os";
import process from "node:process";

export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly date: string;
  /** Over 1, 5 and 15 minutes, when the run began. */
  readonly load: readonly number[];
  /** Kind of the file system that is written to. */
  readonly fileSystem: string;
  readonly command: string;
};

/** Magic numbers of statfs(2). */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0xef53: "ext4",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0x01021994: "tmpfs (nothing reaches a disk)",
  0x794c7630: "overlayfs",
  0x2fc12fc1: "zfs",
};

export function describeMachine(folder: string, args: readonly string[]): Machine {
  const { type } = statfsSync(folder);
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    date: new Date().toISOString().slice(0, 16).replace("T", " ") + " UTC",
    load: loadavg().map((one) => Math.round(one * 100) / 100),
    fileSystem: FILE_SYSTEMS[type] ?? `type 0x${type.toString(16)}`,
    command: ["npm run bench", ...(args.length > 0 ? ["--", ...args] : [])].join(" "),
  };
}
