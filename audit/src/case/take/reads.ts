/**
 * The read interface of an anchor (docs/formats.md, "Reads"): begun with a token and a purpose, told in the ledger before anything is handed over.
 *
 * @module
 */
import { decodeUtf8, EvidenceError, isEvidenceCode, toHex, type EvidenceCode } from "@tallystick/evidence";
import {
  askHttp,
  httpPlace,
  parseAddress,
  withRetries,
  type HttpAnswer,
  type HttpAsk,
  type HttpLimits,
  type Place,
} from "@tallystick/evidence/node";
import { sequenceItems } from "../sequence.ts";
import { Answer, badAnswer } from "./json.ts";
import type { Source, SourceChain, SourceErased } from "./source.ts";
import type { Asked } from "./streams.ts";

export type ReadWanted = {
  readonly purpose: string;
  readonly streams: readonly Asked[];
  /** Unix seconds; undefined: open on that side. */
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly size: number | undefined;
};

const MAX_JSON_BYTES = 8 << 20;
/** A page has about 4 MiB, and ends with a whole statement. */
const MAX_PAGE_BYTES = 5 << 20;
const MAX_STATEMENT_BYTES = 32_768 + 2 * 65_536;
const MAX_NOTE_BYTES = 1 << 20;
/** Empty pages one after the other: a page without anything stands for up to 2,000 numbers. */
const MAX_EMPTY = 64;
/** Pages of one list: an end for a server without one. */
const MAX_PAGES = 100_000;

export class ReadSource implements Source {
  readonly #base: URL;
  readonly #token: string;
  readonly #limits: HttpLimits;
  readonly #id: string;
  readonly #first: Answer;
  readonly size: number;
  readonly access: Uint8Array;
  readonly place: Place;

  private constructor(base: URL, token: string, limits: HttpLimits, answer: Answer) {
    this.#base = base;
    this.#token = token;
    this.#limits = limits;
    this.#first = answer;
    this.#id = toHex(answer.hex("id", 16));
    this.size = answer.count("size");
    this.access = answer.hex("access", 32);
    this.place = httpPlace(base.href, limits);
  }

  /**
   * Begins a read.
   *
   * @throws EvidenceError what the anchor refuses it with (`token-unknown`, `token-expired`, `read-scope` …); `http-answer`, `unreachable`
   */
  static async begin(
    address: string,
    token: string,
    wanted: ReadWanted,
    limits: HttpLimits,
  ): Promise<ReadSource> {
    const base = parseAddress(address);
    const { purpose, streams, from, to, size } = wanted;
    const body = JSON.stringify({ purpose, streams, from, to, size });
    const ask: HttpAsk = {
      method: "POST",
      headers: headersOf(token, { "Content-Type": "application/json" }),
      body,
    };
    const answer = await withRetries(limits, () => asked(base, "reads", MAX_JSON_BYTES, limits, ask));
    if (answer.status !== 201) throw badAnswer("reads", `status ${answer.status}`);
    return new ReadSource(base, token, limits, Answer.parse(answer.bytes, "reads"));
  }

  checkpoint(): Promise<Uint8Array> {
    return this.#get("checkpoint", MAX_NOTE_BYTES).then(({ bytes }) => bytes);
  }

  async *chains(): AsyncGenerator<SourceChain> {
    let page = this.#first;
    let after = -1;
    for (let pages = 0; ; pages++) {
      if (pages > 0 && page.list("chains").length === 0)
        throw badAnswer("chains", "an empty page that isn't the last one");
      for (const chain of page.list("chains")) {
        yield {
          iss: chain.text("iss"),
          sub: chain.text("sub"),
          ch: chain.hex("ch", 8),
          first: chain.count("first"),
          last: chain.count("last"),
          from: chain.countOrNull("from"),
          to: chain.countOrNull("to"),
        };
      }
      const next = page.countOrNull("next");
      if (next === null) return;
      after = rising(next, after, pages, "chains");
      const { bytes } = await this.#get(`?after=${after}`, MAX_JSON_BYTES);
      page = Answer.parse(bytes, "reads");
    }
  }

  async *statements(chain: SourceChain, from: number, to: number): AsyncGenerator<Uint8Array> {
    const named = queryOf(chain);
    named.set("ch", toHex(chain.ch));
    yield* this.#pages("statements", named, from, to);
  }

  async *numbers(chain: SourceChain, from: number, to: number): AsyncGenerator<number> {
    const path = `chains/${toHex(chain.ch)}`;
    let at = from;
    for (let pages = 0; ; pages++) {
      const { bytes, headers } = await this.#page(path, queryOf(chain), at, to, MAX_JSON_BYTES);
      for (const row of Answer.list(bytes, path)) {
        const seq = row.count("seq");
        if (seq < at || seq > to) throw badAnswer(path, "rows out of order or out of range");
        at = seq + 1;
        yield seq;
      }
      const next = nextOf(headers, path);
      if (next === undefined || next > to) return;
      at = rising(next, at - 1, pages, path);
    }
  }

  async *registry(): AsyncGenerator<Uint8Array> {
    let at = 0;
    for (;;) {
      const path = `registry?from=${at}`;
      const { bytes } = await this.#get(path, MAX_PAGE_BYTES);
      const items = itemsOf(bytes, path);
      if (items.length === 0) return;
      yield* items;
      at += items.length;
    }
  }

