/**
 * Whether the devices of a log were enrolled by the operators that the trust policy pins.
 *
 * @module
 */
import { equalBytes, parseIss, type KeyState, type TrustPolicy } from "@tallystick/evidence";
import { counted, type LogFindings } from "../judgement.ts";

/**
 * Goes up from the operator that enrolled each device to the founding ones; the pinned key of the device's org (or else of `*`) must be
 * met on the way. Reports `operators-not-pinned`, `operator-foreign`, and as a restriction `operator-unpinned`.
 */
export function checkOperators(state: KeyState, policy: TrustPolicy, findings: LogFindings): void {
  if (policy.operators.length === 0) {
    const reason = "no operator in the trust policy: device identity rests on the log key alone";
    findings.restricted("operators", "operators-not-pinned", reason);
    return;
  }
  const unpinned = new Set<string>();
  let good = 0;
  for (const record of state.records()) {
    if (record.role !== "device") continue;
    const { org } = parseIss(record.iss);
    const ofOrg = policy.operators.filter((one) => one.org === org);
    const pins = ofOrg.length > 0 ? ofOrg : policy.operators.filter((one) => one.org === "*");
    if (pins.length === 0) {
      unpinned.add(org);
      continue;
    }
    const met = state
      .operatorsOf(record.kid)
      .some(({ iss, key }) =>
        pins.some(({ vkey }) => vkey.name === iss && equalBytes(vkey.publicKey, key.x)),
      );
    if (met) good++;
    else {
      const reason = `${record.iss} was enrolled by operators that don't begin at the pinned one`;
      findings.failed("operators", "operator-foreign", reason);
    }
  }
  if (unpinned.size > 0) {
    const orgs = [...unpinned].toSorted();
    const shown = orgs.slice(0, 10).join(", ") + (orgs.length > 10 ? ` and ${orgs.length - 10} more` : "");
    findings.restricted("operators", "operator-unpinned", `the trust policy pins no operator of ${shown}`);
  }
  if (good > 0)
    findings.passed("operators", `${counted(good, "device key")} enrolled under pinned operators`);
}
