/**
 * Node for the machine that a package is for: the very file that npm brings, of the version and with the hash that the lockfile has.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Architecture } from "./products.ts";

const ROOT = join(import.meta.dirname, "..");
const CACHE = join(ROOT, "node_modules", ".cache", "tallystick-node");

type Locked = { readonly version: string; readonly integrity: string };

/**
 * The folder of the package that holds Node: `bin/node` and `LICENSE`. One that isn't installed here is fetched by npm, once.
 *
 * @throws Error where npm can't bring it, or brings something else than the lockfile says
 */
export function nodeFolder(architecture: Architecture): string {
  const name = `node-linux-${architecture}`;
  const { version, integrity } = lockedPackage(name);
  const installed = join(ROOT, "node_modules", name);
  if (existsSync(join(installed, "bin", "node"))) return installed;
  const folder = join(CACHE, `${name}-${version}`);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  const packed = execFileSync(
    "npm",
    ["pack", "--silent", "--pack-destination", CACHE, `${name}@${version}`],
    { cwd: CACHE, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  );
  const file = join(CACHE, packed.trim());
  const unpacked = join(CACHE, `${name}-${process.pid}`);
  try {
    checkIntegrity(file, integrity);
    mkdirSync(unpacked);
    execFileSync("tar", ["-xf", file, "-C", unpacked, "package/bin/node", "package/LICENSE"]);
    renameSync(join(unpacked, "package"), folder);
  } finally {
    rmSync(file, { force: true });
    rmSync(unpacked, { recursive: true, force: true });
  }
  return folder;
}

function lockedPackage(name: string): Locked {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, Locked | undefined>>;
  };
  const locked = lock.packages[`node_modules/${name}`];
  if (locked === undefined) throw new Error(`package-lock.json has no ${name}`);
  return locked;
}

function checkIntegrity(file: string, integrity: string): void {
  const found = `sha512-${hash("sha512", readFileSync(file), "base64")}`;
  if (found !== integrity)
    throw new Error(`${file}: its hash is ${found}, the lockfile says ${integrity}; it was not used`);
}
