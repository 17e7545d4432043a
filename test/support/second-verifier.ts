/**
 * Runs the second verifier, test/interop/verify.py, over many cases in one process, and lays its verdicts beside ours.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Verdict } from "@tallystick/evidence";

const SCRIPT = join(import.meta.dirname, "..", "interop", "verify.py");
/** Far more than the longest batch takes. */
const MAX_MS = 240_000;

/** What a case asks for; bytes go over as base64. */
export type Case = {
  readonly file: string;
  /** Text of the trust policy; without `data` and `log` only the policy is judged. */
  readonly policy?: string;
  readonly data?: Uint8Array;
  /** Folder of a log's public directory. */
  readonly log?: string;
  readonly since?: Uint8Array;
  /** Registry items that the verifier has at hand, with their places in the log. */
  readonly registry?: readonly (readonly [index: number, item: Uint8Array])[];
  /** Key, message, signature. */
  readonly ed25519?: readonly [Uint8Array, Uint8Array, Uint8Array];
};

/** A verdict, ours or theirs, as far as both must say the same; their names for the checks are their own. */
export type Judged = Pick<Verdict, "verdict" | "code" | "restrictions"> & {
  readonly checks: readonly unknown[];
};

/** Judges the cases in their order. @throws Error if the verifier ends otherwise than well, with what it said */
export async function judgeAgain(python: string, cases: readonly Case[]): Promise<Judged[]> {
  const child = spawn(python, [SCRIPT, "batch"], { stdio: ["pipe", "pipe", "pipe"], timeout: MAX_MS });
  const ended = once(child, "close");
  const said = Promise.all([text(child.stdout), text(child.stderr)]);
  child.stdin.on("error", () => {}); // its end says why
  child.stdin.end(cases.map((one) => `${JSON.stringify(one, inBase64)}\n`).join(""));
  const [stdout, stderr] = await said;
  const [exit] = (await ended) as [number | null];
  const lines = stdout.split("\n").filter((line) => line !== "");
  if (lines.length !== cases.length) throw new Error(`the second verifier ended with ${exit}: ${stderr}`);
  return lines.map((line) => JSON.parse(line) as Judged);
}

const inBase64 = (_: string, value: unknown): unknown =>
  value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;

/** How much two verdicts have to agree in. */
export type Depth =
  /** In verdict, code and restrictions. */
  | "all"
  /** In verdict and code, and in the restrictions of what is good: beside what is wrong or missing they no longer matter. */
  | "code"
  /** In whether it is invalid. */
  | "class";

const counted = ({ verdict, code, restrictions }: Judged, depth: Depth): unknown => {
  if (depth === "class") return verdict === "invalid";
  const good = verdict === "verified" || verdict === "restricted";
  return { verdict, code, restrictions: depth === "all" || good ? restrictions.toSorted() : [] };
};

/** The cases in which the two differ, with what each of them said. */
export function differences(
  cases: readonly Case[],
  ours: readonly Judged[],
  theirs: readonly Judged[],
  depth: Depth,
): unknown[] {
  return cases.flatMap(({ file }, n) => {
    const [our, their] = [ours[n], theirs[n]];
    if (our === undefined || their === undefined) return [{ file, ours: our, theirs: their }];
    const same = JSON.stringify(counted(our, depth)) === JSON.stringify(counted(their, depth));
    return same ? [] : [{ file, ours: our, theirs: their }];
  });
}
