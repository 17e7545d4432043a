/**
 * `case.json`: what was asked for and what came (docs/auditing.md). One text for one content, so that a case has one digest.
 *
 * @module
 */
import {
  checkStream,
  decodeUtf8,
  encodeUtf8,
  EvidenceError,
  fromHex,
  parseIss,
  toHex,
} from "@tallystick/evidence";

/** Why statements of a chain are not here: an order had them erased, or the anchor knew of them and didn't hand them over. */
type WithheldWhy = "erased" | "not-handed-over";

/** Numbers `from` to `to` of a chain that the log has and the case has not, both included. `by`: the statement of the order. */
export type Withheld = ChainName & {
  readonly from: number;
  readonly to: number;
  readonly why: WithheldWhy;
  readonly by: Uint8Array | null;
};

type ChainName = { readonly iss: string; readonly sub: string; readonly ch: Uint8Array };

/** A part of a chain: numbers `from` to `to`, and the `heads` statement that names `seq` as the last there was. */
export type CaseChain = ChainName & {
  readonly from: number;
  readonly to: number;
  readonly attested: { readonly seq: number; readonly heads: Uint8Array } | null;
  /** Statements of it that are here. */
  readonly count: number;
};

export type CaseManifest = {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Where it was taken from; empty where it was made of files. */
  readonly url: string;
  /** As asked for: `sub` may be a pattern that ends in `*`. */
  readonly streams: readonly { readonly iss: string; readonly sub: string }[];
  /** Unix seconds; null where that end was left open. */
  readonly from: number | null;
  readonly to: number | null;
  readonly purpose: string;
  /** Hash of the access statement; null where none was left. */
  readonly access: Uint8Array | null;
  /** In the order of the files. */
  readonly chains: readonly CaseChain[];
  readonly withheld: readonly Withheld[];
  /** Leaves of the log, and statements and registry items of them that are here. */
  readonly entries: { readonly log: number; readonly here: number };
};

/** Far more than a case of a hundred thousand chains has. */
export const MAX_MANIFEST_BYTES = 64 << 20;

/** The bytes of `case.json`. */
export function encodeManifest(manifest: CaseManifest): Uint8Array {
  const { origin, size, root, url, streams, from, to, purpose, access, chains, withheld, entries } = manifest;
  const value = {
    v: 1,
    origin,
    size,
    root: toHex(root),
    url,
    streams: streams.map(({ iss, sub }) => ({ iss, sub })),
    from,
    to,
    purpose,
    access: access === null ? null : toHex(access),
    chains: chains.map((chain) => ({
      iss: chain.iss,
      sub: chain.sub,
      ch: toHex(chain.ch),
      from: chain.from,
      to: chain.to,
      attested:
        chain.attested === null ? null : { seq: chain.attested.seq, heads: toHex(chain.attested.heads) },
      count: chain.count,
    })),
    withheld: withheld.map(({ iss, sub, ch, why, by, ...range }) => ({
      iss,
      sub,
      ch: toHex(ch),
      from: range.from,
      to: range.to,
      why,
      by: by === null ? null : toHex(by),
    })),
    entries: { log: entries.log, here: entries.here },
  };
  return encodeUtf8(`${JSON.stringify(value, undefined, 2)}\n`);
}

/**
 * Reads `case.json`.
 *
 * @throws EvidenceError `case-malformed` for another form, another order of its members, or another text for the same content
 */
export function parseManifest(bytes: Uint8Array): CaseManifest {
  if (bytes.length > MAX_MANIFEST_BYTES) throw malformed("has more than 64 MiB");
  let value: unknown;
  let manifest: CaseManifest;
  try {
    value = JSON.parse(decodeUtf8(bytes));
    manifest = read(value);
  } catch (error) {
    if (error instanceof EvidenceError && error.code === "case-malformed") throw error;
    throw malformed(error instanceof Error ? error.message : "not JSON");
  }
  const again = encodeManifest(manifest);
  if (again.length !== bytes.length || !again.every((byte, i) => byte === bytes[i]))
    throw malformed("not written as auditing.md says: members, their order, or blanks");
  return manifest;
}

const malformed = (what: string): EvidenceError =>
  new EvidenceError("case-malformed", `case.json: ${what}`, { path: "case.json" });

type Given = Readonly<Record<string, unknown>>;

function read(value: unknown): CaseManifest {
  const given = record(value);
  if (given["v"] !== 1) throw malformed("v is not 1");
  const entries = record(given["entries"]);
  return {
    origin: text(given, "origin"),
    size: count(given, "size"),
    root: hex(given, "root", 32),
    url: text(given, "url"),
    streams: list(given, "streams").map((one) => {
      const stream = record(one);
      return { iss: text(stream, "iss"), sub: text(stream, "sub") };
    }),
    from: given["from"] === null ? null : count(given, "from"),
    to: given["to"] === null ? null : count(given, "to"),
    purpose: text(given, "purpose"),
    access: given["access"] === null ? null : hex(given, "access", 32),
    chains: list(given, "chains").map((one) => readChain(record(one))),
    withheld: list(given, "withheld").map((one) => readWithheld(record(one))),
    entries: { log: count(entries, "log"), here: count(entries, "here") },
  };
}

function readName(given: Given): ChainName {
  const [iss, sub] = [text(given, "iss"), text(given, "sub")];
  parseIss(iss);
  checkStream(sub);
  return { iss, sub, ch: hex(given, "ch", 8) };
}

function readRange(given: Given): { from: number; to: number } {
  const range = { from: count(given, "from"), to: count(given, "to") };
  if (range.from > range.to) throw malformed("a range ends before it begins");
  return range;
}

function readChain(given: Given): CaseChain {
  const attested = given["attested"] === null ? null : record(given["attested"]);
  return {
    ...readName(given),
    ...readRange(given),
    attested: attested === null ? null : { seq: count(attested, "seq"), heads: hex(attested, "heads", 32) },
    count: count(given, "count"),
  };
}

function readWithheld(given: Given): Withheld {
  const why = text(given, "why");
  if (why !== "erased" && why !== "not-handed-over") throw malformed("why is erased or not-handed-over");
  const by = given["by"] === null ? null : hex(given, "by", 32);
  return { ...readName(given), ...readRange(given), why, by };
}

function record(value: unknown): Given {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed("not an object");
  return value as Given;
}

function list(given: Given, name: string): readonly unknown[] {
  const value = given[name];
  if (!Array.isArray(value)) throw malformed(`${name} is no list`);
  return value as readonly unknown[];
}

function text(given: Given, name: string): string {
  const value = given[name];
  if (typeof value !== "string") throw malformed(`${name} is no text`);
  return value;
}

function count(given: Given, name: string): number {
  const value = given[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw malformed(`${name} is no count`);
  return value;
}

function hex(given: Given, name: string, length: number): Uint8Array {
  const value = text(given, name);
  if (value.length !== 2 * length || !/^[0-9a-f]*$/.test(value))
    throw malformed(`${name} is not ${length} bytes in hexadecimal`);
  return fromHex(value);
}
