import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isEvidenceError, unitKind } from "@tallystick/evidence";
import { readingLine } from "../../../agent/src/commands/decode.ts";
import { observe, readingsOf } from "../../../agent/src/sources/p1/readings.ts";
import { readTelegram, type Telegram } from "../../../agent/src/sources/p1/telegram.ts";
import { readTime } from "../../../agent/src/sources/p1/time.ts";

const frame = (lines: readonly string[], checked = true): Parameters<typeof readTelegram>[0] => {
  const bytes = Buffer.from(["/XYZ5\\2TEST", "", ...lines, "!"].join("\r\n"), "latin1");
  return { bytes, raw: bytes, offset: 0, checked };
};

const read = (...lines: string[]): Telegram => readTelegram(frame(lines));

/** One line of a telegram as `decode` prints it. */
const decoded = (...lines: string[]): unknown[] =>
  readingsOf(read(...lines)).map((reading): unknown => JSON.parse(readingLine(reading)));

describe("values", () => {
  test.for<[line: string, expected: object]>([
    ["1-0:1.8.1(0001.010*kWh)", { n: "1-0:1.8.1", u: "kWh", v: "1.010" }],
    ["1-0:1.8.1(000.000*kWh)", { u: "kWh", v: "0.000" }],
    ["1-0:1.8.1*255(000.000*kWh)", { n: "1-0:1.8.1" }],
    ["1-0:1.8.1.255(000.000*kWh)", { n: "1-0:1.8.1" }],
    ["1-0:1.8.1*01(000.000*kWh)", { n: "1-0:1.8.1/1" }],
    ["1-0:1.7.0(-00.120*kW)", { u: "kW", v: "-0.120" }],
    ["1-0:3.8.0(1.5*kVArh)", { u: "kvarh", v: "1.5" }],
    ["1-0:3.8.0(1.5*kvarh)", { u: "kvarh" }],
    ["1-0:3.7.0(1.5*kVAr)", { u: "kvar" }],
    ["0-1:24.2.1(101209112500W)(12785.123*m3)", { u: "m3", v: "12785.123", t: "2010-12-09T10:25:00Z" }],
    ["0-1:24.2.1(101209112500S)(00012.345*GJ)", { u: "J", v: "12345000000", t: "2010-12-09T09:25:00Z" }],
    ["0-0:96.7.21(00005)", { v: "5" }],
    ["0-0:96.7.21()", { vs: "", q: ["device-error"] }],
    ["0-0:96.7.19(0000237126*s)", { u: "s", v: "237126" }],
    ["1-0:52.36.0(00012)", { v: "12" }],
    ["0-0:96.14.0(0002)", { vs: "0002" }],
    ["0-0:96.3.10(1)", { vs: "1" }],
    ["0-1:24.1.0(003)", { vs: "003" }],
    ["0-1:24.4.0(1)", { vs: "1" }],
    ["0-0:96.1.1(3153414733)", { vs: "3153414733" }],
    ["1-3:0.2.8(50)", { vs: "50" }],
    ["0-0:96.13.0()", { vs: "" }],
    ["1-0:99.97.0()", { vs: "" }],
    ["1-0:99:97.0(1)(0:96.7.19)(1)(2*s)", { n: "1-0:99.97.0", vs: "(1)(0:96.7.19)(1)(2*s)" }],
    ["0-0:98.1.0(200501000000S)(02.351*kW)", { vs: "(200501000000S)(02.351*kW)" }],
    // no unit is guessed
    ["0-1:24.2.1(101209112500W)(12785.123*cuft)", { vs: "12785.123*cuft" }],
    ["1-0:1.7.0(00.1*kw)", { vs: "00.1*kw" }],
    // what a meter says where it has no value (dsmr_parser issue 120)
    ["0-1:24.2.1(632525252525S)(00000.000)", { vs: "00000.000", t: null, q: ["device-error"] }],
    ["0-1:24.2.1(632525252525S)(00000.000*m3)", { v: "0.000", t: null, q: ["device-error"] }],
    ["1-0:1.7.0(------*kW)", { vs: "------*kW", q: ["device-error"] }],
    [`1-0:1.7.0(${"9".repeat(60)}*kW)`, { vs: `${"9".repeat(60)}*kW`, q: ["device-error"] }],
  ])("%s", ([line, expected]) => {
    const [first, ...rest] = decoded(line);
    expect(rest).toEqual([]);
    expect(first).toMatchObject(expected);
    expect(Object.hasOwn(first as object, "u")).toBe(
      Object.hasOwn(expected, "u") || (/\*(m3|kWh|kW)\)$/.test(line) && !("vs" in expected)),
    );
  });

  test("an hourly profile with two values on the lines after it", () => {
    expect(
      decoded(
        "0-2:24.3.0(161107190000)(00)(60)(2)(0-2:24.2.1)(m3)(0-2:24.2.2)(kWh)",
        "(00001.001)",
        "(00002.5)",
      ),
    ).toEqual([
      { n: "0-2:24.2.1", u: "m3", v: "1.001", t: null, q: ["no-zone"] },
      { n: "0-2:24.2.2", u: "kWh", v: "2.5", t: null, q: ["no-zone"] },
    ]);
  });

  test("a profile of another form stays as it was sent", () => {
    expect(decoded("0-1:24.3.0(161107190000)(00)(60)(2)(0-1:24.2.1)(m3)", "(1)")).toMatchObject([
      { n: "0-1:24.3.0", vs: "(161107190000)(00)(60)(2)(0-1:24.2.1)(m3)(1)" },
    ]);
  });

  test("registers tell counter, gauge and text, and the digits as printed", () => {
    const registers = read(
      "1-0:1.8.1(000123.456*kWh)",
      "1-0:1.7.0(-01.5*kW)",
      "0-1:24.2.1(101209112500W)(012.345*GJ)",
      "0-2:24.2.1(101209112500W)(00012345*dm3)",
      "1-0:32.32.0(00002)",
      "1-0:1.6.0(200509134558S)(02.589*kW)",
      "0-0:96.14.0(0002)",
    ).values.map(({ register }) => register);
    expect(registers).toEqual([
      { name: "1-0:1.8.1", unit: "kWh", type: "counter", digits: { whole: 6, fraction: 3 } },
      { name: "1-0:1.7.0", unit: "kW", type: "gauge", digits: { whole: 2, fraction: 1 } },
      { name: "0-1:24.2.1", unit: "J", type: "counter", digits: { whole: 12, fraction: 0 } },
      { name: "0-2:24.2.1", unit: "m3", type: "counter", digits: { whole: 5, fraction: 3 } },
      { name: "1-0:32.32.0", unit: null, type: "counter", digits: { whole: 5, fraction: 0 } },
      { name: "1-0:1.6.0", unit: "kW", type: "gauge", digits: { whole: 2, fraction: 1 + 2 } },
      { name: "0-0:96.14.0", unit: null, type: "text", digits: null },
    ]);
    for (const { unit } of registers) expect(unit === null || unitKind(unit) !== undefined).toBe(true);
  });
});

