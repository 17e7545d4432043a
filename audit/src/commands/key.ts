/**
 * `tally-audit key make` and `key print`: the auditor's own key, for certificates and working papers.
 *
 * @module
 */
import process from "node:process";
import { formatVkey, isKeyName, toHex, type PublicKey } from "@tallystick/evidence";
import {
  createKeyFile,
  readPublicKeyFile,
  required,
  UsageError,
  type Arguments,
  type Command,
} from "@tallystick/evidence/node";

const OPTIONS = { key: { type: "string" }, name: { type: "string" }, json: { type: "boolean" } } as const;
const DETAILS = [
  "--key FILE    PKCS#8 PEM, Ed25519, mode 0600; openssl reads it",
  "--name NAME   whose key it is, e.g. audit.example/anna: no spaces, no plus",
  "--json        one JSON object: kid, vkey",
].join("\n");

export const keyMake: Command = {
  summary: "makes an auditor's key; an existing one is never overwritten",
  usage: "--key FILE --name NAME [--json]",
  details: `${DETAILS}\n\nPrints the verifier key: what others give to --auditor.`,
  options: OPTIONS,
  run({ values }) {
    const name = nameOf(values);
    print(values, name, createKeyFile(required(values, "key")));
    return Promise.resolve();
  },
};

export const keyPrint: Command = {
  summary: "prints the verifier key of an auditor's key",
  usage: "--key FILE --name NAME [--json]",
  details: DETAILS,
  options: OPTIONS,
  run({ values }) {
    const name = nameOf(values);
    print(values, name, readPublicKeyFile(required(values, "key")));
    return Promise.resolve();
  },
};

function nameOf(values: Arguments["values"]): string {
  const name = required(values, "name");
  if (!isKeyName(name)) throw new UsageError(`--name ${name}: a name has no spaces and no plus`);
  return name;
}

function print(values: Arguments["values"], name: string, key: PublicKey): void {
  const vkey = formatVkey(name, key);
  process.stdout.write(
    values["json"] === true ? `${JSON.stringify({ kid: toHex(key.kid), vkey })}\n` : `${vkey}\n`,
  );
}
