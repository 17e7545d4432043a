/**
 * The content of a completeness certificate: what is here of streams and a period, bound to a tree of the log, the evidence and the policy
 * (docs/formats.md, "Completeness certificate"). One byte string for one content; numbers that don't add up are refused.
 *
 * @module
 */
import {
  asBytes,
  asText,
  asUint,
  decodeCbor,
  encodeCbor,
  equalBytes,
  EvidenceError,
  Fields,
  HASH_BYTES,
  mapOf,
  tuple,
  type CborKey,
  type CborValue,
} from "@tallystick/evidence";
import {
  CAUSES,
  type ByCause,
  type Edge,
  type Seqs,
  type StreamCoverage,
  type Tally,
} from "../coverage/body.ts";
import { noneOf, totalOf } from "../coverage/numbers.ts";

type CertifiedChain = {
  readonly ch: Uint8Array;
  readonly seqs: Seqs;
  readonly held: number;
  readonly missing: ByCause;
  readonly attested: { readonly seq: number; readonly at: string | null } | null;
};

/** A month of the zone, cut at the ends of the period; Unix seconds. */
export type CertifiedPeriod = {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly tally: Tally;
};

export type CertifiedStream = {
  readonly iss: string;
  readonly sub: string;
  readonly state: StreamCoverage["state"];
  /** Seconds between samples, as signed; null where no opening was there. */
  readonly interval: string | null;
  readonly begins: Edge;
  readonly ends: Edge;
  readonly chains: readonly CertifiedChain[];
  readonly periods: readonly CertifiedPeriod[];
};

export type Certificate = {
  readonly tool: { readonly name: string; readonly version: string };
  readonly log: { readonly origin: string; readonly size: number; readonly root: Uint8Array };
  /** SHA-256 of a bundle, or the digest of a case. */
  readonly evidence: { readonly kind: "case" | "bundle"; readonly hash: Uint8Array };
  readonly policy: Uint8Array;
  /** Of the evidence as a whole; `invalid` only where chains contradict themselves (`fork`), which their streams then say. */
  readonly verdict: "verified" | "restricted" | "invalid";
  /** Restrictions, and `fork` where the verdict is `invalid`. */
  readonly restrictions: readonly string[];
  readonly zone: string;
  /** Unix seconds; `to` is exclusive. */
  readonly from: number;
  readonly to: number;
  /** Readings that came to the log later than this after their time are late, seconds. */
  readonly lateAfterS: number;
  /** Findings that nothing explains, of all classes. */
  readonly findings: number;
  readonly streams: readonly CertifiedStream[];
};

export const MAX_CERTIFICATE_BYTES = 16 << 20;
const MAX_STREAMS = 65_536;
const MAX_CHAINS = 65_536;
const MAX_PERIODS = 4096;
const MAX_RESTRICTIONS = 64;
const STATES = ["complete", "explained", "incomplete", "empty"] as const;
const EDGES = ["reading", "chain", "heads", "open"] as const;

/** @throws EvidenceError `too-large` */
export function encodeContent(one: Certificate): Uint8Array {
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
  } = one;
  const bytes = encodeCbor(
    mapOf({
      v: 1,
      tool: [tool.name, tool.version],
      log: [log.origin, log.size, log.root],
      evidence: [evidence.kind, evidence.hash],
      policy,
      verdict,
      restrictions: [...restrictions],
      zone,
      period: [from, to],
      late: lateAfterS,
      findings,
      streams: streams.map(streamValue),
    }),
  );
  if (bytes.length <= MAX_CERTIFICATE_BYTES) return bytes;
  throw new EvidenceError(
    "too-large",
    "more than a certificate holds: take fewer streams, or a shorter period",
  );
}

const streamValue = ({
  iss,
  sub,
  state,
  interval,
  begins,
  ends,
  chains,
  periods,
}: CertifiedStream): CborValue =>
  mapOf({
    iss,
    sub,
    state,
    interval,
    begins: [begins.by, begins.at],
    ends: [ends.by, ends.at],
    chains: chains.map(({ ch, seqs, held, missing, attested }) => [
      ch,
      seqs.from,
      seqs.to,
      held,
      causesValue(missing),
      attested === null ? null : [attested.seq, attested.at],
    ]),
    periods: periods.map(({ label, from, to, tally }) => [label, from, to, tallyValue(tally)]),
  });

const tallyValue = ({ expected, received, missing, late, repeats, conflicts }: Tally): CborValue =>
  mapOf({ expected, received, missing: causesValue(missing), late, repeats, conflicts });

/** Causes of which there is none are left out. */
const causesValue = (missing: ByCause): CborValue =>
  new Map<CborKey, CborValue>(
    CAUSES.flatMap((cause) => (missing[cause] > 0 ? [[cause, missing[cause]] as const] : [])),
  );

/**
 * Reads a content, once and strictly.
 *
 * @throws EvidenceError a code of a closed shape or of CBOR; `member-range` where numbers don't add up, or streams are not in the order of their names
 */