describe("times", () => {
  test.for<[text: string, expected: string | null]>([
    ["161113205757W", "2016-11-13T19:57:57.000Z"],
    ["160713205757S", "2016-07-13T18:57:57.000Z"],
    ["201020085222W", "2020-10-20T07:52:22.000Z"],
    ["201025023000S", "2020-10-25T00:30:00.000Z"], // the hour that runs twice
    ["201025023000W", "2020-10-25T01:30:00.000Z"],
    ["000101000000W", "1999-12-31T23:00:00.000Z"],
    ["240229120000W", "2024-02-29T11:00:00.000Z"],
    ["230229120000W", null],
    ["161113245757W", null],
    ["161313205757W", null],
    ["161100205757W", null],
    ["161113206057W", null],
    ["161113205760W", null],
    ["16111320575W", null],
    ["161113205757Z", null],
    ["161113205757", null],
    ["", null],
  ])("%s", ([text, expected]) => {
    const time = readTime(text);
    expect(time.kind === "moment" ? new Date(time.unixS * 1000).toISOString() : null).toBe(expected);
  });

  test("a time without letter names no zone: t is null for all that take it", () => {
    expect(decoded("0-0:1.0.0(161113205757)", "1-0:1.8.1(1*kWh)")).toEqual([
      { n: "0-0:1.0.0", vs: "161113205757", t: null, q: ["no-zone"] },
      { n: "1-0:1.8.1", u: "kWh", v: "1", t: null, q: ["no-zone"] },
    ]);
  });

  test("a telegram time that does not exist is no time, and the fault is the clock's alone", () => {
    expect(decoded("0-0:1.0.0(632525252525S)", "1-0:1.8.1(1*kWh)")).toMatchObject([
      { t: null, q: ["device-error"] },
      { t: null, q: [] },
    ]);
  });
});

