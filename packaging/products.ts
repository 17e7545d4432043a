/**
 * What can be packed: the programs, for which machines, and what is said of them.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");

export const PRODUCTS = {
  agent: {
    program: "tally-agent",
    summary: "signs what this gateway's sources say, and keeps it until there is a receipt",
    architectures: ["x64", "arm64"],
    // serial lines
    groups: ["tallystick", "dialout"],
  },
  anchor: {
    program: "tally-anchor",
    summary: "a public ledger of hashes that gives each signed statement a receipt",
    architectures: ["x64"],
    groups: ["tallystick"],
  },
  broker: {
    program: "tally-broker",
    summary: "carries signed statements and receipts, and checks who may write where",
    architectures: ["x64"],
    groups: ["tallystick"],
  },
} as const satisfies Readonly<Record<string, Product>>;

type Product = {
  /** Name of the command, the package, the service and its user. */
  readonly program: string;
  readonly summary: string;
  readonly architectures: readonly Architecture[];
  /** That its user belongs to. */
  readonly groups: readonly string[];
};
/** As Node names them. */
export type Architecture = "x64" | "arm64";
export type ProductName = keyof typeof PRODUCTS;

/** As Debian names them. */
export const DEBIAN: Readonly<Record<Architecture, string>> = { x64: "amd64", arm64: "arm64" };

export const isProduct = (name: string): name is ProductName => Object.hasOwn(PRODUCTS, name);

type Manifest = { readonly version: string; readonly workspaces?: readonly string[] };

/**
 * The one version of all programs.
 *
 * @throws Error where a package.json says another
 */
export function versionOfAll(): string {
  const manifest = (folder: string): Manifest =>
    JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8")) as Manifest;
  const { version, workspaces = [] } = manifest(".");
  for (const folder of workspaces) {
    const own = manifest(folder).version;
    if (own !== version)
      throw new Error(`${folder}/package.json says version ${own}, the project's is ${version}`);
  }
  return version;
}

/** As Debian writes it: a release candidate is older than its release. */
export const debianVersion = (version: string): string => version.replace("-", "~");
