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

/** Whose lockfile and installed packages are looked at, and what brings a package; a test has its own. */
export type NodeSource = { readonly root: string; readonly npm: string };

type Locked = { readonly version: string; readonly integrity: string };

/**
 * The folder of the package that holds Node: `bin/node` and `LICENSE`. One that isn't installed here is fetched by npm, once.
 *
 * @throws Error where npm can't bring it, or brings something else than the lockfile says
 */
export function nodeFolder(
  architecture: Architecture,
  { root, npm }: NodeSource = { root: ROOT, npm: "npm" },
): string {
  const name = `node-linux-${architecture}`;
  const { version, integrity } = lockedPackage(root, name);
  const installed = join(root, "node_modules", name);
  if (existsSync(join(installed, "bin", "node"))) return installed;
  const cache = join(root, "node_modules", ".cache", "tallystick-node");
  const folder = join(cache, `${name}-${version}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const packed = execFileSync(npm, ["pack", "--silent", "--pack-destination", cache, `${name}@${version}`], {
    cwd: cache,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  const file = join(cache, packed.trim());
  const unpacked = join(cache, `${name}-${process.pid}`);
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

function lockedPackage(root: string, name: string): Locked {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
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
