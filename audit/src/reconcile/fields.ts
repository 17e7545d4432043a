/**
 * Members of an event, as SQL over its row of the facts.
 *
 * @module
 */

/** Members that have a column, or are two in one. `class` is the one that was measured, else the declared one. */
const SQL: Readonly<Record<string, string>> = {
  id: "e.id",
  ref: "e.ref",
  tariff: "e.tariff",
  class: "coalesce(json_extract(e.body, '$.class.measured'), json_extract(e.body, '$.class.declared'))",
  measured: "json_extract(e.body, '$.class.measured')",
  declared: "json_extract(e.body, '$.class.declared')",
};

/**
 * The expression for a member, of `facts.events` as `e`; a text, or null where the event has none.
 *
 * @param name - as the map's schema lets it pass: letters, digits, dots, hyphens
 */
export function fieldSql(name: string): string {
  if (!/^[a-z][A-Za-z0-9.-]{0,63}$/.test(name)) throw new RangeError(`no member of an event: ${name}`);
  const path = name.split(".").map((part) => `."${part}"`);
  const found = Object.hasOwn(SQL, name) ? SQL[name] : `json_extract(e.body, '$${path.join("")}')`;
  return `CAST(${found} AS TEXT)`;
}

/** Several members as one JSON array, in this order: two are equal where their texts are. */
export const facetSql = (names: readonly string[]): string =>
  names.length === 0 ? "NULL" : `json_array(${names.map(fieldSql).join(", ")})`;
