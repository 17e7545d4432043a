/**
 * The sections of a report that show a sample: how it was drawn, and the first of its items, each with its bundle.
 *
 * @module
 */
import { z } from "zod";
import { checked } from "../result-read.ts";
import type { SampleBody } from "../sample/body.ts";
import type { Block, Section } from "./block.ts";
import { grouped } from "./text.ts";
import type { Words } from "./words.ts";

const text = z.string().max(65_536);
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const few = 10_000;

const Row = z.strictObject({
  number: text,
  id: text,
  rank: text,
  stratum: text,
  amount: text,
  hits: text,
  stream: text,
  line: text,
  key: text,
  class: text,
  statements: text,
  indexes: text,
  bundle: text,
  verdict: text,
});
const Body: z.ZodType<SampleBody> = z.strictObject({
  algorithm: text,
  seed: text,
  n: count,
  method: z.enum(["simple", "stratified", "money-unit"]),
  of: z.enum(["statements", "lines"]),
  kinds: z.array(text).max(few),
  from: z.array(z.strictObject({ name: text, sha256: text })).max(few),
  stratify: text.nullable(),
  population: z.strictObject({ count, amount: text.nullable(), currency: text.nullable() }),
  start: text.nullable(),
  strata: z.array(z.strictObject({ name: text, count, drawn: count })).max(few),
  drawn: count,
  file: text,
  examples: z.array(Row).max(few),
});

/** Items that are shown, and strata. */
const MAX_ITEMS = 100;
const MAX_STRATA = 100;

/** @throws EvidenceError `result-malformed` */
export function sampleSections(body: object, words: Words): Section[] {
  const read = checked(Body, body, "result.json, body");
  const { sections } = words;
  return [
    { id: "totals", title: sections.drawn, blocks: how(read, words) },
    { id: "items", title: sections.items, blocks: [items(read, words)] },
  ];
}

function how(read: SampleBody, words: Words): Block[] {
  const { name, says, language } = words;
  const { algorithm, seed, n, method, of, kinds, from, stratify, population, start, strata, drawn } = read;
  const money =
    population.amount === null ? [] : [`${population.amount} ${population.currency ?? ""}`.trim()];
  const what = of === "lines" ? name.lines : `${name.statements}: ${kinds.join(", ")}`;
  const hidden = strata.length - MAX_STRATA;
  return [
    {
      kind: "facts",
      rows: [
        [name.method, `${words.methods[method]} (${algorithm})`],
        [name.seed, seed],
        [name.population, [what, grouped(population.count, language), ...money].join("; ")],
        [name.asked, grouped(n, language)],
        [name.drawn, grouped(drawn, language)],
        ...(stratify === null ? [] : [[name.stratum, stratify] as const]),
        ...(start === null ? [] : [[name.start, start] as const]),
      ],
    },
    ...(stratify === null
      ? []
      : [
          {
            kind: "table",
            caption: stratify,
            columns: [
              { title: name.stratum },
              { title: name.population, align: "number" },
              { title: name.drawn, align: "number" },
            ],
            rows: strata
              .slice(0, MAX_STRATA)
              .map((one) => [one.name, grouped(one.count, language), grouped(one.drawn, language)]),
            ...(hidden > 0 ? { note: says.notShown(grouped(hidden, language)) } : {}),
          } as const,
        ]),
    ...(from.length === 0
      ? []
      : [
          {
            kind: "table",
            caption: name.lines,
            columns: [{ title: name.file }, { title: "SHA-256", align: "code" }],
            rows: from.slice(0, MAX_ITEMS).map((one) => [one.name, one.sha256]),
          } as const,
        ]),
  ];
}

function items({ examples, drawn, file, of }: SampleBody, words: Words): Block {
  const { name, says, language, headlines } = words;
  const shown = examples.slice(0, MAX_ITEMS);
  const hidden = drawn - shown.length;
  return {
    kind: "table",
    caption: file,
    columns: [
      { title: name.item, align: "number" },
      { title: of === "lines" ? name.line : name.stream },
      { title: name.class },
      { title: name.amount, align: "number" },
      { title: name.file },
      { title: words.labels.result },
      { title: name.statement, align: "code" },
    ],
    rows: shown.map((row) => [
      row.hits === "1" ? row.number : `${row.number} (${name.hits}: ${row.hits})`,
      of === "lines" ? `${row.line} ${row.key}`.trim() : row.stream,
      row.class,
      row.amount,
      row.bundle === "" ? name.none : row.bundle,
      (headlines as Readonly<Record<string, string>>)[row.verdict] ?? row.verdict,
      row.statements,
    ]),
    ...(hidden > 0 ? { note: says.notShownFile(grouped(hidden, language), file) } : {}),
  };
}
