/**
 * The tool itself as a hash, so that working papers say which code made them: SHA-256 over lines as `sha256sum` writes them, one for each source
 * file of the auditor and of the evidence package. What npm installed beside them is fixed by the lockfile of that version.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import manifest from "../../package.json" with { type: "json" };

export const TOOL = { name: "tally-audit", version: manifest.version } as const;

/** The same on every machine that has this version. */
export function toolHash(): Uint8Array {
  const folders = [
    ["audit", join(import.meta.dirname, "..")],
    ["evidence", dirname(fileURLToPath(import.meta.resolve("@tallystick/evidence")))],
  ] as const;
  const lines = folders.flatMap(([name, folder]) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .map((file) => file.replaceAll("\\", "/"))
      .filter((file) => /\.[jt]s$/.test(file))
      .map((file) => {
        const hash = createHash("sha256")
          .update(readFileSync(join(folder, file)))
          .digest("hex");
        return `${hash}  ${name}/${file}\n`;
      }),
  );
  const sorted = lines.toSorted((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1));
  return new Uint8Array(createHash("sha256").update(sorted.join("")).digest());
}
