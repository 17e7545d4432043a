/**
 * A case of the city, made of its ledger without the anchor's read interface: as an honest anchor hands it over, or as a hostile one does.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  compareBytes,
  consistencyPath,
  encodeReceipt,
  encodeTransparent,
  equalBytes,
  inclusionPath,
  parseStatement,
  toHex,
  type SignedBatch,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { defaultConfig, placesOf } from "../../anchor/src/config.ts";
import { openLog, type OpenLog } from "../../anchor/src/log/open-log.ts";
import { signedBatch } from "../../anchor/src/publish/sign.ts";
import { createSodiumProvider } from "../../anchor/src/admission/sodium.ts";
import type { BatchRow } from "../../anchor/src/storage/batches.ts";
import type { CaseChain, CaseManifest } from "../../audit/src/case/manifest.ts";
import { CaseWriter } from "../../audit/src/case/write.ts";
import { compareNames } from "../../audit/src/facts/build.ts";

/** What is asked for, and what a hostile anchor does otherwise. */
export type Deceit = {
  /** The devices that are asked for; all of them where it is left out. */
  readonly devices?: readonly string[];
  /** Statements that it keeps to itself, without a word. */
  readonly without?: (statement: Statement) => boolean;
  /** Its manifest says that what it keeps at the end of a chain was never there. */
  readonly lies?: boolean;
  /** What it hands over in the place of a transparent statement. */
  readonly instead?: (statement: Statement, transparent: Uint8Array) => Uint8Array;
};

type Row = {
  readonly iss: string;
  readonly sub: string;
  readonly ch: Uint8Array;
  readonly opened: number;
  readonly id: number;
  readonly last: number;
};

/** Makes the case `place` of everything in the city's ledger. @param folder - the city's; period in Unix seconds */
export async function freeze(
  folder: string,
  place: string,
  { fromUnixS, toUnixS }: { readonly fromUnixS: number; readonly toUnixS: number },
  deceit: Deceit = {},
): Promise<void> {
  const config = defaultConfig(join(folder, "anchor"));
  const opened = await openLog({ config, provider: createSodiumProvider(), nowUnixS: () => 0 });
  try {
    const writer = await CaseWriter.create(place);
    const manifest = await writeAll(opened, writer, deceit);
    const note = readFileSync(join(placesOf(config).public, "checkpoint"));
    const asked = { url: "", from: fromUnixS, to: toUnixS, purpose: "", access: null, withheld: [] };
    await writer.finish({ ...manifest, ...asked }, note, readFileSync(join(folder, "policy.txt")));
  } finally {
    opened.close();
  }
}

type Found = Pick<CaseManifest, "origin" | "size" | "root" | "streams" | "chains" | "entries">;

async function writeAll(
  opened: OpenLog,
  writer: CaseWriter,
  { devices, without, instead, lies }: Deceit,
): Promise<Found> {
  const { store, log, last } = opened;
  const receipts = new Receipts(opened);
  const items = [...store.archive.items(0, last.registry.count)];
  for (const item of items) await writer.registry(await receipts.transparent(item));
  const all = (store.db.prepare("SELECT id, iss, sub, ch, opened, last FROM chains").all() as Row[]).toSorted(
    byPlace,
  );
  const rows = all.filter(({ iss }) => devices?.includes(iss) ?? true);
  const seen = new Set<number>();
  const attested = new Map<string, { seq: number; heads: Uint8Array }>();
  const counts = new Map<number, number>();
  const ends = new Map<number, number>();
  for (const { id, iss, last: end } of rows) {
    for (let from = 0; from <= end; from += PAGE) {
      for (const { bytes, index } of store.archive.page(id, from, Math.min(end, from + PAGE - 1), PAGE)) {
        if (bytes === null) continue;
        const statement = parseStatement(bytes, nodeSha256);
        const { event, hash, claims } = statement;
        if (without?.(statement) === true) continue;
        if (event?.kind === "heads")
          for (const { sub, ch, seq } of event.heads)
            attested.set(`${iss}/${sub} ${toHex(ch)}`, { seq, heads: hash });
        if (claims.seen !== undefined) seen.add(claims.seen.size);
        const transparent = await receipts.transparent({ bytes, index });
        await writer.statement(instead?.(statement, transparent) ?? transparent);
        counts.set(id, (counts.get(id) ?? 0) + 1);
        ends.set(id, claims.seq);
      }
    }
  }
  const read = (level: number, index: number): Uint8Array => store.tiles.node(level, index);
  for (const size of [...seen].filter((one) => one < last.size).toSorted((a, b) => a - b))
    await writer.consistency(size, consistencyPath(size, last.size, read, nodeSha256));
  const chains = rows.map(({ id, iss, sub, ch, last: to }): CaseChain => ({
    iss,
    sub,
    ch,
    from: 0,
    to: lies === true ? (ends.get(id) ?? to) : to,
    attested: attested.get(`${iss}/${sub} ${toHex(ch)}`) ?? null,
    count: counts.get(id) ?? 0,
  }));
  const here = items.length + chains.reduce((sum, { count }) => sum + count, 0);
  const streams = [...new Set(rows.map(({ iss }) => iss))].map((iss) => ({ iss, sub: "*" }));
  const entries = { log: last.size, here };
  return { origin: log.origin, size: last.size, root: last.root, streams, chains, entries };
}

const PAGE = 1000;

const byPlace = (a: Row, b: Row): number =>
  compareNames(a, b) || a.opened - b.opened || compareBytes(a.ch, b.ch);

/** Receipts of statements, each tree signed once. */
class Receipts {
  readonly #opened: OpenLog;
  readonly #signed = new Map<number, SignedBatch>();

  constructor(opened: OpenLog) {
    this.#opened = opened;
  }

  async transparent({
    bytes,
    index,
  }: {
    readonly bytes: Uint8Array;
    readonly index: number;
  }): Promise<Uint8Array> {
    const { store, last } = this.#opened;
    const first = store.batches.holding(index);
    const original = first === undefined || first.size === 1 ? store.batches.holding(1) : first;
    if (original === undefined) throw new Error(`no tree holds ${index}`);
    return encodeTransparent(bytes, [await this.#receipt(index, original), await this.#receipt(index, last)]);
  }

  async #receipt(index: number, row: BatchRow): Promise<Uint8Array> {
    const { store, log } = this.#opened;
    let signed = this.#signed.get(row.size);
    if (signed === undefined) this.#signed.set(row.size, (signed = await signedBatch(log, row)));
    const read = (level: number, at: number): Uint8Array => store.tiles.node(level, at);
    return encodeReceipt(signed, [{ index, path: inclusionPath(index, row.size, read, nodeSha256) }]);
  }
}

/** Another byte somewhere in the payload. */
export function altered(statement: Statement, transparent: Uint8Array): Uint8Array {
  const { payload } = statement.sign1;
  const at = payload === null ? -1 : Buffer.from(transparent).indexOf(Buffer.from(payload));
  if (at < 0) throw new Error("no payload to alter");
  const bytes = transparent.slice();
  // The last digit of the last value, or of a text: the form stays what it is.
  const place = at + (payload?.length ?? 0) - 1;
  bytes[place] = (bytes[place] ?? 0) ^ 1;
  return bytes;
}

/** Of one statement, by its hash. */
export const only =
  (hash: Uint8Array, what: NonNullable<Deceit["instead"]>): NonNullable<Deceit["instead"]> =>
  (statement, transparent) =>
    equalBytes(statement.hash, hash) ? what(statement, transparent) : transparent;
