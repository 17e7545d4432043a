/**
 * Facts made by hand, in a file, as verification would write them: what a test wants to be proven, or not to be.
 *
 * @module
 */
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import {
  decimal,
  fromHex,
  parseDecimal,
  toHex,
  type Amount,
  type Event,
  type Quality,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { eventRow, type Standing } from "../../audit/src/facts/rows.ts";
import { createFacts, finishFacts, readFacts } from "../../audit/src/facts/schema.ts";
import { FactsWriter } from "../../audit/src/facts/write.ts";

export type MadeStream = { readonly id: number; readonly chain: number; readonly name: string; seq: number };

type Standings = { readonly standing?: Standing; readonly code?: string };

export type MadePassage = Standings & {
  readonly tx: string;
  /** RFC 3339. */
  readonly at: string;
  readonly cents?: number;
  readonly currency?: string;
  readonly plaza?: string;
  readonly lane?: string;
  readonly class?: number;
  readonly validity?: string;
  /** Hash of a statement, hexadecimal. */
  readonly supersedes?: string;
};

const KID = new Uint8Array(32);

/** Milliseconds of an RFC 3339 time, as a decimal of seconds. */
const seconds = (at: string) => decimal(Date.parse(at), -3);

export class MadeFacts {
  readonly path: string;
  readonly #db: DatabaseSync;
  readonly #write: FactsWriter;
  readonly #names = new Map<string, MadeStream>();
  #statements = 0;

  constructor(folder: string, name = "made.facts") {
    this.path = join(folder, name);
    this.#db = createFacts(this.path);
    this.#write = new FactsWriter(this.#db);
  }

  /** @param name - ORG/DEVICE/STREAM */
  stream(name: string): MadeStream {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const [org = "", device = "", ...sub] = name.split("/");
    const id = this.#write.stream(`${org}/${device}`, sub.join("/"));
    const made = {
      id,
      chain: this.#write.chain(id, nodeSha256(Buffer.from(name)).subarray(0, 8)),
      name,
      seq: 0,
    };
    this.#names.set(name, made);
    return made;
  }

  /** @returns the hash of the statement, hexadecimal */
  event(name: string, event: Event, standing: Standings = {}): string {
    const stream = this.stream(name);
    const { id, hash } = this.#statement(stream, event.kind, standing);
    this.#write.event(id, stream.id, eventRow(event));
    return hash;
  }

  passage(
    name: string,
    { tx, at, cents, currency = "EUR", plaza = "p1", lane = "l1", ...more }: MadePassage,
  ): string {
    const amount: Amount | undefined =
      cents === undefined ? undefined : { minor: cents, currency, tariff: "t1" };
    const event: Event = {
      kind: "toll-transaction",
      tx,
      plaza,
      lane,
      t: seconds(at),
      direction: "in",
      class: { measured: more.class ?? 1, declared: null },
      validity: more.validity ?? "valid",
      refs: [],
      ...(amount === undefined ? {} : { amount }),
      ...(more.supersedes === undefined ? {} : { supersedes: fromHex(more.supersedes) }),
    };
    return this.event(name, event, more);
  }

  adjustment(
    name: string,
    ref: string,
    cents: number,
    { supersedes, ...standing }: Standings & { readonly supersedes?: string } = {},
  ): string {
    const amount: Amount = { minor: cents, currency: "EUR", tariff: "t1" };
    const replaced = supersedes === undefined ? {} : { supersedes: fromHex(supersedes) };
    return this.event(
      name,
      { kind: "toll-adjustment", ref: fromHex(ref), reason: "re-rated", amount, ...replaced },
      standing,
    );
  }

  /** One statement with one reading. */
  register(
    name: string,
    at: string,
    value: string,
    more: Standings & { readonly register?: string; readonly q?: readonly Quality[] } = {},
  ): string {
    const stream = this.stream(name);
    const { id, hash } = this.#statement(stream, "readings", more);
    this.#write.reading(id, stream.id, {
      n: 0,
      name: more.register ?? "1-0:1.8.0",
      t: Date.parse(at) * 1000,
      v: value,
      float: null,
      vs: null,
      unit: "kWh",
      q: (more.q ?? []).join(" "),
      rx: null,
    });
    return hash;
  }

  opened(name: string, meter: string, wholeDigits: number): string {
    const names = [
      { name: "1-0:1.8.0", unit: "kWh", type: "counter", digits: { whole: wholeDigits, fraction: 3 } },
    ] as const;
    return this.event(name, {
      kind: "stream-opened",
      before: "none",
      source: "p1",
      meter,
      interval: decimal(900),
      names,
    });
  }

  meterChanged(
    name: string,
    old: string,
    next: string,
    ends?: { readonly last: string; readonly first: string },
  ): string {
    const value = (text: string) => [{ name: "1-0:1.8.0", value: parseDecimal(text) }];
    return this.event(name, {
      kind: "meter-changed",
      old,
      new: next,
      ...(ends === undefined ? {} : { last: value(ends.last), first: value(ends.first) }),
    });
  }

  /** A statement of the stream that the case names and doesn't hold. */
  withheld(name: string, seq: number): void {
    const [org = "", device = "", ...sub] = name.split("/");
    const ch = new Uint8Array(8);
    const [iss, why] = [`${org}/${device}`, "not-handed-over"];
    this.#write.withheld({ iss, sub: sub.join("/"), ch, first: seq, last: seq, why, by: null });
  }

  /** Ends the writing. */
  done(): DatabaseSync {
    this.#write.commit();
    finishFacts(this.#db);
    this.#db.close();
    return readFacts(this.path);
  }

  #statement(
    stream: MadeStream,
    kind: string,
    { standing = "good", code }: Standings,
  ): { id: number; hash: string } {
    const id = ++this.#statements;
    const seq = stream.seq++;
    const hash = nodeSha256(Buffer.from(`${stream.name} ${seq}`));
    this.#write.statement({
      id,
      stream: stream.id,
      chain: stream.chain,
      seq,
      hash,
      prev: seq === 0 ? null : nodeSha256(Buffer.from(`${stream.name} ${seq - 1}`)),
      idx: id + 100,
      committed: 1_795_000_000,
      iat: 1_795_000_000,
      tq: 2,
      lvl: 1,
      seen: null,
      kid: KID,
      kind,
      standing,
      code: code ?? null,
      file: 0,
      offset: 0,
      length: 0,
    });
    return { id, hash: toHex(hash) };
  }
}
