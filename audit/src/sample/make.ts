/**
 * Draws a sample and writes it: `items.csv`, and one bundle for each item that has statements behind it, verified before it is written.
 *
 * @module
 */
import { join } from "node:path";
import { encodeBundle, fromHex, toHex, verify, type TrustPolicy } from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, UsageError, type Progress } from "@tallystick/evidence/node";
import { mkdirSync, writeFileSync } from "node:fs";
import { BundleCutter } from "../case/cut.ts";
import { csvRow } from "../csv-text.ts";
import type { Facts } from "../facts/open.ts";
import { worst } from "../judgement.ts";
import type { SampleBody, SampleMethod, SampleRow } from "./body.ts";
import { ALGORITHM, drawByMoney, drawByRank, shares, startOf, type Drawn, type Population } from "./draw.ts";
import { amountText, type SampleItem } from "./items.ts";

/** Most items: each has a file. */
export const MAX_DRAWN = 10_000;
const MAX_STRATA = 1000;
/** Rows that the result itself shows. */
const MAX_EXAMPLES = 100;

export type Plan = {
  readonly population: Population<SampleItem>;
  readonly seed: string;
  readonly n: number;
  readonly method: SampleMethod;
};
export type Made = Pick<SampleBody, "population" | "start" | "strata"> & {
  readonly drawn: readonly Drawn<SampleItem>[];
};

/**
 * Draws, and tells of what.
 *
 * @throws UsageError where that many can't be drawn in this way
 */
export async function draw({ population, seed, n, method }: Plan): Promise<Made> {
  const { counts, count, total, currencies } = await counted(population);
  if (count === 0) throw new UsageError("there is nothing to draw from");
  if (n > count) throw new UsageError(`--n ${n}: there are only ${count} items`);
  if (method === "money-unit") {
    if (currencies.size > 1)
      throw new UsageError(
        `--money-unit: amounts in ${[...currencies].toSorted().join(", ")}: draw one currency at a time`,
      );
    if (total === 0n) throw new UsageError("--money-unit: no item has an amount");
    const drawn = await drawByMoney(population, seed, n, total);
    const [currency = ""] = currencies;
    return {
      population: { count, amount: amountText(total), currency },
      start: amountText(startOf(seed, total)),
      strata: [{ name: "", count, drawn: drawn.length }],
      drawn,
    };
  }
  if (n < counts.size)
    throw new UsageError(`--n ${n}: there are ${counts.size} strata, and each takes one item at least`);
  const strata = shares(counts, n);
  return {
    population: { count, amount: null, currency: null },
    start: null,
    strata: [...strata].map(([name, one]) => ({ name, ...one })),
    drawn: await drawByRank(population, seed, strata),
  };
}

async function counted(population: Population<SampleItem>): Promise<{
  counts: Map<string, number>;
  count: number;
  total: bigint;
  currencies: Set<string>;
}> {
  const counts = new Map<string, number>();
  const currencies = new Set<string>();
  let [count, total] = [0, 0n];
  for await (const { stratum, amount, currency } of population()) {
    count++;
    total += amount;
    counts.set(stratum, (counts.get(stratum) ?? 0) + 1);
    if (amount > 0n && currencies.size < MAX_STRATA) currencies.add(currency);
    if (counts.size > MAX_STRATA) throw new UsageError(`--stratify: more than ${MAX_STRATA} strata`);
  }
  return { counts, count, total, currencies };
}

const COLUMNS = [
  "number",
  "id",
  "rank",
  "stratum",
  "amount",
  "hits",
  "stream",
  "line",
  "key",
  "class",
  "statements",
  "indexes",
  "bundle",
  "verdict",
] as const satisfies readonly (keyof SampleRow)[];

const ITEMS_FILE = "items.csv";

/** Writes the list and the bundles into a folder that is there. `exit`: the worst of the bundles' verdicts. */
export async function writeItems(
  folder: string,
  { drawn }: Made,
  facts: Facts,
  policy: TrustPolicy,
  progress: Progress,
): Promise<{ examples: SampleRow[]; exit: 0 | 1 | 3 }> {
  const means = { policy, provider: createNodeProvider(), hash: nodeSha256 };
  const cutter = await BundleCutter.open(facts, means);
  const find = facts.db.prepare("SELECT id, idx FROM statements WHERE hash = ? ORDER BY id LIMIT 1");
  mkdirSync(join(folder, "items"));
  const digits = String(drawn.length).length;
  const examples: SampleRow[] = [];
  const codes: (0 | 1 | 3)[] = [];
  let text = csvRow(COLUMNS);
  for (const [i, { item, rank, hits }] of drawn.entries()) {
    const found = item.statements.flatMap((hash) => {
      const row = find.get(fromHex(hash)) as { id: number; idx: number | null } | undefined;
      return row === undefined ? [] : [row];
    });
    const number = String(i + 1);
    let [bundle, verdict] = ["", ""];
    if (found.length > 0) {
      bundle = `items/${number.padStart(digits, "0")}.tally`;
      const bytes = encodeBundle(await cutter.cut(found.map(({ id }) => id)));
      const judged = verify(bytes, means);
      verdict = judged.verdict;
      codes.push(judged.verdict === "invalid" ? 1 : judged.verdict === "not-verifiable" ? 3 : 0);
      writeFileSync(join(folder, bundle), bytes, { flush: true });
    }
    const row: SampleRow = {
      number,
      id: item.id,
      rank: toHex(rank),
      stratum: item.stratum,
      amount: item.amount === 0n ? "" : amountText(item.amount),
      hits: String(hits),
      stream: item.stream,
      line: item.line,
      key: item.key,
      class: item.class,
      statements: item.statements.join(" "),
      indexes: found.map(({ idx }) => idx ?? "").join(" "),
      bundle,
      verdict,
    };
    text += csvRow(COLUMNS.map((column) => row[column]));
    if (examples.length < MAX_EXAMPLES) examples.push(row);
    progress.update(i + 1, drawn.length, "items");
  }
  writeFileSync(join(folder, ITEMS_FILE), text, { flush: true });
  return { examples, exit: worst(codes) };
}

/** The body of the result. */
export const bodyOf = (
  { seed, n, method }: Plan,
  { population, start, strata, drawn }: Made,
  about: Pick<SampleBody, "of" | "kinds" | "from" | "stratify">,
  examples: readonly SampleRow[],
): SampleBody => ({
  algorithm: ALGORITHM,
  seed,
  n,
  method,
  of: about.of,
  kinds: about.kinds,
  from: about.from,
  stratify: about.stratify,
  population,
  start,
  strata,
  drawn: drawn.length,
  file: ITEMS_FILE,
  examples,
});
