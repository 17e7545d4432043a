/**
 * The sections of a page that show a completeness certificate: what it is bound to, and of each stream what its signer says is here.
 *
 * @module
 */
import { toHex } from "@tallystick/evidence";
import type { Sealed } from "../certificate/seal.ts";
import { instants } from "../certificate/text.ts";
import type { CertifiedPeriod, CertifiedStream } from "../certificate/content.ts";
import { CAUSES, type ByCause, type Edge } from "../coverage/body.ts";
import type { Block, Page, Section } from "./block.ts";
import { range } from "./of-coverage.ts";
import { grouped } from "./text.ts";
import type { Words } from "./words.ts";

/** Streams, and of each the chains and periods, that are shown. */
const MAX_STREAMS = 60;
const MAX_CHAINS = 20;
const MAX_PERIODS = 120;

export function certificateSections(sealed: Sealed, words: Words): Section[] {
  const { sections, name, says, language } = words;
  const { streams } = sealed.certificate;
  const hidden = streams.length - MAX_STREAMS;
  return [
    { id: "bound", title: sections.completeness, blocks: bound(sealed, words) },
    {
      id: "streams",
      title: `${name.streams} (${grouped(streams.length, language)})`,
      blocks: [
        ...streams.slice(0, MAX_STREAMS).flatMap((one) => streamBlocks(one, words)),
        ...(hidden > 0 ? [{ kind: "text", text: says.moreStreams(hidden) } as const] : []),
      ],
    },
  ];
}

/**
 * The headline of a certificate whose signature is good. It is green only where all that it says is good, too: a page that looks better than what it
 * certifies would be read wrongly.
 */
export function certifiedVerdict({ certificate, name }: Sealed, words: Words): Page["verdict"] {
  const { says, headlines, language } = words;
  const { streams, findings, verdict } = certificate;
  const complete = streams.filter(({ state }) => state === "complete").length;
  const isWhole = complete === streams.length && findings === 0 && verdict === "verified";
  const headline = says.signedBy(name);
  return {
    tone: isWhole ? "good" : verdict === "invalid" ? "bad" : "limited",
    headline: findings === 0 ? headline : says.headline(headline, findings),
    lines: [
      says.certifiedStates(grouped(complete, language), grouped(streams.length, language)),
      `${words.name.verdict}: ${headlines[verdict]}.`,
      says.certified,
    ],
  };
}

function bound({ certificate, name: signer, kid, atUnixS }: Sealed, words: Words): Block[] {
  const { name, headlines, language } = words;
  const { evidence, policy, verdict, restrictions, zone, from, to, lateAfterS, findings } = certificate;
  const shown = instants(zone);
  return [
    {
      kind: "facts",
      rows: [
        [name.signedFor, signer],
        [name.key, toHex(kid)],
        [name.signedAt, atUnixS === null ? name.unknown : instants("UTC")(atUnixS)],
        [name.period, `${shown(from)} – ${shown(to)}`],
        [name.zone, zone],
        [name.evidence, `${evidence.kind} ${toHex(evidence.hash)}`],
        [name.policy, toHex(policy)],
        [name.verdict, headlines[verdict]],
        [name.restriction, restrictions.length === 0 ? name.none : restrictions.join(", ")],
        [words.sections.findings, grouped(findings, language)],
        [name.lateAfter, grouped(lateAfterS, language)],
      ],
    },
  ];
}

function streamBlocks(stream: CertifiedStream, words: Words): Block[] {
  const { iss, sub, state, begins, ends, chains, periods } = stream;
  const { name, says, language } = words;
  const edge = ({ by, at }: Edge): string => `${words.edges[by]}${at === null ? "" : ` (${at})`}`;
  const lines = chains.slice(0, MAX_CHAINS).map(({ ch, seqs, held, missing, attested }) => {
    const end = attested === null ? says.openTail(seqs.to) : says.tail(attested.seq);
    const lacks = causes(missing, words);
    return `${name.chain} ${toHex(ch)}: ${range(seqs)}, ${grouped(held, language)} ${name.statements}${lacks === "" ? "" : `; ${lacks}`}. ${end}`;
  });
  const [chainsLeft, periodsLeft] = [chains.length - MAX_CHAINS, periods.length - MAX_PERIODS];
  return [
    { kind: "heading", text: `${iss} ${sub}` },
    {
      kind: "facts",
      rows: [
        [name.state, words.states[state] ?? state],
        [name.begins, edge(begins)],
        [name.ends, edge(ends)],
      ],
    },
    { kind: "list", items: lines },
    ...(chainsLeft > 0
      ? [{ kind: "text", text: says.notShown(grouped(chainsLeft, language)) } as const]
      : []),
    {
      kind: "table",
      caption: `${iss} ${sub}`,
      columns: [
        { title: name.period },
        { title: name.expected, align: "number" },
        { title: name.here, align: "number" },
        { title: name.missing },
        { title: name.late, align: "number" },
        { title: name.repeats, align: "number" },
        { title: name.conflicts, align: "number" },
      ],
      rows: periods.slice(0, MAX_PERIODS).map((one) => periodRow(one, words)),
      ...(periodsLeft > 0 ? { note: says.notShown(grouped(periodsLeft, language)) } : {}),
    },
  ];
}

function periodRow({ label, tally }: CertifiedPeriod, words: Words): string[] {
  const count = (value: number): string => grouped(value, words.language);
  const { expected, received, missing, late, repeats, conflicts } = tally;
  const lacks = causes(missing, words);
  return [
    label,
    expected === null ? "–" : count(expected),
    count(received),
    lacks === "" ? words.name.none : lacks,
    count(late),
    count(repeats),
    count(conflicts),
  ];
}

const causes = (missing: ByCause, { causes: named, language }: Words): string =>
  CAUSES.filter((cause) => missing[cause] > 0)
    .map((cause) => `${grouped(missing[cause], language)} ${named[cause]}`)
    .join("; ");
