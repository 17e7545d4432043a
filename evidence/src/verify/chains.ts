/**
 * Order and completeness: the chains that the statements form, and whether what the bundle claims to be complete is.
 *
 * @module
 */
import type { Scope } from "../ledger/bundle.ts";
import { equalBytes, toHex } from "../bytes.ts";
import { lateBeginnings, type Opening } from "../chains/beginnings.ts";
import {
  examineStreams,
  missingNumbers,
  placeOf,
  type Chain,
  type Range,
  type Stream,
} from "../chains/chain.ts";
import { HeadIndex } from "../chains/heads.ts";
import type { Statement } from "../statement/statement.ts";
import type { Findings } from "./findings.ts";
import type { UsedKey } from "./keys.ts";
import type { Placed } from "./placed.ts";

/** Statements in the order of the log, and what they form. */
export type Examined = {
  readonly placed: readonly Placed[];
  readonly statements: readonly Statement[];
  readonly streams: readonly Stream<Statement>[];
  readonly heads: HeadIndex<Statement>;
};

/** @param placed - in the order of the log */
export function examine(placed: readonly Placed[]): Examined {
  const statements = placed.map(({ statement }) => statement);
  return { placed, statements, streams: examineStreams(statements), heads: new HeadIndex(statements) };
}

/** Reports `fork`, `discontinuity`, `gap`. */
export function checkChains(
  { placed, statements, streams, heads }: Examined,
  used: readonly UsedKey[],
  findings: Findings,
): void {
  const covered = coveredOpenings(placed, used);
  for (const { iss, sub, findings: found } of streams) {
    const name = `${iss}/${sub}`;
    for (const one of found) {
      if (one.code === "fork") {
        const hashes = one.hashes.map(toHex).join(" and ");
        findings.failed(
          "chains",
          "fork",
          `${name} at ${one.seq}, chain ${toHex(one.ch)}: ${one.reason}: ${hashes}`,
        );
      } else if (one.code === "discontinuity" && !covered.has(placeOf(iss, sub, one.ch))) {
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
  for (const [name, openings] of openingsOf(statements)) {
    const reason = "says that there was nothing before it, after another chain of this stream was opened";
    for (const { ch } of lateBeginnings(openings))
      findings.failed("chains", "fork", `${name} at 0, chain ${toHex(ch)}: ${reason}`);
  }
  checkRotated(used, statements, findings);
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

/**
 * Chains that begin behind a lost one and are covered all the same: of each stream the first that a re-enrolled key opened in its log. By `re-enrol` an
 * operator vouches for the loss that it was for, and for none that comes later.
 */
function coveredOpenings(placed: readonly Placed[], used: readonly UsedKey[]): ReadonlySet<string> {
  const keyOf = ({ origin }: Placed["log"], kid: Uint8Array): string => `${origin} ${toHex(kid)}`;
  const reEnrolled = new Set(
    used.filter(({ record }) => record.reEnrolled).map(({ record, log }) => keyOf(log, record.kid)),
  );
  const first = new Map<string, string>();
  for (const { statement, log } of placed) {
    const { kid, event } = statement;
    const { iss, sub, ch, seq } = statement.claims;
    if (seq !== 0 || ch === undefined || event?.kind !== "stream-opened") continue;
    if (event.before === "none" || !("lost" in event.before)) continue;
    const key = keyOf(log, kid);
    const name = `${key} ${iss}/${sub}`;
    if (reEnrolled.has(key) && !first.has(name)) first.set(name, placeOf(iss, sub, ch));
  }
  return new Set(first.values());
}

/** The openings of each stream, in the order of the statements. */
const openingsOf = (statements: readonly Statement[]): ReadonlyMap<string, readonly Opening[]> =>
  Map.groupBy(
    statements.flatMap(({ claims: { iss, sub, seq, ch }, event }) =>
      seq === 0 && ch !== undefined && event?.kind === "stream-opened"
        ? [{ name: `${iss}/${sub}`, ch, before: event.before }]
        : [],
    ),
    ({ name }) => name,
  );

/**
 * The heads that a rotation names are statements: another one of the same number is a second one. Reports `fork`.
 * hostile: rotations may be as many as statements, so each is looked at once.
 */
function checkRotated(used: readonly UsedKey[], statements: readonly Statement[], findings: Findings): void {
  const named = new Map<string, Uint8Array[]>();
  for (const { record } of used) {
    if (record.succession?.by !== "rotate") continue;
    for (const { sub, ch, seq, hash } of record.succession.heads) {
      if (hash === undefined) continue;
      const place = `${placeOf(record.iss, sub, ch)} ${seq}`;
      const known = named.get(place);
      if (known === undefined) named.set(place, [hash]);
      // Two suffice: whatever is held there contradicts one of them.
      else if (known.length === 1 && !equalBytes(known[0] ?? hash, hash)) known.push(hash);
    }
  }
  for (const { claims, hash } of statements) {
    const { iss, sub, ch, seq } = claims;
    if (ch === undefined) continue;
    const other = named.get(`${placeOf(iss, sub, ch)} ${seq}`)?.find((one) => !equalBytes(one, hash));
    if (other === undefined) continue;
    const reason = `the rotation names ${toHex(other)}, here is ${toHex(hash)}`;
    findings.failed("chains", "fork", `${iss}/${sub} at ${seq}: ${reason}`);
  }
}

/** Reports `bundle-scope` (nothing of it is there), `hole`, `tail-not-attested`. */
export function checkCompleteness(
  scope: readonly Scope[],
  { streams, heads }: Examined,
  findings: Findings,
): void {
  const held = new Map<string, Chain<Statement>>();
  for (const { iss, sub, chains } of streams)
    for (const chain of chains) held.set(placeOf(iss, sub, chain.ch), chain);
  for (const claim of scope) {
    const { iss, sub, ch, from, to } = claim;
    const name = `${iss}/${sub} ${from}..${to}`;
    const chain = held.get(placeOf(iss, sub, ch));
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

const rangeText = ({ from, to }: Range): string => (from === to ? `${from}` : `${from}..${to}`);

/** hostile: a reason is the device's own text, shown without control characters. */
const quoted = (text: string): string => JSON.stringify(text);