describe("the live path", () => {
  const clock = (iso: string, tq: 0 | 1 | 2 | 3) => ({
    now: () => ({ timeUnixMs: Date.parse(iso), tq }),
    monotonicMs: () => 0,
  });
  const live = (at: ReturnType<typeof clock>, ...lines: string[]) => observe(read(...lines), at);

  test("a device time is kept, with the moment of arrival beside it", () => {
    const seen = live(clock("2016-11-13T19:58:00.250Z", 2), "0-0:1.0.0(161113205757W)", "1-0:1.8.1(1*kWh)");
    expect(seen.readings[1]).toMatchObject({
      time: { mantissa: 1479067077n, exponent: 0 },
      received: { mantissa: 1479067080250n, exponent: -3 },
      quality: [],
    });
    expect(seen.deviceTime).toMatchObject({ mantissa: 1479067077n });
    expect(seen.stamps).toBeUndefined();
  });

  test("without one the time is the gateway's, and says so", () => {
    const { readings } = live(clock("2016-11-13T19:58:00.250Z", 1), "1-0:1.8.1(1*kWh)");
    expect(readings[0]).toMatchObject({ time: { mantissa: 1479067080250n }, quality: ["gateway-time"] });
    expect(readings[0]).not.toHaveProperty("received");
  });

  test("without zone too, and the device's own words are kept to tell repeats", () => {
    const seen = live(clock("2016-11-13T19:58:00.250Z", 2), "0-1:24.2.1(161107190000)(1.5*m3)");
    expect(seen.readings[0]).toMatchObject({ quality: ["no-zone", "gateway-time"] });
    expect(seen.stamps).toEqual(new Map([["0-1:24.2.1", "161107190000"]]));
  });

  test("a gateway that does not know the time writes none down", () => {
    const { readings } = live(
      clock("2016-11-13T19:58:00Z", 0),
      "0-1:24.2.1(161107190000W)(1*m3)",
      "1-0:1.8.1(1*kWh)",
    );
    expect(readings[0]).toMatchObject({ time: { mantissa: 1478541600n }, quality: [] });
    expect(readings[1]).toMatchObject({ time: null, quality: ["gateway-time"] });
    for (const reading of readings) expect(reading).not.toHaveProperty("received");
  });

  test.for<[iso: string, tq: 0 | 1 | 2 | 3, future: boolean]>([
    ["2016-11-13T18:57:57Z", 2, false], // exactly an hour
    ["2016-11-13T18:57:56Z", 2, true],
    ["2016-11-13T18:57:56Z", 3, true],
    ["2016-11-13T18:57:56Z", 1, false], // this clock is no judge
    ["2030-01-01T00:00:00Z", 2, false],
  ])("a device clock ahead of the gateway's at %s, tq %s: future %s", ([iso, tq, future]) => {
    const { readings } = live(clock(iso, tq), "0-0:1.0.0(161113205757W)");
    expect(readings[0]?.quality).toEqual(future ? ["future"] : []);
  });

  test("a value that the device calls faulty is a reading, but tells nothing of its register", () => {
    const seen = live(
      clock("2016-11-13T19:58:00Z", 2),
      "1-0:1.8.0(------.---*kWh)",
      "1-0:2.8.0(000001.000*kWh)",
    );
    expect(seen.readings.map(({ name }) => name)).toEqual(["1-0:1.8.0", "1-0:2.8.0"]);
    expect(seen.registers.map(({ name }) => name)).toEqual(["1-0:2.8.0"]);
  });

  test("no checksum is said of every reading, first of all", () => {
    const telegram = readTelegram(frame(["1-0:1.8.1(1*kWh)", "0-0:96.14.0(0002)"], false));
    for (const { quality } of observe(telegram, clock("2020-01-01T00:00:00Z", 2)).readings) {
      expect(quality).toEqual(["no-checksum", "gateway-time"]);
    }
  });
});

