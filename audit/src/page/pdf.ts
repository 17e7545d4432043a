/**
 * A report as a PDF: the blocks of the HTML page on A4. The same page gives the same bytes, on any machine: the fonts are the reader's own
 * (Helvetica, Courier: nothing is embedded), its date is fixed and says nothing, and nothing is compressed, since one machine's deflate isn't another's.
 *
 * @module
 */
import { encodeUtf8, sha256, toHex } from "@tallystick/evidence";
import Pdf from "pdfkit";
import type { Block, CheckLine, Page, Section } from "./block.ts";
import { PdfLayout } from "./pdf-layout.ts";
import { drawPlot, drawStrip } from "./pdf-draw.ts";
import { LIGHT } from "./style.ts";

const SIGN: Record<CheckLine["mark"], string> = { passed: "+", failed: "x", "not-done": "-" };
const COLOUR: Record<CheckLine["mark"], string> = {
  passed: LIGHT.good,
  failed: LIGHT.bad,
  "not-done": LIGHT.open,
};

/** The format wants a date. */
const FIXED_DATE = "2000-01-01T00:00:00Z";

/** @param inputs - of the result, as text: they make the file's id */
export async function pdfPage(page: Page, inputs: string): Promise<Uint8Array> {
  const document = new Pdf({
    size: "A4",
    margin: 48,
    compress: false,
    bufferPages: true,
    pdfVersion: "1.7",
    lang: page.language,
    displayTitle: true,
    info: {
      Title: `${page.verdict.headline}: ${page.title}`,
      Subject: toHex(sha256(encodeUtf8(inputs))),
      Creator: "tally-audit",
      Producer: "pdfkit",
      CreationDate: new Date(FIXED_DATE),
    },
  });
  const chunks: Uint8Array[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    document.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    document.on("end", () => resolve());
    document.on("error", reject);
  });
  write(new PdfLayout(document), page);
  document.end();
  await ended;
  return new Uint8Array(Buffer.concat(chunks));
}

function write(layout: PdfLayout, page: Page): void {
  layout.title(page.title);
  layout.text(page.subject, { colour: LIGHT.soft, most: 400 });
  layout.verdict(page.verdict.headline, page.verdict.lines, LIGHT[page.verdict.tone]);
  for (const one of page.sections) section(layout, one, page);
  layout.gap(12);
  layout.text(page.foot, { colour: LIGHT.soft, size: 8 });
  layout.numberPages(page.labels.page);
}

function section(layout: PdfLayout, { title, blocks }: Section, page: Page): void {
  layout.section(title);
  for (const one of blocks) block(layout, one, page);
}

function block(layout: PdfLayout, one: Block, page: Page): void {
  switch (one.kind) {
    case "text":
      return layout.text(one.text);
    case "heading":
      return layout.heading(one.text);
    case "list":
      for (const item of one.items) layout.item(item);
      return layout.gap(4);
    case "facts":
      for (const [label, value] of one.rows) layout.fact(label, value);
      return layout.gap(4);
    case "code":
      return layout.code(one.lines);
    case "checks":
      return layout.table(
        [{ title: page.labels.result }, { title: page.labels.check }, { title: page.labels.why }],
        one.rows.map(({ mark, result, name, reason, means, code }) => ({
          cells: [
            `${SIGN[mark]} ${result}`,
            name,
            [reason, means, code === undefined ? undefined : `[${code}]`]
              .filter((part) => part !== undefined)
              .join(" · "),
          ],
          colour: COLOUR[mark],
        })),
        { most: 700 },
      );
    case "table":
      layout.caption(one.caption);
      layout.table(
        one.columns,
        one.rows.map((cells) => ({ cells })),
      );
      return one.note === undefined ? undefined : layout.text(one.note, { colour: LIGHT.soft, size: 8 });
    case "bars":
      layout.caption(one.caption);
      for (const bar of one.bars) layout.bar(bar.label, bar.text, bar.share, LIGHT[bar.tone]);
      return layout.gap(6);
    case "plot":
      return drawPlot(layout, one);
    case "strip":
      return drawStrip(layout, one);
  }
}
