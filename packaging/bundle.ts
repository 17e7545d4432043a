/**
 * Broker and anchor as they are shipped: bundled like the agent (docs/decisions/0007), and beside the bundle, in `node_modules`, what can't go into it.
 * The same sources give the same bytes.
 *
 * @module
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { licences } from "../agent/build/licences.ts";

const ROOT = join(import.meta.dirname, "..");
const MODULES = join(ROOT, "node_modules");
/** What libraries need on another runtime than Node. */
const NOT_ON_NODE = new Set(["bare-assert"]);
const SHARED = join(ROOT, "evidence", "src", "node", "index.ts");

export type ServerBundle = {
  /** Name of the program, of its entry without `.js`, and of its source's folder. */
  readonly program: "tally-anchor" | "tally-broker";
  readonly source: string;
  /** Native libraries that stay as they are, with all that they need. */
  readonly beside: readonly string[];
  /** Names that its threads look for while it runs. */
  readonly named: Readonly<Record<string, string>>;
};

export const SERVERS = {
  anchor: {
    program: "tally-anchor",
    source: join(ROOT, "anchor", "src", "main.ts"),
    beside: ["sodium-native"],
    named: { "@tallystick/evidence/node": SHARED },
  },
  broker: { program: "tally-broker", source: join(ROOT, "broker", "src", "main.ts"), beside: [], named: {} },
} as const satisfies Readonly<Record<string, ServerBundle>>;

/**
 * Makes the files of a server in `folder`, which is new or empty.
 *
 * @param system - whose prebuilt native code is kept, e.g. `linux-x64`
 */
export async function buildServer(
  { program, source, beside, named }: ServerBundle,
  folder: string,
  system: string,
): Promise<void> {
  const entries = Object.entries(named).map(([name, file]) => [`node_modules/${name}`, file]);
  const bundle = await rolldown({
    cwd: ROOT,
    input: Object.fromEntries([[program, source], ...entries]) as Record<string, string>,
    platform: "node",
    external: [/^node:/, ...beside],
    transform: { define: { __dirname: "import.meta.dirname", __filename: "import.meta.filename" } },
    logLevel: "warn",
  });
  const { output } = await bundle.write({
    dir: folder,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "chunks/[name]-[hash].js",
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: false } },
  });
  await bundle.close();
  const copied = closureOf(beside);
  for (const name of copied) copyLibrary(name, folder, system);
  for (const name of Object.keys(named)) nameModule(name, folder);
  const chunks = output.filter((one) => one.type === "chunk");
  writeFileSync(
    join(folder, "LICENSES.txt"),
    licences(
      chunks,
      copied.map((name) => join(MODULES, name)),
    ),
  );
  writeFileSync(join(folder, "package.json"), `${JSON.stringify({ type: "module", private: true })}\n`);
}

type Manifest = { readonly dependencies?: Readonly<Record<string, string>> };

/** The libraries named and all that they depend on, by name. */
function closureOf(names: readonly string[]): readonly string[] {
  const found = new Set<string>();
  const look = (name: string): void => {
    if (found.has(name) || NOT_ON_NODE.has(name)) return;
    found.add(name);
    const manifest = readFileSync(join(MODULES, name, "package.json"), "utf8");
    for (const needed of Object.keys((JSON.parse(manifest) as Manifest).dependencies ?? {})) look(needed);
  };
  for (const name of names) look(name);
  return [...found].toSorted();
}

/** What runs of a library, and its licence; of its native code one system's. */
function copyLibrary(name: string, folder: string, system: string): void {
  const target = join(folder, "node_modules", name);
  cpSync(join(MODULES, name), target, {
    recursive: true,
    filter: (path) => /(?:^|\/)(?:[^./]+|[^/]*\.(?:js|cjs|mjs|json|node))$/.test(path),
  });
  const prebuilds = join(target, "prebuilds");
  for (const other of foldersIn(prebuilds))
    if (other !== system) rmSync(join(prebuilds, other), { recursive: true });
  rmSync(join(target, "node_modules"), { recursive: true, force: true });
}

function foldersIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // no native code
  }
}

/** Lets `name`, of the form `@scope/package/part`, be found where the bundle has put it. */
function nameModule(name: string, folder: string): void {
  const [scope = "", library = "", part = ""] = name.split("/");
  const home = join(folder, "node_modules", scope, library);
  mkdirSync(home, { recursive: true });
  const manifest = {
    name: `${scope}/${library}`,
    type: "module",
    exports: { [`./${part}`]: `./${part}.js` },
  };
  writeFileSync(join(home, "package.json"), `${JSON.stringify(manifest)}\n`);
}
