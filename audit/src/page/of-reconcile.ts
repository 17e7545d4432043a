/**
 * The sections of a report that show a reconciliation: totals by class in count and money, and the first lines of each class with the statements behind them.
 *
 * @module
 */
import { z } from "zod";
import { LINE_CLASSES, type ClassTotal, type LineClass, type ReconcileBody } from "../reconcile/body.ts";
import { checked } from "../result-read.ts";
import type { Block, Section, Tone } from "./block.ts";
import { grouped } from "./text.ts";
import type { Words } from "./words.ts";

const text = z.string().max(65_536);
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const few = 1000;

const Row = z.strictObject({
  line: text,
  type: text,
  key: text,
  account: text,
  stream: text,
  time: text,
  until: text,
  currency: text,
  billed: text,
  proven: text,
  difference: text,
  quantityBilled: text,
  quantityProven: text,
  reason: text,
  statements: text,
  indexes: text,
  checkpoint: text,
});
const Body: z.ZodType<ReconcileBody> = z.strictObject({
  against: z.enum(["events", "readings"]),
  scope: z.strictObject({ from: text, to: text, zone: text, graceBeforeS: count, graceAfterS: count }),
  export: z.strictObject({
    lines: count,
    ignored: count,
    money: z.array(z.strictObject({ currency: text, billed: text })).max(few),
  }),
  evidence: z.strictObject({ proven: count, unproven: count, inGrace: count, notDemanded: count }),
  classes: z
    .array(
      z.strictObject({
        class: z.enum(LINE_CLASSES),
        count,
        money: z
          .array(
            z.strictObject({
              currency: text,
              billed: text,
              proven: text.nullable(),
              difference: text.nullable(),
            }),
          )
          .max(few),
        quantity: z.strictObject({ billed: text, proven: text }).nullable(),
        reasons: z.record(z.string(), count),
        finding: z.boolean(),
        tolerated: count,
        file: text,
        examples: z.array(Row).max(10_000),
      }),
    )
    .max(LINE_CLASSES.length),
  metrics: z.array(z.strictObject({ name: text, count, of: count })).max(few),
});

const GOOD: ReadonlySet<LineClass> = new Set(["billed-and-proven", "adjusted"]);
/** Lines of each class that are shown. */
const MAX_LINES = 20;
const MAX_REASONS = 20;

/** The body of a reconciliation's result. @throws EvidenceError `result-malformed` */
export const readReconciliation = (body: object): ReconcileBody => checked(Body, body, "result.json, body");

/** @throws EvidenceError `result-malformed` */
export function reconcileSections(body: object, words: Words): Section[] {
  const read = readReconciliation(body);
  return [
    { id: "totals", title: words.sections.totals, blocks: totals(read, words) },
    {
      id: "lines",
      title: words.name.lines,
      blocks: read.classes.filter((one) => one.count > 0).flatMap((one) => classBlocks(one, words)),
    },
  ];
}

const classTone = (one: ClassTotal): Tone => (GOOD.has(one.class) ? "good" : one.finding ? "bad" : "limited");

function totals({ scope, export: lines, evidence, classes, metrics }: ReconcileBody, words: Words): Block[] {
  const { name, language, classes: titles } = words;
  const most = Math.max(1, ...classes.map((one) => one.count));
  const billed = lines.money.map((one) => `${one.billed} ${one.currency}`).join("; ");
  const money = classes.flatMap((one) =>
    one.money.map((sum) => [
      titles[one.class] ?? one.class,
      sum.currency,
      sum.billed,
      sum.proven ?? "–",
      sum.difference ?? "–",
    ]),
  );
  return [
    {
      kind: "facts",
      rows: [
        [name.period, `${scope.from} – ${scope.to}`],
        [name.zone, scope.zone],
        [name.lines, grouped(lines.lines, language)],
        [name.billed, billed === "" ? "–" : billed],
        [name.provenEvents, grouped(evidence.proven, language)],
        [name.unprovenEvents, grouped(evidence.unproven, language)],
      ],
    },
    {
      kind: "bars",
      caption: name.lines,
      bars: classes.map((one) => ({
        label: titles[one.class] ?? one.class,
        text: grouped(one.count, language),
        share: one.count / most,
        tone: classTone(one),
      })),
    },
    {
      kind: "table",
      caption: name.totals,
      columns: [
        { title: name.class },
        { title: name.currency },
        { title: name.billed, align: "number" },
        { title: name.proven, align: "number" },
        { title: name.difference, align: "number" },
      ],
      rows: money,
    },
    ...(metrics.length === 0
      ? []
      : [
          {
            kind: "table",
            caption: "ISO/TS 37444",
            columns: [
              { title: name.metric },
              { title: name.count, align: "number" },
              { title: name.of, align: "number" },
            ],
            rows: metrics.map((one) => [one.name, grouped(one.count, language), grouped(one.of, language)]),
          } as const,
        ]),
  ];
}

function classBlocks(one: ClassTotal, words: Words): Block[] {
  const { name, says, language } = words;
  const title = `${words.classes[one.class] ?? one.class}: ${grouped(one.count, language)}`;
  const reasons = Object.entries(one.reasons)
    .slice(0, MAX_REASONS)
    .map(([reason, times]) => `${reason}: ${grouped(times, language)}`);
  const shown = one.examples.slice(0, MAX_LINES);
  const isCounted = shown.some((row) => row.quantityBilled !== "" || row.quantityProven !== "");
  const hidden = one.count - shown.length;
  return [
    { kind: "heading", text: title },
    ...(reasons.length > 0 ? [{ kind: "list", items: reasons } as const] : []),
    {
      kind: "table",
      caption: one.file,
      columns: [
        { title: name.line, align: "number" },
        { title: name.item },
        { title: name.timeAsGiven, align: "time" },
        { title: name.billed, align: "number" },
        { title: name.proven, align: "number" },
        { title: name.why },
        { title: name.statement, align: "code" },
        { title: name.index, align: "number" },
      ],
      rows: shown.map((row) => [
        row.line,
        [row.key, row.account, row.stream].filter((part) => part !== "").join(" · "),
        row.until === "" ? row.time : `${row.time} – ${row.until}`,
        isCounted ? `${row.quantityBilled} ${row.billed}`.trim() : `${row.billed} ${row.currency}`.trim(),
        isCounted ? `${row.quantityProven} ${row.proven}`.trim() : row.proven,
        row.reason,
        row.statements,
        row.indexes,
      ]),
      ...(hidden > 0 ? { note: says.notShownFile(grouped(hidden, language), one.file) } : {}),
    },
  ];
}
