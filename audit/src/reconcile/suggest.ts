/**
 * A first map for an export: what its beginning shows, as YAML to be corrected by hand, and five lines as that map reads them.
 *
 * @module
 */
import { open } from "node:fs/promises";
import { basename } from "node:path";
import { ConfigError, UsageError } from "@tallystick/evidence/node";
import { showInstant } from "../calendar.ts";
import { Zone } from "../zone.ts";
import { readRows, type Row } from "./csv/rows.ts";
import { Faults } from "./faults.ts";
import { guess, type Guess } from "./guess.ts";
import { lineReader, type Line } from "./lines.ts";
import { parseMap } from "./map/load.ts";
import { moneyText, placesOf } from "./money.ts";

const SAMPLE_BYTES = 1 << 18;
const SAMPLE_ROWS = 200;
const SHOWN = 5;

export type Suggested = {
  /** MAP.yaml */
  readonly map: string;
  /** For people: five lines, or what the map can't read yet. */
  readonly understood: string;
};

/** @throws UsageError where there is nothing to see in it */
export async function suggest(file: string): Promise<Suggested> {
  const bytes = await beginningOf(file);
  const encoding = encodingOf(bytes);
  const text = new TextDecoder(encoding).decode(bytes);
  const separator = separatorOf(text);
  const [header, ...rows] = await rowsOf(text, separator, file);
  if (header === undefined || rows.length === 0)
    throw new UsageError(`${file}: no table: a header and a line at least are needed`);
  const found = guess(
    header.cells,
    rows.map(({ cells }) => cells),
  );
  const map = mapText(found, { encoding, separator, file });
  return { map, understood: understood(map, file, header, rows) };
}

