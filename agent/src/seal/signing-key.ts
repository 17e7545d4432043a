/**
 * Which key signs: the one that the configuration names, unless a rotation made it another.
 *
 * @module
 */
import { equalBytes } from "@tallystick/evidence";
import type { DeviceKey, KeyStore } from "../keys/store.ts";
import { Meta } from "../storage/meta.ts";
import { hasStorage, readStorage, type Storage } from "../storage/storage.ts";

/**
 * Opens the key that signs: the one that the database names, else the configuration's.
 *
 * @throws EvidenceError as {@link KeyStore.open}
 */
export async function openSigningKey(
  storage: Storage,
  keys: Pick<KeyStore, "place" | "open">,
): Promise<DeviceKey> {
  return keys.open(signingKid(new Meta(storage), keys.place));
}

/** The thumbprint of the key that signs, where the database knows better than the configuration. */
export function signingKid(meta: Meta, place: string): Uint8Array | undefined {
  return (
    meta.bytes("rotation-next") ?? (meta.text("token-place") === place ? meta.bytes("token-key") : undefined)
  );
}

/** As {@link signingKid}, from the database in that folder; undefined where there is none yet. @throws EvidenceError `storage-failed`, `storage-newer` */
export function recordedKid(directory: string, place: string): Uint8Array | undefined {
  if (!hasStorage(directory)) return undefined;
  const storage = readStorage(directory, { anyVersion: true });
  try {
    return signingKid(new Meta(storage), place);
  } finally {
    storage.close();
  }
}

/** The key that signs, and the one before it for as long as the log may know that one only. */
export class SigningKeys {
  #current: DeviceKey;
  #before: DeviceKey | undefined;

  constructor(current: DeviceKey) {
    this.#current = current;
  }

  get current(): DeviceKey {
    return this.#current;
  }

  /** Keys that may show at a connection who this is, the newest first. */
  get all(): readonly DeviceKey[] {
    return this.#before === undefined ? [this.#current] : [this.#current, this.#before];
  }

  /** From here on `next` signs. */
  handTo(next: DeviceKey): void {
    if (equalBytes(next.key.kid, this.#current.key.kid)) return;
    this.#before = this.#current;
    this.#current = next;
  }

  /** An earlier run handed over from this key. */
  cameFrom(before: DeviceKey | undefined): void {
    this.#before = before;
  }
}
