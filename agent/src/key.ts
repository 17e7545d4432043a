/**
 * `tally-agent key`: makes the device's key, and prints its public half for whoever enrols it.
 *
 * @module
 */
import process from "node:process";
import { toHex, type PublicKey } from "@tallystick/evidence";
import { publicKeyPem, systemTimer, UsageError, type Arguments } from "@tallystick/evidence/node";
import { FileKeys } from "./keys/file-keys.ts";
import { openKeyStore, type KeyStore } from "./keys/store.ts";
import type { KeyType } from "./keys/token.ts";

/** Makes a key where there is none, and prints its public half. */
export async function makeKey(given: Arguments): Promise<void> {
  const type = keyType(given.values["type"]);
  await withStore(given, async (store) => print(store, await store.make(type), given));
}

/** Prints the public half of the key that is there. */
export async function printKey(given: Arguments): Promise<void> {
  await withStore(given, async (store) => print(store, await store.print(), given));
}

/** The file that `--key` names, else what the configuration says; the configuration is read only then, as a new device has none yet. */
async function withStore(
  { values, positionals }: Arguments,
  use: (store: KeyStore) => Promise<void>,
): Promise<void> {
  if (positionals.length > 0) throw new UsageError(`${positionals[0]}: use key make or key print`);
  const store = await storeOf(values);
  try {
    await use(store);
  } finally {
    await store.close();
  }
}

async function storeOf(values: Arguments["values"]): Promise<KeyStore> {
  if (typeof values["key"] === "string") return new FileKeys(values["key"]);
  const { configPath, readSettings } = await import("./config.ts");
  const settings = readSettings(configPath(values["config"], process.env), process.env);
  return openKeyStore(settings, { timer: systemTimer });
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
