/**
 * Makes a case of many statements: meters that each seal one reading a minute into one log, batch by batch, and an auditor who asked for all of them. Real
 * signatures, real receipts; as an anchor would have handed it over, only faster.
 *
 * @module
 */
import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import {
  CompactRange,
  consistencyPath,
  decimal,
  encodeEvent,
  encodeItem,
  encodePack,
  encodeReceipt,
  encodeTransparent,
  encodeUtf8,
  formatCheckpoint,
  formatVkey,
  hashLeaf,
  HASH_BYTES,
  inclusionPath,
  KeyState,
  sealStatement,
  signBatch,
  signNote,
  type BatchClaims,
  type Claims,
  type Content,
  type Head,
  type SignedBatch,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { CaseManifest } from "../../audit/src/case/manifest.ts";
import { CaseWriter } from "../../audit/src/case/write.ts";
import { issOf, signerOf } from "../load/keys.ts";

const ORIGIN = "bench.example/2026";
const LOG = 1_000_001;
const OPERATOR = 1_000_002;
const OPERATOR_ISS = "city/operator";
const DEVICES = 400;
const SUB = "meter/m-1";
const FIRST_UNIX_S = 1_790_000_000;
/** Statements of a device between two of its `heads`. */
const HEADS_EVERY = 60;
/** Entries of a batch. */
const BATCH = 400;

type Batch = { readonly size: number; readonly root: Uint8Array; readonly signed: SignedBatch };
type Stored = { readonly index: number; readonly at: number; readonly length: number };
type Line = { readonly ch: Uint8Array; readonly stored: Stored[]; last: Uint8Array | undefined };
type Meter = {
  readonly iss: string;
  readonly signer: Signer;
  readonly meter: Line;
  readonly sys: Line;
  heads: Head | undefined;
  headsHash: Uint8Array | undefined;
};

/**
 * Writes the case `place` with so many statements, a few more or less.
 *
 * @param folder - for what is needed meanwhile
 * @returns the trust policy
 */
export async function makeCase(place: string, folder: string, count: number): Promise<string> {
  const maker = new Maker(join(folder, "statements.tmp"), count);
  await maker.found();
  const devices = Math.min(DEVICES, Math.ceil(count / 100));
  const meters = Array.from({ length: devices }, (_, i) => maker.meter(i));
  for (const meter of meters) await maker.enrol(meter);
  await maker.commit();
  for (let minute = 0; maker.statements < count; minute++) {
    for (const meter of meters) {
      await maker.reading(meter, minute);
      if (minute % HEADS_EVERY === HEADS_EVERY - 1) await maker.heads(meter, minute);
    }
  }
  for (const meter of meters) await maker.heads(meter, 0);
  await maker.commit();
  await maker.write(place, meters);
  return `log ${formatVkey(ORIGIN, signerOf(LOG).key)}\nquorum none\noperator * ${formatVkey(OPERATOR_ISS, signerOf(OPERATOR).key)}\n`;
}

class Maker {
  readonly #log = signerOf(LOG);
  readonly #operator = signerOf(OPERATOR);
  readonly #file: number;
  readonly #path: string;
  readonly #nodes: Uint8Array[] = [];
  readonly #range: CompactRange;
  readonly #state = new KeyState({ hash: nodeSha256 });
  readonly #items: { readonly bytes: Uint8Array; readonly index: number }[] = [];
  readonly #batches: Batch[] = [];
  readonly #seen = new Set<number>();
  #lastItem: Uint8Array | undefined;
  #size = 0;
  #at = 0;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  statements = 0;

  constructor(path: string, count: number) {
    this.#path = path;
    this.#file = openSync(path, "w+");
    const most = Math.ceil(count * 1.1) + 10_000;
    for (let level = 0; 2 ** level <= most; level++)
      this.#nodes.push(new Uint8Array(Math.ceil(most / 2 ** level) * HASH_BYTES));
    this.#range = new CompactRange({
      onNode: (level, index, hash) => this.#nodes[level]?.set(hash, index * HASH_BYTES),
      hash: nodeSha256,
    });
  }

  readonly #read = (level: number, index: number): Uint8Array =>
    (this.#nodes[level] ?? new Uint8Array()).slice(index * HASH_BYTES, (index + 1) * HASH_BYTES);

  meter(number: number): Meter {
    const iss = issOf(number);
    const line = (sub: string): Line => ({
      ch: nodeSha256(encodeUtf8(`${iss} ${sub}`)).slice(0, 8),
      stored: [],
      last: undefined,
    });
    const signer = signerOf(number);
    return { iss, signer, meter: line(SUB), sys: line("sys"), heads: undefined, headsHash: undefined };
  }

  async found(): Promise<void> {
    const operators = [{ iss: OPERATOR_ISS, actsFor: "*", key: this.#operator.key }];
    await this.#item(encodeItem({ kind: "policy", origin: ORIGIN, log: this.#log.key, operators }));
  }

  enrol({ iss, signer }: Meter): Promise<void> {
    return this.#item(
      encodeItem({ kind: "enrol", device: iss, key: signer.key, streams: ["*"], silenceS: 900 }),
    );
  }

  async reading(meter: Meter, minute: number): Promise<void> {
    const line = meter.meter;
    if (line.last === undefined) {
      const opened = {
        kind: "stream-opened",
        before: "none",
        source: "bench",
        interval: decimal(60),
        names: [],
      } as const;
      await this.#seal(meter, SUB, line, { type: "event", payload: encodeEvent(opened) }, minute);
      return;
    }
    const reading = {
      name: "1-0:1.8.0",
      unit: "kWh",
      value: { v: decimal(1_581_123 + 7 * minute, -3) },
      time: decimal(FIRST_UNIX_S + 60 * minute),
      quality: [],
    };
    await this.#seal(
      meter,
      SUB,
      line,
      { type: "senml", payload: encodePack(`${meter.iss}/${SUB}/`, [reading]) },
      minute,
    );
  }

  async heads(meter: Meter, minute: number): Promise<void> {
    if (meter.sys.last === undefined) {
      const opened = {
        kind: "stream-opened",
        before: "none",
        source: "sys",
        interval: decimal(0),
        names: [],
      } as const;
      await this.#seal(meter, "sys", meter.sys, { type: "event", payload: encodeEvent(opened) }, minute);
    }
    const { ch, last, stored } = meter.meter;
    if (last === undefined) return;
    const head = { sub: SUB, ch, seq: stored.length - 1, hash: last };
    const said = encodeEvent({ kind: "heads", all: true, heads: [head] });
    await this.#seal(meter, "sys", meter.sys, { type: "event", payload: said }, minute);
    meter.heads = head;
    meter.headsHash = meter.sys.last;
  }

  async #seal(meter: Meter, sub: string, line: Line, content: Content, minute: number): Promise<void> {
    const newest = this.#batches.at(-1);
    const claims: Claims = {
      iss: meter.iss,
      sub,
      ch: line.ch,
      seq: line.stored.length,
      iat: FIRST_UNIX_S + 60 * minute,
      tq: 2,
      lvl: 1,
      ...(line.last === undefined ? {} : { prev: line.last }),
      ...(newest === undefined ? {} : { seen: { size: newest.size, root: newest.root, origin: ORIGIN } }),
    };
    if (newest !== undefined) this.#seen.add(newest.size);
    const statement = await sealStatement(claims, content, meter.signer, nodeSha256);
    const index = this.#admit(statement);
    line.last = statement.hash;
    line.stored.push({ index, at: this.#at + this.#pendingBytes, length: statement.bytes.length });
    this.#pending.push(statement.bytes);
    this.#pendingBytes += statement.bytes.length;
    this.statements++;
    if (this.#pendingBytes > 1 << 20) this.#flush();
    if (this.#size - (this.#batches.at(-1)?.size ?? 0) >= BATCH) await this.commit();
  }

  #flush(): void {
    this.#at += writeSync(this.#file, Buffer.concat(this.#pending));
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  async #item(payload: Uint8Array): Promise<void> {
    const claims: Claims = {
      iss: OPERATOR_ISS,
      sub: "registry",
      iat: FIRST_UNIX_S,
      seq: this.#items.length,
      tq: 2,
      lvl: 1,
      ...(this.#lastItem === undefined ? {} : { prev: this.#lastItem }),
    };
    const statement = await sealStatement(claims, { type: "registry", payload }, this.#operator, nodeSha256);
    const index = this.#admit(statement);
    this.#state.apply(statement, index);
    this.#lastItem = statement.hash;
    this.#items.push({ bytes: statement.bytes, index });
  }

  #admit({ hash }: Statement): number {
    this.#range.append(hashLeaf(hash, nodeSha256));
    return this.#size++;
  }

  async commit(): Promise<void> {
    const root = this.#range.root();
    const claims: BatchClaims = {
      origin: ORIGIN,
      timeUnixS: FIRST_UNIX_S + this.#batches.length,
      size: this.#size,
      registry: { count: this.#items.length, last: this.#lastItem ?? new Uint8Array(32) },
      keysRoot: this.#state.root(),
    };
    this.#batches.push({ size: this.#size, root, signed: await signBatch(claims, root, this.#log) });
  }

  async write(place: string, meters: readonly Meter[]): Promise<void> {
    this.#flush();
    const newest = this.#batches.at(-1);
    if (newest === undefined) throw new Error("nothing was committed");
    const writer = await CaseWriter.create(place);
    for (const { bytes, index } of this.#items)
      await writer.registry(this.#transparent(bytes, index, newest));
    const chains: CaseManifest["chains"][number][] = [];
    const buffer = new Uint8Array(65_536);
    for (const { iss, meter, sys, heads, headsHash } of meters.toSorted((a, b) => (a.iss < b.iss ? -1 : 1))) {
      for (const [sub, line] of [
        [SUB, meter],
        ["sys", sys],
      ] as const) {
        for (const { index, at, length } of line.stored) {
          readSync(this.#file, buffer, 0, length, at);
          await writer.statement(this.#transparent(buffer.slice(0, length), index, newest));
        }
        const attested =
          sub === SUB && heads !== undefined && headsHash !== undefined
            ? { seq: heads.seq, heads: headsHash }
            : null;
        const count = line.stored.length;
        chains.push({ iss, sub, ch: line.ch, from: 0, to: count - 1, attested, count });
      }
    }
    for (const size of [...this.#seen].toSorted((a, b) => a - b))
      await writer.consistency(size, consistencyPath(size, newest.size, this.#read, nodeSha256));
    const { size, root } = newest;
    const manifest: CaseManifest = {
      origin: ORIGIN,
      size,
      root,
      url: "",
      streams: meters.map(({ iss }) => ({ iss, sub: SUB })),
      from: null,
      to: null,
      purpose: "",
      access: null,
      chains,
      withheld: [],
      entries: { log: size, here: this.statements + this.#items.length },
    };
    const note = await signNote(formatCheckpoint({ origin: ORIGIN, size, root }), ORIGIN, this.#log);
    await writer.finish(manifest, encodeUtf8(note), new Uint8Array());
    closeSync(this.#file);
    rmSync(this.#path);
  }

  #transparent(bytes: Uint8Array, index: number, newest: Batch): Uint8Array {
    const original = this.#batches[this.#batchOf(index)] ?? newest;
    const receipts = [original, newest].map((batch) =>
      encodeReceipt(batch.signed, [
        { index, path: inclusionPath(index, batch.size, this.#read, nodeSha256) },
      ]),
    );
    return encodeTransparent(bytes, receipts);
  }

  /** The first batch that holds an index. */
  #batchOf(index: number): number {
    let [low, high] = [0, this.#batches.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#batches[middle]?.size ?? 0) > index) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
