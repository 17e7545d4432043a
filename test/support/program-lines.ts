/**
 * Whatever a program may print in place of a reading or an event.
 *
 * @module
 */
import * as fc from "fast-check";

/** A value that somewhere has a meaning, or none. */
const ODD = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }),
  fc.constantFrom(
    null,
    true,
    "",
    "1.50",
    "-0.0",
    "raw",
    "meter/m-1",
    "toll/lane-3",
    "meter/..",
    "ref",
    "toll-transaction",
  ),
  fc.constantFrom(
    "1e9",
    "2026-11-20T12:00:00Z",
    "9".repeat(39),
    "0a".repeat(32),
    "kWh",
    "EUR",
    "counter",
    "text",
  ),
  fc.constantFrom(
    [],
    ["estimated"],
    [6, 3],
    [99, 1],
    {},
    { line: "good-0" },
    { measured: 1, declared: null },
  ),
);
const member = (name: string) => fc.tuple(fc.constant(name), ODD);
const OF_LINE = ["id", "stream", "name", "unit", "v", "vs", "t", "type", "digits", "meter", "q", "__proto__"];
const OF_EVENT = [
  "kind",
  "id",
  "type",
  "t",
  "hash",
  "refs",
  "supersedes",
  "amount",
  "tx",
  "class",
  "ref",
  "reason",
];

const objectOf = (keys: readonly string[]) =>
  fc.array(fc.constantFrom(...keys).chain(member), { maxLength: 8 }).map((members) => new Map(members));

/** As JSON text, a map as an object, in which `__proto__` is a member like any other. */
function written(value: unknown): string {
  if (value instanceof Map)
    return `{${[...(value as Map<string, unknown>)].map(([key, one]) => `${JSON.stringify(key)}:${written(one)}`).join()}}`;
  if (Array.isArray(value)) return `[${value.map(written).join()}]`;
  if (typeof value === "bigint") return String(value);
  return typeof value === "object" && value !== null
    ? written(new Map(Object.entries(value)))
    : JSON.stringify(value);
}

/** A line of JSON: nearly a reading, nearly an event, or anything. */
export function programLine(stream: string): fc.Arbitrary<string> {
  const base = (id: number): [string, unknown][] => [
    ["id", String(id)],
    ["stream", stream],
  ];
  return fc
    .tuple(fc.nat(), fc.constantFrom("reading", "event", "any"), objectOf(OF_LINE), objectOf(OF_EVENT))
    .map(([id, kind, outside, inside]) => {
      if (kind === "any") return written(outside);
      if (kind === "event")
        return written(new Map([...base(id), ["event", new Map([["kind", "ref"], ...inside])]]));
      return written(new Map([...base(id), ["name", "n"], ["v", 1n], ...outside]));
    });
}
