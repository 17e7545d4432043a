/**
 * Where the device's key is: in a file, or in a token by PKCS#11. Either way it is made here and never shown.
 *
 * @module
 */
import type { PublicKey, Signer } from "@tallystick/evidence";
import type { Timer } from "@tallystick/evidence/node";
import type { Settings } from "../config.ts";
import type { Log } from "../log.ts";
import type { KeyType } from "./token.ts";

/** A key that can sign. */
export type DeviceKey = Signer & {
  /** Model of the token that holds it, where the token says that it never gave it out and never will. */
  readonly token?: string;
};

export interface KeyStore {
  /** Where its keys are, for people: a path, or the token and label. */
  readonly place: string;
  /**
   * The device's key: the one that the configuration names, or the one of this thumbprint.
   *
   * @throws EvidenceError `key-file-unreadable`, `key-file-mode`, `hardware-key`
   */
  open(kid?: Uint8Array): Promise<DeviceKey>;
  /** The public half of the key that the configuration names. @throws EvidenceError as {@link open}, but for the mode of a file */
  print(): Promise<PublicKey>;
  /** Makes the device's first key; one that is there is never overwritten. @throws EvidenceError `key-file-exists`, `key-file-unreadable`, `hardware-key` */
  make(type: KeyType | undefined): Promise<PublicKey>;
  /** Lets go of the token. */
  close(): Promise<void>;
}

export type KeySettings = Pick<Settings, "key" | "pkcs11" | "iss">;

/** The store that the configuration names; what it needs is loaded then. */
export async function openKeyStore(
  { key, pkcs11, iss }: KeySettings,
  { timer, log }: { readonly timer: Timer; readonly log?: Log | undefined },
): Promise<KeyStore> {
  if (pkcs11 === undefined) return new (await import("./file-keys.ts")).FileKeys(key);
  return new (await import("./token-keys.ts")).TokenKeys({ ...pkcs11, name: iss }, { timer, log });
}
