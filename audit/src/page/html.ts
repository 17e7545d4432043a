/**
 * A report as one HTML file: no script, nothing from a network, and a policy that would forbid both. The same page gives the same bytes.
 *
 * @module
 */
import { encodeUtf8, sha256, toBase64 } from "@tallystick/evidence";
import type { Bars, Block, CheckLine, Page, Section, Table } from "./block.ts";
import { escaped, isolated } from "./html-text.ts";
import { STYLE } from "./style.ts";
import { barSvg, plotSvg, stripSvg } from "./svg.ts";
import { CELL, HASHES } from "./text.ts";

const MARKS: Record<CheckLine["mark"], readonly [sign: string, tone: string]> = {
  passed: ["✓", "good"],
  failed: ["✗", "bad"],
  "not-done": ["–", "open"],
};

/** Only the one stylesheet, by its hash. */
const POLICY = `default-src 'none'; style-src 'sha256-${toBase64(sha256(encodeUtf8(STYLE)))}'; base-uri 'none'; form-action 'none'`;

export function htmlPage(page: Page): string {
  const { language, title, subject, verdict, sections, foot, labels } = page;
  const links = sections.map(({ id, title: name }) => `<li><a href="#${id}">${escaped(name)}</a></li>`);
  const lines = verdict.lines.map((line) => `<p>${isolated(line)}</p>`);
  return [
    `<!doctype html>`,
    `<html lang="${language}">`,
    `<head>`,
    `<meta charset="utf-8">`,
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
    `<meta name="viewport" content="width=device-width, initial-scale=1">`,
    `<meta name="referrer" content="no-referrer">`,
    `<title>${escaped(`${verdict.headline}: ${title}`)}</title>`,
    `<style>${STYLE}</style>`,
    `</head>`,
    `<body>`,
    `<a class="skip" href="#verdict">${escaped(labels.skip)}</a>`,
    `<header><h1>${escaped(title)}</h1><p class="about">${isolated(subject)}</p></header>`,
    `<main>`,
    `<section id="verdict" class="verdict ${verdict.tone}" tabindex="-1"><h2>${escaped(verdict.headline)}</h2>${lines.join("")}</section>`,
    `<nav aria-label="${escaped(labels.contents)}"><ul>${links.join("")}</ul></nav>`,
    ...sections.map((one) => section(one, page)),
    `</main>`,
    `<footer><p>${escaped(foot)}</p></footer>`,
    `</body>`,
    `</html>`,
    ``,
  ].join("\n");
}

const section = ({ id, title, blocks }: Section, page: Page): string =>
  `<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${escaped(title)}</h2>\n${blocks.map((one) => block(one, page)).join("\n")}\n</section>`;

function block(one: Block, page: Page): string {
  switch (one.kind) {
    case "text":
      return `<p>${isolated(one.text)}</p>`;
    case "heading":
      return `<h3>${isolated(one.text)}</h3>`;
    case "list":
      return `<ul>${one.items.map((item) => `<li>${isolated(item)}</li>`).join("")}</ul>`;
    case "facts":
      return `<dl>${one.rows.map(([label, value]) => `<dt>${escaped(label)}</dt><dd>${isolated(value)}</dd>`).join("")}</dl>`;
    case "code":
      return `<pre tabindex="0">${one.lines.map((line) => escaped(line, 4000)).join("\n")}</pre>`;
    case "checks":
      return checks(one.rows, page);
    case "table":
      return table(one);
    case "bars":
      return bars(one);
    case "plot":
      return figure(one.caption, plotSvg(one));
    case "strip":
      return figure(one.caption, stripSvg(one));
  }
}

const figure = (caption: string, drawing: string): string =>
  drawing === "" ? "" : `<figure><figcaption>${isolated(caption)}</figcaption>${drawing}</figure>`;

/** Wide tables scroll by themselves, with the keyboard as well. */
const scrolled = (caption: string, content: string): string =>
  `<div class="scroll" tabindex="0" role="region" aria-label="${escaped(caption)}"><table><caption>${isolated(caption)}</caption>${content}</table></div>`;

const head = (columns: Table["columns"]): string =>
  `<thead><tr>${columns.map(({ title, align }) => `<th scope="col"${align === "number" ? ' class="number"' : ""}>${escaped(title)}</th>`).join("")}</tr></thead>`;

function table({ caption, columns, rows, note }: Table): string {
  const body = rows.map((row) => {
    const cells = columns.map(({ align }, i) => {
      const attribute = align === undefined ? "" : ` class="${align}"`;
      return `<td${attribute}>${isolated(row[i] ?? "", align === "code" ? HASHES : CELL)}</td>`;
    });
    return `<tr>${cells.join("")}</tr>`;
  });
  const more = note === undefined ? "" : `<p class="note">${escaped(note)}</p>`;
  return scrolled(caption, `${head(columns)}<tbody>${body.join("\n")}</tbody>`) + more;
}

function checks(rows: readonly CheckLine[], { labels }: Page): string {
  const body = rows.map(({ mark, result, name, code, reason, means }) => {
    const [sign, tone] = MARKS[mark];
    const why = [
      ...(reason === undefined ? [] : [isolated(reason)]),
      ...(means === undefined ? [] : [isolated(means)]),
      ...(code === undefined ? [] : [`<code>${escaped(code)}</code>`]),
    ];
    return `<tr><td class="mark ${tone}">${sign} ${escaped(result)}</td><td>${escaped(name)}</td><td>${why.join("<br>")}</td></tr>`;
  });
  const titles = [labels.result, labels.check, labels.why].map((title) => ({ title }));
  return scrolled(labels.check, `${head(titles)}<tbody>${body.join("\n")}</tbody>`);
}

function bars({ caption, bars: all }: Bars): string {
  const body = all.map(
    (one) =>
      `<tr><td>${isolated(one.label, CELL)}</td><td class="number">${escaped(one.text)}</td><td>${barSvg(one)}</td></tr>`,
  );
  return `<div class="bars">${scrolled(caption, `<tbody>${body.join("\n")}</tbody>`)}</div>`;
}
