/**
 * The sections of a report that show a coverage: what was found, and each stream with its chains, its beginning and end, and a strip of its days.
 *
 * @module
 */
import { z } from "zod";
import { CAUSES, type CoverageBody, type Finding } from "../coverage/body.ts";
import { FINDING_CLASSES, titleOf } from "../coverage/classes.ts";
import { checked } from "../result-read.ts";
import type { Block, Section } from "./block.ts";
import { DAY_STATES, MAX_DAYS } from "./facts-days.ts";
import { strip } from "./of-evidence.ts";
import { grouped } from "./text.ts";
import type { Words } from "./words.ts";

const text = z.string().max(65_536);
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const [few, many] = [10_000, 1_000_000];
const Seqs = z.strictObject({ from: count, to: count });
const ByCause = z.strictObject(
  Object.fromEntries(CAUSES.map((one) => [one, count])) as Record<(typeof CAUSES)[number], typeof count>,
);
const tally = {
  expected: count.nullable(),
  received: count,
  missing: ByCause,
  late: count,
  repeats: count,
  conflicts: count,
};
const Stretch = z.strictObject({
  label: text,
  from: text,
  to: text,
  colour: z.enum(["green", "amber", "red", "none"]),
  ...tally,
});
const Edge = z.strictObject({ by: z.enum(["reading", "chain", "heads", "open"]), at: text.nullable() });

/** What a page shows of it; members that it doesn't show are let pass, since the body grows. */
const Body = z.object({
  zone: text,
  from: text,
  to: text,
  streams: z
    .array(
      z.object({
        iss: text,
        sub: text,
        state: z.enum(["complete", "explained", "incomplete", "empty"]),
        meter: text.nullable(),
        interval: text.nullable(),
        begins: Edge,
        ends: Edge,
        chains: z
          .array(
            z.object({
              ch: text,
              seqs: Seqs,
              held: count,
              missing: ByCause,
              attested: z.object({ seq: count, at: text.nullable() }).nullable(),
            }),
          )
          .max(few),
        readings: count,
        first: text.nullable(),
        last: text.nullable(),
        total: z.object(tally),
        days: z.array(Stretch).max(many),
      }),
    )
    .max(many),
  counts: z
    .array(z.object({ class: z.enum(FINDING_CLASSES), weight: z.enum(["fault", "told"]), count }))
    .max(few),
  findings: z
    .array(
      z.object({
        class: z.enum(FINDING_CLASSES),
        iss: text,
        sub: text,
        seqs: Seqs.nullable(),
        from: text.nullable(),
        to: text.nullable(),
        count,
        says: text,
      }),
    )
    .max(many),
});
type Shown = z.output<typeof Body>;
type ShownStream = Shown["streams"][number];

/** Streams with their days, and findings, that are shown. */
const MAX_STREAMS = 60;
const MAX_FINDINGS = 200;
const MAX_CHAINS = 20;

/** @throws EvidenceError `result-malformed` */
export function coverageSections(body: object, words: Words): Section[] {
  const read = checked(Body, body, "result.json, body") satisfies Partial<
    Record<keyof CoverageBody, unknown>
  >;
  const { sections } = words;
  return [
    { id: "totals", title: sections.completeness, blocks: overview(read, words) },
    { id: "findings", title: sections.findings, blocks: findings(read, words) },
    { id: "streams", title: words.name.streams, blocks: streams(read, words) },
  ];
}

function overview({ zone, from, to, streams: all, counts }: Shown, words: Words): Block[] {
  const { name, language } = words;
  const states = (["complete", "explained", "incomplete", "empty"] as const).map((state) => ({
    state,
    count: all.filter((one) => one.state === state).length,
  }));
  const most = Math.max(1, ...states.map((one) => one.count));
  const tones = { complete: "good", explained: "limited", incomplete: "bad", empty: "open" } as const;
  return [
    {
      kind: "facts",
      rows: [
        [name.period, `${from} – ${to}`],
        [name.zone, zone],
        [name.streams, grouped(all.length, language)],
      ],
    },
    {
      kind: "bars",
      caption: name.streams,
      bars: states.map((one) => ({
        label: words.states[one.state] ?? one.state,
        text: grouped(one.count, language),
        share: one.count / most,
        tone: tones[one.state],
      })),
    },
    ...(counts.length === 0
      ? []
      : [
          {
            kind: "table",
            caption: words.sections.findings,
            columns: [{ title: name.finding }, { title: name.state }, { title: name.count, align: "number" }],
            rows: counts.map((one) => [
              className(one.class, words),
              words.weights[one.weight] ?? one.weight,
              grouped(one.count, language),
            ]),
          } as const,
        ]),
  ];
}

