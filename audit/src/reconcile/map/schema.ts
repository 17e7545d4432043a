/**
 * The map of a reconciliation: how an export is to be read, and what each line claims. docs/reconcile.md explains it by three examples.
 *
 * @module
 */
import { z } from "zod";
import { LINE_CLASSES, type LineClass } from "../body.ts";

/** Encodings in which exports come, by the names that `TextDecoder` has too. */
const ENCODINGS = [
  "utf-8",
  "utf-16le",
  "utf-16be",
  "windows-1252",
  "iso-8859-1",
  "iso-8859-15",
  "windows-1250",
] as const;

const column = z.string().min(1, "name a column").max(256);
const columnList = z.union([column.transform((one) => [one]), z.array(column).min(1).max(4)]);
const list = z.union([z.string().transform((one) => [one]), z.array(z.string()).min(1).max(1000)]);
const fieldName = z
  .string()
  .regex(/^[a-z][A-Za-z0-9.-]{0,63}$/, "name a member of the event, e.g. id, plaza, class");

const UNIT_US: Readonly<Record<string, number>> = {
  ms: 1_000,
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
  d: 86_400_000_000,
};

/** `30s`, `15m`, `2h`, `3d`, `500ms`, or `0`; in microseconds. */
const duration = z.union([z.literal(0), z.string()]).transform((text, context) => {
  const match = /^(\d{1,6})(ms|s|m|h|d)$/.exec(String(text));
  if (text === 0 || text === "0") return 0;
  const [, count = "", unit = ""] = match ?? [];
  if (match === null) {
    context.addIssue({ code: "custom", message: "give a duration as 30s, 15m, 2h or 3d" });
    return z.NEVER;
  }
  return Number(count) * (UNIT_US[unit] ?? 0);
});

/** A decimal as text: YAML would make a binary float of a bare 0.1, which is as good, since its shortest digits are the ones written. */
const exact = z
  .union([z.string(), z.number()])
  .transform(String)
  .refine((text) => /^-?\d{1,18}(?:\.\d{1,12})?$/.test(text), "give a decimal number, e.g. 0.05");

const instant = z
  .union([z.string(), z.date().transform((date) => date.toISOString().slice(0, 10))])
  .refine((text) => text.length <= 40, "give a date or a time, e.g. 2026-11-01");

const rounding = z.enum(["half-up", "half-even", "down", "up"], "use half-up, half-even, down or up");
const sign = z.enum(["as-given", "negate"], "use as-given or negate").default("as-given");
const valuesOfType = z.union([
  list.transform((values) => ({ values, sign: "as-given" as const })),
  z.strictObject({ values: list, sign }),
]);

const Csv = z.strictObject({
  separator: z.string().length(1, 'give one character; a tab as "\\t"').default(","),
  quote: z.string().length(1, "give one character").nullable().default('"'),
  decimal: z.enum([".", ","], 'use "." or ","').default("."),
  /** Lines above the header. */
  skipLines: z.int().min(0).max(1000).default(0),
  /** Between thousands, where numbers have it: it must stand before each group of three digits. */
  thousands: z.enum([".", ",", " ", "'", "\u00a0", "\u202f"]).optional(),
  encoding: z.enum(ENCODINGS, `use one of ${ENCODINGS.join(", ")}`).default("utf-8"),
  /** Of the clock that the times are of; `offset` where each time says its own. */
  zone: z.string().min(1, "give an IANA zone, or offset").default("offset"),
  time: z.string().min(3).max(40).default("ISO"),
  /** What a local time means that the clock showed twice. */
  ambiguous: z.enum(["refuse", "earlier", "later"], "use refuse, earlier or later").default("refuse"),
  /** Whether a bare date in `until` is the last day, or the first that isn't meant any more. */
  until: z.enum(["exclusive", "last-day"], "use exclusive or last-day").default("exclusive"),
  columns: z.strictObject({
    key: column.optional(),
    line: column.optional(),
    reference: column.optional(),
    type: column.optional(),
    trip: column.optional(),
    account: column.optional(),
    time: columnList.optional(),
    until: columnList.optional(),
    amount: column.optional(),
    currency: column.optional(),
    quantity: column.optional(),
    discount: column.optional(),
  }),
});