export function decodeContent(bytes: Uint8Array): Certificate {
  const fields = new Fields(decodeCbor(bytes, { maxBytes: MAX_CERTIFICATE_BYTES }), "certificate");
  fields.literal("v", [1]);
  const [name, version] = tuple(fields.value("tool"), 2, "tool");
  const [origin, size, root] = tuple(fields.value("log"), 3, "log");
  const [kind, hash] = tuple(fields.value("evidence"), 2, "evidence");
  const [from, to] = tuple(fields.value("period"), 2, "period");
  const one: Certificate = {
    tool: { name: asText(name, "tool"), version: asText(version, "version") },
    log: {
      origin: asText(origin, "origin"),
      size: asUint(size, "size"),
      root: asBytes(root, HASH_BYTES, "root"),
    },
    evidence: {
      kind: oneOf(kind, ["case", "bundle"], "evidence"),
      hash: asBytes(hash, HASH_BYTES, "evidence"),
    },
    policy: fields.bytes("policy", HASH_BYTES),
    verdict: fields.literal("verdict", ["verified", "restricted", "invalid"]),
    restrictions: fields.list("restrictions", 0, MAX_RESTRICTIONS).map((text) => asText(text, "restriction")),
    zone: fields.text("zone"),
    from: asUint(from, "from"),
    to: asUint(to, "to"),
    lateAfterS: fields.uint("late"),
    findings: fields.uint("findings"),
    streams: fields.list("streams", 0, MAX_STREAMS).map((value) => streamOf(value)),
  };
  fields.end();
  checkOrder(one.streams);
  if (one.from >= one.to) throw wrong("a period ends before it begins");
  if (!equalBytes(encodeContent(one), bytes))
    throw new EvidenceError("cbor-malformed", "a certificate has one form, and this is another");
  return one;
}

function streamOf(value: CborValue): CertifiedStream {
  const fields = new Fields(value, "stream");
  const stream = {
    iss: fields.text("iss"),
    sub: fields.text("sub"),
    state: fields.literal("state", STATES),
    interval: nullable(fields.value("interval"), (text) => asText(text, "interval")),
    begins: edgeOf(fields.value("begins")),
    ends: edgeOf(fields.value("ends")),
    chains: fields.list("chains", 0, MAX_CHAINS).map(chainOf),
    periods: fields.list("periods", 0, MAX_PERIODS).map(periodOf),
  };
  fields.end();
  return stream;
}

function chainOf(value: CborValue): CertifiedChain {
  const [ch, from, to, held, missing, attested] = tuple(value, 6, "chain");
  const chain = {
    ch: asBytes(ch, 8, "ch"),
    seqs: { from: asUint(from, "from"), to: asUint(to, "to") },
    held: asUint(held, "held"),
    missing: causesOf(missing),
    attested: nullable(attested, (pair) => {
      const [seq, at] = tuple(pair, 2, "attested");
      return { seq: asUint(seq, "attested"), at: nullable(at, (text) => asText(text, "attested")) };
    }),
  };
  // What is held and what is missing is what was spent.
  if (chain.held + totalOf(chain.missing) !== chain.seqs.to - chain.seqs.from + 1)
    throw wrong("held and missing are not the numbers of the chain");
  return chain;
}

function periodOf(value: CborValue): CertifiedPeriod {
  const [label, from, to, tally] = tuple(value, 4, "period");
  return {
    label: asText(label, "label"),
    from: asUint(from, "from"),
    to: asUint(to, "to"),
    tally: tallyOf(tally),
  };
}

function tallyOf(value: CborValue | undefined): Tally {
  const fields = new Fields(value ?? null, "tally");
  const tally = {
    expected: nullable(fields.value("expected"), (count) => asUint(count, "expected")),
    received: fields.uint("received"),
    missing: causesOf(fields.value("missing")),
    late: fields.uint("late"),
    repeats: fields.uint("repeats"),
    conflicts: fields.uint("conflicts"),
  };
  fields.end();
  if (tally.expected !== null && tally.expected !== tally.received + totalOf(tally.missing))
    throw wrong("received and missing are not what was expected");
  return tally;
}

function causesOf(value: CborValue | undefined): ByCause {
  const fields = new Fields(value ?? null, "missing");
  const missing = noneOf();
  for (const cause of CAUSES) {
    missing[cause] = fields.optional(cause, (key) => fields.uint(key)) ?? 0;
    if (fields.has(cause) && missing[cause] === 0) throw wrong("a cause of nothing is left out");
  }
  fields.end();
  return missing;
}

function edgeOf(value: CborValue): Edge {
  const [by, at] = tuple(value, 2, "edge");
  return { by: oneOf(by, EDGES, "edge"), at: nullable(at, (text) => asText(text, "edge")) };
}

const nullable = <T>(value: CborValue | undefined, read: (value: CborValue) => T): T | null =>
  value === null || value === undefined ? null : read(value);

function oneOf<const T extends string>(value: CborValue | undefined, allowed: readonly T[], name: string): T {
  const found = allowed.find((each) => each === value);
  if (found === undefined) throw wrong(`${name} is none of ${allowed.join(", ")}`);
  return found;
}

function checkOrder(streams: readonly CertifiedStream[]): void {
  for (const [i, { iss, sub }] of streams.entries()) {
    const before = streams[i - 1];
    if (before !== undefined && (before.iss > iss || (before.iss === iss && before.sub >= sub)))
      throw wrong("streams are in the order of their names, each once");
  }
}

const wrong = (what: string): EvidenceError => new EvidenceError("member-range", `certificate: ${what}`);
