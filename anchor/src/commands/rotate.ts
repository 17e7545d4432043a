/**
 * `tally-anchor rotate`: a device's own word for its next key becomes an item of the registry.
 *
 * @module
 */
import { existsSync, readdirSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { EvidenceError, LIMITS, parseStatement, type Statement } from "@tallystick/evidence";
import { EXIT, loadSigner, nodeSha256, UsageError, type Command } from "@tallystick/evidence/node";
import { placesOf } from "../config.ts";
import { isRotationFile } from "../registry/rotations.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, text } from "./config-option.ts";
import { bring, sealCounting, SUBMIT_DETAILS, SUBMIT_OPTIONS } from "./submit.ts";

export const rotate: Command = {
  summary: "Let devices change their keys: their key-rotated statements in, registry items out",
  usage: `[FILE…] [--operator KEYFILE] [--registry DIR] [-o FILE] [--wait] [--json] ${CONFIG_USAGE}`,
  details: `  FILE…           key-rotated statements, each signed by its device's present key (default: those that wait in the data folder's requests)
  --operator FILE the operator's key (default: the configuration's)
${SUBMIT_DETAILS}
${CONFIG_DETAILS}
The old key counts up to the heads that the statement names, whenever they arrive. An anchor with registry.rotate auto, the default where it has the operator's key, does this by itself.`,
  takes: Infinity,
  options: { ...CONFIG_OPTIONS, ...SUBMIT_OPTIONS },
  async run(given) {
    const { values, positionals } = given;
    const places = placesOf(configOf(given));
    const files = positionals.length > 0 ? positionals : waiting(places.requests);
    if (files.length === 0) {
      process.stderr.write(`${places.requests}: no device asks for another key\n`);
      return EXIT.good;
    }
    if (files.length > 1 && text(values, "out") !== undefined)
      throw new UsageError("-o takes one statement: name one FILE");
    const signer = loadSigner(text(values, "operator") ?? places.operatorKey);
    for (const file of files) {
      const { bytes, claims } = await readRotation(file);
      const item = { kind: "rotate", statement: bytes } as const;
      await bring(
        values,
        places,
        (registry) => sealCounting(item, registry, signer),
        `rotates the key of ${claims.iss}`,
      );
    }
    return EXIT.good;
  },
};

const waiting = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter(isRotationFile)
        .toSorted()
        .map((name) => join(folder, name))
    : [];

/** @throws EvidenceError `too-large`, `registry-malformed`, or what the statement is refused with */
async function readRotation(file: string): Promise<Statement> {
  const { size } = await stat(file);
  if (size > LIMITS.maxStatementBytes)
    throw new EvidenceError("too-large", `${file}: too large for a statement`);
  const statement = parseStatement(new Uint8Array(await readFile(file)), nodeSha256);
  if (statement.event?.kind !== "key-rotated")
    throw new EvidenceError("registry-malformed", `${file}: not a key-rotated statement`);
  return statement;
}
