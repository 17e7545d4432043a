/**
 * The sections of a report that show evidence: values, who signed, when, and whether it is complete.
 *
 * @module
 */
import { isEvidenceCode } from "@tallystick/evidence";
import type { Block, Section, Strip } from "./block.ts";
import type { ChainView, EvidenceView, KeyView, ShownReading, Series, StreamView } from "./evidence.ts";
import { grouped, utcTime } from "./text.ts";
import type { Words } from "./words.ts";

/** @param isEstablished - false where the verdict leaves open whether any of it is so */
export function evidenceSections(view: EvidenceView, words: Words, isEstablished: boolean): Section[] {
  const claims: Block[] = isEstablished ? [] : [{ kind: "text", text: words.says.claims }];
  const { sections } = words;
  return [
    ...doubtSections(view, words),
    { id: "values", title: sections.values, blocks: [...claims, ...values(view, words)] },
    { id: "signers", title: sections.signers, blocks: [...claims, ...signers(view, words)] },
    { id: "times", title: sections.times, blocks: [...claims, ...times(view, words)] },
    { id: "completeness", title: sections.completeness, blocks: [...claims, ...completeness(view, words)] },
  ];
}

const streamName = ({ iss, sub }: StreamView): string => `${iss} ${sub}`;
const timeOf = (at: number | null, words: Words): string => (at === null ? words.name.unknown : utcTime(at));

/** Statements that prove nothing, first of all: none of them is among the values below. */
export function doubtSections(
  { doubts: rows, moreDoubts }: Pick<EvidenceView, "doubts" | "moreDoubts">,
  words: Words,
): Section[] {
  if (rows.length === 0) return [];
  return [{ id: "doubts", title: words.sections.doubts, blocks: [doubtTable(rows, moreDoubts, words)] }];
}

/** Stream, number, what is wrong, and the statement's hash. */
function doubtTable(rows: EvidenceView["doubts"], hidden: number, words: Words): Block {
  const { name, says, language, codes } = words;
  return {
    kind: "table",
    caption: words.sections.doubts,
    columns: [
      { title: name.stream },
      { title: name.numbers, align: "number" },
      { title: name.why },
      { title: name.statement, align: "code" },
    ],
    rows: rows.map(({ iss, sub, seq, hash, standing, code }) => [
      `${iss} ${sub}`,
      String(seq),
      `${words.standings[standing] ?? standing}: ${(isEvidenceCode(code) && codes[code]) || code}`,
      hash,
    ]),
    ...(hidden > 0 ? { note: says.notShown(grouped(hidden, language)) } : {}),
  };
}

function values({ streams, moreStreams }: EvidenceView, words: Words): Block[] {
  const { says } = words;
  const shown = streams.filter(({ series, events }) => series.length > 0 || events.length > 0);
  return [
    { kind: "text", text: says.values },
    ...shown.flatMap((stream) => streamValues(stream, words)),
    ...(moreStreams > 0 ? [{ kind: "text", text: says.moreStreams(moreStreams) } as const] : []),
  ];
}

function streamValues(stream: StreamView, words: Words): Block[] {
  const { series, moreSeries, events, moreEvents } = stream;
  const { name, says, language } = words;
  const title = streamName(stream);
  const blocks: Block[] = [{ kind: "heading", text: title }, levelsOf(stream, words)];
  if (series.length > 0) {
    blocks.push({
      kind: "table",
      caption: `${title}: ${name.readings}`,
      columns: [
        { title: name.register },
        { title: name.unit },
        { title: name.first, align: "number" },
        { title: name.last, align: "number" },
        { title: name.difference, align: "number" },
        { title: name.count, align: "number" },
      ],
      rows: series.map((one) => [
        one.name,
        one.unit,
        one.head[0]?.value ?? "",
        lastOf(one)?.value ?? "",
        one.difference ?? "–",
        grouped(one.count, language),
      ]),
      ...(moreSeries > 0 ? { note: says.notShown(grouped(moreSeries, language)) } : {}),
    });
  }
  blocks.push(...series.flatMap((one) => seriesBlocks(title, one, words)));
  if (events.length > 0) {
    blocks.push({
      kind: "table",
      caption: `${title}: ${name.events}`,
      columns: [
        { title: name.time, align: "time" },
        { title: name.event },
        { title: name.detail },
        numberColumn(words),
      ],
      rows: events.map(({ at, kind, detail, seq }) => [timeOf(at, words), kind, detail, String(seq)]),
      ...(moreEvents > 0 ? { note: says.notShown(grouped(moreEvents, language)) } : {}),
    });
  }
  return blocks;
}

const numberColumn = ({ name }: Words): { title: string; align: "number" } => ({
  title: name.statement,
  align: "number",
});

const lastOf = ({ head, tail }: Series): ShownReading | undefined => tail.at(-1) ?? head.at(-1);

/** Where values come from and how good the device's clock was, by count of statements. */
function levelsOf({ levels, clocks, statements }: StreamView, words: Words): Block {
  const { name, language } = words;
  const counted = (counts: readonly number[], texts: readonly string[]): string =>
    counts
      .flatMap((count, i) => (count > 0 ? [`${texts[i] ?? ""} (${grouped(count, language)})`] : []))
      .join("; ");
  return {
    kind: "facts",
    rows: [
      [name.statements, grouped(statements, language)],
      [name.level, counted(levels, words.levels)],
      [name.deviceClock, counted(clocks, words.clocks)],
    ],
  };
}

