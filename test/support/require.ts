/**
 * Says which outside things a test can use here: test data beside the project, system packages.
 * `TALLYSTICK_REQUIRE=shared,socat` turns the absence of a named one into a failure.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";

const SHARED = join(import.meta.dirname, "..", "..", "..", "shared");

const onPath = (program: string): boolean =>
  (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));

/**
 * Tells whether `name` is here: `shared` is the folder of public test data, anything else a program on the PATH.
 * Absence is printed with its reason, so that a skipped test never passes in silence.
 *
 * @throws Error if it is absent and `TALLYSTICK_REQUIRE` names it (or says `all`)
 */
export function need(name: string): boolean {
  const here = name === "shared" ? existsSync(SHARED) : onPath(name);
  if (here) return true;
  const required = (process.env["TALLYSTICK_REQUIRE"] ?? "").split(",");
  const reason = name === "shared" ? "no ../shared beside the project" : `no ${name} on this machine`;
  if (required.includes(name) || required.includes("all")) throw new Error(`required, but ${reason}`);
  console.warn(`skipped: ${reason}`);
  return false;
}
