/**
 * Changes that know CBOR: forms that say the same, counts that lie, keys twice, members added, left out, swapped, nested, replaced.
 *
 * @module
 */
import type { Random } from "../random.ts";
import {
  array,
  byteString,
  copied,
  integer,
  map,
  readSequence,
  tagged,
  textString,
  walk,
  writeSequence,
  type Node,
  type Width,
} from "./cbor-tree.ts";
import { anything, INTEGER_KEYS, nested, scalar, sortKeys, TEXTS } from "./cbor-values.ts";
import { editBytes } from "./bytes.ts";

const HUGE: readonly bigint[] = [
  0n,
  1n,
  24n,
  255n,
  65_536n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** Turns a node into another in its place. */
function become(node: Node, other: Node): void {
  for (const key of Object.keys(node) as (keyof Node)[]) delete node[key];
  Object.assign(node, other);
}

const lengthOf = (node: Node): bigint => BigInt(node.content?.length ?? node.items?.length ?? 0);

function lie(node: Node, random: Random): void {
  const truth = node.major === 5 ? lengthOf(node) >> 1n : lengthOf(node);
  const claims = random.chance(0.5) ? truth + BigInt(random.pick([-1, 1, 2])) : random.pick(HUGE);
  if (claims >= 0n) node.claims = claims;
}

function changeInteger(node: Node, random: Random): void {
  const { argument } = node;
  const other = random.oneOf<bigint>([
    [3, () => argument + 1n],
    [3, () => (argument > 0n ? argument - 1n : 1n)],
    [2, () => argument ^ (1n << BigInt(random.below(random.pick([8, 32, 53, 64]))))],
    [2, () => random.pick(HUGE)],
  ]);
  node.argument = BigInt.asUintN(64, other);
  if (random.chance(0.1)) node.major ^= 1;
}

const LETTERS = ["A", "/", "..", "*", " ", "\n", "\u0000", "é", "x".repeat(300), "registry", "sys"];

function changeText(node: Node, random: Random): void {
  const text = new TextDecoder().decode(node.content);
  const at = random.below(text.length + 1);
  const other = random.oneOf<string>([
    [3, () => text.slice(0, at) + random.pick(LETTERS) + text.slice(at)],
    [2, () => text.slice(0, at)],
    [2, () => text.slice(0, at) + text.slice(at + 1)],
    [1, () => text.toUpperCase()],
    [1, () => text + text],
    [2, () => random.pick(TEXTS)],
  ]);
  become(node, textString(other));
}

function changeString(node: Node, random: Random): void {
  if (node.major === 3 && random.chance(0.8)) return changeText(node, random);
  const { content = new Uint8Array() } = node;
  const other = random.oneOf<Uint8Array>([
    [5, () => editBytes(content, random)],
    [1, () => content.subarray(0, random.below(content.length + 1))],
    [1, () => Uint8Array.of(...content.subarray(0, 4096), 0)],
    [1, () => new Uint8Array(content.length)],
  ]);
  become(node, { ...node, content: other });
  delete node.inner;
}

/** A place in an array or before a pair of a map. */
const placeIn = (node: Node, random: Random): number => {
  const step = node.major === 5 ? 2 : 1;
  return step * random.below(Math.floor((node.items?.length ?? 0) / step) + 1);
};
const one = (node: Node, at: number): Node[] => node.items?.slice(at, at + (node.major === 5 ? 2 : 1)) ?? [];

function addMember(node: Node, random: Random): void {
  const key = random.chance(0.5) ? integer(random.pick(INTEGER_KEYS)) : textString(random.pick(TEXTS));
  const added = node.major === 5 ? [key, anything(random, 4)] : [anything(random, 4)];
  node.items?.splice(placeIn(node, random), 0, ...added);
}

function changeMembers(node: Node, random: Random): void {
  const { items = [] } = node;
  const step = node.major === 5 ? 2 : 1;
  const at = placeIn(node, random);
  random.oneOf<void>([
    [3, () => addMember(node, random)],
    [3, () => void items.splice(at, step)],
    [2, () => void items.splice(placeIn(node, random), 0, ...one(node, at).map(copied))],
    [
      2,
      () => {
        const moved = items.splice(at, step);
        items.splice(placeIn(node, random), 0, ...moved);
      },
    ],
    [1, () => void items.splice(at)],
    [
      1,
      () => {
        if (items.length < 200) items.push(...items.map(copied));
      },
    ],
    [1, () => void items.splice(0, items.length, ...items.toReversed())],
  ]);
  if (node.major !== 5 || random.chance(0.2)) return;
  if (items.length % 2 === 1) items.pop();
  sortKeys(node);
}

/** The same value in another form, which there must not be. */
function otherForm(node: Node, random: Random): void {
  if (random.chance(0.3) && node.major >= 2 && node.major <= 5) node.indefinite = true;
  else node.width = random.pick<Width>([1, 2, 4, 8]);
}

function replace(node: Node, all: readonly Node[], others: readonly Node[], random: Random): void {
  const other = random.oneOf<Node>([
    [4, () => scalar(random)],
    [3, () => copied(random.pick(all))],
    [3, () => copied(random.pick(others.length > 0 ? others : all))],
    [1, () => anything(random, 2)],
    [1, () => nested(copied(node), random)],
    [1, () => tagged(random.pick([2, 4, 18, 24, 55_799, 2 ** 40]), copied(node))],
    [1, () => array([copied(node)])],
    [1, () => map([integer(random.pick(INTEGER_KEYS)), copied(node)])],
    [1, () => ({ ...byteString(new Uint8Array()), inner: copied(node) })],
  ]);
  become(node, other);
}

/** One change somewhere in the trees, which are changed. `others` are pieces of other inputs. */
function editTree(nodes: Node[], others: readonly Node[], random: Random): void {
  const all = [...walk(nodes)];
  const node = random.pick(all);
  if (node.verbatim !== undefined) return;
  const choice = random.below(20);
  if (choice < 2) return otherForm(node, random);
  if (choice < 4 && node.major >= 2 && node.major <= 5) return lie(node, random);
  if (choice < 9) return replace(node, all, others, random);
  if (node.inner !== undefined) return editTree([node.inner], others, random);
  if (node.major < 2) return changeInteger(node, random);
  if (node.major < 4) return changeString(node, random);
  if (node.major < 6) return changeMembers(node, random);
  if (node.major === 6 && choice < 14) {
    node.argument = BigInt(random.pick([2, 3, 4, 17, 18, 19, 24, 55_799]));
    return;
  }
  replace(node, all, others, random);
}

/**
 * A CBOR item or sequence with one to three changes; undefined where the bytes are none.
 *
 * @param other - pieces of it may come in
 * @param after - is given the changed trees before they are written
 */
export function editCbor(
  bytes: Uint8Array,
  other: Uint8Array,
  random: Random,
  after: (nodes: Node[]) => void = () => {},
): Uint8Array | undefined {
  const nodes = readSequence(bytes);
  if (nodes === undefined) return undefined;
  const others = [...walk(random.chance(0.3) ? (readSequence(other) ?? []) : [])];
  if (random.chance(0.1)) changeMembers({ major: 4, argument: 0n, width: 0, items: nodes }, random);
  for (let edits = random.pick([1, 1, 1, 2, 3]); edits > 0 && nodes.length > 0; edits--)
    editTree(nodes, others, random);
  after(nodes);
  return writeSequence(nodes);
}
