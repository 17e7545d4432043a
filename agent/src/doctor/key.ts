/**
 * The device's key: there, of the right kind, and nobody else's to read.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { toHex } from "@tallystick/evidence";
import { fail, loadSigner, ok, type Finding } from "@tallystick/evidence/node";
import type { Patient } from "./patient.ts";

export function keyFindings({ settings: { key } }: Patient): readonly Finding[] {
  if (!existsSync(key))
    return [
      fail(
        "key",
        `${key}: there is no key`,
        `tally-agent enrol INVITE makes one; by hand: tally-agent key make --key ${key}`,
      ),
    ];
  const signer = loadSigner(key); // says what is wrong with it
  return [ok("key", `in a file that only its owner reads, kid ${toHex(signer.key.kid)}`)];
}
