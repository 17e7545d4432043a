/**
 * Texts from evidence and exports on their way to a page: what can't be seen is made visible, and what is too long is cut.
 *
 * @module
 */

/** Longest text in a table's cell, and in running text, in characters. */
export const CELL = 120;
/** In a cell of hashes: four of them. */
export const HASHES = 4 * 65;
export const PROSE = 600;

/**
 * Characters that change how others are shown, or show nothing: controls, formats (bidirectional ones are among them), separators of lines
 * and paragraphs, private and unassigned ones, lone surrogates, and blanks other than the plain one.
 */
const UNSEEN =
  /[\p{C}\p{Zl}\p{Zp}\u00a0\u115f\u1160\u1680\u2000-\u200a\u202f\u205f\u2800\u3000\u3164\uffa0]|\u034f|\p{M}{3,}/gu;

const named = (text: string): string =>
  Array.from(
    text,
    (one) => `‹U+${(one.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}›`,
  ).join("");

/**
 * The text as it may be shown: `admin\u202Etxt` becomes `admin‹U+202E›txt`. Marks that pile up on one letter are named as well.
 *
 * @param most - characters that are shown; what comes after is counted: `… (+1200)`
 */
export function shownText(text: string, most: number = CELL): string {
  // hostile: cut before anything is looked at, so that the work is bounded too; twice, for characters outside the basic plane
  const some = Array.from(text.slice(0, 2 * most));
  const rest = text.length - some.slice(0, most).join("").length;
  const visible = some.slice(0, most).join("").replace(UNSEEN, named);
  return rest > 0 ? `${visible}… (+${rest})` : visible;
}

/** A number of things: `1,234,567`, in German `1.234.567`. */
export const grouped = (count: number | bigint, language: "en" | "de"): string =>
  String(count).replace(/\B(?=(?:\d{3})+$)/g, language === "de" ? "." : ",");

/** `2026-11-01 00:15:00 UTC`; what no calendar reaches is said in seconds. */
export function utcTime(unixS: number): string {
  const date = new Date(unixS * 1000);
  return Number.isNaN(date.getTime())
    ? `${unixS} s`
    : `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
