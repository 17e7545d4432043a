/**
 * What the agent can say of itself: the files that it consists of, and what it runs on. Read at each start; nothing beneath the agent vouches for it.
 *
 * @module
 */
import { createHash, hash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { release, type } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { BootEvidence } from "@tallystick/evidence";
import { VERSION } from "./version.ts";

/** The part of boot evidence that doesn't change while the agent runs. */
export type Self = Pick<BootEvidence, "machine" | "software" | "layers" | "files">;

/** Longest name or version that is passed on, characters. */
const MAX_NAME = 64;
const LEFT_OUT: ReadonlySet<string> = new Set(["node_modules", "bin"]);
const OS_RELEASE = ["/etc/os-release", "/usr/lib/os-release"];

/** @param machine - SHA-256 of the machine's id; undefined where it has none */
export function lookAtSelf(machine: Uint8Array | undefined): Self {
  const os = operatingSystem();
  return {
    ...(machine === undefined ? {} : { machine }),
    software: { name: "tally-agent", version: VERSION },
    layers: {
      ...(os === undefined ? {} : { os }),
      kernel: { name: short(type()), version: short(release()) },
      node: { name: "node", version: process.versions.node },
    },
    files: hashFiles(...ownFolders()),
  };
}

/**
 * The SHA-256 of what this prints: `find . \( -name node_modules -o -name bin \) -prune -o -type f -print | LC_ALL=C sort | xargs -d '\n' sha256sum`, run in `base`.
 * What is left out: the runtime, whose hundred megabytes would take seconds at each start, and what an operator installs beside the agent.
 *
 * @param folders - below `base`; all of it where none is named
 */
export function hashFiles(base: string, folders: readonly string[] = ["."]): BootEvidence["files"] {
  const names = folders
    .flatMap((folder) => filesIn(join(base, folder)))
    .map((file) => Buffer.from(`./${relative(base, file)}`))
    .toSorted((a, b) => Buffer.compare(a, b));
  const list = createHash("sha256");
  for (const name of names) {
    list
      .update(`${sumOf(join(base, name.toString()))}  `)
      .update(name)
      .update("\n");
  }
  return { count: names.length, hash: new Uint8Array(list.digest()) };
}

/** What can't be read is no reason not to start; the list then is none that anybody published. */
function sumOf(path: string): string {
  try {
    return hash("sha256", readFileSync(path));
  } catch {
    return "unreadable";
  }
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return LEFT_OUT.has(entry.name) ? [] : filesIn(path);
    return entry.isFile() ? [path] : [];
  });
}

/** Where the program lies: the folder of the bundle, or the sources of the packages that it is made of. */
function ownFolders(): Parameters<typeof hashFiles> {
  const here = import.meta.dirname;
  if (!import.meta.url.endsWith(".ts")) return [basename(here) === "chunks" ? dirname(here) : here];
  const evidence = dirname(fileURLToPath(import.meta.resolve("@tallystick/evidence")));
  const sources = dirname(here);
  const base = join(sources, "..", "..");
  return [base, [relative(base, sources), relative(base, evidence)]];
}

function operatingSystem(): { name: string; version: string } | undefined {
  for (const path of OS_RELEASE) {
    try {
      const text = readFileSync(path, "utf8");
      const value = (key: string): string =>
        new RegExp(`^${key}=["']?([^"'\n]*)`, "m").exec(text)?.[1]?.trim() ?? "";
      const name = short(value("NAME"));
      if (name !== "") return { name, version: short(value("VERSION_ID")) };
    } catch {
      // the other place, or none
    }
  }
  return undefined;
}

const short = (text: string): string => text.slice(0, MAX_NAME);
