/**
 * A certificate out of the result of a coverage.
 *
 * @module
 */
import { EvidenceError, fromHex } from "@tallystick/evidence";
import type { CoverageBody, Stretch } from "../coverage/body.ts";
import type { Result } from "../result.ts";
import type { Certificate, CertifiedPeriod } from "./content.ts";

/**
 * @throws EvidenceError the result's code where the evidence is invalid or not verifiable: nobody signs for that. That a device contradicts itself
 *   is no fault of the evidence: what of it proves nothing was counted as such
 */
export function certificateOf(
  result: Result<CoverageBody>,
  period: { readonly from: number; readonly to: number },
): Certificate {
  const { verdict, code = "bundle-scope", tool, log, inputs, restrictions, findings, body } = result;
  const failed = result.checks.filter((row) => row.result === "failed");
  const forked = verdict === "invalid" && failed.every((row) => row.code === "fork");
  if (verdict === "not-verifiable" || (verdict === "invalid" && !forked))
    throw new EvidenceError(code, `no certificate is made of evidence that is ${verdict}`);
  const evidence = inputs.find(({ role }) => role === "case" || role === "bundle");
  const policy = inputs.find(({ role }) => role === "policy");
  return {
    tool,
    log: { origin: log.origin, size: log.size, root: fromHex(log.root) },
    evidence: {
      kind: evidence?.role === "bundle" ? "bundle" : "case",
      hash: fromHex(evidence?.sha256 ?? ""),
    },
    policy: fromHex(policy?.sha256 ?? ""),
    verdict,
    restrictions: forked ? [...restrictions, "fork"] : restrictions,
    zone: body.zone,
    ...period,
    lateAfterS: body.lateAfterS,
    findings,
    streams: body.streams.map(({ iss, sub, state, interval, begins, ends, chains, months }) => ({
      iss,
      sub,
      state,
      interval,
      begins,
      ends,
      chains: chains.map(({ ch, ...chain }) => ({ ch: fromHex(ch), ...chain })),
      periods: months.map(periodOf),
    })),
  };
}

function periodOf({
  label,
  from,
  to,
  expected,
  received,
  missing,
  late,
  repeats,
  conflicts,
}: Stretch): CertifiedPeriod {
  const tally = { expected, received, missing, late, repeats, conflicts };
  return { label, from: secondsOf(from), to: secondsOf(to), tally };
}

/** Days begin at whole seconds. */
const secondsOf = (text: string): number => Date.parse(text) / 1000;
