/**
 * The trust policy that a command was given.
 *
 * @module
 */
import { decodeUtf8, isEvidenceError, parsePolicy, type TrustPolicy } from "@tallystick/evidence";
import { required, UsageError, type Arguments, readBounded } from "@tallystick/evidence/node";

const MAX_POLICY_BYTES = 1 << 20;

/**
 * Reads the file of `--policy`.
 *
 * @throws UsageError where it is missing, or not a policy: one line for each fault, `FILE: line N: what to do`
 */
export async function readPolicy(values: Arguments["values"]): Promise<TrustPolicy> {
  const file = required(values, "policy");
  try {
    const bytes = await readBounded(file, MAX_POLICY_BYTES, file);
    if (bytes === undefined) throw new UsageError(`${file}: no such file: give the trust policy`);
    return parsePolicy(decodeUtf8(bytes));
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    const faults = error.message.split("\n").map((line) => `${file}: ${line}`);
    throw new UsageError(`${faults.join("\n")} [${error.code}]`);
  }
}
