/**
 * The agent as it is shipped: JavaScript in few files, each loaded when it is needed. The same sources give the same bytes.
 *
 * @module
 */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { rolldown, type Plugin } from "rolldown";
import { licences } from "./licences.ts";

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
  writeFileSync(join(folder, "LICENSES.txt"), licences(chunks, [dirname(PREBUILDS)]));
  for (const system of SYSTEMS) {
    mkdirSync(join(folder, "prebuilds"), { recursive: true });
    cpSync(join(PREBUILDS, system), join(folder, "prebuilds", system), { recursive: true });
  }
  return chunks.map(({ fileName }) => fileName);
}
