/**
 * The licences of the libraries in a bundle: whoever gets the bundle gets them too.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import type { OutputChunk } from "rolldown";

const MODULES = join(import.meta.dirname, "..", "..", "node_modules");

/**
 * The licences of whatever libraries went in, by name.
 *
 * @param more - folders of libraries that went in as they are
 */
export function licences(chunks: readonly OutputChunk[], more: readonly string[]): string {
  const folders = new Set(
    chunks.flatMap(({ modules }) => Object.keys(modules)).flatMap((id) => packageOf(id) ?? []),
  );
  for (const folder of more) folders.add(folder);
  const named = Array.from(folders, (folder) => [relative(MODULES, folder), folder] as const);
  return named
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, folder]) => `${name}\n\n${licenceIn(folder)}\n`)
    .join(`\n${"-".repeat(80)}\n\n`);
}

/** The folder of the library that a module belongs to; undefined for our own. */
function packageOf(id: string): string | undefined {
  const marker = `${sep}node_modules${sep}`;
  const at = id.lastIndexOf(marker);
  if (at === -1) return undefined;
  const [scope = "", name = ""] = id.slice(at + marker.length).split(sep);
  return id.slice(0, at) + marker + (scope.startsWith("@") ? join(scope, name) : scope);
}

function licenceIn(folder: string): string {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  if (file !== undefined) return readFileSync(join(folder, file), "utf8").trim();
  const manifest = join(folder, "package.json");
  const { license } = existsSync(manifest)
    ? (JSON.parse(readFileSync(manifest, "utf8")) as { license?: string })
    : {};
  return `Licence: ${license ?? "not stated"}`;
}
