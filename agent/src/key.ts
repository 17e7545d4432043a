/**
 * `tally-agent key`: makes the device's key, and prints its public half for whoever enrols it.
 *
 * @module
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { toHex, type PublicKey } from "@tallystick/evidence";
import {
  createKeyFile,
  publicKeyPem,
  readPublicKeyFile,
  UsageError,
  type Arguments,
} from "@tallystick/evidence/node";

/** Makes a key where there is none, and prints its public half. */
export async function makeKey(given: Arguments): Promise<void> {
  const path = await keyPath(given);
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  print(path, createKeyFile(path), given);
}

/** Prints the public half of the key that is there. */
export async function printKey(given: Arguments): Promise<void> {
  const path = await keyPath(given);
  print(path, readPublicKeyFile(path), given);
}

/** The file that `--key` names, else the configuration's; the configuration is read only then, as a new device has none yet. */
async function keyPath({ values, positionals }: Arguments): Promise<string> {
  if (positionals.length > 0) throw new UsageError(`${positionals[0]}: use key make or key print`);
  if (typeof values["key"] === "string") return values["key"];
  const { configPath, readSettings } = await import("./config.ts");
  return readSettings(configPath(values["config"], process.env), process.env).key;
}

function print(path: string, key: PublicKey, { values }: Arguments): void {
  const [kid, pem] = [toHex(key.kid), publicKeyPem(key)];
  process.stdout.write(
    values["json"] === true ? `${JSON.stringify({ path, kid, pem })}\n` : `kid ${kid}\n${pem}`,
  );
}
