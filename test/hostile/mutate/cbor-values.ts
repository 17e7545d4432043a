/**
 * CBOR made from nothing: values at the edges of every rule, and whole structures by a small grammar.
 *
 * @module
 */
import type { Random } from "../random.ts";
import {
  array,
  byteString,
  integer,
  map,
  simple,
  tagged,
  textString,
  verbatim,
  type Node,
} from "./cbor-tree.ts";

const INTEGERS: readonly bigint[] = [
  0n,
  1n,
  2n,
  10n,
  16n,
  23n,
  24n,
  255n,
  256n,
  65_535n,
  65_536n,
  268_435_456n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
  -1n,
  -8n,
  -9n,
  -19n,
  -24n,
  -25n,
  -(2n ** 31n),
  -(2n ** 53n),
  -(2n ** 64n),
];
/** Map keys and kinds that occur somewhere: a wrong one is then a real one in a wrong place. */
export const INTEGER_KEYS = [1, 2, 3, 4, 5, 6, 15, 16, 33, 258, 259, 260, 394, 395, 396, -1, -2, -3, -6];
export const TEXTS = [
  ..."v ch tq lvl seq prev seen reg keys size kind q rx raw n u vs".split(" "),
  ..."scope logs statements registry consistency timestamps content disclosures vkey checkpoint".split(" "),
  ..."stream-opened heads boot gap clock-step stream-closed meter-changed config-changed".split(" "),
  ..."key-rotated refused access erased toll-transaction toll-adjustment ref id type".split(" "),
  ..."policy operator-added enrol rotate revoke re-enrol successor".split(" "),
  ..."before source interval names meter all part reason count time alive uptime version after hash".split(
    " ",
  ),
  ..."origin log leaf operators operator iss for key device streams silence machine statement from kid".split(
    " ",
  ),
  ..."change consents round add remove threshold".split(" "),
  ..."none lost sys registry * meter/* water/gw-1 water/operator counter gauge text kWh Cel W %RH".split(" "),
  ..."__proto__ constructor hasOwnProperty toString".split(" "),
  "",
  "a/../b",
  "UPPER",
  "café",
  "\u0000",
  "\ud83d\ude00",
];
const FLOATS = [
  "f93c00", // 1.0 in 16 bits
  "f97c00", // infinity
  "f97e00", // NaN
  "fa3fc00000",
  "fa7f800000",
  "fb3ff8000000000000",
  "fb7ff8000000000000",
  "fb8000000000000000",
  "fb7fefffffffffffff",
  "fb0000000000000001",
  "fb4340000000000000",
].map((hex) => new Uint8Array(Buffer.from(hex, "hex")));
const NOT_UTF8 = ["ff", "c080", "eda080", "f4908080", "e282", "80"].map(
  (hex) => new Uint8Array(Buffer.from(hex, "hex")),
);
/** Lengths at which something is decided. */
const LENGTHS = [
  0, 1, 7, 8, 9, 15, 16, 17, 23, 24, 31, 32, 33, 63, 64, 65, 200, 201, 255, 256, 257, 512, 513,
];
const TAGS = [
  0,
  1,
  2,
  3,
  4,
  5,
  18,
  24,
  64,
  98,
  258,
  259,
  273,
  27,
  51,
  105,
  55799,
  57005,
  1_399_353_956,
  2 ** 32,
];

const bigEndian = (value: bigint, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * (length - 1 - i))) & 255n));

/** Tag 4 in all its forms, good and bad. */
function decimalNode(random: Random): Node {
  const exponent = integer(random.pick([0, 1, -1, -3, -9, 32, 33, -32, -33, 255, -(2 ** 31)]));
  const big = random.pick([2n ** 64n, 2n ** 127n, 2n ** 128n - 1n, 2n ** 128n, 255n, 0n]);
  const mantissa = random.oneOf<Node>([
    [4, () => integer(random.pick(INTEGERS))],
    [2, () => tagged(random.pick([2, 3]), byteString(bigEndian(big, random.pick([1, 8, 9, 16, 17]))))],
    [1, () => scalar(random)],
  ]);
  const parts = random.pick([
    [exponent, mantissa],
    [exponent, mantissa],
    [exponent],
    [mantissa, exponent, mantissa],
  ]);
  return tagged(4, array([...parts]));
}