async function beginningOf(file: string): Promise<Uint8Array> {
  const handle = await open(file);
  try {
    const buffer = new Uint8Array(SAMPLE_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, SAMPLE_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function encodingOf(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be";
  try {
    // The sample may end within a character.
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return "utf-8";
  } catch {
    return "windows-1252";
  }
}

/** The one that cuts the first lines into the same number of cells, and into the most. */
function separatorOf(text: string): string {
  const lines = text
    .split(/\r?\n/)
    .slice(0, 20)
    .filter((line) => line !== "");
  const counts = [";", "\t", "|", ","].map((separator) => {
    const cells = lines.map((line) => line.replaceAll(/"[^"]*"/g, "").split(separator).length);
    const same = cells.filter((count) => count === cells[0]).length;
    return { separator, score: (cells[0] ?? 1) > 1 ? same * 1000 + (cells[0] ?? 0) : 0 };
  });
  return counts.reduce((best, one) => (one.score > best.score ? one : best)).separator;
}

/** The last row of a sample may be cut off: it isn't meant. */
async function rowsOf(text: string, separator: string, file: string): Promise<Row[]> {
  const rows: Row[] = [];
  const end = text.length < SAMPLE_BYTES / 4 ? text.length : text.lastIndexOf("\n") + 1;
  const source = (async function* () {
    yield await Promise.resolve(text.slice(0, end));
  })();
  for await (const row of readRows(
    source,
    { separator, quote: '"', skipLines: 0 },
    new Faults(basename(file)),
  )) {
    rows.push(row);
    if (rows.length > SAMPLE_ROWS) break;
  }
  return rows;
}

const quoted = (text: string): string => JSON.stringify(text);

function mapText(
  { columns, time, zone, decimal, thousands, scope, readings, types }: Guess,
  {
    encoding,
    separator,
    file,
  }: { readonly encoding: string; readonly separator: string; readonly file: string },
): string {
  const given = Object.entries(columns).map(([role, name]) => `    ${role}: ${quoted(name)}`);
  return [
    `# A first map for ${basename(file).replaceAll(/[^\w.-]/g, "?")}, guessed from its beginning: check each line. docs/reconcile.md explains them.`,
    "version: 1",
    "csv:",
    `  separator: ${quoted(separator)}`,
    `  encoding: ${encoding}`,
    `  decimal: ${quoted(decimal)}`,
    ...(thousands === undefined ? [] : [`  thousands: ${quoted(thousands)}`]),
    `  time: ${quoted(time)}`,
    zone === "offset"
      ? "  zone: offset"
      : `  zone: ${zone}   # whose clock wrote the times? e.g. Europe/Vienna`,
    "  columns:",
    ...given,
    "scope:",
    `  from: ${scope.from}`,
    `  to: ${scope.to}   # exclusive`,
    `  zone: ${zone === "offset" ? "UTC" : zone}`,
    ...(readings === undefined
      ? columns["key"] === undefined
        ? ["match:   # no column with a key was seen", "  by: window", "  before: 30s", "  after: 30s"]
        : ["match:", "  by: key", "  event: id   # tx of a toll-transaction"]
      : [
          "pick:",
          `  value: ${readings}`,
          '  register: "1-0:1.8.0"   # or a column `register` in the lookup',
          "  maxAge: 1h",
        ]),
    ...(columns["type"] === undefined
      ? []
      : ["types:", ...typesText(types, columns["reference"] !== undefined)]),
    "amount:",
    columns["amount"] === undefined || readings !== undefined
      ? "  by: none   # or tariff"
      : "  by: event   # or tariff, or none",
    ...(columns["amount"] === undefined || columns["currency"] !== undefined ? [] : ["  currency: EUR"]),
    "tolerance:",
    "  findings: 0",
    "",
  ].join("\n");
}

/** Words by which offices call what isn't a charge. */
const KINDS: readonly (readonly [kind: string, name: RegExp])[] = [
  ["adjustment", /korrektur|adjust|correct/i],
  ["refund", /erstatt|gutschrift|storno|refund|credit/i],
  ["ignore", /summe|total|subtotal/i],
  ["charge", /./],
];

function typesText(types: readonly string[], refers: boolean): string[] {
  const kindOf = (type: string): string => {
    const kind = KINDS.find(([, name]) => name.test(type))?.[0] ?? "charge";
    return refers || kind === "ignore" ? kind : "charge";
  };
  const rows = ["charge", "adjustment", "refund", "ignore"].flatMap((kind) => {
    const values = types.filter((type) => kindOf(type) === kind);
    return values.length === 0 && kind !== "charge" ? [] : [`  ${kind}: [${values.map(quoted).join(", ")}]`];
  });
  return rows;
}

function understood(text: string, file: string, header: Row, rows: readonly Row[]): string {
  const name = basename(file);
  try {
    const map = parseMap(text, "MAP.yaml");
    const faults = new Faults(name);
    const read = lineReader(map, header, faults);
    const lines = rows.slice(0, SHOWN).map((row) => read(row));
    faults.end();
    const zone = new Zone(map.scope.zone);
    const shown = lines.map((line) =>
      line === undefined || line === "ignored" ? "" : lineText(line, zone, map.amount.places),
    );
    return `${name}: ${shown.length} lines as this map reads them:\n${shown.map((one) => `  ${one}\n`).join("")}`;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return `${name}: the map needs a hand:\n${error.faults.map((fault) => `  ${fault}\n`).join("")}`;
  }
}

function lineText(line: Line, zone: Zone, places: number | undefined): string {
  const time = (us: number | null): string | undefined =>
    us === null ? undefined : showInstant(zone, Math.floor(us / 1_000_000));
  const { minor, currency, t, until } = line;
  const amount =
    minor === null ? undefined : `${moneyText(minor, placesOf(currency ?? "", places))} ${currency ?? ""}`;
  const parts: readonly (readonly [string, string | null | undefined])[] = [
    ["type", line.type],
    ["key", line.key],
    ["line", line.name],
    ["reference", line.ref],
    ["trip", line.trip],
    ["account", line.account],
    ["time", time(t)],
    ["until", time(until)],
    ["quantity", line.quantity],
    ["amount", amount],
    ["discount", line.discount],
  ];
  const told = parts.flatMap(([label, value]) =>
    value === null || value === undefined ? [] : [`${label} ${value.replaceAll(/\p{Cc}/gu, "?")}`],
  );
  return `line ${line.line}: ${told.join(", ")}`;
}