const Scope = z.strictObject({
  from: instant,
  to: instant,
  zone: z.string().min(1, "give an IANA zone, e.g. Europe/Vienna").default("UTC"),
  grace: z.strictObject({ before: duration.default(0), after: duration.default(0) }).prefault({}),
  /** Share of lines beyond the scope at which the export is another one than the map speaks of. */
  outside: z.number().min(0).max(1, "give a share from 0 to 1").default(0.2),
});

const Match = z.discriminatedUnion("by", [
  z.strictObject({
    by: z.literal("key"),
    /** Member of the event that holds the key. */
    event: fieldName.default("id"),
    /** Between several keys of one line, which is a trip of several passages then. */
    split: z.string().min(1).max(4).optional(),
  }),
  z.strictObject({
    by: z.literal("window"),
    /** How long before the time of a line its event may be, and how long after. */
    before: duration,
    after: duration,
    /** By how much its own event must be nearer to a line than any other one of its window; 0: ties alone are ambiguous. */
    margin: duration.default(0),
    /** What else must be equal: member of the event → column. */
    same: z.record(fieldName, column).default({}),
  }),
]);

const Types = z.strictObject({
  charge: valuesOfType,
  adjustment: valuesOfType.optional(),
  refund: valuesOfType.optional(),
  /** Lines of these types are left out: subtotals. */
  ignore: list.optional(),
  /** What the column `reference` of an adjustment or refund names: the key of the event, or the column `line` of another line. */
  reference: z.enum(["key", "line"], "use key or line").default("key"),
});

const tariffRow = z.strictObject({
  key: z.union([
    z.array(z.union([z.string(), z.number()]).transform(String)),
    z.string().transform((one) => [one]),
  ]),
  amount: exact.optional(),
  price: exact.optional(),
  from: instant.optional(),
  to: instant.optional(),
});

const Amount = z.strictObject({
  /** Laid beside what the event says, beside a table, or not at all. */
  by: z.enum(["event", "tariff", "none"], "use event, tariff or none").default("event"),
  /** Where no column says it. */
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, "give three letters, e.g. EUR")
    .optional(),
  /** Decimal places of the currency, where it isn't the usual number. */
  places: z.int().min(0).max(6).optional(),
  tariff: z
    .strictObject({
      /** Members of the event, or `column:` and the column of a line. */
      key: z.array(z.string().min(1)).max(6).default([]),
      file: z.string().min(1).optional(),
      rows: z.array(tariffRow).min(1).max(10_000).optional(),
    })
    .optional(),
  /** Percent by code of the column `discount`; without it the column holds the percent itself. */
  discounts: z.record(z.string(), exact).optional(),
});

const lookupRow = z.strictObject({
  account: z.union([z.string(), z.number()]).transform(String),
  stream: z.string().min(1, "give ORG/DEVICE/STREAM"),
  register: z.string().min(1).optional(),
  multiplier: exact.default("1"),
  from: instant.optional(),
  to: instant.optional(),
});

const Lookup = z.strictObject({
  file: z.string().min(1).optional(),
  rows: z.array(lookupRow).min(1).max(10_000).optional(),
});

const QUALITIES = [
  "no-checksum",
  "no-zone",
  "gateway-time",
  "estimated",
  "device-error",
  "conflict",
  "future",
  "backfill",
] as const;

const Pick = z.strictObject({
  /** A register as it stood at `time`, or the difference of two, at `time` and at `until`. */
  value: z.enum(["register", "interval"], "use register or interval"),
  /** Where the lookup names none. */
  register: z.string().min(1).optional(),
  /** The last reading before a moment counts where it is no older than this. */
  maxAge: duration,
  /** Count on where a register falls back by nearly its declared width; otherwise such a line is not proven. */
  rollover: z.boolean().default(true),
  /** Readings of these qualities prove nothing. */
  refuse: z.array(z.enum(QUALITIES)).default(["estimated", "device-error", "conflict", "future"]),
});

const findings = z.union([z.int().min(0), z.partialRecord(z.enum(LINE_CLASSES), z.int().min(0))]);

