/**
 * What happened, counted: refusals and losses by code, traffic by kind of topic. Printed as Prometheus text.
 *
 * @module
 */
import { EVIDENCE_CODES, type EvidenceCode } from "@tallystick/evidence";
import type { ProofKind } from "./access/authenticate.ts";
import type { TopicKind } from "./config.ts";

/** Called at each refusal or loss: where it goes to the log, thinned out. `address` is empty where it says nothing. */
export type Notice = (code: EvidenceCode, client: string, address: string) => void;

export class Counters {
  readonly #codes = new Map<EvidenceCode, number>();
  readonly #messages: Record<TopicKind, number> = { up: 0, down: 0, state: 0, checkpoint: 0 };
  readonly #bytes: Record<TopicKind, number> = { up: 0, down: 0, state: 0, checkpoint: 0 };
  readonly #notice: Notice;
  readonly #proofs: Record<ProofKind, number> = { none: 0, token: 0, certificate: 0, secret: 0 };
  #delivered = 0;

  constructor(notice: Notice) {
    this.#notice = notice;
  }

  /** A refusal or a loss. The code is the label: few values, never text from the wire. */
  refused(code: EvidenceCode, client: string, address = ""): void {
    this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1);
    this.#notice(code, client, address);
  }

  published(kind: TopicKind, bytes: number): void {
    this.#messages[kind]++;
    this.#bytes[kind] += bytes;
  }

  delivered(): void {
    this.#delivered++;
  }

  connected(by: ProofKind): void {
    this.#proofs[by]++;
  }

  count(code: EvidenceCode): number {
    return this.#codes.get(code) ?? 0;
  }

  /** Prometheus text, version 0.0.4; `gauges` are values that somebody else keeps. */
  text(gauges: Readonly<Record<string, number>>): string {
    const lines = [
      "# TYPE tally_broker_connections_total counter",
      ...Object.entries(this.#proofs).map(([by, n]) => `tally_broker_connections_total{proof="${by}"} ${n}`),
      "# TYPE tally_broker_deliveries_total counter",
      `tally_broker_deliveries_total ${this.#delivered}`,
      "# TYPE tally_broker_messages_total counter",
      ...Object.entries(this.#messages).map(
        ([kind, n]) => `tally_broker_messages_total{kind="${kind}"} ${n}`,
      ),
      "# TYPE tally_broker_bytes_total counter",
      ...Object.entries(this.#bytes).map(([kind, n]) => `tally_broker_bytes_total{kind="${kind}"} ${n}`),
      "# TYPE tally_broker_refused_total counter",
      ...EVIDENCE_CODES.filter((code) => this.#codes.has(code)).map(
        (code) => `tally_broker_refused_total{code="${code}"} ${this.count(code)}`,
      ),
    ];
    for (const [name, value] of Object.entries(gauges)) {
      lines.push(`# TYPE tally_broker_${name} gauge`, `tally_broker_${name} ${value}`);
    }
    return `${lines.join("\n")}\n`;
  }
}

/**
 * A notice that tells `write` of the first refusal of each code, then of each code at most once in `intervalMs`, with how
 * many were left out meanwhile: a flood of refusals is not a flood of log lines.
 */
export function thinned(
  write: (line: { code: EvidenceCode; client: string; address?: string; leftOut: number }) => void,
  intervalMs: number,
  now: () => number,
): Notice {
  const last = new Map<EvidenceCode, { at: number; leftOut: number }>();
  return (code, client, address) => {
    const before = last.get(code);
    const at = now();
    if (before !== undefined && at - before.at < intervalMs) {
      before.leftOut++;
      return;
    }
    last.set(code, { at, leftOut: 0 });
    const from = address === "" ? {} : { address };
    write({ code, client, ...from, leftOut: before?.leftOut ?? 0 });
  };
}