/** In English what the class's own table says. */
const className = (one: Finding["class"], words: Words): string => words.findings[one] ?? titleOf(one);

function findings({ findings: all, counts }: Shown, words: Words): Block[] {
  const { name, says, language } = words;
  const faults = new Set(counts.filter(({ weight }) => weight === "fault").map((one) => one.class));
  // What needs a look comes first; within, the order of the result.
  const sorted = [
    ...all.filter((one) => faults.has(one.class)),
    ...all.filter((one) => !faults.has(one.class)),
  ];
  const shown = sorted.slice(0, MAX_FINDINGS);
  if (shown.length === 0) return [{ kind: "text", text: name.none }];
  const hidden = all.length - shown.length;
  return [
    {
      kind: "table",
      caption: words.sections.findings,
      columns: [
        { title: name.finding },
        { title: name.stream },
        { title: name.numbers },
        { title: name.timeAsGiven, align: "time" },
        { title: name.count, align: "number" },
        { title: name.detail },
      ],
      rows: shown.map((one) => [
        className(one.class, words),
        `${one.iss} ${one.sub}`,
        one.seqs === null ? "" : range(one.seqs),
        one.from === null && one.to === null ? "" : `${one.from ?? "…"} – ${one.to ?? "…"}`,
        grouped(one.count, language),
        one.says,
      ]),
      ...(hidden > 0 ? { note: says.notShown(grouped(hidden, language)) } : {}),
    },
  ];
}

export const range = ({ from, to }: { from: number; to: number }): string =>
  from === to ? String(from) : `${from}–${to}`;

function streams({ streams: all }: Shown, words: Words): Block[] {
  // What is incomplete comes first.
  const order = { incomplete: 0, explained: 1, empty: 2, complete: 3 };
  const sorted = all.toSorted((a, b) => order[a.state] - order[b.state]);
  const hidden = all.length - MAX_STREAMS;
  return [
    ...sorted.slice(0, MAX_STREAMS).flatMap((one) => streamBlocks(one, words)),
    ...(hidden > 0 ? [{ kind: "text", text: words.says.moreStreams(hidden) } as const] : []),
  ];
}

function streamBlocks(stream: ShownStream, words: Words): Block[] {
  const { name, language } = words;
  const { iss, sub, state, meter, begins, ends, chains, readings, first, last, total, days } = stream;
  const title = `${iss} ${sub}`;
  const missing = CAUSES.filter((cause) => total.missing[cause] > 0).map(
    (cause) => `${grouped(total.missing[cause], language)} ${words.causes[cause]}`,
  );
  const edge = (one: typeof begins): string =>
    `${words.edges[one.by]}${one.at === null ? "" : ` (${one.at})`}`;
  const lines = chains.slice(0, MAX_CHAINS).map(({ ch, seqs, held, attested }) => {
    const end = attested === null ? words.says.openTail(seqs.to) : words.says.tail(attested.seq);
    return `${name.chain} ${ch}: ${range(seqs)}, ${grouped(held, language)} ${name.statements}. ${end}`;
  });
  const shown = days.slice(-MAX_DAYS).map(({ label, colour }) => ({ day: label, state: DAY_STATES[colour] }));
  return [
    { kind: "heading", text: title },
    {
      kind: "facts",
      rows: [
        [name.state, words.states[state] ?? state],
        ...(meter === null ? [] : [[name.meter, meter] as const]),
        [
          name.readings,
          `${grouped(readings, language)}${first === null ? "" : `: ${first} – ${last ?? ""}`}`,
        ],
        [name.missing, missing.length === 0 ? name.none : missing.join("; ")],
        [name.begins, edge(begins)],
        [name.ends, edge(ends)],
      ],
    },
    { kind: "list", items: lines },
    ...(shown.length === 0 ? [] : [strip(shown, title, words)]),
  ];
}
