/**
 * The device's key in a file of mode 0600; during a rotation the next one in a file beside it.
 *
 * @module
 */
import { chownSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { equalBytes, EvidenceError, toHex, type PublicKey } from "@tallystick/evidence";
import { createKeyFile, loadSigner, readPublicKeyFile, syncDirectory } from "@tallystick/evidence/node";
import { nextFile, type DeviceKey, type KeyStore } from "./store.ts";
import type { KeyType } from "./token-key.ts";

export class FileKeys implements KeyStore {
  readonly place: string;
  readonly #next: string;

  constructor(path: string) {
    this.place = path;
    this.#next = nextFile({ key: path, pkcs11: undefined, data: "" });
  }

  async open(kid?: Uint8Array): Promise<DeviceKey> {
    const path = kid === undefined ? this.place : this.#fileOf(kid);
    if (existsSync(path)) return loadSigner(path);
    throw new EvidenceError(
      "key-file-unreadable",
      `${path}: there is no key yet; run: tally-agent key make --key ${path}`,
    );
  }

  async print(kid?: Uint8Array): Promise<PublicKey> {
    return readPublicKeyFile(kid === undefined ? this.place : this.#fileOf(kid));
  }

  async make(type: KeyType | undefined): Promise<PublicKey> {
    onlyEd25519(type);
    mkdirSync(dirname(this.place), { recursive: true, mode: 0o750 });
    return createKeyFile(this.place);
  }

  async makeNext(type: KeyType | undefined): Promise<PublicKey> {
    onlyEd25519(type);
    readPublicKeyFile(this.place);
    if (existsSync(this.#next)) {
      throw new EvidenceError(
        "key-file-exists",
        `${this.#next}: a rotation is under way already: see tally-agent status; where no agent took it up yet, removing this file ends it`,
      );
    }
    // Whole or not at all, since an agent may be looking; and the agent's, whoever makes it.
    const beside = `${this.#next}.new`;
    rmSync(beside, { force: true });
    const key = createKeyFile(beside);
    const { uid, gid } = statSync(this.place);
    if (process.getuid?.() === 0) chownSync(beside, uid, gid);
    renameSync(beside, this.#next);
    await syncDirectory(dirname(this.place));
    return key;
  }

  async next(): Promise<DeviceKey | undefined> {
    return existsSync(this.#next) ? loadSigner(this.#next) : undefined;
  }

  async settle(kid: Uint8Array): Promise<{ isNamed: true; text: string }> {
    const path = this.#fileOf(kid);
    try {
      // Taking its place destroys the old key, in one step.
      if (path === this.#next) renameSync(this.#next, this.place);
      await syncDirectory(dirname(this.place));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const advice = `move ${this.#next} over it by hand`;
      throw new EvidenceError(
        "key-file-unreadable",
        `${this.place}: can't be replaced: ${reason}; ${advice}`,
        {},
        cause,
      );
    }
    return { isNamed: true, text: `${this.place} is the new key, the old one is gone` };
  }

  async close(): Promise<void> {}

  #fileOf(kid: Uint8Array): string {
    const path = [this.place, this.#next].find((one) => holds(one, kid));
    if (path !== undefined) return path;
    throw new EvidenceError(
      "key-file-unreadable",
      `${this.place}: the key with which this device signs since its rotation, ${toHex(kid)}, is neither there nor in ${this.#next}: put it back, or have the device re-enrolled`,
    );
  }
}

const holds = (path: string, kid: Uint8Array): boolean =>
  existsSync(path) && equalBytes(readPublicKeyFile(path).kid, kid);

function onlyEd25519(type: KeyType | undefined): void {
  if (type !== "p256") return;
  throw new EvidenceError("key-file-unreadable", "a key in a file is Ed25519; P-256 is for keys in hardware");
}
