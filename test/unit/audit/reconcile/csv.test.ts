/**
 * Encodings, numbers, times: what an export may look like.
 *
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { csvRow } from "../../../../audit/src/csv-text.ts";
import { decodeFile } from "../../../../audit/src/reconcile/csv/decode.ts";
import { atPlaces, exactText, numberReader } from "../../../../audit/src/reconcile/csv/number.ts";
import { readRows } from "../../../../audit/src/reconcile/csv/rows.ts";
import { timeReader } from "../../../../audit/src/reconcile/csv/time.ts";
import { Faults } from "../../../../audit/src/reconcile/faults.ts";
import { discounted, rounded } from "../../../../audit/src/reconcile/money.ts";

const folder = mkdtempSync(join(tmpdir(), "tally-csv-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const decoded = async (content: Uint8Array, encoding: string): Promise<string> => {
  const path = join(folder, "export.csv");
  writeFileSync(path, content);
  return (await Array.fromAsync(decodeFile(path, encoding, new Faults("export.csv")))).join("");
};

describe("encodings", () => {
  const text = "Größe;5\n";
  const utf16 = (swap: boolean): Uint8Array => {
    const bytes = Buffer.from(`\ufeff${text}`, "utf16le");
    return swap ? bytes.swap16() : bytes;
  };
  const single = (euro: number): Uint8Array =>
    Uint8Array.from(`${text}€`.split(""), (char) => (char === "€" ? euro : (char.codePointAt(0) ?? 0)));

  test.for<[string, Uint8Array, string]>([
    ["utf-8", Buffer.from(text), text],
    ["utf-8", Buffer.from(`\ufeff${text}`), text],
    ["utf-16le", utf16(false), text],
    ["utf-16be", utf16(true), text],
    ["windows-1252", single(0x80), `${text}€`],
    ["iso-8859-15", single(0xa4), `${text}€`],
    ["iso-8859-1", single(0xa4).subarray(0, text.length), text],
  ])("%s", async ([encoding, bytes, expected]) => {
    expect(await decoded(bytes, encoding)).toBe(expected);
  });

  test("a character across two chunks stays one", async () => {
    const long = `${"x".repeat((1 << 18) - 1)}ß${"y".repeat(10)}`;
    expect(await decoded(Buffer.from(long), "utf-8")).toBe(long);
  });
});

describe("rows", () => {
  const rows = async (text: string, quote: string | null = '"') => {
    const source = (async function* () {
      for (const char of text) yield await Promise.resolve(char);
    })();
    return Array.fromAsync(
      readRows(source, { separator: ";", quote, skipLines: 0 }, new Faults("export.csv")),
    );
  };

  test("know the line on which they end, whatever the line ends are, and skip empty ones", async () => {
    expect(await rows('a;b\r\n\r\n"c\r\nd";""""\r\ne;f')).toEqual([
      { line: 1, cells: ["a", "b"] },
      { line: 4, cells: ["c\nd", '"'] },
      { line: 5, cells: ["e", "f"] },
    ]);
  });

  test("have plain quotes where the map says so", async () => {
    expect(await rows('a;5"\n', null)).toEqual([{ line: 1, cells: ["a", '5"'] }]);
  });
});

describe("numbers", () => {
  const german = numberReader({ decimal: ",", thousands: "." });
  const exact = (text: string) => {
    const found = german(text);
    return found === undefined ? undefined : exactText(found.digits, found.places);
  };

  test.for<[string, string | undefined]>([
    ["1.234,50", "1234.50"],
    ["1234,5", "1234.5"],
    ["-0,05", "-0.05"],
    ["12,50-", "-12.50"],
    ["+3", "3"],
    ["1.234.567", "1234567"],
    ["1.23", undefined],
    ["1.2345", undefined],
    ["12.34,5", undefined],
    [",5", undefined],
    ["5,", undefined],
    ["-5-", undefined],
    ["1e3", undefined],
    ["0x10", undefined],
    ["3,50 €", undefined],
    ["", undefined],
    ["9".repeat(31), undefined],
    ["٣", undefined],
  ])("%s", ([text, expected]) => {
    expect(exact(text)).toBe(expected);
  });

  test("what is written is what is read", () => {
    const style = fc.constantFrom(
      { decimal: ",", thousands: "." } as const,
      { decimal: ".", thousands: "'" } as const,
    );
    fc.assert(
      fc.property(
        style,
        fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }),
        fc.nat(6),
        (given, digits, places) => {
          const [whole = "", fraction] = exactText(digits, places).split(".");
          const grouped = whole.replaceAll(/\B(?=(?:\d{3})+$)/g, given.thousands);
          const text = fraction === undefined ? grouped : `${grouped}${given.decimal}${fraction}`;
          expect(numberReader(given)(text)).toEqual({ digits, places });
        },
      ),
    );
  });

  test("places: added exactly, taken away only where they are zeros", () => {
    expect(atPlaces({ digits: 350n, places: 2 }, 4)).toBe(35_000n);
    expect(atPlaces({ digits: 3500n, places: 4 }, 2)).toBe(35n);
    expect(atPlaces({ digits: 3501n, places: 4 }, 2)).toBeUndefined();
  });

  test.for([
    [25n, "half-up", 3n],
    [-25n, "half-up", -3n],
    [25n, "half-even", 2n],
    [35n, "half-even", 4n],
    [29n, "down", 2n],
    [-29n, "down", -2n],
    [21n, "up", 3n],
    [20n, "up", 2n],
  ] as const)("%d tenths, %s", ([digits, mode, expected]) => {
    expect(rounded({ digits, places: 1 }, 0, mode)).toBe(expected);
  });

  test("a discount is taken off and rounded once", () => {
    expect(discounted(1234, { digits: 10n, places: 0 }, "half-up")).toBe(1111);
    expect(discounted(250, { digits: 125n, places: 1 }, "half-up")).toBe(219); // 218.75
    expect(discounted(-250, { digits: 100n, places: 0 }, "half-up")).toBe(0);
  });
});

describe("times", () => {
  const iso = (text: string, settings = {}) =>
    timeReader({ time: "ISO", zone: "offset", ambiguous: "refuse", ...settings })(text);
  const at = (us: number): string => new Date(us / 1000).toISOString();

  test.for<[string, string, string, string]>([
    ["ISO", "offset", "2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00.000Z"],
    ["ISO", "offset", "2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00.000Z"],
    ["ISO", "offset", "2026-10-25 02:30Z", "2026-10-25T02:30:00.000Z"],
    ["ISO", "offset", "20261025T023000.25+0100", "2026-10-25T01:30:00.250Z"],
    ["ISO", "Europe/Vienna", "2026-10-25", "2026-10-24T22:00:00.000Z"],
    ["ISO", "Europe/Vienna", "2026-07-01 12:00:00,5", "2026-07-01T10:00:00.500Z"],
    ["DD.MM.YYYY HH:mm", "Europe/Vienna", "01.12.2026 00:00", "2026-11-30T23:00:00.000Z"],
    ["D.M.YY H:mm:ss", "UTC", "1.2.26 3:04:05", "2026-02-01T03:04:05.000Z"],
    ["MM/DD/YYYY hh:mm a", "America/New_York", "11/01/2026 12:30 PM", "2026-11-01T17:30:00.000Z"],
    ["MM/DD/YYYY hh:mm a", "America/New_York", "11/02/2026 12:30 am", "2026-11-02T05:30:00.000Z"],
    ["epoch-s", "UTC", "1795000000.5", "2026-11-18T11:06:40.500Z"],
    ["epoch-ms", "UTC", "1795000000500", "2026-11-18T11:06:40.500Z"],
  ])("%s in %s: %s", ([time, zone, text, expected]) => {
    const read = timeReader({ time, zone, ambiguous: "refuse" })(text);
    expect("us" in read ? at(read.us) : read.fault).toBe(expected);
  });

  test("the autumn hour is refused, or taken as the map says", () => {
    const read = (ambiguous: "refuse" | "earlier" | "later") =>
      iso("2026-10-25 02:30:00", { zone: "Europe/Vienna", ambiguous });
    expect(read("refuse")).toMatchObject({ fault: expect.stringContaining("twice") as string });
    expect(read("earlier")).toEqual({ us: Date.parse("2026-10-25T00:30:00Z") * 1000 });
    expect(read("later")).toEqual({ us: Date.parse("2026-10-25T01:30:00Z") * 1000 });
  });

  test("a last day ends with the next one's beginning, in the weeks of 23 and of 25 hours too", () => {
    const read = timeReader({ time: "DD.MM.YYYY", zone: "Europe/Vienna", ambiguous: "refuse" });
    const end = (text: string): string => {
      const found = read(text, true);
      return "us" in found ? at(found.us) : found.fault;
    };
    expect(end("25.10.2026")).toBe("2026-10-25T23:00:00.000Z");
    expect(end("29.03.2026")).toBe("2026-03-29T22:00:00.000Z");
    expect(end("31.12.2026")).toBe("2026-12-31T23:00:00.000Z");
  });

  test.for(["13.13.2026", "00.01.2026", "2026-02-29", "29.02.2026 24:00", "x"])("%s is none", (text) => {
    expect(timeReader({ time: "DD.MM.YYYY HH:mm", zone: "UTC", ambiguous: "refuse" })(text)).toHaveProperty(
      "fault",
    );
  });

  test.for(["7226668800", "999999999999999", "-1", "1e9"])("%s seconds are no time of a calendar", (text) => {
    expect(timeReader({ time: "epoch-s", zone: "UTC", ambiguous: "refuse" })(text)).toHaveProperty("fault");
  });

  test("a pattern without a date, or with a part twice, is none", () => {
    for (const time of ["HH:mm", "YYYY-MM", "YYYY-MM-DD MM", ""])
      expect(() => timeReader({ time, zone: "UTC", ambiguous: "refuse" })).toThrow(RangeError);
  });
});

test("a spreadsheet runs nothing of what a class's file shows", () => {
  const row = csvRow(["=1+1", "+43 1", "-3.50", "-x", "@SUM(A1)", "\t=1", 'a"b', "a,b", "3.50"]);
  expect(row).toBe(`'=1+1,'+43 1,-3.50,'-x,'@SUM(A1),'\t=1,"a""b","a,b",3.50\n`);
});
