/**
 * A judgement in words: the verdict first, then what restricts it and what would lift that, what the evidence says, and which checks
 * passed and which were not done, with reasons. Or as JSON, one object a line (docs/auditing.md).
 *
 * @module
 */
import type { EvidenceCode } from "@tallystick/evidence";
import { explain } from "./explain.ts";
import type { CheckRow, Judgement } from "./judgement.ts";
import type { ChainTimes } from "./verify/times.ts";

const HEADLINE: Record<Judgement["verdict"], string> = {
  verified: "verified",
  restricted: "verified with restrictions",
  "not-verifiable": "not verifiable",
  invalid: "INVALID",
};

/** What no evidence shows, whatever its verdict. */
const NEVER_SHOWN =
  "Not shown by any of this: that the sensor told the truth; that no thief held the device's key before its revocation; " +
  "conformity with any metering law.";

/** Text from files and networks on its way to a terminal: no control characters. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "\ufffd");

/** One JSON object on a line: file, verdict, code, restrictions, checks; of a bundle that is good also when its statements were signed, RFC 3339; and what else there is to say, such as the provider. */
export function jsonLine(
  file: string,
  judgement: Judgement,
  times: readonly ChainTimes[] = [],
  more: Readonly<Record<string, string>> = {},
): string {
  const { verdict, code, restrictions, checks } = judgement;
  const known = code === undefined ? {} : { code };
  const bounds = times.length === 0 ? {} : { times: times.map(timesJson) };
  return `${JSON.stringify({ file, verdict, ...known, restrictions, checks, ...bounds, ...more })}\n`;
}

const timesJson = ({ notBefore, notAfter, ...chain }: ChainTimes): object => ({
  ...chain,
  notBefore: notBefore === null ? null : iso(notBefore),
  notAfter: iso(notAfter),
});

/** RFC 3339, UTC; null where no calendar reaches. */
const iso = (unixS: number): string | null => {
  const date = new Date(unixS * 1000);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
};

/**
 * The judgement for people.
 *
 * @param says - lines on what the evidence is about; shown as claims unless it was verified
 */
export function textReport(file: string, judgement: Judgement, says: readonly string[]): string {
  const { verdict, code, restrictions, checks } = judgement;
  const lines = [`${printable(file)}: ${HEADLINE[verdict]}${code === undefined ? "" : ` [${code}]`}`];
  const wrong = checks.filter(({ result }) => result === "failed");
  if (wrong.length > 0) lines.push("  what is wrong", ...wrong.map(rowLine));
  if (verdict === "not-verifiable" && code !== undefined) {
    const reasons = checks.filter((row) => row.code === code);
    lines.push("  what is missing", ...reasons.map(rowLine), ...explained(code));
  }
  if (restrictions.length > 0 && verdict !== "invalid") {
    lines.push(
      "  restrictions",
      ...restrictions.flatMap((one) => [`    ${one}`, ...details(one, checks), ...explained(one)]),
    );
  }
  if (says.length > 0 && verdict !== "invalid") {
    const heading =
      verdict === "not-verifiable" ? "  what it claims; none of it is established" : "  what it says";
    lines.push(heading, ...says.map((line) => `    ${printable(line)}`));
  }
  const passed = checks.filter(({ result }) => result === "passed");
  if (passed.length > 0) lines.push("  checks passed", ...passed.map(rowLine));
  const shown = new Set<EvidenceCode | undefined>([
    ...restrictions,
    ...(verdict === "not-verifiable" ? [code] : []),
  ]);
  const open = checks.filter(
    (row) => row.result === "not-done" && (row.code === undefined || !shown.has(row.code)),
  );
  if (open.length > 0) lines.push("  checks not done", ...open.map(rowLine));
  if (verdict === "verified" || verdict === "restricted") lines.push(`  ${NEVER_SHOWN}`);
  return `${lines.join("\n")}\n`;
}

function rowLine({ name, code, reason }: CheckRow): string {
  const parts = [name, ...(reason === undefined ? [] : [printable(reason)])];
  return `    ${parts.join(": ")}${code === undefined ? "" : ` [${code}]`}`;
}

/** What the checks found that led to a restriction. */
const details = (code: EvidenceCode, checks: readonly CheckRow[]): string[] =>
  checks.flatMap((row) =>
    row.code === code && row.reason !== undefined ? [`      ${printable(row.reason)}`] : [],
  );

function explained(code: EvidenceCode): string[] {
  const found = explain(code);
  return found === undefined ? [] : [`      ${found.means}`, `      Lifted by: ${found.lift}.`];
}