function seriesBlocks(title: string, series: Series, words: Words): Block[] {
  const { name, says, language } = words;
  const { head, tail, count, unit, points } = series;
  const [first, last] = [head[0], lastOf(series)];
  if (first === undefined || last === undefined) return [];
  const caption = `${title}: ${series.name}${unit === "" ? "" : `, ${unit}`}`;
  const described = says.plot(
    caption,
    first.value,
    timeOf(first.at, words),
    last.value,
    timeOf(last.at, words),
  );
  const hidden = count - head.length - tail.length;
  const row = ({ at, value, quality, seq }: ShownReading): string[] => [
    timeOf(at, words),
    value,
    quality,
    String(seq),
  ];
  return [
    ...(points.length > 1 ? [{ kind: "plot", caption, described, unit, points } as const] : []),
    {
      kind: "table",
      caption,
      columns: [
        { title: name.time, align: "time" },
        { title: name.value, align: "number" },
        { title: name.quality },
        numberColumn(words),
      ],
      rows: [...head.map(row), ...(hidden > 0 ? [["…", "…", "", "…"]] : []), ...tail.map(row)],
      ...(hidden > 0 ? { note: says.between(grouped(hidden, language)) } : {}),
    },
  ];
}

function signers({ keys, moreKeys }: EvidenceView, words: Words): Block[] {
  const blocks = keys.flatMap((key): Block[] => [
    { kind: "heading", text: key.iss },
    { kind: "facts", rows: keyRows(key, words) },
  ]);
  if (moreKeys === 0) return blocks;
  return [...blocks, { kind: "text", text: words.says.notShown(grouped(moreKeys, words.language)) }];
}

function keyRows(key: KeyView, words: Words): [string, string][] {
  const { name, says, language } = words;
  const at = grouped(key.enrolled, language);
  const marks = (["revoked", "superseded", "suspect"] as const).flatMap((what) => {
    const place = key[what];
    return place === null ? [] : [`${name[what]} (${name.index}: ${grouped(place, language)})`];
  });
  return [
    [name.key, key.kid],
    [name.statements, grouped(key.statements, language)],
    [name.enrolment, key.reEnrolled ? says.reEnrolled(key.item, at) : says.enrolled(key.item, at)],
    [name.operators, key.operators.map(({ iss, kid }) => `${iss} ${kid}`).join("; ") || name.nobody],
    [name.pin, pinText(key, words)],
    [name.state, marks.length === 0 ? name.counts : marks.join("; ")],
  ];
}

function pinText({ pin, fault }: KeyView, words: Words): string {
  if (pin !== null) return words.says.pinned(pin);
  return fault !== null && isEvidenceCode(fault) ? (words.codes[fault] ?? fault) : words.says.unpinned;
}

function times({ streams, logs }: EvidenceView, words: Words): Block[] {
  const { name, says, language } = words;
  const rows = streams.flatMap((stream) =>
    stream.chains.map((chain) => [
      streamName(stream),
      `${chain.from}–${chain.to}`,
      timeOf(chain.notBefore, words),
      timeOf(chain.notAfter, words),
      chain.sealed === null ? name.unknown : `${utcTime(chain.sealed.first)} – ${utcTime(chain.sealed.last)}`,
    ]),
  );
  return [
    { kind: "list", items: [says.seen, says.committed, says.clock] },
    {
      kind: "table",
      caption: words.sections.times,
      columns: [
        { title: name.stream },
        { title: name.numbers },
        { title: name.notBefore, align: "time" },
        { title: name.notAfter, align: "time" },
        { title: name.sealed },
      ],
      rows,
    },
    ...logs.map(({ origin, size, root }): Block => ({
      kind: "facts",
      rows: [
        [name.log, origin],
        [name.size, grouped(size, language)],
        [name.root, root],
      ],
    })),
  ];
}

/** Ranges that are listed. */
const MAX_RANGES = 20;

function completeness({ streams }: EvidenceView, words: Words): Block[] {
  return streams.flatMap((stream): Block[] => {
    const items = stream.chains.flatMap((chain) => chainLines(chain, words));
    return [
      { kind: "heading", text: streamName(stream) },
      { kind: "list", items },
      ...(stream.days.length === 0 ? [] : [strip(stream.days, `${streamName(stream)}, UTC`, words)]),
    ];
  });
}

function chainLines({ ch, from, to, held, missing, attested, isClaimed }: ChainView, words: Words): string[] {
  const { name, says, language } = words;
  if (!isClaimed) return [`${name.chain} ${ch}: ${says.support(held)}`];
  const ranges = missing
    .slice(0, MAX_RANGES)
    .map((one) => (one.from === one.to ? String(one.from) : `${one.from}–${one.to}`));
  const more = missing.length - ranges.length;
  const listed = `${ranges.join(", ")}${more > 0 ? ` … (+${grouped(more, language)})` : ""}`;
  return [
    `${name.chain} ${ch}: ${missing.length === 0 ? says.complete(from, to) : says.incomplete(from, to, listed)}`,
    attested ? says.tail(to) : says.openTail(to),
  ];
}

/** Days as cells; those that aren't whole are told in words as well. */
export function strip(days: Strip["days"], caption: string, words: Words): Block {
  const count = (state: string): number => days.filter((one) => one.state === state).length;
  const described = words.says.strip(
    count("whole"),
    count("explained"),
    count("unexplained"),
    count("empty"),
  );
  const states = (["whole", "explained", "unexplained", "empty"] as const).filter(
    (state) => count(state) > 0,
  );
  const [first, last] = [days[0]?.day ?? "", days.at(-1)?.day ?? ""];
  return {
    kind: "strip",
    caption: `${caption}: ${first} – ${last}, ${described}`,
    described,
    days,
    legend: states.map((state) => ({ state, text: words.days[state] })),
  };
}
