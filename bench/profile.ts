/**
 * Where the time goes: reads V8 profiles that `npm run bench -- throughput --profile DIR` left, and says what each file of ours and each
 * dependency took on the main thread, with whatever Node and V8 did on its behalf.
 *
 *     node bench/profile.ts DIR/anchor.cpuprofile [--statements N] [--functions] [--top 25]
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { relative, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

type Frame = { readonly functionName: string; readonly url: string; readonly lineNumber: number };
type Node = { readonly id: number; readonly callFrame: Frame; readonly children?: readonly number[] };
type Profile = {
  readonly nodes: readonly Node[];
  readonly samples: readonly number[];
  /** Microseconds between samples. */
  readonly timeDeltas: readonly number[];
};

const ROOT = join(import.meta.dirname, "..");
/** Not work of any function. */
const APART: ReadonlySet<string> = new Set(["(idle)", "(garbage collector)", "(program)"]);

/** What a frame counts for: one of our files, a package, or undefined where whoever called it is to blame. */
function owner({ functionName, url, lineNumber }: Frame, functions: boolean): string | undefined {
  if (APART.has(functionName)) return functionName;
  if (!url.startsWith("file:")) return undefined;
  const path = relative(ROOT, fileURLToPath(url));
  const library = /node_modules\/((?:@[^/]+\/)?[^/]+)(?!.*node_modules)/.exec(path)?.[1];
  const place = library ?? path;
  return functions ? `${place} ${functionName || "(anonymous)"}:${lineNumber + 1}` : place;
}

/** Microseconds by owner. */
function costs({ nodes, samples, timeDeltas }: Profile, functions: boolean): Map<string, number> {
  const parents = new Map<number, number>();
  for (const { id, children = [] } of nodes) for (const child of children) parents.set(child, id);
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const owners = new Map<number, string>();
  const ownerOf = (id: number): string => {
    const known = owners.get(id);
    if (known !== undefined) return known;
    const frame = frames.get(id);
    const parent = parents.get(id);
    const own = frame && owner(frame, functions);
    const found = own ?? (parent === undefined ? "Node itself" : ownerOf(parent));
    owners.set(id, found);
    return found;
  };
  const total = new Map<string, number>();
  for (const [i, id] of samples.entries()) {
    const name = ownerOf(id);
    total.set(name, (total.get(name) ?? 0) + (timeDeltas[i] ?? 0));
  }
  return total;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    statements: { type: "string" },
    functions: { type: "boolean", default: false },
    top: { type: "string", default: "25" },
  },
});
const [path = ""] = positionals;
const profile = JSON.parse(readFileSync(path, "utf8")) as Profile;
const total = costs(profile, values.functions);
const busy = [...total].filter(([name]) => name !== "(idle)").reduce((sum, [, us]) => sum + us, 0);
const statements = Number(values.statements ?? Number.NaN);
process.stdout.write(
  `${path}: ${(busy / 1e6).toFixed(2)} s busy, ${((total.get("(idle)") ?? 0) / 1e6).toFixed(2)} s idle\n`,
);
for (const [name, us] of [...total].toSorted((a, b) => b[1] - a[1]).slice(0, Number(values.top))) {
  if (name === "(idle)") continue;
  const each = Number.isNaN(statements) ? "" : `${(us / statements).toFixed(2).padStart(8)} us`;
  process.stdout.write(`${((100 * us) / busy).toFixed(1).padStart(6)} % ${each}  ${name}\n`);
}
