import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { FINDING_CLASSES } from "../../../audit/src/coverage/classes.ts";
import { describe, expect, test } from "vitest";
import { isEvidenceError } from "@tallystick/evidence";
import type { Page } from "../../../audit/src/page/block.ts";
import { draw } from "../../../audit/src/page/geometry.ts";
import { escaped } from "../../../audit/src/page/html-text.ts";
import { htmlPage } from "../../../audit/src/page/html.ts";
import { pageOf } from "../../../audit/src/page/of-result.ts";
import { reconcileSections } from "../../../audit/src/page/of-reconcile.ts";
import { latinText } from "../../../audit/src/page/pdf-layout.ts";
import { pdfPage } from "../../../audit/src/page/pdf.ts";
import { SeriesCollector } from "../../../audit/src/page/series.ts";
import { DARK, LIGHT } from "../../../audit/src/page/style.ts";
import { grouped, shownText } from "../../../audit/src/page/text.ts";
import { wordsOf } from "../../../audit/src/page/words.ts";
import { parseResult } from "../../../audit/src/result-read.ts";
import { decimal, encodeUtf8 } from "@tallystick/evidence";
import { reconcileBody, shownWorld } from "../../support/shown-world.ts";

describe("text from elsewhere", () => {
  test.for([
    ["plain ümläut €", "plain ümläut €"],
    ["admin\u202etxt", "admin‹U+202E›txt"],
    ["a\u0000b\nc", "a‹U+0000›b‹U+000A›c"],
    ["zero\u200bwidth", "zero‹U+200B›width"],
    ["no\u00a0break", "no‹U+00A0›break"],
    ["\ud800", "‹U+D800›"],
    ["e\u0301", "e\u0301"],
    ["e\u0301\u0301\u0301\u0301", "e‹U+0301›‹U+0301›‹U+0301›‹U+0301›"],
    ["\u{1F512}", "\u{1F512}"],
    ["\u{E0041}", "‹U+E0041›"],
  ])("%j is shown as %j", ([given = "", shown]) => expect(shownText(given)).toBe(shown));

  test("is cut, and says how much is not shown", () => {
    expect(shownText("x".repeat(500), 10)).toBe(`${"x".repeat(10)}… (+490)`);
    expect(shownText("\u{1F512}".repeat(6), 5)).toBe(`${"\u{1F512}".repeat(5)}… (+2)`);
  });

  test("whatever it is, nothing of it is markup, unseen, or turns its surroundings", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 80 }), (text) => {
        const safe = escaped(text);
        expect(safe).not.toMatch(/[<>"']|&(?!(?:amp|lt|gt|quot|#39);)|[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        // What the standard fonts of a PDF have.
        expect(latinText(text)).toMatch(/^[\u0020-\u007e\u00a1-\u00ff€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]*$/u);
      }),
      { numRuns: 2000 },
    );
  });

  test("a million characters take no longer than a few", () => {
    expect(shownText("\u202e".repeat(5_000_000), 3)).toBe("‹U+202E›‹U+202E›‹U+202E›… (+4999997)");
  });
});

