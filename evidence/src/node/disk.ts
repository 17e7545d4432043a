/**
 * What durable files need of a file system, in one place, so that a test can stand in for the disk that fails or forgets.
 *
 * @module
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";

/** A file that is being written. */
export type OpenFile = {
  write(bytes: Uint8Array | string): Promise<void>;
  /** What was written survives a power cut once this resolves; the file's name may not. */
  sync(): Promise<void>;
  close(): Promise<void>;
};

/** Faults are what Node's file system throws. */
export type Disk = {
  exists(path: string): boolean;
  read(path: string): Uint8Array;
  /** Makes a folder, and those above it. */
  makeFolder(path: string): void;
  /** Opens a file for writing: a new one, or an old one emptied. */
  create(path: string, mode: number): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or a folder with all that is in it; one that isn't there is no fault. */
  remove(path: string): Promise<void>;
  /** The folder's names survive a power cut once this resolves. */
  syncFolder(path: string): Promise<void>;
};

/** This machine's. */
export const machineDisk: Disk = {
  exists: existsSync,
  read: (path) => new Uint8Array(readFileSync(path)),
  makeFolder: (path) => void mkdirSync(path, { recursive: true }),
  async create(path, mode) {
    const file = await open(path, "w", mode);
    return {
      write: (bytes) => file.writeFile(bytes),
      sync: () => file.sync(),
      close: () => file.close(),
    };
  },
  rename,
  remove: (path) => rm(path, { recursive: true, force: true }),
  async syncFolder(path) {
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};
