/**
 * Exports and maps that can't be used: file, line, column, and what to do.
 *
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Desk } from "../../../support/reconcile-desk.ts";

const MAP = `
version: 1
csv:
  separator: ";"
  decimal: ","
  thousands: "."
  zone: Europe/Vienna
  time: DD.MM.YYYY HH:mm:ss
  columns: { key: Tx, time: Zeit, amount: Betrag, type: Art, discount: Rabatt }
scope: { from: 2026-10-01, to: 2026-11-01, zone: Europe/Vienna, outside: 1 }
match: { by: key }
types: { charge: Maut }
amount: { by: event, currency: EUR, discounts: { V10: 10 } }
`;
const HEADER = "Tx;Zeit;Betrag;Art;Rabatt\n";
const GOOD = "a;10.10.2026 08:00:00;3,50;Maut;\n";

let desk: Desk;
beforeEach(() => {
  desk = new Desk();
});
afterEach(() => {
  expect(desk.leftovers()).toEqual([]);
  desk.close();
});

const fault = async (content: string | Uint8Array, map = MAP): Promise<string> => {
  const error: unknown = await desk.run(map, content).then(
    () => undefined,
    (one: unknown) => one,
  );
  if (!(error instanceof Error)) throw new Error("nothing was wrong");
  expect(error.name).toBe("ConfigError");
  return error.message.replaceAll(desk.folder, "DIR");
};

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.codePointAt(0) ?? 0);

describe("an export", () => {
  test.for<[string, string | Uint8Array, string]>([
    ["that is empty", "", "export.csv:1: empty: an export has a header at least"],
    [
      "without a column",
      "Tx;Zeit;betrag;Art;Rabatt\n",
      'export.csv:1: column "Betrag": no such column: there is "betrag"; set csv.columns, or csv.separator where these are not single names',
    ],
    [
      "with another separator",
      "Tx,Zeit,Betrag,Art,Rabatt\n",
      ["Tx", "Art", "Zeit", "Betrag", "Rabatt"]
        .map(
          (name) =>
            `export.csv:1: column "${name}": no such column: the header has "Tx,Zeit,Betrag,Art,Rabatt"; set csv.columns, or csv.separator where these are not single names`,
        )
        .join("\n"),
    ],
    [
      "with a column twice",
      "Tx;Zeit;Betrag;Art;Rabatt;Betrag\n",
      'export.csv:1: column "Betrag": stands twice in the header, as columns 3 and 6; rename one',
    ],
    [
      "with a line cut off",
      `${HEADER}${GOOD}a;10.10.2026\n`,
      "export.csv:3: 2 cells where the header has 5: is the line cut off, or no line of the table?",
    ],
    [
      "with a separator in a cell",
      `${HEADER}a;10.10.2026 08:00:00;3;50;Maut;\n`,
      "export.csv:2: 6 cells where the header has 5: a separator within a cell needs quotes around the cell?",
    ],
    [
      "with a quote that is never closed",
      `${HEADER}${GOOD}"a;10.10.2026 08:00:00;3,50;Maut;\n${GOOD}`,
      "export.csv:3: cell 1: the quote that begins here is never closed; close it, or set csv.quote to null where quotes are plain text",
    ],
    [
      "with a quote in a cell",
      `${HEADER}${GOOD}"a"b;10.10.2026 08:00:00;3,50;Maut;\n`,
      "export.csv:3: cell 1: a quote in the middle of a cell; within a quoted cell it is written twice, else set csv.quote to null",
    ],
    [
      "with a number that is none",
      `${HEADER}a;10.10.2026 08:00:00;3.50;Maut;\n`,
      'export.csv:2: column "Betrag": "3.50" is no number as the map has it; set csv.decimal and csv.thousands',
    ],
    [
      "with too many places",
      `${HEADER}a;10.10.2026 08:00:00;3,505;Maut;\n`,
      'export.csv:2: column "Betrag": 3.505 has more places than EUR, or is too large; set amount.places',
    ],
    [
      "with another kind of line",
      `${HEADER}a;10.10.2026 08:00:00;3,50;Storno;\n`,
      'export.csv:2: column "Art": "Storno" is no type of the map; add it to types, to ignore where it doesn\'t count',
    ],
    [
      "with another discount",
      `${HEADER}a;10.10.2026 08:00:00;3,50;Maut;V20\n`,
      'export.csv:2: column "Rabatt": "V20" is no discount of the map; add it to amount.discounts',
    ],
    [
      "with another form of time",
      `${HEADER}a;2026-10-10 08:00:00;3,50;Maut;\n`,
      'export.csv:2: column "Zeit": "2026-10-10 08:00:00" is no time as csv.time has it (DD.MM.YYYY HH:mm:ss); it looks like csv.time: ISO',
    ],
    [
      "with a day that isn't",
      `${HEADER}a;31.09.2026 08:00:00;3,50;Maut;\n`,
      'export.csv:2: column "Zeit": "31.09.2026 08:00:00" is no date of the calendar, or no time of day',
    ],
    [
      "with a time that came twice",
      `${HEADER}a;25.10.2026 02:30:00;3,50;Maut;\n`,
      'export.csv:2: column "Zeit": "25.10.2026 02:30:00" the clocks in Europe/Vienna showed this time twice; export times with their offset, or set csv.ambiguous to earlier or later',
    ],
    [
      "with a time that never came",
      `${HEADER}a;29.03.2026 02:30:00;3,50;Maut;\n`,
      'export.csv:2: column "Zeit": "29.03.2026 02:30:00" no clock in Europe/Vienna showed this time: it was set forward over it; check csv.zone',
    ],
    [
      "in another encoding",
      bytes(`${HEADER}${GOOD}${GOOD}a\u00fc;10.10.2026 08:00:00;3,50;Maut;\n`),
      "export.csv:4: a byte that is no character of utf-8; set csv.encoding to the one the file has",
    ],
    [
      "in another encoding, as its header shows",
      bytes(`Tx;Geb\u00fchr\n${GOOD}${GOOD}`),
      "export.csv:1: a byte that is no character of utf-8; set csv.encoding to the one the file has",
    ],
    [
      "in another encoding, as its last line shows, which has no end",
      bytes(`${HEADER}${GOOD}a\u00fc;1`),
      "export.csv:3: a byte that is no character of utf-8; set csv.encoding to the one the file has",
    ],
    [
      "that ends within a character",
      bytes(`${HEADER}a\u00c3`),
      "export.csv:2: the file ends in the middle of a character of utf-8; get the whole file, or set csv.encoding",
    ],
  ])("%s", async ([, content, said]) => {
    expect(await fault(content)).toBe(said);
  });

  test("with many faults tells the first ten, each with its line", async () => {
    const told = (await fault(HEADER + GOOD.replace("3,50", "x").repeat(50))).split("\n");
    expect(told).toHaveLength(11);
    expect(told[9]).toMatch(/^export\.csv:11: column "Betrag"/);
    expect(told[10]).toBe("export.csv: there may be more");
  });

  test("shows nothing of a cell that a terminal would obey, and no more than a piece", async () => {
    const said = await fault(`${HEADER}a;10.10.2026 08:00:00;\u001b[2J\u202e${"9".repeat(100)};Maut;\n`);
    expect(said).toContain('"?[2J?99999');
    expect(said).toContain('…" is no number');
    expect(said).not.toContain("\u001b");
  });

  test("mixed zones: an offset among times of a zone, and none among offsets", async () => {
    const iso = MAP.replace("time: DD.MM.YYYY HH:mm:ss", "time: ISO");
    expect(await fault(`${HEADER}a;2026-10-10T08:00:00+02:00;3,50;Maut;\n`, iso)).toBe(
      'export.csv:2: column "Zeit": "2026-10-10T08:00:00+02:00" mixed zones: this time has an offset (+02:00), and the map says Europe/Vienna; set csv.zone: offset where all times have one',
    );
    desk.close();
    desk = new Desk();
    const offset = iso.replace("csv:", "csv:").replace("  zone: Europe/Vienna\n", "  zone: offset\n");
    expect(
      await fault(
        `${HEADER}a;2026-10-10T08:00:00+02:00;3,50;Maut;\na;2026-10-10T08:00:00;3,50;Maut;\n`,
        offset,
      ),
    ).toBe(
      'export.csv:3: column "Zeit": "2026-10-10T08:00:00" mixed zones: this time has no offset, and the map says csv.zone: offset; give the zone where no time has one',
    );
  });

  test("a quote that is never closed doesn't swallow a large file", async () => {
    const said = await fault(`${HEADER}"a;${GOOD.repeat(20_000)}`);
    expect(said).toBe(
      "export.csv:2: cell 1: a row without an end, probably a quote that is never closed; close it, or set csv.quote to null",
    );
  });

  test("a column that is the same in all lines is no key", async () => {
    desk.facts.passage("city/lane-1/toll/l-1", { tx: "a", at: "2026-10-10T06:00:00Z", cents: 350 });
    expect(await fault(HEADER + GOOD.repeat(10_001 + 1))).toMatch(
      /^the export: more than 10000 lines lay claim to one event/,
    );
  });
});

describe("a map", () => {
  test.for<[string, string, string]>([
    ["another version", MAP.replace("version: 1", "version: 2"), "DIR/map.yaml:2: version: use version: 1"],
    [
      "a name that is none",
      MAP.replace("decimal:", "decimals:"),
      "DIR/map.yaml:5: csv.decimals: no such setting; remove it or check its spelling",
    ],
    [
      "a value that is none",
      MAP.replace('decimal: ","', "decimal: x"),
      'DIR/map.yaml:5: csv.decimal: use "." or ","',
    ],
    [
      "neither match nor pick",
      MAP.replace("match: { by: key }\n", ""),
      "DIR/map.yaml:1: match: give either match, for events, or pick, for registers",
    ],
    [
      "a column that is needed",
      MAP.replace("key: Tx, ", ""),
      "DIR/map.yaml:9: csv.columns: key is missing: match.by: key looks for it",
    ],
    [
      "no currency",
      MAP.replace("currency: EUR, ", ""),
      "DIR/map.yaml:13: amount.currency: give the currency, here or as a column",
    ],
    [
      "refunds without a reference",
      MAP.replace("charge: Maut", "charge: Maut, refund: G"),
      "DIR/map.yaml:9: csv.columns: reference is missing: adjustments and refunds name what they change there",
    ],
    [
      "refunds by key, where lines have none",
      MAP.replace("charge: Maut", "charge: Maut, refund: G")
        .replace("key: Tx,", "reference: Tx,")
        .replace("by: key", "by: window, before: 1s, after: 1s"),
      "DIR/map.yaml:12: types.reference: use line: without a key nothing else names what is changed",
    ],
    [
      "a tariff by members of an event, for registers",
      MAP.replace("key: Tx,", "account: Tx, quantity: Betrag,")
        .replace("match: { by: key }", "pick: { value: register, register: r, maxAge: 0 }")
        .replace("by: event", "by: tariff, tariff: { key: [plaza], rows: [{ key: x, price: 1 }] }"),
      "DIR/map.yaml:13: amount.tariff.key: registers have no members of an event: name columns, as column:NAME",
    ],
    [
      "a zone that is none",
      MAP.replace("zone: Europe/Vienna", "zone: Europe/Wien"),
      "DIR/map.yaml: csv.zone: Europe/Wien: no such time zone: give an IANA name such as Europe/Vienna or UTC",
    ],
    [
      "a pattern without a year",
      MAP.replace("DD.MM.YYYY HH", "DD.MM. HH"),
      "DIR/map.yaml: csv.time: give a pattern with YYYY, MM and DD, each once, e.g. DD.MM.YYYY HH:mm:ss; or ISO, epoch-s, epoch-ms",
    ],
    [
      "a scope that ends before it begins",
      MAP.replace("to: 2026-11-01", "to: 2026-09-01"),
      "DIR/map.yaml: scope.to: must be after scope.from",
    ],
    [
      "a table that isn't there",
      MAP.replace(
        "amount: { by: event,",
        "amount: { by: tariff, tariff: { key: [plaza], file: prices.csv },",
      ),
      "DIR/prices.csv: no such file: the map names it",
    ],
    [
      "no YAML",
      "version: 1\ncsv: [\n",
      "DIR/map.yaml:3: not YAML: Flow sequence in block collection must be sufficiently indented and end with a ] at line 3, column 1:",
    ],
  ])("with %s", async ([, map, said]) => {
    expect(await fault(HEADER, map)).toContain(said);
  });

  test("names a table's line and column", async () => {
    desk.file("prices.csv", "plaza,amount\np1,3.50\np2,three\n");
    const map = MAP.replace(
      "amount: { by: event,",
      "amount: { by: tariff, tariff: { key: [plaza], file: prices.csv },",
    );
    expect(await fault(HEADER, map)).toBe(
      'prices.csv:3: column "amount": three: give a decimal number, e.g. 3.50',
    );
  });
});