/** One value, at an edge more often than not. */
export const scalar = (random: Random): Node =>
  random.oneOf<Node>([
    [6, () => integer(random.pick(INTEGERS))],
    [2, () => integer(random.next())],
    [4, () => textString(random.pick(TEXTS))],
    [2, () => textString("x".repeat(random.pick(LENGTHS)))],
    [1, () => ({ ...textString(""), content: random.pick(NOT_UTF8) })],
    [4, () => byteString(random.bytes(random.pick(LENGTHS)))],
    [1, () => byteString(new Uint8Array(random.pick(LENGTHS)))],
    [3, () => simple(random.pick([20, 21, 22, 23, 0, 19]))],
    [1, () => simple(random.below(256), 1)],
    [2, () => verbatim(random.pick(FLOATS))],
    [3, () => decimalNode(random)],
    [1, () => array([])],
    [1, () => map([])],
  ]);

const keyNode = (random: Random): Node =>
  random.oneOf<Node>([
    [4, () => integer(random.pick(INTEGER_KEYS))],
    [4, () => textString(random.pick(TEXTS))],
    [1, () => scalar(random)],
  ]);

/** A value of any depth. */
export function anything(random: Random, depth = 0): Node {
  const deeper = (): Node => anything(random, depth + 1);
  const some = (most: number): Node[] => Array.from({ length: random.below(most + 1) }, deeper);
  if (depth > 5) return scalar(random);
  return random.oneOf<Node>([
    [5, () => scalar(random)],
    [2, () => array(some(5))],
    [2, () => sortedMap(Array.from({ length: random.below(6) }, () => [keyNode(random), deeper()]).flat())],
    [1, () => tagged(random.pick(TAGS), deeper())],
    [1, () => ({ ...byteString(new Uint8Array()), inner: deeper() })],
  ]);
}

/** One item inside so many of one kind, which may be more than anybody nests. */
export function nested(item: Node, random: Random): Node {
  const levels = random.pick([1, 2, 8, 14, 15, 16, 17, 40, 1000, 20_000]);
  const head = random.pick([0x81, 0xa1, 0xc6, 0xd2, 0xc4]);
  if (levels <= 17) {
    let node = item;
    for (let i = 0; i < levels; i++) {
      node =
        head === 0x81 ? array([node]) : head === 0xa1 ? map([integer(1), node]) : tagged(head & 31, node);
    }
    return node;
  }
  const step = head === 0xa1 ? [0xa1, 0x01] : [head];
  return verbatim(Uint8Array.from({ length: levels * step.length }, (_, i) => step[i % step.length] ?? 0));
}

/** Puts the keys of a map into the one order that the product reads. */
function sortedMap(items: Node[]): Node {
  const node = map(items);
  sortKeys(node);
  return node;
}

export function sortKeys(node: Node): void {
  const { items } = node;
  if (items === undefined || node.major !== 5) return;
  const pairs: [string, Node, Node][] = [];
  for (let i = 0; i + 1 < items.length; i += 2) {
    const [key, value] = [items[i] as Node, items[i + 1] as Node];
    pairs.push([encoded(key), key, value]);
  }
  pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  node.items = pairs.flatMap(([, key, value]) => [key, value]);
}

const encoded = (key: Node): string =>
  String(key.major) +
  (key.content === undefined
    ? key.argument.toString(16).padStart(20, "0")
    : key.content.length.toString(16).padStart(8, "0") + Buffer.from(key.content).toString("hex"));
