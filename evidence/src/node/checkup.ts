/**
 * The frame of a program's `doctor`: checks that look and change nothing, each within a bounded time, and what they found as lines for people or as
 * JSON. A check that fails itself is a finding like any other.
 *
 * @module
 */
import process from "node:process";
import { isEvidenceError } from "../errors.ts";
import { EXIT } from "./command.ts";

/** `unknown`: it could not be seen from here, and it matters. */
type Result = "ok" | "warn" | "fail" | "unknown";

/** One thing that was looked at. */
export type Finding = {
  /** What it is about: one word or two. */
  readonly about: string;
  readonly result: Result;
  /** What was seen; of what is not ok, what is wrong. */
  readonly text: string;
  /** What to do. */
  readonly todo?: string;
};

/** What was found; what came before the time was over counts. */
type Findings = Iterable<Finding> | AsyncIterable<Finding>;

export type Check = {
  readonly about: string;
  /** @param signal - aborted when its time is over */
  readonly look: (signal: AbortSignal) => Findings | Promise<Findings>;
};

export const ok = (about: string, text: string): Finding => ({ about, result: "ok", text });
export const warn = (about: string, text: string, todo: string): Finding => ({
  about,
  result: "warn",
  text,
  todo,
});
export const fail = (about: string, text: string, todo: string): Finding => ({
  about,
  result: "fail",
  text,
  todo,
});
export const unknown = (about: string, text: string, todo: string): Finding => ({
  about,
  result: "unknown",
  text,
  todo,
});

/** Makes all checks, side by side; the findings come in the order of the checks. */
export async function checkUp(checks: readonly Check[], maxMs: number): Promise<readonly Finding[]> {
  const findings = await Promise.all(checks.map((check) => within(check, maxMs)));
  return findings.flat();
}

async function within({ about, look }: Check, maxMs: number): Promise<readonly Finding[]> {
  const over = new AbortController();
  const found: Finding[] = [];
  const looking = async (): Promise<void> => {
    for await (const finding of await look(over.signal)) if (!over.signal.aborted) found.push(finding);
  };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      over.abort();
      found.push(unknown(about, `no answer within ${maxMs / 1000} s`, "try again, and look at what hangs"));
      resolve();
    }, maxMs);
  });
  try {
    await Promise.race([looking(), late]);
  } catch (error) {
    found.push(failure(about, error));
  } finally {
    clearTimeout(timer);
    over.abort();
  }
  return found;
}

/** What went wrong, as a finding: the messages of this project say what to do themselves. */
export function failure(about: string, error: unknown): Finding {
  const cause = isEvidenceError(error) ? error.cause : error;
  const text = error instanceof Error ? error.message : String(error);
  if (isDenied(cause)) return unknown(about, text, "run the doctor as root, or as the program's own user");
  return isEvidenceError(error)
    ? fail(about, text, `see ${error.code} in docs/codes.md`)
    : unknown(about, text, "look at what it says");
}

const isDenied = (cause: unknown): boolean =>
  cause instanceof Error && "code" in cause && (cause.code === "EACCES" || cause.code === "EPERM");

const WORD: Readonly<Record<Result, string>> = { ok: "OK", warn: "WARN", fail: "FAIL", unknown: "?" };

/** The findings for people, one line each. */
export function findingLines(findings: readonly Finding[]): readonly string[] {
  const width = Math.max(0, ...findings.map(({ about }) => about.length));
  return findings.map(({ about, result, text, todo }) => {
    const advice = todo === undefined ? "" : ` → ${todo}`;
    return `${WORD[result].padEnd(4)}  ${about.padEnd(width)}  ${shown(text + advice)}\n`;
  });
}

/** hostile: texts from files, devices and the wire don't get to move the cursor. */
const shown = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ");

/** 1 where something has to be put right; 3 where something that matters could not be seen; else 0. */
export function exitOf(findings: readonly Finding[]): number {
  if (findings.some(({ result }) => result === "fail")) return EXIT.failed;
  return findings.some(({ result }) => result === "unknown") ? EXIT.cannotTell : EXIT.good;
}

/** Prints the findings and gives the exit code. JSON: `{"result", "findings": [{"about", "result", "text", "todo"?}]}`. */
export function printFindings(findings: readonly Finding[], json: boolean): number {
  const exit = exitOf(findings);
  const worst = (["fail", "unknown", "warn"] as const).find((one) =>
    findings.some(({ result }) => result === one),
  );
  process.stdout.write(
    json ? `${JSON.stringify({ result: worst ?? "ok", findings })}\n` : findingLines(findings).join(""),
  );
  return exit;
}
