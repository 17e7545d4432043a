/**
 * Facts of a small town, written row by row: a gateway with one meter, read each quarter of an hour and sealed each hour, as an honest verification
 * would have found it, unless a test has it otherwise. Nothing is signed here: what coverage reads of facts is all there is.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { decimal, toHex, type Event, type Scope, type StreamOpened } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { eatRow, eventRow, type ReadingRow, type Standing } from "../../audit/src/facts/rows.ts";
import { createFacts, finishFacts, readFacts } from "../../audit/src/facts/schema.ts";
import { FactsWriter } from "../../audit/src/facts/write.ts";

export const HOUR_S = 3600;
export const QUARTER_S = 900;
export const REGISTER = "1-0:1.8.0";

/** A row of readings that can still be changed. */
export type MadeReading = { -readonly [K in Exclude<keyof ReadingRow, "n">]: ReadingRow[K] };

/** A statement: what the device sealed, and what became of it. Tests change it as they like before the facts are written. */
export type Made = {
  readonly sub: string;
  readonly ch: Uint8Array;
  readonly seq: number;
  hash: Uint8Array;
  readonly kind: string;
  atS: number;
  committedS: number;
  /** Place in the log; larger is later. */
  order: number;
  tq: number;
  standing: Standing;
  code: string | null;
  /** False: it isn't here. */
  held: boolean;
  kid: Uint8Array;
  readings: MadeReading[];
  readonly event: Event | null;
  /** Boot evidence, encoded. */
  eat?: Uint8Array;
};

export type MadeChain = { readonly sub: string; readonly ch: Uint8Array; readonly made: Made[] };

export const hashOf = (text: string): Uint8Array => nodeSha256(Buffer.from(text));

const OPENED: Omit<StreamOpened, "kind" | "before"> = {
  source: "p1",
  meter: "e-1",
  interval: decimal(QUARTER_S),
  names: [{ name: REGISTER, unit: "kWh", type: "counter", digits: { whole: 6, fraction: 3 } }],
};

/** A reading of the meter's register. */
export const registerAt = (atS: number, wh: number): MadeReading => ({
  name: REGISTER,
  t: atS * 1_000_000,
  v: `${Math.floor(wh / 1000)}.${String(wh % 1000).padStart(3, "0")}`,
  float: null,
  vs: null,
  unit: "kWh",
  q: "",
  rx: (atS + 2) * 1_000_000,
});

const previousOf = ({ made }: MadeChain, { seq }: Made): Uint8Array | null =>
  made.find((one) => one.seq === seq - 1)?.hash ?? null;

export class FactsTown {
  readonly iss = "water/gw-1";
  readonly sub = "meter/m-1";
  readonly chains: MadeChain[] = [];
  readonly withheld: { ch: Uint8Array; first: number; last: number; why: string; by: string | null }[] = [];
  readonly kid = hashOf("the device's key");
  readonly operator = hashOf("the operator's key");
  silenceS = 3 * HOUR_S;
  reEnrolled = false;
  acts = "water";
  /** The device whose `sys` has the orders to erase; the town's own where it isn't set. */
  erasedBy: string | undefined;
  tq = 2;
  /** What the meter shows, Wh, and what it uses in a quarter. */
  registerWh = 1_000_000;
  usedWh = 100;
  readonly sys: MadeChain;
  meter: MadeChain;
  #count = 0;

  /** @param opening - what the stream says of itself other than what is usual */
  constructor(
    startS: number,
    parts: { readonly opening?: Partial<StreamOpened>; readonly boot?: boolean } = {},
  ) {
    const { opening = {}, boot = true } = parts;
    this.sys = this.open("sys", startS, { source: "sys", interval: decimal(0), names: [] });
    if (boot)
      this.tell(this.sys, { kind: "boot", version: "0.1.0", boot: hashOf("boot").slice(0, 16) }, startS);
    this.meter = this.open(this.sub, startS, { ...OPENED, ...opening });
  }

  /** The meter's stream begins again. */
  reopen(atS: number, opening: Partial<StreamOpened> = {}): void {
    this.meter = this.open(this.sub, atS, { ...OPENED, ...opening });
  }

  open(
    sub: string,
    atS: number,
    opening: Omit<StreamOpened, "kind" | "before"> & Partial<StreamOpened>,
  ): MadeChain {
    const before = this.chains.findLast((one) => one.sub === sub);
    const last = before?.made.at(-1);
    const chain: MadeChain = { sub, ch: hashOf(`${sub} ${this.#count}`).slice(0, 8), made: [] };
    this.chains.push(chain);
    const named =
      before === undefined || last === undefined
        ? ("none" as const)
        : { ch: before.ch, seq: last.seq, hash: last.hash };
    this.tell(chain, { before: named, ...opening, kind: "stream-opened" }, atS);
    return chain;
  }

  tell(chain: MadeChain, event: Event, atS: number): Made {
    return this.#seal(chain, event.kind, atS, [], event);
  }

  /** Boot evidence on `sys`. */
  prove(eat: Uint8Array, atS: number): Made {
    const made = this.#seal(this.sys, "eat", atS, [], null);
    made.eat = eat;
    return made;
  }

  report(readings: Made["readings"], atS: number): Made {
    return this.#seal(this.meter, "readings", atS, readings, null);
  }

  /** The hour that ends at `hourS`: four quarters, sealed, and the heads. */
  hour(hourS: number): Made {
    const made = this.report(this.read(hourS), hourS + 5);
    this.heads(hourS + 6);
    return made;
  }

