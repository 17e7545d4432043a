/**
 * Text into HTML: made visible, escaped, and kept from turning its surroundings where it is written from right to left.
 *
 * @module
 */
import { PROSE, shownText } from "./text.ts";

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** For content and for attributes in double quotes. */
export const escaped = (text: string, most: number = PROSE): string =>
  shownText(text, most).replace(/[&<>"']/g, (one) => ENTITIES[one] ?? "");

/** As {@link escaped}, for content: what isn't Latin may run from right to left, and stays by itself. */
export function isolated(text: string, most: number = PROSE): string {
  const safe = escaped(text, most);
  return /[^\p{Script=Latin}\p{Script=Common}]/u.test(text.slice(0, 2 * most)) ? `<bdi>${safe}</bdi>` : safe;
}
