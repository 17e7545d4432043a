/**
 * `tally-agent decode`: the readings of a captured frame, one JSON object a line. Nothing is sent and nothing is kept.
 *
 * @module
 */
import process from "node:process";
import {
  Decimal,
  EvidenceError,
  formatDecimal,
  isEvidenceError,
  toHex,
  type Event,
  type Reading,
} from "@tallystick/evidence";
import { EXIT, report, required, UsageError, type Command } from "@tallystick/evidence/node";
import { captureBytes, openCapture } from "./capture.ts";

type DecodedFrame =
  { readonly readings: readonly Reading[] } | { readonly event: Event } | { readonly error: EvidenceError };
type Decoder = (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<DecodedFrame>;

/** Each kind of frame there is a decoder for, loaded only when asked for. */
const DECODERS: Readonly<Record<string, () => Promise<Decoder>>> = {
  p1: async () => (await import("../sources/p1/decode.ts")).decodeP1,
  exec: async () => (await import("../sources/exec/decode.ts")).decodeLines,
};

const KINDS = Object.keys(DECODERS).join(", ");

export const runDecode: Command["run"] = async ({ values, positionals }) => {
  const kind = required(values, "kind");
  const load = Object.hasOwn(DECODERS, kind) ? DECODERS[kind] : undefined;
  if (load === undefined) throw new UsageError(`--kind ${kind}: no such kind; there are: ${KINDS}`);
  if (values["map"] !== undefined) throw new UsageError(`--map: kind ${kind} needs no map`);
  const [path] = positionals;
  return decodeCapture(await load(), path);
};

async function decodeCapture(decoder: Decoder, path: string | undefined): Promise<number> {
  const place = path ?? "standard input";
  let exit: number = EXIT.good;
  process.stdout.on("error", ignore); // `print` reports it; without a listener it would end the process
  try {
    for await (const frame of decoder(captureBytes(openCapture(path)))) {
      if ("error" in frame) exit = refuse(place, frame.error);
      else if ("event" in frame) await print(eventLine(frame.event));
      else await print(frame.readings.map(readingLine).join(""));
    }
  } catch (error) {
    if (isEvidenceError(error)) return refuse(place, error);
    if (error instanceof Error && "code" in error && error.code === "EPIPE") return exit; // `| head` has seen enough
    throw new Error(`${place}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    process.stdout.off("error", ignore);
  }
  return exit;
}

const ignore = (): void => undefined;

const refuse = (place: string, { code, message, where }: EvidenceError): number =>
  report("tally-agent decode", new EvidenceError(code, `${place}: ${message}`, where));

const print = (text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });

/** A reading as one line of JSON. Numbers are text: JSON's own would lose digits. */
export function readingLine({ name, unit, value, time, quality }: Reading): string {
  return `${JSON.stringify({
    n: name,
    ...(unit === undefined ? {} : { u: unit }),
    ...valueOf(value),
    t: time === null ? null : rfc3339(time),
    q: quality,
  })}\n`;
}

/** An event as one line of JSON: bytes in hexadecimal, exact numbers as text. */
const eventLine = (event: Event): string =>
  `${JSON.stringify(event, (_key, value: unknown) => {
    if (value instanceof Decimal) return formatDecimal(value);
    return value instanceof Uint8Array ? toHex(value) : value;
  })}\n`;

function valueOf(value: Reading["value"]): Readonly<Record<string, string | boolean>> {
  if ("v" in value) return { v: value.v instanceof Decimal ? formatDecimal(value.v) : String(value.v.value) };
  if ("s" in value) return { s: value.s instanceof Decimal ? formatDecimal(value.s) : String(value.s.value) };
  if ("vd" in value) return { vd: Buffer.from(value.vd).toString("base64url") };
  return value;
}

/** Unix seconds (of this era, not before 1970, as far as a Date holds them) as RFC 3339 in UTC, with as many digits of a second as there are. */
function rfc3339(time: Decimal): string {
  const [seconds = "", fraction] = formatDecimal(time).split(".");
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, -".000Z".length);
  return `${whole}${fraction === undefined ? "" : `.${fraction}`}Z`;
}
