/**
 * What a piece of evidence is about, in lines for people: streams, sequence numbers, readings, claim levels, and three kinds of time that
 * are never mixed: when the device says it measured, when it says it sealed, when the log's operator says it was committed.
 *
 * @module
 */
import {
  compareDecimal,
  decodeBundle,
  decodeEat,
  decodePack,
  decimalToNumber,
  isBundle,
  isEvidenceError,
  isForeignReceipt,
  parseCheckpoint,
  parseNote,
  parseReceipt,
  parseStatement,
  parseTransparent,
  toHex,
  type Decimal,
  type Level,
  type Statement,
} from "@tallystick/evidence";
import { counted } from "../judgement.ts";
import type { ChainTimes } from "./times.ts";

/** What each claim level says about where readings come from (docs/formats.md, `lvl`). */
const LEVELS: Record<Level, string> = {
  0: "imported: somebody handed them to the signer",
  1: "observed by the gateway, which signed",
  2: "signed by the device itself, its record embedded",
};

/** Streams that are listed; the rest are counted. */
const MAX_STREAMS = 50;
/** Starts of devices that are listed. */
const MAX_BOOTS = 5;

type Range<T> = { first: T; last: T };
type Stream = {
  readonly name: string;
  statements: number;
  readings: number;
  readonly byLevel: Map<Level, { statements: number; readings: number }>;
  seq: Range<number> | undefined;
  measured: Range<Decimal> | undefined;
  sealed: Range<number> | undefined;
  committed: Range<number> | undefined;
  /** Statements sealed without a synchronised clock. */
  unsynchronised: number;
};

/**
 * Lines about bytes that were judged; none where they don't parse.
 *
 * @param times - when they were signed, as far as the log shows it
 */
export function summarize(bytes: Uint8Array, times: readonly ChainTimes[] = []): string[] {
  try {
    return isBundle(bytes) ? ofBundle(bytes, times) : ofTransparent(bytes);
  } catch (error) {
    if (isEvidenceError(error)) return [];
    throw error;
  }
}

function ofBundle(bytes: Uint8Array, times: readonly ChainTimes[]): string[] {
  const { logs, statements, scope } = decodeBundle(bytes);
  const streams = new Map<string, Stream>();
  for (const one of statements) add(streams, parseTransparent(one));
  return [
    `bundle of ${counted(statements.length, "statement")}`,
    ...logs.map(({ checkpoint }) => {
      const { origin, size } = parseCheckpoint(parseNote(checkpoint).text);
      return `log ${origin} at size ${size}`;
    }),
    ...scope.map(
      ({ iss, sub, ch, from, to }) => `scope: ${iss} ${sub}, chain ${toHex(ch)}, seq ${from} to ${to}`,
    ),
    ...lines(streams, new Map(times.map((one) => [nameOf(one), one]))),
    ...bootLines(statements.map((one) => parseTransparent(one).statement)),
  ];
}

function ofTransparent(bytes: Uint8Array): string[] {
  const transparent = withReceipts(bytes);
  const { statement, receipts } = transparent;
  const streams = new Map<string, Stream>();
  add(streams, transparent);
  const kind = statement.event === undefined ? statement.content.type : `event ${statement.event.kind}`;
  return [
    `statement ${toHex(statement.hash)}, ${kind}, with ${counted(receipts.length, "receipt")}`,
    ...lines(streams),
    ...bootLines([statement]),
  ];
}

/** A statement without receipts is one of its own form. */
function withReceipts(bytes: Uint8Array): { statement: Statement; receipts: readonly Uint8Array[] } {
  try {
    return parseTransparent(bytes);
  } catch (error) {
    if (isEvidenceError(error) && error.code === "cose-unprotected") {
      return { statement: parseStatement(bytes), receipts: [] };
    }
    throw error;
  }
}

function add(
  streams: Map<string, Stream>,
  { statement, receipts }: { readonly statement: Statement; readonly receipts: readonly Uint8Array[] },
): void {
  const { iss, sub, ch, seq, iat, tq, lvl } = statement.claims;
  const name = nameOf({ iss, sub, ch: ch && toHex(ch) });
  const stream = streams.get(name) ?? newStream(name);
  streams.set(name, stream);
  stream.statements++;
  stream.seq = widened(stream.seq, seq, byNumber);
  if (iat !== undefined) stream.sealed = widened(stream.sealed, iat, byNumber);
  if (tq < 2) stream.unsynchronised++;
  const committed = commitTime(receipts);
  if (committed !== undefined) stream.committed = widened(stream.committed, committed, byNumber);
  const level = stream.byLevel.get(lvl) ?? { statements: 0, readings: 0 };
  stream.byLevel.set(lvl, level);
  level.statements++;
  if (statement.content.type !== "senml") return;
  for (const { time, name: record } of decodePack(statement.content.payload, `${iss}/${sub}/`)) {
    if (time !== null) stream.measured = widened(stream.measured, time, compareDecimal);
    if (record === "raw") continue; // the frame itself, not a reading
    stream.readings++;
    level.readings++;
  }
}

