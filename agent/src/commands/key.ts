/**
 * `tally-agent key`: makes the device's key, and prints its public half for whoever enrols it.
 *
 * @module
 */
import process from "node:process";
import { toHex, type PublicKey } from "@tallystick/evidence";
import { publicKeyPem, systemTimer, UsageError, type Arguments } from "@tallystick/evidence/node";
import { FileKeys } from "../keys/file-keys.ts";
import { openKeyStore, type KeyStore } from "../keys/store.ts";
import type { KeyType } from "../keys/token-key.ts";
import { recordedKid } from "../seal/signing-key.ts";

/** Makes a key where there is none, and prints its public half. */
export async function makeKey(given: Arguments): Promise<void> {
  const type = keyType(given.values["type"]);
  await withStore(given, async (store) => print(store, await store.make(type), given));
}

/** Prints the public half of the key that signs. */
export async function printKey(given: Arguments): Promise<void> {
  await withStore(given, async (store, signing) => print(store, await store.print(signing), given));
}

/** Makes the next key, which the agent finds beside the one that signs. */
export async function rotateKey(given: Arguments): Promise<void> {
  const type = keyType(given.values["type"]);
  await withStore(given, async (store) => {
    print(store, await store.makeNext(type), given);
    process.stderr.write(
      "An agent that runs takes this key up within seconds, a stopped one at its next start; the log takes it in at once, or when an operator runs tally-anchor rotate. See: tally-agent status\n",
    );
  });
}

/** The file that `--key` names, else what the configuration says; the configuration is read only then, as a new device has none yet. */
async function withStore(
  { values }: Arguments,
  use: (store: KeyStore, signing: Uint8Array | undefined) => Promise<void>,
): Promise<void> {
  if (typeof values["key"] === "string") return use(new FileKeys(values["key"]), undefined);
  const { configPath, readSettings } = await import("../config/config.ts");
  const settings = readSettings(configPath(values["config"], process.env), process.env);
  const store = await openKeyStore(settings, { timer: systemTimer });
  try {
    await use(store, recordedKid(settings.data, store.place));
  } finally {
    await store.close();
  }
}

function keyType(given: unknown): KeyType | undefined {
  if (given === undefined || given === "p256" || given === "ed25519") return given;
  throw new UsageError("--type is p256 or ed25519");
}

function print({ place }: KeyStore, key: PublicKey, { values }: Arguments): void {
  const [kid, pem] = [toHex(key.kid), publicKeyPem(key)];
  process.stdout.write(
    values["json"] === true ? `${JSON.stringify({ path: place, kid, pem })}\n` : `kid ${kid}\n${pem}`,
  );
}
