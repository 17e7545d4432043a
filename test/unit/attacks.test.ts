/**
 * The attack table: who attacks, with which keys, what they do, and the verdict that has to come of it. Each row is made in a town that is
 * honest but for that one thing, and judged by `verify` as a stranger would.
 *
 * @module
 */
import { describe, expect, test } from "vitest";
import {
  CHECKS,
  encodeBundle,
  EVIDENCE_CODES,
  nobleProvider,
  parsePolicy,
  verify,
  type Verdict,
} from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import { TABLE } from "../support/attacks/table.ts";
import { createTown, evidenceOf, honest, policyOf } from "../support/attacks/town.ts";

const provider = createNodeProvider();

describe.each(TABLE.map(({ who, rows }) => [who, rows] as const))("%s", (_, rows) => {
  test.for(rows)("$name ($attacker): $demands.verdict $demands.code $demands.restrictions", async (row) => {
    const town = await createTown();
    const { bytes, policy, registry } = await evidenceOf(town, await row.make(town));
    const found = verify(bytes, { policy: parsePolicy(policy), provider, ...(registry && { registry }) });
    const { verdict, code, restrictions, check, notDone } = row.demands;
    expect({ verdict: found.verdict, code: found.code }, JSON.stringify(found.checks, undefined, 1)).toEqual({
      verdict,
      code,
    });
    // Beside what is wrong or missing, restrictions are no longer what matters.
    if (restrictions !== undefined || code === undefined)
      expect(found.restrictions.toSorted()).toEqual([...(restrictions ?? [])].sort());
    if (check !== undefined) expect(found.checks.find((one) => one.code === code)?.name).toBe(check);
    if (notDone !== undefined)
      expect(found.checks.find(({ name }) => name === notDone)).toMatchObject({ result: "not-done" });
    expectConsistent(found);
  });
});

/** What holds of every verdict: it follows from its checks, and each of them says why. */
function expectConsistent({ verdict, code, restrictions, checks }: Verdict): void {
  for (const one of checks) {
    expect(CHECKS).toContain(one.name);
    if (one.result === "passed") expect(one.code).toBeUndefined();
    else expect(one.reason).toMatch(/./);
    if (one.result === "failed") expect(EVIDENCE_CODES).toContain(one.code);
    for (const value of Object.values(one)) expect(value).toBeDefined();
  }
  expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length);
  const failed = checks.filter(({ result }) => result === "failed");
  expect(verdict === "invalid").toBe(failed.length > 0);
  if (verdict === "invalid") expect(code).toBe(failed[0]?.code);
  if (verdict === "not-verifiable") expect(checks.map((one) => one.code)).toContain(code);
  if (verdict === "verified")
    expect(checks.map((one) => one.code).filter((one) => one !== undefined)).toEqual([]);
  expect(restrictions).toEqual([...new Set(restrictions)].sort());
}

test("what a good bundle's verdict says, check by check", async () => {
  const town = await createTown();
  const { bytes, policy } = await evidenceOf(town, honest(town));
  const { checks } = verify(bytes, { policy: parsePolicy(policy), provider });
  expect(checks.map(({ name, result }) => `${name} ${result}`)).toEqual([
    "format passed",
    "log passed",
    "witnesses passed",
    "receipts passed",
    "registry passed",
    "operators passed",
    "keys passed",
    "signatures passed",
    "chains passed",
    "completeness passed",
    "seen passed",
  ]);
  expect(checks.find(({ name }) => name === "completeness")?.reason).toBe(
    "complete water/gw-1/meter/m-1 0..4",
  );
});

test("no row is named twice", () => {
  const names = TABLE.flatMap(({ rows }) => rows.map(({ name }) => name));
  expect(new Set(names).size).toBe(names.length);
});

// Every prefix of a good bundle: cut anywhere, it is invalid, and nobody is blamed for it.
test("a bundle cut anywhere is invalid", async () => {
  const town = await createTown();
  const bytes = encodeBundle(honest(town));
  const policy = parsePolicy(policyOf(town));
  for (let length = 0; length < bytes.length; length++) {
    const found = verify(bytes.subarray(0, length), { policy, provider });
    expect(found.verdict).toBe("invalid");
    expect(["cbor-malformed", "bundle-malformed", "cose-malformed"]).toContain(found.code);
  }
});

test("noble comes to the same verdict", async () => {
  const town = await createTown();
  const { bytes, policy } = await evidenceOf(town, honest(town));
  const options = { policy: parsePolicy(policy) };
  expect(verify(bytes, { ...options, provider: nobleProvider })).toEqual(
    verify(bytes, { ...options, provider }),
  );
});