const nameOf = ({
  iss,
  sub,
  ch,
}: {
  readonly iss: string;
  readonly sub: string;
  readonly ch: string | undefined;
}): string => `${iss} ${sub}${ch === undefined ? "" : `, chain ${ch}`}`;

const newStream = (name: string): Stream => ({
  name,
  statements: 0,
  readings: 0,
  byLevel: new Map(),
  seq: undefined,
  measured: undefined,
  sealed: undefined,
  committed: undefined,
  unsynchronised: 0,
});

/** The commit time of the first receipt: the original one, in a bundle. */
function commitTime([original]: readonly Uint8Array[]): number | undefined {
  return original === undefined || isForeignReceipt(original) ? undefined : parseReceipt(original).timeUnixS;
}

const byNumber = (a: number, b: number): number => a - b;

function widened<T>(range: Range<T> | undefined, value: T, compare: (a: T, b: T) => number): Range<T> {
  if (range === undefined) return { first: value, last: value };
  return {
    first: compare(value, range.first) < 0 ? value : range.first,
    last: compare(value, range.last) > 0 ? value : range.last,
  };
}

function lines(streams: ReadonlyMap<string, Stream>, times = new Map<string, ChainTimes>()): string[] {
  const all = [...streams.values()];
  const shown = all
    .slice(0, MAX_STREAMS)
    .flatMap((stream) => [...streamLines(stream), ...boundLine(times.get(stream.name))]);
  return all.length > MAX_STREAMS ? [...shown, `and ${all.length - MAX_STREAMS} more streams`] : shown;
}

function streamLines(stream: Stream): string[] {
  const { name, statements, readings, byLevel, seq, measured, sealed, committed, unsynchronised } = stream;
  const times = (range: Range<number> | undefined): string =>
    range === undefined ? "not stated" : `${utc(range.first)} to ${utc(range.last)}`;
  const seconds = measured && {
    first: decimalToNumber(measured.first),
    last: decimalToNumber(measured.last),
  };
  const clock =
    unsynchronised > 0 ? `; ${unsynchronised} of ${statements} sealed without a synchronised clock` : "";
  return [
    `${name}: seq ${seq?.first} to ${seq?.last}, ${counted(statements, "statement")}, ${counted(readings, "reading")}`,
    ...[...byLevel]
      .toSorted(([a], [b]) => a - b)
      .map(
        ([level, count]) =>
          `  claim level ${level}, ${LEVELS[level]}: ${counted(count.statements, "statement")}, ${counted(count.readings, "reading")}`,
      ),
    ...(seconds === undefined ? [] : [`  measured, as the device claims: ${times(seconds)}`]),
    `  sealed, by the device's own clock: ${times(sealed)}${clock}`,
    `  committed, by the clock of the log's operator: ${times(committed)}`,
  ];
}

/** What devices said of themselves at their starts, the last ones. */
function bootLines(statements: readonly Statement[]): string[] {
  const boots = statements.filter(({ content }) => content.type === "eat");
  const earlier = boots.length - MAX_BOOTS;
  return [
    ...(earlier > 0 ? [`and ${counted(earlier, "earlier start")}`] : []),
    ...boots.slice(-MAX_BOOTS).flatMap(({ claims: { iss, seq }, content }) => {
      if (content.type !== "eat") return [];
      const { kid, machine, bootCount, software, layers, files, token } = decodeEat(content.payload);
      const layered = Object.values(layers).map(({ name, version }) => `${name} ${version}`.trim());
      return [
        `${iss} sys ${seq}: start ${bootCount}, as the device itself claims; nothing beneath it vouches for that`,
        `  ${software.name} ${software.version}, ${counted(files.count, "file")} with the hash ${toHex(files.hash)}`,
        `  on ${layered.length > 0 ? layered.join(", ") : "nothing that it names"}; machine ${machine === undefined ? "not named" : toHex(machine)}`,
        `  key ${toHex(kid)}, ${token === undefined ? "in a file" : `in a token that calls itself ${token}`}`,
      ];
    }),
  ];
}

function boundLine(times: ChainTimes | undefined): string[] {
  if (times === undefined) return [];
  const { notBefore, notAfter, widestS } = times;
  const after = `not after ${utc(notAfter)}, by the receipts`;
  if (notBefore === null || widestS === null)
    return [`  signed, as the log shows: ${after}; of some nothing here shows before when`];
  return [
    `  signed, as the log shows: not before ${utc(notBefore)}, by the trees that the device had seen; ${after}; each one known to within ${span(widestS)}`,
  ];
}

/** `3 min`, `90 days`. */
function span(seconds: number): string {
  const [unit, size] =
    seconds < 120
      ? ["s", 1]
      : seconds < 7200
        ? ["min", 60]
        : seconds < 172_800
          ? ["h", 3600]
          : ["days", 86_400];
  return `${Math.ceil(seconds / size)} ${unit}`;
}

/** RFC 3339, UTC; as plain seconds where no calendar reaches. */
function utc(unixS: number): string {
  const date = new Date(unixS * 1000);
  return Number.isNaN(date.getTime()) ? `${unixS} s` : date.toISOString().replace(".000Z", "Z");
}
