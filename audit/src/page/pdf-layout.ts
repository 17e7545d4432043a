/**
 * Text, tables and bars on the pages of a PDF. Every text is made visible first, and what the standard fonts can't show is named by its code point.
 *
 * @module
 */
import type { Column } from "./block.ts";
import { LIGHT } from "./style.ts";
import { barLength } from "./svg.ts";
import { CELL, HASHES, PROSE, shownText } from "./text.ts";

type Document = PDFKit.PDFDocument;
type Cells = { readonly cells: readonly string[]; readonly colour?: string };
type TextOptions = { readonly size?: number; readonly colour?: string; readonly most?: number };

const [PLAIN, BOLD, CODE] = ["Helvetica", "Helvetica-Bold", "Courier"];
const [BODY, SMALL] = [9.5, 8];
const PADDING = 8;
/** Widths of columns, in points: none wants more, numbers and times are not broken below, texts not made narrower. */
const [MAX_COLUMN, KEPT_COLUMN, NARROW_COLUMN] = [260, 132, 60];
/** Part of the width that labels of facts have. */
const LABEL = 0.28;

/** What WinAnsiEncoding has beyond Latin-1. */
const WIN_ANSI = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ";

/** The text with what WinAnsi lacks as `‹U+0416›`. */
export const latinText = (text: string, most: number = PROSE): string =>
  Array.from(shownText(text, most), (one) => {
    const code = one.codePointAt(0) ?? 0;
    const isShown =
      (code >= 0x20 && code <= 0x7e) || (code >= 0xa1 && code <= 0xff) || WIN_ANSI.includes(one);
    return isShown ? one : `‹U+${code.toString(16).toUpperCase().padStart(4, "0")}›`;
  }).join("");

export class PdfLayout {
  readonly document: Document;

  constructor(document: Document) {
    this.document = document;
  }

  get left(): number {
    return this.document.page.margins.left;
  }

  get width(): number {
    const { page } = this.document;
    return page.width - page.margins.left - page.margins.right;
  }

