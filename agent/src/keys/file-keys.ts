/**
 * The device's key in a file of mode 0600.
 *
 * @module
 */
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { EvidenceError, type PublicKey } from "@tallystick/evidence";
import { createKeyFile, loadSigner, readPublicKeyFile } from "@tallystick/evidence/node";
import type { DeviceKey, KeyStore } from "./store.ts";
import type { KeyType } from "./token.ts";

export class FileKeys implements KeyStore {
  readonly place: string;

  constructor(path: string) {
    this.place = path;
  }

  async open(): Promise<DeviceKey> {
    if (existsSync(this.place)) return loadSigner(this.place);
    throw new EvidenceError(
      "key-file-unreadable",
      `${this.place}: there is no key yet; run: tally-agent key make --key ${this.place}`,
    );
  }

  async print(): Promise<PublicKey> {
    return readPublicKeyFile(this.place);
  }

  async make(type: KeyType | undefined): Promise<PublicKey> {
    if (type === "p256")
      throw new EvidenceError(
        "key-file-unreadable",
        "a key in a file is Ed25519; P-256 is for keys in hardware",
      );
    mkdirSync(dirname(this.place), { recursive: true, mode: 0o750 });
    return createKeyFile(this.place);
  }

  async close(): Promise<void> {}
}
