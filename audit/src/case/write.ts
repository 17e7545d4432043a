/**
 * Writes a case beside its place, in `CASE.partial`, and renames it when its manifest stands: what has the name of a case is a whole one.
 *
 * @module
 */
import { createHash, type Hash as NodeHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { encodeCbor, EvidenceError } from "@tallystick/evidence";
import { syncDirectory, writeDurable } from "@tallystick/evidence/node";
import { numberedPath } from "./folder.ts";
import { encodeManifest, type CaseManifest } from "./manifest.ts";
import { MAX_FILE_BYTES } from "./sequence.ts";
import { encodeSums, SUMS_FILE, type Sum } from "./sums.ts";

type Kind = "registry" | "statements" | "consistency";

/** Bytes collected before they are written. */
const PIECE_BYTES = 1 << 20;

export class CaseWriter {
  readonly #place: string;
  readonly #sums: Sum[] = [];
  readonly #kinds: Record<Kind, Numbered>;
  #done = false;

  private constructor(place: string) {
    this.#place = place;
    const numbered = (kind: Kind): Numbered => new Numbered(this.partial, kind, this.#sums);
    this.#kinds = {
      registry: numbered("registry"),
      statements: numbered("statements"),
      consistency: numbered("consistency"),
    };
  }

  /**
   * Begins a case; what is left of one that broke off goes.
   *
   * @throws EvidenceError `storage-exists` where something is at its place
   */
  static async create(place: string): Promise<CaseWriter> {
    const writer = new CaseWriter(resolve(place));
    if (existsSync(writer.#place))
      throw new EvidenceError("storage-exists", `${place} is there already: a case is never changed`);
    await rm(writer.partial, { recursive: true, force: true });
    for (const kind of ["registry", "statements", "consistency"])
      await mkdir(join(writer.partial, kind), { recursive: true });
    return writer;
  }

  /** Where it is built. */
  get partial(): string {
    return `${this.#place}.partial`;
  }

  /** The next registry item, as a transparent statement. */
  registry(transparent: Uint8Array): Promise<void> {
    return this.#kinds.registry.add(transparent);
  }

  /** The next transparent statement by (iss, sub), chain and number. */
  statement(transparent: Uint8Array): Promise<void> {
    return this.#kinds.statements.add(transparent);
  }

  /** That the tree of `from` entries grew into the checkpoint; by rising sizes. */
  consistency(from: number, path: readonly Uint8Array[]): Promise<void> {
    return this.#kinds.consistency.add(encodeCbor([from, path]));
  }

  /** Ends the files, writes the manifest and the sums, and gives the case its name. */
  async finish(manifest: CaseManifest, checkpoint: Uint8Array, policy: Uint8Array): Promise<void> {
    await this.seal(manifest, checkpoint, policy);
    await this.name();
  }

  /** Everything but the name: what is in `partial` can be opened as a case. */
  async seal(manifest: CaseManifest, checkpoint: Uint8Array, policy: Uint8Array): Promise<void> {
    for (const numbered of Object.values(this.#kinds)) await numbered.end();
    await this.#file("checkpoint", checkpoint);
    await this.#file("policy.txt", policy);
    await this.#file("case.json", encodeManifest(manifest));
    await writeDurable(join(this.partial, SUMS_FILE), encodeSums(this.#sums));
  }

  /** Gives a sealed case its name. */
  async name(): Promise<void> {
    await rename(this.partial, this.#place);
    await syncDirectory(dirname(this.#place));
    this.#done = true;
  }

  /** Takes away what is there unless it has its name. */
  async discard(): Promise<void> {
    if (this.#done) return;
    for (const numbered of Object.values(this.#kinds)) await numbered.close();
    await rm(this.partial, { recursive: true, force: true });
  }

  async #file(path: string, bytes: Uint8Array): Promise<void> {
    await writeDurable(join(this.partial, path), bytes);
    this.#sums.push({ path, sha256: createHash("sha256").update(bytes).digest("hex") });
  }
}

/** Files of one kind, numbered from 0 on, each below 64 MiB. */
class Numbered {
  readonly #folder: string;
  readonly #kind: Kind;
  readonly #sums: Sum[];
  #number = 0;
  #open: { readonly handle: FileHandle; readonly hash: NodeHash; readonly path: string } | undefined;
  #bytes = 0;
  #piece: Uint8Array[] = [];
  #pieceBytes = 0;

  constructor(folder: string, kind: Kind, sums: Sum[]) {
    this.#folder = folder;
    this.#kind = kind;
    this.#sums = sums;
  }

  async add(item: Uint8Array): Promise<void> {
    if (this.#bytes + item.length >= MAX_FILE_BYTES) await this.end();
    this.#piece.push(item);
    this.#pieceBytes += item.length;
    this.#bytes += item.length;
    if (this.#pieceBytes >= PIECE_BYTES) await this.#write();
  }

  async end(): Promise<void> {
    if (this.#bytes === 0) return;
    await this.#write();
    const file = this.#open;
    if (file === undefined) return;
    await file.handle.sync();
    await file.handle.close();
    this.#sums.push({ path: file.path, sha256: file.hash.digest("hex") });
    this.#open = undefined;
    this.#number++;
    this.#bytes = 0;
  }

  async close(): Promise<void> {
    await this.#open?.handle.close();
    this.#open = undefined;
  }

  async #write(): Promise<void> {
    const bytes = Buffer.concat(this.#piece);
    this.#piece = [];
    this.#pieceBytes = 0;
    const path = numberedPath(this.#kind, this.#number);
    this.#open ??= {
      handle: await open(join(this.#folder, path), "wx"),
      hash: createHash("sha256"),
      path,
    };
    this.#open.hash.update(bytes);
    await this.#open.handle.writeFile(bytes);
  }
}
