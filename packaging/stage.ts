/**
 * The files of a package in their places, as they will stand under `/`; and the scripts that Debian runs.
 *
 * @module
 */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { buildAgent } from "../agent/build/bundle.ts";
import { buildServer, SERVERS } from "./bundle.ts";
import { nodeFolder } from "./node-binary.ts";
import { DEBIAN, debianVersion, PRODUCTS, type Architecture, type ProductName } from "./products.ts";

const HERE = import.meta.dirname;
const ROOT = join(HERE, "..");
const SCRIPTS = ["preinst", "postinst", "prerm", "postrm"] as const;

export type Target = {
  readonly product: ProductName;
  readonly architecture: Architecture;
  readonly version: string;
};

/** Fills `root`, which is new, with the files of a package. */
export async function stageFiles(target: Target, root: string): Promise<void> {
  const { product, architecture } = target;
  const { program } = PRODUCTS[product];
  const home = join(root, "usr", "lib", "tallystick", product);
  mkdirSync(dirname(home), { recursive: true });
  if (product === "agent") await stageAgent(home, architecture);
  else await buildServer(SERVERS[product], home, `linux-${architecture}`);

  const node = nodeFolder(architecture);
  mkdirSync(join(home, "bin"));
  symlinkSync(join(node, "bin", "node"), join(home, "bin", "node")); // 120 MB: copied once, into the archive
  put(join(node, "LICENSE"), join(home, "bin", "LICENSE"));
  put(join(ROOT, "LICENSE"), join(root, "usr", "share", "doc", program, "copyright"));
  put(
    join(ROOT, product, `${product}.example.yaml`),
    join(root, "usr", "share", "tallystick", `${product}.example.yaml`),
  );

  const system = join(root, "usr", "lib");
  put(join(HERE, "units", `${program}.service`), join(system, "systemd", "system", `${program}.service`));
  const fill = (name: string, place: string, mode?: number): void =>
    write(join(root, place), filled(readFileSync(join(HERE, "system", name), "utf8"), wordsOf(target)), mode);
  fill("clock.target", `usr/lib/systemd/system/${program}-clock.target`);
  fill("sysusers.conf", `usr/lib/sysusers.d/${program}.conf`);
  fill("tmpfiles.conf", `usr/lib/tmpfiles.d/${program}.conf`);
  fill("command.sh", `usr/bin/${program}`, 0o755);
}

/** Fills `folder`, which is new, with what stands in the control part of a Debian package. */
export function stageControl(target: Target, folder: string, sums: string, bytes: number): void {
  const read = (...names: readonly string[]): string => readFileSync(join(HERE, "debian", ...names), "utf8");
  const words = {
    ...wordsOf(target),
    KIB: String(Math.ceil(bytes / 1024)),
    NEXT: read(target.product, "next.txt").trimEnd(),
    PURGE: read(target.product, "purge.sh").trimEnd(),
  };
  write(join(folder, "control"), filled(read("control"), words));
  write(join(folder, "md5sums"), sums);
  for (const script of SCRIPTS) write(join(folder, script), filled(read(script), words), 0o755);
}

/** The agent's build with the native code of one machine, for glibc as Node itself is. */
async function stageAgent(home: string, architecture: Architecture): Promise<void> {
  await buildAgent(home);
  const prebuilds = join(home, "prebuilds");
  for (const system of readdirSync(prebuilds)) {
    if (system !== `linux-${architecture}`) rmSync(join(prebuilds, system), { recursive: true });
    else
      for (const file of readdirSync(join(prebuilds, system)))
        if (!file.endsWith(".glibc.node")) rmSync(join(prebuilds, system, file));
  }
}

type Words = Readonly<Record<string, string>>;

function wordsOf({ product, architecture, version }: Target): Words {
  const { program, summary, groups } = PRODUCTS[product];
  return {
    PROGRAM: program,
    PART: product,
    DATA: `/var/lib/tallystick/${product}`,
    STATE_MODE: unitSays(program, "StateDirectoryMode"),
    UMASK: unitSays(program, "UMask"),
    MEMBER: groups.map((group) => `m ${program} ${group}`).join("\n"),
    SUMMARY: summary,
    VERSION: debianVersion(version),
    ARCHITECTURE: DEBIAN[architecture],
  };
}

/** A setting of the unit, so that what is made beside the service is made alike. */
function unitSays(program: string, setting: string): string {
  const unit = readFileSync(join(HERE, "units", `${program}.service`), "utf8");
  const [, said] = new RegExp(`^${setting}=(\\d+)$`, "m").exec(unit) ?? [];
  if (said === undefined) throw new Error(`${program}.service has no ${setting}`);
  return said;
}

/** Puts words in the places of `@WORD@`; words may hold further ones. @throws Error for one that there isn't */
function filled(text: string, words: Words): string {
  const once = text.replaceAll(/@([A-Z_]+)@/g, (_, name: string) => {
    const word = words[name];
    if (word === undefined) throw new Error(`nothing stands for @${name}@`);
    return word;
  });
  return once === text ? text : filled(once, words);
}

function put(from: string, to: string, mode = 0o644): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, mode);
}

function write(file: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
}
