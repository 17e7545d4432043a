/**
 * A file system that forgets what nobody synced. A process that is killed leaves everything as it was; when the power goes, a file whose content wasn't synced is
 * empty, cut short or whole, and a name that was made, changed or removed since its folder was synced is as before or as after, each for itself.
 *
 * @module
 */
import { dirname } from "node:path";
import type { Disk } from "@tallystick/evidence/node";
import type { Life } from "./life.ts";
import type { Random } from "./random.ts";

type Inode = { bytes: Uint8Array; synced: boolean };

/** Longest time that one operation takes. */
const MAX_OPERATION_MS = 4;

export class SimFiles {
  readonly #random: Random;
  readonly #names = new Map<string, Inode>();
  readonly #folders = new Set<string>(["/"]);
  /** What stood under each name at the last sync of its folder, where that has changed since. */
  readonly #changed = new Map<string, Inode | undefined>();
  readonly #newFolders = new Set<string>();
  /** What fails, and how often still. */
  readonly failing = { write: 0, sync: 0, rename: 0 };
  full = false;
  /** Called with each path as it comes under its name. */
  onRename: (path: string, bytes: Uint8Array) => void = () => {};
  /** Called with each folder whose names are there to stay from now on. */
  onSync: (path: string) => void = () => {};

  constructor(random: Random) {
    this.#random = random;
  }

  /** As it is for whoever reads now. */
  read(path: string): Uint8Array | undefined {
    return this.#names.get(path)?.bytes;
  }

  paths(): readonly string[] {
    return [...this.#names.keys()];
  }

  /** True where what stands under this name would be there after a power cut as well. */
  isDurable(path: string): boolean {
    if (this.#names.get(path)?.synced !== true || this.#changed.has(path)) return false;
    for (let folder = dirname(path); folder !== "/"; folder = dirname(folder))
      if (this.#newFolders.has(folder)) return false;
    return true;
  }

  /** Everything gone, as after another folder was put in its place. */
  clear(): void {
    this.#names.clear();
    this.#folders.clear();
    this.#folders.add("/");
    this.#changed.clear();
    this.#newFolders.clear();
  }

  copy(): ReadonlyMap<string, Uint8Array> {
    return new Map([...this.#names].map(([path, { bytes }]) => [path, bytes]));
  }

  /** Another content, synced. */
  replace(content: ReadonlyMap<string, Uint8Array>): void {
    this.clear();
    for (const [path, bytes] of content) {
      this.#names.set(path, { bytes, synced: true });
      for (let folder = dirname(path); folder !== "/"; folder = dirname(folder)) this.#folders.add(folder);
    }
  }

  powerCut(): void {
    for (const folder of [...this.#newFolders].toSorted()) {
      if (this.#random.chance(0.5) || !this.#folders.has(folder)) continue;
      this.#removeTree(folder);
    }
    for (const [path, before] of this.#changed) {
      if (!this.#folders.has(dirname(path)) || this.#random.chance(0.5)) continue;
      if (before === undefined) this.#names.delete(path);
      else this.#names.set(path, before);
    }
    for (const inode of this.#names.values()) {
      if (inode.synced) continue;
      const torn = this.#random.pick([0, this.#random.unit(), 1]);
      inode.bytes = inode.bytes.slice(0, Math.floor(inode.bytes.length * torn));
      inode.synced = true;
    }
    this.#changed.clear();
    this.#newFolders.clear();
  }

  /** As one process sees it. */
  open(life: Life): Disk {
    const turn = async (label: string): Promise<void> => {
      life.effect();
      await life.wait(this.#random.between(0, MAX_OPERATION_MS), label);
      life.effect();
    };
    return {
      exists: (path) => (life.check(), this.#names.has(path) || this.#folders.has(path)),
      read: (path) => {
        life.check();
        const inode = this.#names.get(path);
        if (inode === undefined) throw errno("ENOENT", path);
        return inode.bytes;
      },
      makeFolder: (path) => {
        life.check();
        for (let folder = path; !this.#folders.has(folder); folder = dirname(folder)) {
          this.#folders.add(folder);
          this.#newFolders.add(folder);
        }
      },
      create: async (path) => {
        await turn("create");
        if (!this.#folders.has(dirname(path))) throw errno("ENOENT", path);
        const inode: Inode = { bytes: new Uint8Array(), synced: false };
        this.#name(path, inode);
        return {
          write: async (content) => {
            const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content.slice();
            await turn("write");
            inode.synced = false;
            if (this.full || this.#fails("write")) {
              inode.bytes = bytes.slice(0, bytes.length >> 1);
              life.diskFails();
              throw errno("ENOSPC", path);
            }
            inode.bytes = bytes;
          },
          sync: async () => {
            await turn("sync");
            if (this.#fails("sync")) {
              life.diskFails();
              throw errno("EIO", path);
            }
            inode.synced = true;
          },
          close: () => (life.check(), Promise.resolve()),
        };
      },
      rename: async (from, to) => {
        await turn("rename");
        const inode = this.#names.get(from);
        if (inode === undefined) throw errno("ENOENT", from);
        if (this.#fails("rename")) {
          life.diskFails();
          throw errno("EIO", to);
        }
        this.#name(to, inode);
        this.#name(from, undefined);
        this.onRename(to, inode.bytes);
      },
      remove: async (path) => {
        await turn("remove");
        if (this.#folders.has(path)) this.#removeTree(path);
        else this.#name(path, undefined);
      },
      syncFolder: async (path) => {
        await turn("sync of a folder");
        if (!this.#folders.has(path)) throw errno("ENOENT", path);
        if (this.#fails("sync")) {
          life.diskFails();
          throw errno("EIO", path);
        }
        for (const name of this.#changed.keys()) if (dirname(name) === path) this.#changed.delete(name);
        for (const folder of this.#newFolders) if (dirname(folder) === path) this.#newFolders.delete(folder);
        this.onSync(path);
      },
    };
  }

  #name(path: string, inode: Inode | undefined): void {
    if (!this.#changed.has(path)) this.#changed.set(path, this.#names.get(path));
    if (inode === undefined) this.#names.delete(path);
    else this.#names.set(path, inode);
  }

  #removeTree(folder: string): void {
    const inside = (path: string): boolean => path === folder || path.startsWith(`${folder}/`);
    for (const path of [...this.#names.keys()].filter(inside)) this.#name(path, undefined);
    for (const path of [...this.#folders].filter(inside)) {
      this.#folders.delete(path);
      this.#newFolders.delete(path);
    }
  }

  #fails(what: keyof typeof this.failing): boolean {
    if (this.failing[what] === 0) return false;
    this.failing[what] -= 1;
    return true;
  }
}

const errno = (code: string, path: string): Error =>
  Object.assign(new Error(`${code}: simulated, ${path}`), { code });
