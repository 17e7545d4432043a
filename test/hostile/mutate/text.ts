/**
 * Changes that know texts made of lines: lines doubled, moved, left out, very long; other line ends; what is no UTF-8; numbers and base64 that say
 * the same in another way.
 *
 * @module
 */
import type { Random } from "../random.ts";
import { editBytes } from "./bytes.ts";

const BAD_BYTES = [
  "ff",
  "c080",
  "eda080",
  "f4908080",
  "00",
  "07",
  "7f",
  "c285",
  "e280a8",
  "efbbbf",
  "e2808b",
];
const TOKENS = [
  "0",
  "00",
  "-1",
  "+1",
  "1e3",
  "0x10",
  "9007199254740991",
  "9007199254740992",
  "18446744073709551616",
  "none",
  "any",
  "all",
  "*",
  "#",
  "log",
  "witness",
  "group",
  "quorum",
  "operator",
  "— x AAAA",
  "====",
  "(000123.456*kWh)",
  "(1*m3)(2*GJ)",
  "(101209112500W)",
  "(----)",
  "1-0:1.8.0",
  "0-1:24.2.1",
  "255-255:255.255.255*255",
  "!",
  "/",
  "x".repeat(300),
];

const place = (list: readonly unknown[], random: Random): number => random.below(list.length + 1);

function editLines(lines: string[], others: readonly string[], random: Random): void {
  const at = random.below(lines.length);
  random.oneOf<void>([
    [3, () => void lines.splice(place(lines, random), 0, lines[at] ?? "")],
    [3, () => void lines.splice(at, 1)],
    [2, () => void lines.splice(place(lines, random), 0, ...lines.splice(at, 1))],
    [2, () => void lines.splice(place(lines, random), 0, random.pick(others))],
    [1, () => void lines.splice(place(lines, random), 0, random.pick(["", " ", "\t", "\r"]))],
    [2, () => void (lines[at] = editLine(lines[at] ?? "", random))],
    [
      1,
      () => {
        for (let n = random.pick([2, 20, 200]); n > 0 && lines.length < 2000; n--)
          lines.splice(place(lines, random), 0, lines[at] ?? "");
      },
    ],
    [
      1,
      () =>
        void lines.splice(at, 0, random.pick(["x", " ", "(", "A"]).repeat(random.pick([300, 9000, 300_000]))),
    ],
  ]);
}

/** One line with a token in another place, doubled, or another one. */
function editLine(line: string, random: Random): string {
  const words = line.split(/([ ()*:.+])/);
  const at = random.below(words.length);
  return random
    .oneOf<string[]>([
      [3, () => words.with(at, random.pick(TOKENS))],
      [2, () => words.toSpliced(at, 1)],
      [2, () => words.toSpliced(at, 0, words[at] ?? "", " ")],
      [1, () => words.with(at, (words[at] ?? "").toUpperCase())],
      [1, () => words.with(at, `0${words[at] ?? ""}`)],
      [1, () => words.with(at, `${words[at] ?? ""}=`)],
      [2, () => words.with(at, otherDigit(words[at] ?? "", random))],
    ])
    .join("");
}

function otherDigit(word: string, random: Random): string {
  const at = random.below(word.length);
  return word.slice(0, at) + random.pick("0123456789abcXYZ+/=-.".split("")) + word.slice(at + 1);
}

/** A text with one to four changes. */
export function editText(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const text = Buffer.from(bytes).toString("utf8");
  const others = Buffer.from(other).toString("utf8").split("\n");
  const lines = text.split("\n");
  for (let edits = 1 + random.below(3); edits > 0 && lines.length > 0; edits--)
    if (random.chance(0.5)) editLines(lines, others, random);
    else {
      const at = random.below(lines.length);
      lines[at] = editLine(lines[at] ?? "", random);
    }
  const joined = lines.join("\n");
  const changed = random.oneOf<Uint8Array>([
    [16, () => Buffer.from(joined)],
    [1, () => Buffer.from(joined.replaceAll("\r\n", "\n"))],
    [1, () => Buffer.from(joined.replaceAll(/\r?\n/g, "\r\n"))],
    [1, () => Buffer.from(joined.replaceAll("\n", "\r"))],
    [1, () => Buffer.from(`\ufeff${joined}`)],
    [1, () => Buffer.from(joined, "utf16le")],
    [2, () => withBadBytes(Buffer.from(joined), random)],
  ]);
  return new Uint8Array(changed);
}

function withBadBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.below(bytes.length + 1);
  const bad = Buffer.from(random.pick(BAD_BYTES), "hex");
  const changed = Buffer.concat([bytes.subarray(0, at), bad, bytes.subarray(at)]);
  return random.chance(0.3) ? editBytes(changed, random) : changed;
}

/** Lines of the right words in no order. */
export const textFromNothing = (other: Uint8Array, random: Random): Uint8Array => {
  const words = Buffer.from(other).toString("utf8").split(/\s+/);
  const line = (): string =>
    Array.from({ length: random.below(5) }, () => random.pick(random.chance(0.5) ? TOKENS : words)).join(" ");
  return new Uint8Array(Buffer.from(Array.from({ length: random.below(12) }, line).join("\n")));
};
