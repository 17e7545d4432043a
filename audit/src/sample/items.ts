/**
 * What can be drawn: the statements of a case, or the lines of a reconciliation. Both are gone through in their own fixed order, as often as it takes.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import {
  formatDecimal,
  parseDecimal,
  toHex,
  decimal,
  EvidenceError,
  isEvidenceError,
} from "@tallystick/evidence";
import { UsageError } from "@tallystick/evidence/node";
import { readRows } from "../reconcile/csv/rows.ts";
import { Faults } from "../reconcile/faults.ts";
import type { Item, Population } from "./draw.ts";

/** One item with what `items.csv` says of it. */
export type SampleItem = Item & {
  readonly currency: string;
  readonly stream: string;
  readonly line: string;
  readonly key: string;
  readonly class: string;
  /** Hashes of the statements behind it, in hexadecimal. */
  readonly statements: readonly string[];
};

/** Kinds that carry what is billed; `sys` and the openings of streams are about the devices. */
export const KINDS = ["readings", "toll-transaction", "toll-adjustment", "ref"] as const;

/** Fields by which statements can be parted. */
const STATEMENT_FIELDS = ["iss", "stream", "kind", "standing", "day"] as const;
type StatementField = (typeof STATEMENT_FIELDS)[number];

type Row = {
  readonly hash: Uint8Array;
  readonly iss: string;
  readonly sub: string;
  readonly kind: string;
  readonly standing: string;
  readonly iat: number | null;
  readonly minor: number | null;
  readonly currency: string | null;
};

const MICRO = 6;

/** Statements that prove something, by (iss, sub, chain, seq). Their amount is that of the event, in minor units of its currency. */
export function statementItems(
  db: DatabaseSync,
  kinds: readonly string[],
  stratify: string | undefined,
): Population<SampleItem> {
  const field = STATEMENT_FIELDS.find((one) => one === stratify);
  if (stratify !== undefined && field === undefined)
    throw new UsageError(`--stratify ${stratify}: statements have ${STATEMENT_FIELDS.join(", ")}`);
  const rows = db.prepare(
    `SELECT hash, iss, sub, statements.kind AS kind, standing, iat, minor, currency FROM statements
     JOIN streams ON streams.id = statements.stream LEFT JOIN events ON events.statement = statements.id
     WHERE standing IN ('good', 'restricted') AND statements.kind IN (${kinds.map(() => "?").join(", ")}) ORDER BY statements.id`,
  );
  return async function* () {
    // Nothing is waited for: the rows are here.
    await Promise.resolve();
    for (const one of rows.iterate(...kinds)) {
      const row = one as unknown as Row;
      const hash = toHex(row.hash);
      const minor = BigInt(row.minor ?? 0);
      yield {
        id: hash,
        stratum: field === undefined ? "" : stratumOf(row, field),
        amount: (minor < 0n ? -minor : minor) * 10n ** BigInt(MICRO),
        currency: row.currency ?? "",
        stream: `${row.iss}/${row.sub}`,
        line: "",
        key: "",
        class: row.kind,
        statements: [hash],
      };
    }
  };
}

function stratumOf({ iss, sub, kind, standing, iat }: Row, field: StatementField): string {
  switch (field) {
    case "iss":
      return iss;
    case "stream":
      return `${iss}/${sub}`;
    case "kind":
      return kind;
    case "standing":
      return standing;
    case "day":
      return iat === null ? "" : new Date(iat * 1000).toISOString().slice(0, 10);
  }
}

/** As `csvRow` writes. */
const DIALECT = { separator: ",", quote: '"', skipLines: 0 };

/** One file of a reconciliation. */
export type ClassFile = { readonly class: string; readonly file: string; readonly count: number };

/**
 * Lines of a reconciliation, class by class, row by row. Their amount is what was billed, or else what was proven, without its sign.
 *
 * @throws EvidenceError, while it is gone through: `result-malformed` for a file that isn't that of its class, `unreachable`
 */
export function lineItems(
  folder: string,
  classes: readonly ClassFile[],
  stratify: string | undefined,
): Population<SampleItem> {
  return async function* () {
    for (const one of classes) {
      let row = 0;
      for await (const record of recordsOf(join(folder, one.file))) {
        row++;
        yield lineItem(record, one, row, stratify);
      }
      if (row !== one.count)
        throw new EvidenceError(
          "result-malformed",
          `${one.file}: ${row} rows, and the result says ${one.count}`,
        );
    }
  };
}

function lineItem(
  record: Readonly<Record<string, string>>,
  { class: name, file }: ClassFile,
  row: number,
  stratify: string | undefined,
): SampleItem {
  const cell = (column: string): string => {
    const value = column === "class" ? name : record[column];
    if (value === undefined)
      throw new EvidenceError("result-malformed", `${file}: no column ${column.slice(0, 80)}`);
    return value;
  };
  const given = cell("billed") === "" ? cell("proven") : cell("billed");
  return {
    id: `${name} ${row}`,
    stratum: stratify === undefined ? "" : cell(stratify),
    amount: given === "" ? 0n : millionths(given, `${file}, row ${row}`),
    currency: cell("currency"),
    stream: cell("stream"),
    line: cell("line"),
    key: cell("key"),
    class: name,
    statements: cell("statements")
      .split(" ")
      .filter((hash) => /^[0-9a-f]{64}$/.test(hash)),
  };
}

/** Without its sign. @throws EvidenceError `result-malformed` for what isn't a decimal, or has more than six places */
function millionths(text: string, where: string): bigint {
  const { mantissa, exponent } = parseDecimal(text);
  if (exponent < -MICRO)
    throw new EvidenceError("result-malformed", `${where}: an amount of more than six decimal places`);
  return (mantissa < 0n ? -mantissa : mantissa) * 10n ** BigInt(exponent + MICRO);
}

/** Millionths as a decimal with no more places than it takes. */
export function amountText(amount: bigint): string {
  return formatDecimal(decimal(amount, -MICRO)).replace(/\.?0+$/, "");
}

async function* recordsOf(path: string): AsyncGenerator<Readonly<Record<string, string>>> {
  let header: readonly string[] | undefined;
  try {
    const text = createReadStream(path, { encoding: "utf8" }) as AsyncIterable<string>;
    for await (const { line, cells } of readRows(text, DIALECT, new Faults(path))) {
      if (header === undefined) {
        header = cells;
        continue;
      }
      if (cells.length !== header.length)
        throw new EvidenceError("result-malformed", `${path}: line ${line}: ${cells.length} cells`);
      yield Object.fromEntries(header.map((name, i) => [name, cells[i] ?? ""]));
    }
  } catch (cause) {
    if (isEvidenceError(cause)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const code = cause instanceof Error && "syscall" in cause ? "unreachable" : "result-malformed";
    throw new EvidenceError(code, `${path}: ${reason}`, {}, cause);
  }
}

/** SHA-256 of a file, as a stream. */
export async function fileHash(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EvidenceError("unreachable", `${path}: ${reason}`, {}, cause);
  }
  return hash.digest("hex");
}
