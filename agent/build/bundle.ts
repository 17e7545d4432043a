/**
 * The agent as it is shipped: JavaScript in few files, each loaded when it is needed. The same sources give the same bytes.
 *
 * @module
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { rolldown, type OutputChunk, type Plugin } from "rolldown";

const AGENT = join(import.meta.dirname, "..");
const ROOT = join(AGENT, "..");
const PREBUILDS = join(ROOT, "node_modules", "@serialport", "bindings-cpp", "prebuilds");
/** The systems that gateways run. */
const SYSTEMS = ["linux-arm", "linux-arm64", "linux-x64"];

/**
 * What libraries bring for others' sake, and the agent never calls: it speaks MQTT 3.1.1 over TCP and TLS, and its CBOR has no use for a native
 * reader of strings. `readable-stream` is Node's own streams, for those who have none.
 */
const REPLACED: Readonly<Record<string, string>> = {
  "cbor-x": join(ROOT, "node_modules", "cbor-x", "index.js"),
  "readable-stream": "node:stream",
};
const LEFT_OUT = ["ws", "socks", "lru-cache", "worker-timers", "supports-color"];
const NOTHING = "\0nothing";

const trimmed: Plugin = {
  name: "trimmed",
  resolveId(source) {
    const other = REPLACED[source];
    if (other !== undefined) return other.startsWith("node:") ? { id: other, external: true } : other;
    return LEFT_OUT.includes(source) ? `${NOTHING}/${source}` : undefined;
  },
  load(id) {
    return id.startsWith(NOTHING) ? { code: "module.exports = {};", moduleType: "js" } : undefined;
  },
};

const MAIN = "tally-agent.js";

/**
 * Makes the files in `folder`; what an earlier build left there is removed.
 *
 * @throws Error where the folder holds something else
 */
export async function buildAgent(folder: string): Promise<readonly string[]> {
  if (existsSync(folder) && readdirSync(folder).length > 0 && !existsSync(join(folder, MAIN)))
    throw new Error(`${folder}: there is something else than a build in it`);
  rmSync(folder, { recursive: true, force: true });
  const bundle = await rolldown({
    cwd: ROOT,
    input: { "tally-agent": join(AGENT, "src", "shipped.ts") },
    platform: "node",
    plugins: [trimmed],
    external: [/^node:/],
    // native code is looked for in the folder above the chunks: `prebuilds`
    transform: { define: { __dirname: "import.meta.dirname" } },
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
  const chunks = output.filter((one) => one.type === "chunk");
  writeFileSync(join(folder, "package.json"), `${JSON.stringify({ type: "module", private: true })}\n`);
  writeFileSync(join(folder, "LICENSES.txt"), licences(chunks));
  for (const system of SYSTEMS) {
    mkdirSync(join(folder, "prebuilds"), { recursive: true });
    cpSync(join(PREBUILDS, system), join(folder, "prebuilds", system), { recursive: true });
  }
  return chunks.map(({ fileName }) => fileName);
}

/** The licences of whatever libraries went in, by name. */
function licences(chunks: readonly OutputChunk[]): string {
  const folders = new Set(
    chunks.flatMap(({ modules }) => Object.keys(modules)).flatMap((id) => packageOf(id) ?? []),
  );
  folders.add(dirname(PREBUILDS));
  const named = Array.from(
    folders,
    (folder) => [relative(join(ROOT, "node_modules"), folder), folder] as const,
  );
  return named
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, folder]) => `${name}\n\n${licenceIn(folder)}\n`)
    .join(`\n${"-".repeat(80)}\n\n`);
}

/** The folder of the library that a module belongs to; undefined for our own. */
function packageOf(id: string): string | undefined {
  const marker = `${sep}node_modules${sep}`;
  const at = id.lastIndexOf(marker);
  if (at === -1) return undefined;
  const [scope = "", name = ""] = id.slice(at + marker.length).split(sep);
  return id.slice(0, at) + marker + (scope.startsWith("@") ? join(scope, name) : scope);
}

function licenceIn(folder: string): string {
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  if (file !== undefined) return readFileSync(join(folder, file), "utf8").trim();
  const manifest = join(folder, "package.json");
  const { license } = existsSync(manifest)
    ? (JSON.parse(readFileSync(manifest, "utf8")) as { license?: string })
    : {};
  return `Licence: ${license ?? "not stated"}`;
}