  async *erased(): AsyncGenerator<SourceErased> {
    let at = 0;
    for (let pages = 0; ; pages++) {
      const path = `erased?from=${at}`;
      const { bytes, headers } = await this.#get(path, MAX_JSON_BYTES);
      for (const row of Answer.list(bytes, path))
        yield {
          iss: row.text("iss"),
          sub: row.text("sub"),
          ch: row.hex("ch", 8),
          seq: row.count("seq"),
          by: row.hex("by", 32),
        };
      const next = nextOf(headers, path);
      if (next === undefined) return;
      at = rising(next, at, pages, path);
    }
  }

  async statement(hash: Uint8Array): Promise<Uint8Array | undefined> {
    try {
      return (await this.#get(`statements/${toHex(hash)}`, MAX_STATEMENT_BYTES)).bytes;
    } catch (error) {
      if (error instanceof EvidenceError && NOT_GIVEN.has(error.code)) return undefined;
      throw error;
    }
  }

  async end(): Promise<void> {
    // It ends by itself; that it couldn't be ended now takes nothing from what was read.
    await this.#ask("", 1024, { method: "DELETE" }).catch(() => undefined);
  }

  async *#pages(path: string, query: URLSearchParams, from: number, to: number): AsyncGenerator<Uint8Array> {
    let at = from;
    let empty = 0;
    for (let pages = 0; at <= to; pages++) {
      const { bytes, headers } = await this.#page(path, query, at, to, MAX_PAGE_BYTES);
      // What is erased or missing leaves pages empty, but not one after the other without an end.
      empty = bytes.length === 0 ? empty + 1 : 0;
      if (empty > MAX_EMPTY) throw badAnswer(path, "one empty page after the other");
      yield* itemsOf(bytes, path);
      const next = nextOf(headers, path);
      if (next === undefined) return;
      at = rising(next, at, pages, path);
    }
  }

  #page(
    path: string,
    query: URLSearchParams,
    from: number,
    to: number,
    maxBytes: number,
  ): Promise<HttpAnswer> {
    query.set("from", String(from));
    query.set("to", String(to));
    return this.#get(`${path}?${query.toString()}`, maxBytes);
  }

  #get(path: string, maxBytes: number): Promise<HttpAnswer> {
    return withRetries(this.#limits, async () => {
      const answer = await this.#ask(path, maxBytes, {});
      if (answer.status !== 200) throw badAnswer(path, `status ${answer.status}`);
      return answer;
    });
  }

  #ask(path: string, maxBytes: number, ask: HttpAsk): Promise<HttpAnswer> {
    const own = `reads/${this.#id}${path === "" || path.startsWith("?") ? "" : "/"}${path}`;
    return asked(this.#base, own, maxBytes, this.#limits, { ...ask, headers: headersOf(this.#token) });
  }
}

/** Codes with which one statement, and not the read, is refused. */
const NOT_GIVEN: ReadonlySet<EvidenceCode> = new Set(["hole", "read-scope", "erased"]);

const headersOf = (token: string, more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  Authorization: `Bearer ${token}`,
  ...more,
});

const queryOf = ({ iss, sub }: SourceChain): URLSearchParams => new URLSearchParams({ iss, sub });

/** An answer, or what the anchor refuses it with. */
async function asked(
  base: URL,
  path: string,
  maxBytes: number,
  limits: HttpLimits,
  ask: HttpAsk,
): Promise<HttpAnswer> {
  const answer = await askHttp(new URL(path, base), path, maxBytes, limits, { ...ask, refusal: true });
  const { status, bytes } = answer;
  if (status < 400) return answer;
  throw refusalOf(path, status, bytes);
}

/** hostile: a code counts only where it is one of ours, and its text is shown without control characters. */
function refusalOf(path: string, status: number, bytes: Uint8Array): EvidenceError {
  let code: string | undefined;
  let text = "";
  try {
    const answer = Answer.parse(bytes, path);
    code = answer.text("code");
    text = answer
      .text("error")
      .replace(/[^\x20-\x7e]/g, "?")
      .slice(0, 300);
  } catch {
    code = undefined;
  }
  if (code === undefined || !isEvidenceCode(code))
    return new EvidenceError("http-answer", `${path}: the anchor answers ${status}`, { path, status });
  return new EvidenceError(code, `${path}: the anchor refuses: ${text}`, { path, status });
}

function itemsOf(bytes: Uint8Array, path: string): Uint8Array[] {
  try {
    return [...sequenceItems(bytes, path)].map((item) => item.bytes);
  } catch (error) {
    if (error instanceof EvidenceError) throw badAnswer(path, "no CBOR sequence");
    throw error;
  }
}

function nextOf(headers: Headers, path: string): number | undefined {
  const text = headers.get("tally-next");
  if (text === null) return undefined;
  const next = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(next)) throw badAnswer(path, "Tally-Next");
  return next;
}

/** The next page begins behind this one: a server that repeats itself can't keep us here for ever. */
function rising(next: number, at: number, pages: number, path: string): number {
  if (next <= at) throw badAnswer(path, "the next page does not come after this one");
  if (pages >= MAX_PAGES) throw new EvidenceError("too-large", `${path}: more than ${MAX_PAGES} pages`);
  return next;
}

/** The token of a file: one line. @throws EvidenceError `text-malformed` */
export function parseToken(bytes: Uint8Array): string {
  const token = decodeUtf8(bytes).trim();
  if (!/^[\x21-\x7e]{8,512}$/.test(token))
    throw new EvidenceError("text-malformed", "a token is one line of printable characters");
  return token;
}
