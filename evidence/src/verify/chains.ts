/**
 * Order and completeness: the chains that the statements form, and whether what the bundle claims to be complete is.
 *
 * @module
 */
import type { Scope } from "../ledger/bundle.ts";
import { equalBytes, toHex } from "../bytes.ts";
import { examineStreams, missingNumbers, placeOf, type Range, type Stream } from "../chains/chain.ts";
import { HeadIndex } from "../chains/heads.ts";
import type { Statement } from "../statement/statement.ts";
import type { Findings } from "./findings.ts";
import type { UsedKey } from "./keys.ts";
import type { Placed } from "./placed.ts";

/** Reports `fork`, `discontinuity`, `gap`. @param placed - in the order of the log */
export function checkChains(placed: readonly Placed[], used: readonly UsedKey[], findings: Findings): void {
  const statements = placed.map(({ statement }) => statement);
  const reEnrolled = new Set(
    used.filter(({ record }) => record.reEnrolled).map(({ record }) => toHex(record.kid)),
  );
  for (const { iss, sub, findings: found } of examineStreams(statements)) {
    const name = `${iss}/${sub}`;
    for (const one of found) {
      if (one.code === "fork") {
        const hashes = one.hashes.map(toHex).join(" and ");
        findings.failed(
          "chains",
          "fork",
          `${name} at ${one.seq}, chain ${toHex(one.ch)}: ${one.reason}: ${hashes}`,
        );
      } else if (one.code === "discontinuity" && !reEnrolled.has(toHex(one.kid))) {
        findings.restricted(
          "chains",
          "discontinuity",
          `${name}: begins with a lost predecessor: ${quoted(one.reason)}`,
        );
      } else if (one.code === "gap") {
        const { count, reason } = one.gap;
        findings.restricted(
          "completeness",
          "gap",
          `${name} at ${one.seq}: ${count} missing, as the device signed: ${quoted(reason)}`,
        );
      }
    }
  }
  for (const { claims } of lateBeginnings(statements)) {
    const reason = "says that there was nothing before it, after another chain of this stream was opened";
    findings.failed("chains", "fork", `${claims.iss}/${claims.sub} at 0: ${reason}`);
  }
  for (const { record } of used) checkRotated(record, statements, findings);
  const heads = new HeadIndex(statements);
  for (const { claims, hash } of statements) {
    const { iss, sub, ch, seq } = claims;
    if (ch === undefined) continue;
    const other = heads.contradicts(iss, { sub, ch, seq, hash });
    if (other === undefined) continue;
    const reason = `the device's heads name ${toHex(other.head.hash)}, here is ${toHex(hash)}`;
    findings.failed("chains", "fork", `${iss}/${sub} at ${seq}: ${reason}`);
  }
  findings.passed("chains");
}

/** Of a stream's chains only the one that was opened first may say `none`. */
function lateBeginnings(inOrder: readonly Statement[]): Statement[] {
  const first = new Map<string, Uint8Array>();
  return inOrder.filter(({ claims: { iss, sub, seq, ch }, event }) => {
    if (seq !== 0 || ch === undefined || event?.kind !== "stream-opened") return false;
    const before = first.get(`${iss}/${sub}`);
    if (before === undefined) first.set(`${iss}/${sub}`, ch);
    return before !== undefined && !equalBytes(before, ch) && event.before === "none";
  });
}

/** The heads that a rotation names are statements: another one of the same number is a second one. Reports `fork`. */
function checkRotated(
  { iss, succession }: UsedKey["record"],
  statements: readonly Statement[],
  findings: Findings,
): void {
  if (succession?.by !== "rotate") return;
  const named = new Map(succession.heads.map((head) => [placeOf(iss, head.sub, head.ch), head]));
  for (const { claims, hash } of statements) {
    if (claims.iss !== iss || claims.ch === undefined) continue;
    const head = named.get(placeOf(iss, claims.sub, claims.ch));
    if (head?.hash === undefined || head.seq !== claims.seq || equalBytes(head.hash, hash)) continue;
    const reason = `the rotation names ${toHex(head.hash)}, here is ${toHex(hash)}`;
    findings.failed("chains", "fork", `${iss}/${claims.sub} at ${claims.seq}: ${reason}`);
  }
}

/** Reports `bundle-scope` (nothing of it is there), `hole`, `tail-not-attested`. */
export function checkCompleteness(
  scope: readonly Scope[],
  placed: readonly Placed[],
  findings: Findings,
): void {
  const statements = placed.map(({ statement }) => statement);
  const streams = examineStreams(statements);
  const heads = new HeadIndex(statements);
  for (const claim of scope) {
    const { iss, sub, ch, from, to } = claim;
    const name = `${iss}/${sub} ${from}..${to}`;
    const chain = chainOf(streams, claim);
    const missing = chain === undefined ? [{ from, to }] : missingNumbers(chain, claim);
    if (chain === undefined || missing.some((range) => range.from === from && range.to === to)) {
      findings.missing("completeness", "bundle-scope", `${name}: none of it is in the bundle`);
      continue;
    }
    if (missing.length > 0) {
      findings.restricted("completeness", "hole", `${name}: not here: ${missing.map(rangeText).join(", ")}`);
    }
    const last = chain.statements.find(({ claims }) => claims.seq === to);
    const attested =
      last !== undefined && heads.attests(iss, { sub, ch, seq: to, hash: last.hash }) !== undefined;
    if (!attested)
      findings.restricted(
        "completeness",
        "tail-not-attested",
        `${name}: no heads statement here names ${to}`,
      );
    else if (missing.length === 0) findings.passed("completeness", `complete ${name}`);
  }
}

const chainOf = (
  streams: readonly Stream<Statement>[],
  { iss, sub, ch }: Scope,
): Stream<Statement>["chains"][number] | undefined =>
  streams.find((one) => one.iss === iss && one.sub === sub)?.chains.find((one) => equalBytes(one.ch, ch));

const rangeText = ({ from, to }: Range): string => (from === to ? `${from}` : `${from}..${to}`);

/** hostile: a reason is the device's own text, shown without control characters. */
const quoted = (text: string): string => JSON.stringify(text);