describe("the meter's own id", () => {
  test.for<[lines: string[], id: string]>([
    [["0-0:96.1.4(50217)", "0-0:96.1.1(31534147)"], "31534147"], // Belgium: 96.1.4 is a version
    [["0-0:96.1.4(50217)"], "XYZ5\\2TEST"],
    [["0-1:96.1.1(37464C4F)", "1-0:1.8.0(1*kWh)"], "XYZ5\\2TEST"], // the gas meter's
    [["0-0:96.1.0(4B)", "0-0:42.0.0(53)"], "4B"],
    [["0-0:42.0.0(53)"], "53"],
    [["0-0:96.1.1()"], "XYZ5\\2TEST"],
    [[`0-0:96.1.1(${"3".repeat(257)})`], "XYZ5\\2TEST"],
  ])("%j", ([lines, id]) => {
    expect(read(...lines).meter).toBe(id);
  });
});

describe("refused", () => {
  const refusal = (text: string): unknown => {
    const bytes = Buffer.from(text, "latin1");
    try {
      readTelegram({ bytes, raw: bytes, offset: 0, checked: true });
      return "read";
    } catch (error) {
      return isEvidenceError(error) ? `${error.code} line ${error.where["line"]}` : error;
    }
  };
  test.for<[text: string, expected: string]>([
    ["/XYZ5\r\n!", "p1-malformed line 1"],
    ["/XY\r\n1-0:1.8.0(1*kWh)\r\n!", "p1-malformed line 1"],
    ["/XYZ5\x80\r\n1-0:1.8.0(1*kWh)\r\n!", "p1-malformed line 1"],
    ["/XYZ5\r\n\r\n1-0:1.8.0(1*kWh)\r\n1-0:1.8.0(\xb1*kWh)\r\n!", "p1-malformed line 4"],
    ["/XYZ5\r\n1-0:1.8.0\r\n!", "p1-malformed line 2"],
    ["/XYZ5\r\n1-0:1.8.0(1*kWh\r\n!", "p1-malformed line 2"],
    ["/XYZ5\r\n1-0:1.8.0(1)(2\r\n!", "p1-malformed line 2"],
    ["/XYZ5\r\n1-0:1.8.0(1)x(2)\r\n!", "p1-malformed line 2"],
    ["/XYZ5\r\n1-0:1.8.0((1))\r\n!", "p1-malformed line 2"],
    ["/XYZ5\r\n1-0:1.8(1)\r\n!", "p1-malformed line 2"],
    ["/XYZ5\r\n1-0:256.8.0(1)\r\n!", "p1-malformed line 2"],
    ["/XYZ5\r\n(1)\r\n!", "p1-malformed line 2"],
    ["/XYZ5\r\n1-0:1.8.0(1\r2)\r\n!", "p1-malformed line 2"],
    ["/XYZ5\r\n1-0:1.8.0(1)\r\n!", "read"],
  ])("%j: %s", ([text, expected]) => {
    expect(refusal(text)).toBe(expected);
  });

  test("arbitrary text between / and ! is read, or refused with a code and a line", () => {
    const part = fc.constantFrom(
      "1-0:1.8.0",
      "0-1:24.3.0",
      "0-1:24.2.1",
      "0-0:1.0.0",
      "1-0:99.97.0",
      "(",
      ")",
      ")(",
      "*",
      "kWh",
      "\r\n",
      "161113205757W",
      "1",
      "00.5",
      "XYZ5",
    );
    const text = fc.oneof(
      fc.array(part, { maxLength: 60 }).map((parts) => parts.join("")),
      fc.string({ unit: "binary-ascii", maxLength: 200 }),
    );
    fc.assert(
      fc.property(text, fc.boolean(), (inside, checked) => {
        const bytes = Buffer.from(`/XYZ5\r\n${inside}!`, "latin1");
        try {
          const telegram = readTelegram({ bytes, raw: bytes, offset: 0, checked });
          for (const reading of readingsOf(telegram))
            expect(() => JSON.parse(readingLine(reading)) as unknown).not.toThrow();
        } catch (error) {
          expect(error).toMatchObject({ name: "EvidenceError", code: "p1-malformed" });
        }
      }),
      { numRuns: 2000 },
    );
  });
});