  read(hourS: number): Made["readings"] {
    return [3, 2, 1, 0].map((quarters) => {
      this.registerWh = (this.registerWh + this.usedWh) % 1_000_000_000;
      return registerAt(hourS - quarters * QUARTER_S, this.registerWh);
    });
  }

  heads(atS: number): Made {
    const heads = this.chains
      .filter(({ sub }, i) => sub !== "sys" && !this.chains.slice(i + 1).some((one) => one.sub === sub))
      .flatMap(({ sub, ch, made }) => {
        const last = made.at(-1);
        return last === undefined ? [] : [{ sub, ch, seq: last.seq, hash: last.hash }];
      });
    return this.tell(this.sys, { kind: "heads", all: true, heads }, atS);
  }

  #seal(chain: MadeChain, kind: string, atS: number, readings: Made["readings"], event: Event | null): Made {
    const n = this.#count++;
    const made: Made = {
      sub: chain.sub,
      ch: chain.ch,
      seq: (chain.made.at(-1)?.seq ?? -1) + 1,
      hash: hashOf(`statement ${n}`),
      kind,
      atS,
      committedS: atS + 2,
      order: n,
      tq: this.tq,
      standing: "good",
      code: null,
      held: true,
      kid: this.kid,
      readings,
      event,
    };
    chain.made.push(made);
    return made;
  }

  /** The parts of the meter's chains, as a case would name them. */
  get scopes(): Scope[] {
    return this.chains.flatMap(({ sub, ch, made }) =>
      sub === "sys" ? [] : [{ iss: this.iss, sub, ch, from: 0, to: made.length - 1 }],
    );
  }

  /** Writes the facts, and opens them to read; the folder is gone when they are closed. */
  facts(): { readonly db: DatabaseSync; [Symbol.dispose](): void } {
    const folder = mkdtempSync(join(tmpdir(), "facts-town-"));
    const path = join(folder, "facts");
    const db = createFacts(path);
    this.#write(db);
    finishFacts(db);
    db.close();
    const read = readFacts(path);
    return {
      db: read,
      [Symbol.dispose]() {
        read.close();
        rmSync(folder, { recursive: true });
      },
    };
  }

  #write(db: DatabaseSync): void {
    const writer = new FactsWriter(db);
    let id = 0;
    const subs = [...new Set(this.chains.map(({ sub }) => sub))].toSorted();
    for (const sub of subs) {
      const stream = writer.stream(this.iss, sub);
      if (sub === "sys" && this.erasedBy !== undefined && this.erasedBy !== this.iss) this.#orders(writer);
      const chains = this.chains.filter((one) => one.sub === sub);
      // Chains by their ids, as a case has them; the order in which they follow one another is another one.
      for (const chain of chains.toSorted((a, b) => (toHex(a.ch) < toHex(b.ch) ? -1 : 1))) {
        if (!chain.made.some(({ held }) => held)) continue;
        const number = writer.chain(stream, chain.ch);
        writer.ordinal(number, chains.indexOf(chain));
        for (const made of chain.made)
          if (made.held) this.#statement(writer, ++id, stream, number, made, previousOf(chain, made));
      }
    }
    this.#keys(db);
    for (const row of this.withheld) writer.withheld({ iss: this.iss, sub: this.sub, ...row });
    writer.commit();
  }

  #statement(
    writer: FactsWriter,
    id: number,
    stream: number,
    chain: number,
    made: Made,
    prev: Uint8Array | null,
  ): void {
    const { seq, hash, atS, committedS, order, tq, kid, kind, standing, code, readings, event } = made;
    const said = { iat: tq === 0 ? null : atS, tq, lvl: 1, seen: null, kid, kind, standing, code };
    const place = { id, stream, chain, seq, hash, prev, idx: 100 + 2 * order, committed: committedS };
    writer.statement({ ...place, ...said, file: 0, offset: 0, length: 1 });
    for (const [n, reading] of readings.entries()) writer.reading(id, stream, { n, ...reading });
    if (event !== null) writer.event(id, stream, eventRow(event));
    if (made.eat !== undefined) writer.event(id, stream, eatRow(made.eat));
    if (event?.kind === "heads") for (const head of event.heads) writer.head(id, this.iss, head);
  }

  /** What another device says of erasures. */
  #orders(writer: FactsWriter): void {
    const orders = this.sys.made.filter(({ kind }) => kind === "erased");
    this.sys.made.splice(0, this.sys.made.length, ...this.sys.made.filter(({ kind }) => kind !== "erased"));
    const stream = writer.stream(this.erasedBy ?? this.iss, "sys");
    const chain = writer.chain(stream, hashOf("orders").slice(0, 8));
    for (const [i, made] of orders.entries())
      if (made.held) this.#statement(writer, 1_000_000 + i, stream, chain, made, null);
  }

  #keys(db: DatabaseSync): void {
    const insert = db.prepare("INSERT INTO keys VALUES (?, ?, ?, 1, 1, NULL, NULL, NULL, ?, ?, ?, ?, NULL)");
    const [silence, again] = [this.silenceS, this.reEnrolled ? 1 : 0];
    insert.run(this.kid, "device", this.iss, silence, again, toHex(this.operator), null);
    insert.run(
      this.operator,
      "operator",
      `${this.acts === "*" ? "city" : this.acts}/operator`,
      0,
      0,
      "",
      this.acts,
    );
  }
}