export const MapSchema = z
  .strictObject({
    version: z.literal(1, { error: "use version: 1" }),
    csv: Csv,
    scope: Scope,
    /** Kind of event that lines are laid beside, and which of them must have one. */
    evidence: z
      .strictObject({
        kind: z.string().min(1).default("toll-transaction"),
        adjustments: z.string().min(1).default("toll-adjustment"),
        demand: z.record(fieldName, list).default({}),
      })
      .prefault({}),
    match: Match.optional(),
    pick: Pick.optional(),
    /** Lines with one value in the column `trip` are one trip: its sums are compared. */
    group: z.strictObject({ by: z.literal("trip", "use trip") }).optional(),
    types: Types.optional(),
    amount: Amount.prefault({}),
    lookup: Lookup.optional(),
    round: z
      .strictObject({
        quantity: z
          .strictObject({ places: z.int().min(0).max(9), mode: rounding.default("half-up") })
          .optional(),
        money: rounding.default("half-up"),
      })
      .prefault({}),
    tolerance: z
      .strictObject({
        amount: exact.default("0"),
        quantity: exact.default("0"),
        findings: findings.default(0),
      })
      .prefault({}),
  })
  .superRefine((map, context) => {
    for (const { path, message } of contradictions(map)) {
      context.addIssue({ code: "custom", path: [...path], message });
    }
  });

export type ReconcileMap = z.output<typeof MapSchema>;
export type TariffRow = z.output<typeof tariffRow>;
export type RoundingMode = z.output<typeof rounding>;
export type CsvSettings = ReconcileMap["csv"];

type Contradiction = { readonly path: readonly string[]; readonly message: string };

/** What no single setting shows. */
function contradictions(map: ReconcileMap): Contradiction[] {
  const { csv, match, pick, amount, types, lookup, group } = map;
  const { columns } = csv;
  const found: Contradiction[] = [];
  const say = (path: string, message: string): void => void found.push({ path: path.split("."), message });
  if ((match === undefined) === (pick === undefined))
    say("match", "give either match, for events, or pick, for registers");
  const needs = (role: keyof typeof columns, why: string): void => {
    if (columns[role] === undefined) say("csv.columns", `${role} is missing: ${why}`);
  };
  if (match?.by === "key") needs("key", "match.by: key looks for it");
  if (match?.by === "window") needs("time", "match.by: window begins there");
  if (pick !== undefined) {
    needs("account", "pick must know whose register it is");
    needs("time", "pick must know when");
    needs("quantity", "pick compares it");
    if (pick.value === "interval") needs("until", "an interval has an end");
    if (amount.by === "event") say("amount.by", "a register has no amount: use tariff or none");
    if (group !== undefined) say("group", "trips are of events: leave it out beside pick");
    if (lookup === undefined && pick.register === undefined)
      say("pick.register", "name the register, here or in the lookup");
  }
  if (amount.by !== "none") needs("amount", `amount.by: ${amount.by} compares it`);
  if (columns.amount !== undefined && columns.currency === undefined && amount.currency === undefined)
    say("amount.currency", "give the currency, here or as a column");
  if (amount.by === "tariff") oneOf("amount.tariff", amount.tariff, say);
  if (lookup !== undefined) {
    oneOf("lookup", lookup, say);
    needs("account", "lookup begins there");
  }
  if (types !== undefined) needs("type", "types are told by it");
  const changes = types?.adjustment !== undefined || types?.refund !== undefined;
  if (changes) needs("reference", "adjustments and refunds name what they change there");
  if (types?.reference === "line") needs("line", "types.reference: line looks for it");
  else if (changes && match?.by === "window")
    say("types.reference", "use line: without a key nothing else names what is changed");
  else if (changes) needs("key", "types.reference: key looks for it");
  if (pick !== undefined && amount.tariff?.key.some((one) => !one.startsWith("column:")) === true)
    say("amount.tariff.key", "registers have no members of an event: name columns, as column:NAME");
  if (group !== undefined) needs("trip", "group.by: trip needs it");
  if (amount.discounts !== undefined) needs("discount", "amount.discounts explain it");
  return found;
}

function oneOf(
  path: string,
  given: { readonly file?: string | undefined; readonly rows?: unknown } | undefined,
  say: (path: string, message: string) => void,
): void {
  if (given === undefined) say(path, "is missing: give a file or rows");
  else if ((given.file === undefined) === (given.rows === undefined)) say(path, "give either file or rows");
}

/** How many findings of a class the map tolerates. */
export function toleratedOf(map: Pick<ReconcileMap, "tolerance">, name: LineClass): number {
  const given = map.tolerance.findings;
  return typeof given === "number" ? given : (given[name] ?? 0);
}
