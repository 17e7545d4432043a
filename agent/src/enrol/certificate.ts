/**
 * The client certificate of a broker that lets nobody in without one. It is made for the device's key, by whoever certifies for that broker, and not before the key is in the registry: so an enrolment
 * waits for it, and then goes on.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { isEvidenceError } from "@tallystick/evidence";
import { sleep, type Timer } from "@tallystick/evidence/node";
import { contextOf, type TlsSettings } from "../uplink/dial.ts";

const LOOK_MS = 500;

export type CertifyingParts = {
  readonly tls: TlsSettings | undefined;
  readonly iss: string;
  readonly timer: Timer;
  /** Told what is missing, whenever that changes. */
  readonly tell: (text: string) => void;
  /** True: looked at once, and not waited for. */
  readonly once: boolean;
};

/**
 * Waits until the certificate that the configuration names is there, and is the one of the key beside it.
 *
 * @returns false where `signal` was aborted first, or with `once`; true also where the configuration names none
 */
export async function untilCertified(parts: CertifyingParts, signal: AbortSignal): Promise<boolean> {
  const { tls, timer, tell, once } = parts;
  if (tls?.cert === undefined) return true;
  let told: string | undefined;
  while (!signal.aborted) {
    const missing = whatIsMissing(tls, tls.cert, parts.iss);
    if (missing === undefined) return true;
    if (missing !== told) tell(missing);
    told = missing;
    if (once) return false;
    await sleep(timer, LOOK_MS, signal);
  }
  return false;
}

function whatIsMissing(tls: TlsSettings, cert: string, iss: string): string | undefined {
  if (!existsSync(cert))
    return (
      `waiting for ${cert}: the broker wants a client certificate. Whoever certifies for it makes it for the key above, as the registry has it: ` +
      `tally-anchor registry --device ${iss} --pem. Ctrl-C leaves it: tally-agent enrol goes on later`
    );
  try {
    contextOf(tls);
    return undefined;
  } catch (error) {
    if (isEvidenceError(error)) return `${error.message} [${error.code}]; waiting for another`;
    throw error;
  }
}
