/**
 * The lines of a P1 telegram: an identification, then objects of the form `A-B:C.D.E(value)(value)…`.
 *
 * @module
 */
import { EvidenceError } from "@tallystick/evidence";

/** One object of a telegram; `values` are the texts between parentheses, as sent. */
export type P1Object = {
  /** OBIS code as it is named in readings: `1-0:1.8.1`, with `/F` where F isn't 255. */
  readonly name: string;
  readonly code: ObisCode;
  readonly values: string[];
  readonly line: number;
};

/** The value groups A to E of IEC 62056-61. */
export type ObisCode = {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;
};

export type Lines = { readonly identification: string; readonly objects: readonly P1Object[] };

// DSMR 4.0 meters write the failure log as 1-0:99:97.0, so both marks separate C from D.
const OBIS = /^(\d{1,3})-(\d{1,3}):(\d{1,3})[.:](\d{1,3})\.(\d{1,3})(?:[.*](\d{1,3}))?$/;
const PRINTABLE = /^[ -~]*$/;

/**
 * Takes a telegram (from `/` to `!`) apart. A line that starts with a parenthesis goes on with the object before it: in
 * DSMR 2.2 and 3 the gas value stands alone on the line after its description.
 *
 * @throws EvidenceError `p1-malformed` with the line, for anything that is neither
 */
export function readLines(bytes: Uint8Array): Lines {
  const text = String.fromCharCode(...bytes.subarray(0, -1)); // bounded by the framer; without the `!`
  const [first = "", ...rest] = text
    .split("\n")
    .map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
  const identification = first.slice(1);
  if (!PRINTABLE.test(first) || identification.length < 4) throw malformed("not an identification", 1);
  const objects: P1Object[] = [];
  for (const [index, content] of rest.entries()) {
    const line = index + 2;
    if (content === "") continue;
    if (!PRINTABLE.test(content)) throw malformed("a byte that is not printable ASCII", line);
    const open = content.indexOf("(");
    const values = open === -1 ? undefined : readGroups(content.slice(open));
    if (values === undefined) throw malformed("no values in parentheses", line);
    const last = objects.at(-1);
    if (open > 0) objects.push(readObject(content.slice(0, open), values, line));
    else if (last !== undefined) last.values.push(...values);
    else throw malformed("a value without its object", line);
  }
  if (objects.length === 0) throw malformed("a telegram without a single object", 1);
  return { identification, objects };
}

function readObject(text: string, values: string[], line: number): P1Object {
  const match = OBIS.exec(text);
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 255] = (match ?? [])
    .slice(1)
    .map((group) => (group === undefined ? 255 : Number(group)));
  if (match === null || Math.max(a, b, c, d, e, f) > 255) throw malformed("not an OBIS code", line);
  const name = `${a}-${b}:${c}.${d}.${e}${f === 255 ? "" : `/${f}`}`;
  return { name, code: { a, b, c, d, e }, values, line };
}

/** `(a)(b)` gives a and b; undefined where the parentheses don't match up. */
function readGroups(text: string): string[] | undefined {
  if (!text.startsWith("(") || !text.endsWith(")")) return undefined;
  const values = text.slice(1, -1).split(")(");
  return values.some((value) => value.includes("(") || value.includes(")")) ? undefined : values;
}

const malformed = (what: string, line: number): EvidenceError =>
  new EvidenceError("p1-malformed", what, { line });
