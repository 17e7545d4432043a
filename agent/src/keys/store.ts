/**
 * Where the device's key is: in a file, or in a token by PKCS#11. Either way it is made here and never shown.
 *
 * @module
 */
import { join } from "node:path";
import type { PublicKey, Signer } from "@tallystick/evidence";
import type { Timer } from "@tallystick/evidence/node";
import type { Settings } from "../config/config.ts";
import type { Log } from "../log.ts";
import type { KeyType } from "./token-key.ts";

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
  /** The public half of such a key. @throws EvidenceError as {@link open}, but for the mode of a file */
  print(kid?: Uint8Array): Promise<PublicKey>;
  /** Makes the device's first key; one that is there is never overwritten. @throws EvidenceError `key-file-exists`, `key-file-unreadable`, `hardware-key` */
  make(type: KeyType | undefined): Promise<PublicKey>;
  /**
   * Makes the next key beside the one that signs; who runs finds it there.
   *
   * @throws EvidenceError `key-file-exists` where a rotation is under way already; as {@link make}
   */
  makeNext(type: KeyType | undefined): Promise<PublicKey>;
  /** The next key, where one was made. @throws EvidenceError as {@link open} */
  next(): Promise<DeviceKey | undefined>;
  /**
   * The next key is the device's key from here on: the old one is destroyed, where that can be done. May be called again.
   *
   * @throws EvidenceError `key-file-unreadable`, `hardware-key` where it isn't possible now
   * @returns whether it is now the key that the configuration names, and what was done, for people
   */
  settle(kid: Uint8Array): Promise<{ readonly isNamed: boolean; readonly text: string }>;
  /** Lets go of the token. */
  close(): Promise<void>;
}

/** The file that is there from when a next key was made until the rotation is through: the key itself, or of one in a token its thumbprint. */
export const nextFile = ({ key, pkcs11, data }: Pick<Settings, "key" | "pkcs11" | "data">): string =>
  pkcs11 === undefined ? `${key}.next` : join(data, "pkcs11.next");

export type KeySettings = Pick<Settings, "key" | "pkcs11" | "iss" | "data">;

/** The store that the configuration names; what it needs is loaded then. */
export async function openKeyStore(
  { key, pkcs11, iss, data }: KeySettings,
  { timer, log }: { readonly timer: Timer; readonly log?: Log | undefined },
): Promise<KeyStore> {
  if (pkcs11 === undefined) return new (await import("./file-keys.ts")).FileKeys(key);
  const next = nextFile({ key, pkcs11, data });
  return new (await import("./token-keys.ts")).TokenKeys({ ...pkcs11, name: iss, next }, { timer, log });
}
