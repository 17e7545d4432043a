import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { auditCommand } from "../support/audit-command.ts";
import { Chromium, type Look } from "../support/chromium.ts";
import { FAINT_TEXTS } from "../support/contrast.ts";
import { EVIL, shownWorld } from "../support/shown-world.ts";
import { need } from "../support/require.ts";

const folder = mkdtempSync(join(tmpdir(), "tally-pages-"));
const at = (name: string): string => join(folder, name);
const LOOKS: readonly Look[] = [
  { width: 1200, height: 900, scheme: "light" },
  { width: 1200, height: 900, scheme: "dark" },
  { width: 390, height: 844, scheme: "light" },
  { width: 390, height: 844, scheme: "dark" },
];

beforeAll(async () => {
  process.env["XDG_CACHE_HOME"] = at("cache");
  const { bundle, policy, results } = await shownWorld();
  writeFileSync(at("evidence.tally"), bundle);
  writeFileSync(at("policy.txt"), policy);
  for (const [name, text] of results) writeFileSync(at(`${name}.json`), text);
});
afterAll(() => rmSync(folder, { recursive: true }));

const PAGES = ["evidence", "reconcile", "coverage", "sample"] as const;
async function page(
  name: (typeof PAGES)[number],
  output: string,
  ...args: readonly string[]
): Promise<string> {
  const input =
    name === "evidence" ? [at("evidence.tally"), "--policy", at("policy.txt")] : [at(`${name}.json`)];
  const { exit, stderr } = await auditCommand("report", ...input, ...args, "-o", at(output));
  expect([exit, stderr]).toEqual([0, ""]);
  return at(output);
}

describe.runIf(need("chromium"))("a report in a browser", () => {
  let browser: Chromium;
  beforeAll(() => {
    browser = Chromium.start();
  });
  afterAll(() => browser.close());

  test.for(PAGES)(
    "%s: nothing is complained of, nothing is asked for, no text is faint, no page is wider than the screen",
    async (name) => {
      for (const language of ["en", "de"]) {
        const file = await page(name, `${name}-${language}.html`, "--lang", language);
        for (const look of LOOKS) {
          const shown = await browser.open(file, look);
          const wide = `${language} ${look.scheme} ${look.width}`;
          expect(shown.complaints, wide).toEqual([]);
          expect(
            shown.requests.map((url) => url.slice(0, 8)),
            wide,
          ).toEqual(["file:///"]);
          expect(await shown.value(FAINT_TEXTS), wide).toEqual([]);
          expect(await shown.value<number>("document.documentElement.scrollWidth"), wide).toBeLessThanOrEqual(
            look.width,
          );
          // The verdict is what one sees first, on a phone as well.
          const top = await shown.value<number>(
            "document.getElementById('verdict').getBoundingClientRect().top",
          );
          expect(top, wide).toBeLessThan(300);
        }
      }
    },
  );

  test("a text of the evidence is shown as a text", async () => {
    const shown = await browser.open(await page("evidence", "evil.html"), LOOKS[0] as Look);
    const text = await shown.value<string>("document.body.innerText");
    expect(text).toContain(EVIL.replace("\u202e", "‹U+202E›").replace("\u0007", "‹U+0007›"));
    expect(await shown.value("document.scripts.length + document.images.length")).toBe(0);
  });

  test("would somebody write a script into it, or have it load something, the page's own policy forbids both", async () => {
    let asked = 0;
    const server = createServer((_, answer) => {
      asked++;
      answer.end("");
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/x`;
    const text = readFileSync(await page("evidence", "before.html"), "utf8");
    const added = `<script>document.title = "run"</script><img src="${url}"><p style="color:red">x</p><link rel="stylesheet" href="${url}">`;
    writeFileSync(at("after.html"), text.replace("</main>", `${added}</main>`));
    const shown = await browser.open(at("after.html"), LOOKS[0] as Look);
    expect(await shown.value("document.title")).not.toBe("run");
    expect(
      shown.complaints.filter((one) => one.includes("Content Security Policy")).length,
    ).toBeGreaterThanOrEqual(4);
    expect(asked).toBe(0);
    server.close();
  });

  test("the keyboard reaches the verdict, every section and every table that scrolls", async () => {
    const shown = await browser.open(await page("reconcile", "keys.html"), LOOKS[2] as Look);
    const wanted = await shown.value<number>("document.querySelectorAll('a[href], [tabindex=\"0\"]').length");
    const reached = new Set<number>();
    for (let i = 0; i < wanted; i++) {
      await shown.press("Tab");
      reached.add(await shown.value("[...document.querySelectorAll('*')].indexOf(document.activeElement)"));
    }
    expect(reached.size).toBe(wanted);
    expect(await shown.value("document.querySelectorAll('a[href]').length")).toBeGreaterThan(4);
    const targets =
      "[...document.querySelectorAll('a[href]')].every((a) => document.querySelector(a.getAttribute('href')))";
    expect(await shown.value(targets)).toBe(true);
  });

  test.runIf(need("pdftotext"))("printed, and as PDF, it says the same", async () => {
    const shown = await browser.open(
      await page("reconcile", "printed.html", "--lang", "de"),
      LOOKS[1] as Look,
    );
    writeFileSync(at("printed.pdf"), await shown.print());
    await page("reconcile", "made.pdf", "--lang", "de");
    for (const file of ["printed.pdf", "made.pdf"]) {
      const text = execFileSync("pdftotext", ["-layout", at(file), "-"], { encoding: "utf8" }).replaceAll(
        /\s+/g,
        " ",
      );
      for (const words of [
        "Bestätigt mit Einschränkungen; 291 Feststellungen",
        "912.340",
        "Was nicht bewiesen ist",
        "bills-2026-09.csv",
      ])
        expect(text, file).toContain(words);
    }
    const info = execFileSync("pdfinfo", [at("made.pdf")], { encoding: "utf8" });
    expect(info).toMatch(/Page size:\s+595\.28 x 841\.89 pts \(A4\)/);
  });
});
