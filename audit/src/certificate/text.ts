/**
 * A certificate in words, and as JSON.
 *
 * @module
 */
import { toHex } from "@tallystick/evidence";
import { showInstant } from "../calendar.ts";
import { CAUSES, type Edge, type Tally } from "../coverage/body.ts";
import { Zone } from "../zone.ts";
import type { CertifiedStream } from "./content.ts";
import type { Sealed } from "./seal.ts";

/** Lines for people. @param sealed - parsed; whether it is signed is said beside it */
export function certificateLines({ certificate, name, atUnixS }: Sealed): string[] {
  const {
    tool,
    log,
    evidence,
    policy,
    verdict,
    restrictions,
    zone,
    from,
    to,
    lateAfterS,
    findings,
    streams,
  } = certificate;
  const shown = instants(zone);
  return [
    `completeness certificate of ${name}${atUnixS === null ? "" : `, signed at ${instants("UTC")(atUnixS)} as the signer says`}`,
    `from ${shown(from)} to ${shown(to)}, ${zone}`,
    `log ${log.origin} at size ${log.size}, root ${toHex(log.root)}`,
    `${evidence.kind} ${toHex(evidence.hash)}, policy ${toHex(policy)}`,
    `the evidence: ${verdict}${restrictions.length === 0 ? "" : ` (${restrictions.join(", ")})`}; ${findings} findings that nothing explains`,
    `made with ${tool.name} ${tool.version}; late is later than ${lateAfterS} s`,
    ...streams.flatMap((stream) => streamLines(stream)),
  ];
}

function streamLines({ iss, sub, state, begins, ends, chains, periods }: CertifiedStream): string[] {
  return [
    `${iss}/${sub}: ${state}; begins: ${edgeText(begins)}; ends: ${edgeText(ends)}`,
    ...chains.map(({ ch, seqs, held, missing, attested }) => {
      const whole = causesText(missing);
      const says =
        whole === ""
          ? `complete for seq ${seqs.from}..${seqs.to}`
          : `seq ${seqs.from}..${seqs.to}: ${held} here, missing ${whole}`;
      const by =
        attested === null
          ? "no heads name any of it"
          : `heads of ${attested.at ?? "an unknown time"} name ${attested.seq}`;
      return `  chain ${toHex(ch)}: ${says}; ${by}`;
    }),
    ...periods.map(({ label, tally }) => `  ${label}: ${tallyText(tally)}`),
  ];
}

const edgeText = ({ by, at }: Edge): string => (at === null ? by : `${by} (${at})`);

const causesText = (missing: Tally["missing"]): string =>
  CAUSES.flatMap((cause) => (missing[cause] > 0 ? [`${missing[cause]} ${cause}`] : [])).join(", ");

function tallyText({ expected, received, missing, late, repeats, conflicts }: Tally): string {
  const parts = [
    `${received} here${expected === null ? "" : ` of ${expected}`}`,
    ...(causesText(missing) === "" ? [] : [`missing ${causesText(missing)}`]),
    ...(late > 0 ? [`${late} late`] : []),
    ...(repeats > 0 ? [`${repeats} told twice`] : []),
    ...(conflicts > 0 ? [`${conflicts} in conflict`] : []),
  ];
  return parts.join(", ");
}

/** The content as JSON has it: hashes hexadecimal, times RFC 3339. */
export function certificateJson({ certificate, name, kid, atUnixS }: Sealed): object {
  const { log, evidence, policy, from, to, streams, ...rest } = certificate;
  const shown = instants(certificate.zone);
  return {
    name,
    kid: toHex(kid),
    at: atUnixS === null ? null : instants("UTC")(atUnixS),
    log: { ...log, root: toHex(log.root) },
    evidence: { kind: evidence.kind, sha256: toHex(evidence.hash) },
    policy: toHex(policy),
    ...rest,
    from: shown(from),
    to: shown(to),
    streams: streams.map(({ chains, periods, ...stream }) => ({
      ...stream,
      chains: chains.map((chain) => ({ ...chain, ch: toHex(chain.ch) })),
      periods: periods.map((one) => ({ ...one, from: shown(one.from), to: shown(one.to) })),
    })),
  };
}

/** Instants of a zone; in seconds where this machine knows no such zone, or the instant is beyond what it knows. */
export function instants(name: string): (unixS: number) => string {
  let zone: Zone | undefined;
  try {
    zone = new Zone(name);
  } catch {
    zone = undefined;
  }
  return (unixS) => {
    try {
      return zone === undefined ? `${unixS} s` : showInstant(zone, unixS);
    } catch {
      return `${unixS} s`;
    }
  };
}