  get #bottom(): number {
    const { page } = this.document;
    return page.height - page.margins.bottom;
  }

  /** Begins a new page where fewer points than `height` are left. */
  need(height: number): void {
    if (this.document.y + height > this.#bottom) this.document.addPage();
  }

  gap(height: number): void {
    this.document.y += height;
  }

  title(text: string): void {
    this.#lines(latinText(text), BOLD, 17, LIGHT.ink);
  }

  section(text: string): void {
    this.need(60);
    this.gap(12);
    this.#rule();
    this.gap(6);
    this.#lines(latinText(text), BOLD, 13, LIGHT.ink);
    this.gap(3);
  }

  heading(text: string): void {
    this.need(48);
    this.gap(6);
    this.#lines(latinText(text), BOLD, 10, LIGHT.ink);
    this.gap(2);
  }

  caption(text: string): void {
    this.need(40);
    this.gap(4);
    this.#lines(latinText(text), PLAIN, SMALL, LIGHT.soft);
    this.gap(1);
  }

  text(text: string, { size = BODY, colour = LIGHT.ink, most = PROSE }: TextOptions = {}): void {
    this.#lines(latinText(text, most), PLAIN, size, colour);
    this.gap(3);
  }

  item(text: string): void {
    this.#lines(`•  ${latinText(text)}`, PLAIN, BODY, LIGHT.ink, 8);
    this.gap(1);
  }

  /** The verdict with a bar of its colour beside it; the words say it as well. */
  verdict(headline: string, lines: readonly string[], colour: string): void {
    const { document } = this;
    this.gap(6);
    const [top, page] = [document.y, document.bufferedPageRange().count];
    this.#lines(latinText(headline), BOLD, 16, colour, 12);
    for (const line of lines) {
      this.gap(2);
      this.#lines(latinText(line), PLAIN, BODY, LIGHT.ink, 12);
    }
    // Of a verdict over a page's end the bar is left out: there is no going back to a page.
    if (document.bufferedPageRange().count === page)
      document.rect(this.left, top - 2, 5, document.y - top + 4).fill(colour);
    this.gap(6);
  }

  fact(label: string, value: string): void {
    this.#row(
      [
        { text: latinText(label), width: this.width * LABEL, font: PLAIN, colour: LIGHT.soft },
        { text: latinText(value), width: this.width * (1 - LABEL), font: PLAIN, colour: LIGHT.ink },
      ],
      BODY,
    );
  }

  code(lines: readonly string[]): void {
    for (const line of lines) this.#lines(latinText(line, 4000), CODE, SMALL, LIGHT.ink, 6);
    this.gap(4);
  }

  /** A table; its head is repeated on each page. */
  table(
    columns: readonly Column[],
    rows: readonly Cells[],
    { most = CELL }: { readonly most?: number } = {},
  ): void {
    const texts = rows.map(({ cells }) =>
      columns.map(({ align }, i) => latinText(cells[i] ?? "", align === "code" ? HASHES : most)),
    );
    const widths = this.#widths(columns, texts);
    const head = columns.map(({ title, align }, i) => ({
      text: latinText(title),
      width: widths[i] ?? 0,
      font: BOLD,
      colour: LIGHT.ink,
      right: align === "number",
    }));
    this.#row(head, SMALL, true);
    for (const [r, cells] of texts.entries()) {
      const colour = rows[r]?.colour;
      const row = cells.map((text, i) => ({
        text,
        width: widths[i] ?? 0,
        font: columns[i]?.align === "code" ? CODE : PLAIN,
        colour: i === 0 && colour !== undefined ? colour : LIGHT.ink,
        right: columns[i]?.align === "number",
      }));
      const height = this.#heightOf(row, SMALL);
      if (this.document.y + height > this.#bottom) {
        this.document.addPage();
        this.#row(head, SMALL, true);
      }
      this.#row(row, SMALL, true);
    }
    this.gap(4);
  }

  bar(label: string, text: string, share: number, colour: string): void {
    this.need(14);
    const { document, left, width } = this;
    const y = document.y;
    document.font(PLAIN).fontSize(SMALL).fillColor(LIGHT.ink);
    document.text(latinText(label, 60), left, y, { width: width * 0.34, lineBreak: false });
    document.text(latinText(text, 30), left + width * 0.34, y, {
      width: width * 0.16,
      align: "right",
      lineBreak: false,
    });
    const length = barLength(share, width * 0.46);
    if (length > 0) document.rect(left + width * 0.53, y, length, 8).fill(colour);
    document.x = left;
    document.y = y + 13;
  }

  /** `3 / 7` at the foot of each page. */
  numberPages(word: string): void {
    const { document } = this;
    const { count } = document.bufferedPageRange();
    for (let i = 0; i < count; i++) {
      document.switchToPage(i);
      const { margins, height } = document.page;
      margins.bottom = 0; // else the line below the margin would begin a page
      document.font(PLAIN).fontSize(SMALL).fillColor(LIGHT.soft);
      document.text(`${latinText(word)} ${i + 1} / ${count}`, margins.left, height - 30, {
        width: this.width,
        align: "right",
        lineBreak: false,
      });
    }
  }

  #rule(): void {
    const { document, left, width } = this;
    document
      .moveTo(left, document.y)
      .lineTo(left + width, document.y)
      .lineWidth(0.5)
      .stroke(LIGHT.line);
  }

  #lines(text: string, font: string, size: number, colour: string, indent = 0): void {
    const { document } = this;
    document.font(font).fontSize(size).fillColor(colour);
    document.text(text, this.left + indent, document.y, { width: this.width - indent });
    document.x = this.left;
  }

  #row(cells: readonly Cell[], size: number, isRuled = false): void {
    const { document, left } = this;
    const height = this.#heightOf(cells, size);
    this.need(height);
    const y = document.y;
    let x = left;
    for (const { text, width, font, colour, right = false } of cells) {
      document.font(font).fontSize(size).fillColor(colour);
      document.text(text, x, y + 3, { width: width - PADDING, align: right ? "right" : "left" });
      x += width;
    }
    document.x = left;
    document.y = y + height;
    if (isRuled)
      document
        .moveTo(left, document.y)
        .lineTo(left + this.width, document.y)
        .lineWidth(0.3)
        .stroke(LIGHT.line);
  }

  #heightOf(cells: readonly Cell[], size: number): number {
    const { document } = this;
    const heights = cells.map(({ text, width, font }) => {
      document.font(font).fontSize(size);
      return document.heightOfString(text, { width: width - PADDING });
    });
    return Math.max(size, ...heights) + 5;
  }

  /** Each column as wide as its words and numbers take; what is left goes to those whose texts want more. */
  #widths(columns: readonly Column[], rows: readonly (readonly string[])[]): number[] {
    const { document } = this;
    const widest = (texts: readonly string[], font: string): number => {
      document.font(font).fontSize(SMALL);
      return Math.max(0, ...texts.map((text) => document.widthOfString(text))) + PADDING + 1;
    };
    const wishes = columns.map(({ title, align }, i) => {
      const texts = rows.map((row) => row[i] ?? "");
      const whole = Math.min(MAX_COLUMN, widest(texts, align === "code" ? CODE : PLAIN));
      const least = widest(title.split(" "), BOLD);
      const kept = align === "number" || align === "time" ? Math.min(whole, KEPT_COLUMN) : 0;
      const narrowest = Math.max(least, kept, Math.min(whole, NARROW_COLUMN));
      return { narrowest, more: Math.max(0, Math.max(whole, least) - narrowest) };
    });
    const taken = wishes.reduce((sum, { narrowest }) => sum + narrowest, 0);
    const wanted = wishes.reduce((sum, { more }) => sum + more, 0);
    const left = this.width - taken;
    // Too many wide columns: all of them are narrowed alike.
    if (left < 0) return wishes.map(({ narrowest }) => (narrowest * this.width) / taken);
    const share = wanted > left ? left / wanted : 1;
    const spare = wanted > left ? 0 : (left - wanted) / columns.length;
    return wishes.map(({ narrowest, more }) => narrowest + more * share + spare);
  }
}

type Cell = {
  readonly text: string;
  readonly width: number;
  readonly font: string;
  readonly colour: string;
  readonly right?: boolean;
};