describe("colours", () => {
  const light = (colour: string): number => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5]
      .map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a: string, b: string): number => {
    const [x, y] = [light(a), light(b)];
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
  };
  test.for([LIGHT, DARK])("have the contrast that texts and drawings need", (colours) => {
    for (const name of ["ink", "soft", "link", "good", "limited", "open", "bad"] as const)
      for (const ground of ["paper", "panel"] as const)
        expect(contrast(colours[name], colours[ground]), `${name} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    expect(contrast(colours.line, colours.paper)).toBeGreaterThanOrEqual(3);
  });
});

describe("plots", () => {
  test("a peak of one value among a hundred thousand is drawn, and the size stays bounded", () => {
    const collector = new SeriesCollector("1-0:16.7.0", "kW");
    for (let i = 0; i < 100_000; i++) {
      const value = i === 77_777 ? decimal(999) : decimal(i % 7);
      collector.add({ at: i * 60, value: "", quality: "", seq: i }, value);
    }
    const { points, count, head, tail } = collector.series();
    expect([count, head.length, tail.length, tail.at(-1)?.seq]).toEqual([100_000, 10, 10, 99_999]);
    expect(points.length).toBeLessThanOrEqual(8192);
    const drawn = draw(points);
    expect(drawn?.high).toBe(999);
    expect(drawn?.spots.length).toBeLessThanOrEqual(960);
    expect(drawn?.spots.some(([, y]) => y === 1)).toBe(true);
  });

  test("what can't be drawn isn't", () => {
    expect(draw([])).toBeUndefined();
    expect(draw([{ at: 1, value: 1 }])).toBeUndefined();
    expect(
      draw([
        { at: 1, value: Infinity },
        { at: 2, value: 0 },
      ]),
    ).toBeUndefined();
    expect(
      draw([
        { at: 1, value: 5 },
        { at: 1, value: 5 },
      ])?.spots,
    ).toEqual([
      [0.5, 0.5],
      [0.5, 0.5],
    ]);
  });
});

test.for(["en", "de"] as const)("numbers are grouped as %s does", (language) => {
  const mark = language === "de" ? "." : ",";
  expect([0, 999, 1000, 1234567].map((one) => grouped(one, language))).toEqual([
    "0",
    "999",
    `1${mark}000`,
    `1${mark}234${mark}567`,
  ]);
});

/** A page of a reconciliation whose classes bring that many rows. */
async function reconcilePage(examples: number): Promise<Page> {
  const { results } = await shownWorld();
  const result = parseResult(encodeUtf8(results.get("reconcile") ?? ""), "result.json");
  const words = wordsOf("en");
  return pageOf(result, "", reconcileSections(reconcileBody(examples), words), words);
}

test("a result of a million lines gives a page of bounded size that says how many are not shown", async () => {
  const [few, many] = [htmlPage(await reconcilePage(20)), htmlPage(await reconcilePage(10_000))];
  expect(many.length).toBe(few.length);
  expect(many.length).toBeLessThan(100_000);
  expect(many).toContain("912,320 more are not shown here; all of them are in billed-and-proven.csv.");
  const pdf = await pdfPage(await reconcilePage(10_000), "");
  expect(pdf.length).toBeLessThan(600_000);
});

describe("a result that somebody hands over", () => {
  test("is read strictly: a member that is missing, unknown or of another type is named", async () => {
    const { results } = await shownWorld();
    const good = JSON.parse(results.get("reconcile") ?? "") as Record<string, unknown>;
    const read = (value: unknown): string => {
      try {
        const { body } = parseResult(encodeUtf8(JSON.stringify(value)), "r.json");
        reconcileSections(body, wordsOf("en"));
        return "read";
      } catch (error) {
        if (!isEvidenceError(error)) throw error;
        return `${error.message} [${error.code}]`;
      }
    };
    expect(read(good)).toBe("read");
    expect(read({ ...good, more: 1 })).toMatch(/result-malformed/);
    for (const name of Object.keys(good)) {
      const { [name]: _, ...rest } = good;
      expect(read(rest), name).toMatch(new RegExp(`r\\.json: ${name}.*result-malformed`));
      expect(read({ ...good, [name]: { toString: 1 } }), name).toMatch(/result-malformed/);
    }
    expect(read({ ...good, restrictions: ["no-such-code"] })).toMatch(/restrictions\.0/);
    expect(read({ ...good, body: { ...(good["body"] as object), classes: [{ class: "<b>" }] } })).toMatch(
      /classes\.0/,
    );
  });

  test("bytes that are no JSON, or no UTF-8", () => {
    for (const bytes of [encodeUtf8("{"), Uint8Array.of(0xff), new Uint8Array()])
      expect(() => parseResult(bytes, "r.json")).toThrow(
        expect.objectContaining({ code: "result-malformed" }),
      );
  });
});

test("docs/codes.md has every sentence of what a result doesn't say, and both languages have the same codes", () => {
  const text = readFileSync(join(import.meta.dirname, "../../../docs/codes.md"), "utf8");
  const [, table = ""] = /## What a result doesn't say\n(.*?)\n## /s.exec(text) ?? [];
  const rows = [...table.matchAll(/^\| `([a-z-]+)` +\| (.*?) +\|$/gm)].map(([, code = "", says = ""]) => [
    code,
    says,
  ]);
  expect(Object.fromEntries(rows)).toEqual(wordsOf("en").notProven);
  for (const part of ["notProven", "codes", "checks", "states", "standings"] as const)
    expect(Object.keys(wordsOf("de")[part]), part).toEqual(Object.keys(wordsOf("en")[part]));
  expect(Object.keys(wordsOf("de").findings).toSorted()).toEqual([...FINDING_CLASSES].toSorted());
});
