/**
 * Finds a Python that has what the interop scripts need, for the tests that run them.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";

/** Debian package that brings the rarest of the modules; `TALLYSTICK_REQUIRE` names it to make its absence a failure. */
const PACKAGE = "python3-cbor2";

/**
 * The first python3 on the PATH that can import cbor2 and cryptography. Absence is printed with its reason.
 *
 * @throws Error if there is none and `TALLYSTICK_REQUIRE` names `python3-cbor2` (or says `all`)
 */
export function findPython(): string | undefined {
  const candidates = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "python3"));
  const found = candidates.find(
    (path) => existsSync(path) && spawnSync(path, ["-c", "import cbor2, cryptography"]).status === 0,
  );
  if (found !== undefined) return found;
  const required = (process.env["TALLYSTICK_REQUIRE"] ?? "").split(",");
  const reason = "no python3 with cbor2 and cryptography on this machine";
  if (required.includes(PACKAGE) || required.includes("all")) throw new Error(`required, but ${reason}`);
  console.warn(`skipped: ${reason}`);
  return undefined;
}
