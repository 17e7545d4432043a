/**
 * What a V8 profile says: where a thread's time went, by kind of code, by file or package, and by function.
 *
 * A sample belongs to the innermost file of ours or package on the stack: what Node and V8 did on its behalf is its own. Time is what passes on the
 * clock: a thread that waits for a core, or for the disk within a call, is charged for it. The kernel's count of processor time stands beside it.
 *
 * @module
 */
import { isAbsolute, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

type Frame = { readonly functionName: string; readonly url: string; readonly lineNumber: number };
type Node = { readonly id: number; readonly callFrame: Frame; readonly children?: readonly number[] };

/** A `.cpuprofile`; times in microseconds. */
export type Profile = {
  readonly nodes: readonly Node[];
  readonly samples: readonly number[];
  /** Of each sample: the time since the one before, or since `startTime`. */
  readonly timeDeltas: readonly number[];
  /** CLOCK_MONOTONIC. */
  readonly startTime: number;
  readonly endTime: number;
};

export type Share = { readonly where: string; readonly us: number };

/** Microseconds in all; lists from the largest down. */
export type Summary = {
  readonly busyUs: number;
  readonly idleUs: number;
  readonly kinds: readonly Share[];
  readonly places: readonly Share[];
  readonly functions: readonly Share[];
};

const ROOT = join(import.meta.dirname, "..");
const IDLE = "(idle)";
/** Not work of any function. */
const APART: ReadonlyMap<string, string> = new Map([
  [IDLE, IDLE],
  ["(garbage collector)", "garbage collection"],
  ["(program)", "V8 itself"],
]);

type Window = { readonly fromUs: number; readonly toUs: number };

/** Summarises what lies within a stretch of time; without one, all of it. */
export function summarise(profile: Profile, window?: Window): Summary {
  const times = selfTimes(profile, window ?? { fromUs: -Infinity, toUs: Infinity });
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const owner = owners(profile.nodes);
  const kinds = new Map<string, number>();
  const places = new Map<string, number>();
  const functions = new Map<string, number>();
  const add = (sums: Map<string, number>, name: string, us: number): void =>
    void sums.set(name, (sums.get(name) ?? 0) + us);
  let busyUs = 0;
  for (const [id, us] of times) {
    const frame = frames.get(id);
    if (frame === undefined || frame.functionName === IDLE) continue;
    busyUs += us;
    const { place, name } = owner(id);
    add(kinds, kindOf(frame), us);
    add(places, place, us);
    add(functions, name, us);
  }
  const idleUs = [...times].reduce(
    (sum, [id, us]) => sum + (frames.get(id)?.functionName === IDLE ? us : 0),
    0,
  );
  return { busyUs, idleUs, kinds: sorted(kinds), places: sorted(places), functions: sorted(functions) };
}

const sorted = (sums: ReadonlyMap<string, number>): Share[] =>
  [...sums].map(([where, us]) => ({ where, us })).toSorted((a, b) => b.us - a.us);

/** Microseconds by node, of the samples within the window. */
function selfTimes(
  { samples, timeDeltas, startTime }: Profile,
  { fromUs, toUs }: Window,
): Map<number, number> {
  const times = new Map<number, number>();
  let at = startTime;
  for (const [i, id] of samples.entries()) {
    // A sample's delta lies before it; the sample stands for the time up to the next one.
    at += timeDeltas[i] ?? 0;
    if (at < fromUs || at > toUs) continue;
    times.set(id, (times.get(id) ?? 0) + (timeDeltas[i + 1] ?? 0));
  }
  return times;
}

/** What kind of code was running itself. */
function kindOf({ functionName, url }: Frame): string {
  const apart = APART.get(functionName);
  if (apart !== undefined) return apart;
  if (url.startsWith("node:")) return "Node's own JavaScript";
  if (!url.startsWith("file:")) return "native code";
  return placeOf(url).library ? "libraries" : "our code";
}

function placeOf(url: string): { readonly place: string; readonly library: boolean } {
  const path = relative(ROOT, fileURLToPath(url));
  const library = /node_modules\/((?:@[^/]+\/)?[^/]+)(?!.*node_modules)/.exec(path)?.[1];
  if (library !== undefined) return { place: library, library: true };
  return { place: isAbsolute(path) || path.startsWith("..") ? "elsewhere" : path, library: false };
}

type Owner = { readonly place: string; readonly name: string };
const NOBODY: Owner = { place: "Node itself", name: "Node itself" };

/** Who is to blame for a node: itself, or whoever called it. */
function owners(nodes: readonly Node[]): (id: number) => Owner {
  const parents = new Map<number, number>();
  for (const { id, children = [] } of nodes) for (const child of children) parents.set(child, id);
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const known = new Map<number, Owner>();
  const ownerOf = (id: number): Owner => {
    const found = known.get(id) ?? find(id);
    known.set(id, found);
    return found;
  };
  const find = (id: number): Owner => {
    const frame = frames.get(id);
    if (frame === undefined) return NOBODY;
    const apart = APART.get(frame.functionName);
    if (apart !== undefined) return { place: apart, name: apart };
    if (frame.url.startsWith("file:")) {
      const { place } = placeOf(frame.url);
      return { place, name: `${place} ${frame.functionName || "(anonymous)"}:${frame.lineNumber + 1}` };
    }
    const parent = parents.get(id);
    return parent === undefined ? NOBODY : ownerOf(parent);
  };
  return ownerOf;
}
