/**
 * A reconciliation in a few lines for the terminal.
 *
 * @module
 */
import type { Result } from "../result.ts";
import { CLASS_TITLES, type ReconcileBody } from "./body.ts";

/** @param beyond - findings that the map doesn't tolerate */
export function reconcileText(
  { verdict, code, restrictions, findings, body }: Result<ReconcileBody>,
  beyond: number,
): string {
  const { scope, export: given, evidence, classes } = body;
  const width = Math.max(...Object.values(CLASS_TITLES).map(({ length }) => length));
  const digits = Math.max(...classes.map(({ count }) => String(count).length), 1);
  const rows = classes.map(({ class: name, count, money, quantity, finding }) => {
    const sums = money.map(({ currency, billed, proven, difference }) => {
      const beside = proven === null ? "" : `, proven ${proven}, difference ${difference ?? "0"}`;
      return `${currency} ${billed}${beside}`;
    });
    const counted = quantity === null ? [] : [`quantity ${quantity.billed}, proven ${quantity.proven}`];
    const mark = finding && count > 0 ? "!" : " ";
    const sum = [...sums, ...counted].join("; ");
    return `${mark} ${CLASS_TITLES[name].padEnd(width)}  ${String(count).padStart(digits)}${sum === "" ? "" : `  ${sum}`}`;
  });
  const why = [code ?? "", ...restrictions].filter((one) => one !== "").join(", ");
  return [
    `evidence: ${verdict}${why === "" ? "" : ` (${why})`}`,
    `scope: ${scope.from} to ${scope.to}, ${scope.zone}`,
    `export: ${given.lines} lines${given.ignored > 0 ? `, ${given.ignored} left out by their type` : ""}; ${evidence.proven} proven ${
      body.against === "events" ? "events" : "registers"
    } in the scope${evidence.unproven > 0 ? `, ${evidence.unproven} without standing` : ""}`,
    ...rows,
    findings === 0
      ? "no findings"
      : `${findings} findings${beyond === findings ? "" : `, ${beyond} beyond the tolerance`}`,
    "",
  ].join("\n");
}
