/**
 * The auditors that a command was told to trust, the key that one signs with, and when.
 *
 * @module
 */
import { decodeUtf8, isEvidenceError } from "@tallystick/evidence";
import { readBounded, required, UsageError, type Arguments } from "@tallystick/evidence/node";
import { parseInstant } from "../bundle/period.ts";
import type { Claims } from "../papers/signature.ts";
import { parseAuditor, type Auditor } from "../signed.ts";

const MAX_VKEY_FILE_BYTES = 4096;

/**
 * `--auditor`, each a verifier key or a file that holds one.
 *
 * @throws UsageError for what is neither
 */
export async function readAuditors(values: Arguments["values"]): Promise<readonly Auditor[]> {
  const given = values["auditor"];
  const texts = (Array.isArray(given) ? given : []).map(String);
  return Promise.all(
    texts.map(async (text) => {
      try {
        return parseAuditor(text.includes("+") ? text : await lineOf(text));
      } catch (error) {
        if (!isEvidenceError(error)) throw error;
        throw new UsageError(
          `--auditor ${text}: ${error.message}: give NAME+ID+KEY, or a file that holds it`,
        );
      }
    }),
  );
}

async function lineOf(file: string): Promise<string> {
  const bytes = await readBounded(file, MAX_VKEY_FILE_BYTES, file);
  if (bytes === undefined) throw new UsageError(`--auditor ${file}: no such file`);
  return decodeUtf8(bytes).trim();
}

/** Who signs, what for, and when: by the clock unless `--at` says it. @throws UsageError */
export function readClaims(values: Arguments["values"], role: string): Claims {
  const at = values["at"];
  const atUnixS = typeof at === "string" ? parseInstant(at) : Math.floor(Date.now() / 1000);
  if (atUnixS === undefined || atUnixS < 0)
    throw new UsageError(`--at ${String(at)}: give a time as 2026-11-01T00:00:00Z`);
  const given = values["role"];
  return { name: required(values, "name"), role: typeof given === "string" ? given : role, atUnixS };
}
