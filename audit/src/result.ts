/**
 * A result: what a verb found in a case or a bundle, as `-o FOLDER` writes it to `result.json` and `--json` prints it (docs/auditing.md).
 * No clock and no place of a machine goes into it: the same inputs give the same bytes.
 *
 * @module
 */
import type { EvidenceCode } from "@tallystick/evidence";
import type { CheckRow, Judgement } from "./judgement.ts";

/** What a verb was given, by hash; `name` is the file's own, without the folders before it. */
export type ResultInput = {
  readonly role: "case" | "bundle" | "policy" | "export" | "map";
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
};

export type ResultKind = "coverage" | "reconcile" | "sample" | "verify";

export type Result<Body extends object = object> = {
  readonly v: 1;
  readonly kind: ResultKind;
  readonly tool: { readonly name: "tally-audit"; readonly version: string };
  /** Of the evidence as a whole; findings about what it says are counted beside it. */
  readonly verdict: Judgement["verdict"];
  /** What is wrong or missing, where the verdict is `invalid` or `not-verifiable`. */
  readonly code?: EvidenceCode;
  /** How many findings the body has: what somebody has to look at. */
  readonly findings: number;
  readonly log: { readonly origin: string; readonly size: number; readonly root: string };
  readonly inputs: readonly ResultInput[];
  readonly checks: readonly CheckRow[];
  readonly restrictions: readonly EvidenceCode[];
  /** What this result doesn't say, by code: docs/codes.md has the sentences. */
  readonly notProven: readonly string[];
  /** The command line that makes the same bytes again, with file names as they were given. */
  readonly repeat: readonly string[];
  /** Of the kind; plain JSON, its members in the order in which its type lists them. */
  readonly body: Body;
};

/**
 * The one text of a result: members in the order of {@link Result}, two blanks of indentation, LF.
 *
 * @throws TypeError for a value that JSON has no form for, or more than one: undefined, NaN, an instance of a class. A fault of the program
 */
export function resultText(result: Result): string {
  const {
    v,
    kind,
    tool,
    verdict,
    code,
    findings,
    log,
    inputs,
    checks,
    restrictions,
    notProven,
    repeat,
    body,
  } = result;
  return jsonText({
    v,
    kind,
    tool: { name: tool.name, version: tool.version },
    verdict,
    ...(code === undefined ? {} : { code }),
    findings,
    log: { origin: log.origin, size: log.size, root: log.root },
    inputs: inputs.map(({ role, name, sha256, bytes }) => ({ role, name, sha256, bytes })),
    checks: checks.map((row) => ({
      name: row.name,
      result: row.result,
      ...(row.code === undefined ? {} : { code: row.code }),
      ...(row.reason === undefined ? {} : { reason: row.reason }),
    })),
    restrictions,
    notProven,
    repeat,
    body,
  });
}

/**
 * JSON of plain values, members in the order in which they were set, two blanks of indentation, LF at the end.
 *
 * @throws TypeError as {@link resultText}
 */
export function jsonText(value: unknown): string {
  checkPlain(value, "");
  return `${JSON.stringify(value, null, 2)}\n`;
}

function checkPlain(value: unknown, path: string): void {
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number" && Number.isFinite(value) && !Object.is(value, -0)) return;
  if (Array.isArray(value)) {
    for (const [i, one] of value.entries()) checkPlain(one, `${path}/${i}`);
    return;
  }
  if (typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
    for (const [name, one] of Object.entries(value)) {
      // Such a name would be put before all others, wherever it was set.
      if (/^\d+$/.test(name)) throw new TypeError(`a result has the member ${path}/${name}: a number`);
      checkPlain(one, `${path}/${name}`);
    }
    return;
  }
  throw new TypeError(`a result has no form for ${path || "its whole"}: ${typeof value}`);
}
