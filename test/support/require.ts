/**
 * Says which outside things a test can use here: test data beside the project, system packages.
 * `TALLYSTICK_REQUIRE=shared,socat` turns the absence of a named one into a failure.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import process from "node:process";

const SHARED = join(import.meta.dirname, "..", "..", "..", "shared");

const onPath = (program: string): boolean =>
  (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));

/** pkcs11js is installed by hand, as on a gateway: `.ci/pkcs11js FOLDER`, and `NODE_PATH`. */
function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

type Thing = { readonly isHere: () => boolean; readonly absent: string };
const OTHER: Readonly<Record<string, Thing>> = {
  shared: { isHere: () => existsSync(SHARED), absent: "no ../shared beside the project" },
  pkcs11js: { isHere: () => isInstalled("pkcs11js"), absent: "no pkcs11js; see .ci/pkcs11js" },
  machine: {
    isHere: () => process.arch === "x64" && process.getuid?.() === 0 && onPath("debootstrap"),
    absent: "no machine of its own can be started: that takes root, x64 and debootstrap",
  },
};

/**
 * Tells whether `name` is here: `shared` is the folder of public test data, `pkcs11js` that package, `machine` what
 * test/support/machine.ts needs, anything else a program on the PATH.
 * Absence is printed with its reason, so that a skipped test never passes in silence.
 *
 * @throws Error if it is absent and `TALLYSTICK_REQUIRE` names it (or says `all`)
 */
export function need(name: string): boolean {
  const { isHere, absent: reason } = OTHER[name] ?? {
    isHere: () => onPath(name),
    absent: `no ${name} on this machine`,
  };
  if (isHere()) return true;
  const required = (process.env["TALLYSTICK_REQUIRE"] ?? "").split(",");
  if (required.includes(name) || required.includes("all")) throw new Error(`required, but ${reason}`);
  console.warn(`skipped: ${reason}`);
  return false;
}
