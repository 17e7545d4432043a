/**
 * Makes the manifest of a folder that a verb wrote: a `result.json`, and beside it what belongs to it.
 *
 * @module
 */
import { join } from "node:path";
import { fromHex, HASH_BYTES } from "@tallystick/evidence";
import { UsageError, type Progress } from "@tallystick/evidence/node";
import { readResult } from "../result-read.ts";
import type { Result } from "../result.ts";
import { hashFiles, listFolder } from "./folder.ts";
import { isPaperName, type Manifest, type PaperFile } from "./manifest.ts";
import { TOOL, toolHash } from "./tool.ts";

/**
 * @throws EvidenceError `unreachable`, `too-large`, `result-malformed`
 * @throws UsageError for a file that can't be signed, and for a result of another version of the tool: whose code would be vouched for?
 */
export async function papersOf(folder: string, progress: Progress): Promise<Manifest> {
  const { result } = await readResult(join(folder, "result.json"));
  if (result.tool.version !== TOOL.version)
    throw new UsageError(
      `${folder}: made by ${result.tool.name} ${JSON.stringify(result.tool.version.slice(0, 40))}, and this is ${TOOL.version}: make the result again with it`,
    );
  const { names, others } = await listFolder(folder);
  const odd = [...others, ...names.filter((name) => !isPaperName(name))][0];
  if (odd !== undefined)
    throw new UsageError(
      `${folder}: ${JSON.stringify(odd.slice(0, 80))} can't be signed: only files named with letters, digits, ".", "_" and "-"`,
    );
  return manifestOf(result, await hashFiles(folder, names, progress), toolHash());
}

/** What the result says, and the files around it. */
export const manifestOf = (result: Result, files: readonly PaperFile[], hash: Uint8Array): Manifest => ({
  kind: result.kind,
  verdict: result.verdict,
  tool: { name: result.tool.name, version: result.tool.version, hash },
  log: { origin: result.log.origin, size: result.log.size, root: rootOf(result.log.root) },
  inputs: result.inputs.map(({ role, name, sha256, bytes }) => ({
    role,
    name,
    bytes,
    hash: fromHex(sha256),
  })),
  files,
});

/** Null where there is none: evidence that named no tree. */
const rootOf = (root: string): Uint8Array | null =>
  new RegExp(`^[0-9a-f]{${2 * HASH_BYTES}}$`).test(root) ? fromHex(root) : null;
