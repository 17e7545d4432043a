/**
 * The verified registry on the broker's own disk, in the layout of a log's public files, so that the broker starts without the anchor.
 *
 * What is read again is a beginning of the registry that was whole when it was written, or nothing: with a part of it a key that was revoked
 * later would count. So bundles are written from the last to the first, and without the first there is nothing to read.
 *
 * @module
 */
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { encodeEntries, registryPath, TILE_WIDTH as WIDTH } from "@tallystick/evidence";
import { machineDisk, writeDurable } from "@tallystick/evidence/node";
import { folderSource } from "./folder-source.ts";
import type { RegistrySource } from "./source.ts";

export class KeptRegistry {
  readonly #folder: string;
  /** Number of the bundle with which `#items` begins; bundles before it are on the disk. */
  #bundle = 0;
  #items: Uint8Array[] = [];
  #written = 0;
  /** What is on the disk is of no use, and goes when there is better. */
  #discard = false;

  /** @param folder - the items stand in its folder `registry` */
  constructor(folder: string) {
    this.#folder = folder;
  }

  source(): RegistrySource {
    return folderSource(this.#folder);
  }

  /** Notes items as read from the disk. */
  loaded(items: readonly Uint8Array[]): void {
    this.add(items);
    const full = Math.floor(this.#items.length / WIDTH);
    this.#bundle += full;
    this.#items = this.#items.slice(full * WIDTH);
    this.#written = this.#items.length;
  }

  /** Forgets what was loaded: the registry begins anew. */
  restart(): void {
    this.#bundle = 0;
    this.#items = [];
    this.#written = 0;
    this.#discard = true;
  }

  add(items: readonly Uint8Array[]): void {
    // copies: an item is a view of a whole answer
    for (const item of items) this.#items.push(item.slice());
  }

  /** Writes what was added. What could not be written is tried again at the next call. Throws what the file system does. */
  async save(): Promise<void> {
    if (this.#items.length === this.#written) return;
    if (this.#discard) await machineDisk.remove(join(this.#folder, "registry"));
    this.#discard = false;
    const full = Math.floor(this.#items.length / WIDTH);
    for (let n = full; n >= 0; n--) await this.#write(n, this.#items.slice(n * WIDTH, (n + 1) * WIDTH));
    this.#bundle += full;
    this.#items = this.#items.slice(full * WIDTH);
    this.#written = this.#items.length;
  }

  async #write(n: number, items: readonly Uint8Array[]): Promise<void> {
    if (items.length === 0) return;
    const path = join(this.#folder, registryPath(this.#bundle + n, items.length));
    await writeDurable(path, encodeEntries(items));
    const partials = join(this.#folder, dirname(registryPath(this.#bundle + n, 1)));
    if (items.length === WIDTH) await machineDisk.remove(partials);
    else await removeOthers(partials, basename(path));
  }
}

/** Narrower bundles, and what a power cut left. */
async function removeOthers(folder: string, kept: string): Promise<void> {
  for (const name of await readdir(folder)) if (name !== kept) await machineDisk.remove(join(folder, name));
}
