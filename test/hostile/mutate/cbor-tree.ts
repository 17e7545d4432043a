/**
 * CBOR as a tree that may be changed anywhere, also inside the byte strings that hold CBOR themselves, and written out again with every length
 * around the change set right. Made for tests: it reads and writes forms that the product refuses.
 *
 * @module
 */
import { concatBytes } from "@tallystick/evidence";

/** Bytes of a head's argument: 0 in the initial byte, or 1, 2, 4, 8. */
export type Width = 0 | 1 | 2 | 4 | 8;

export type Node = {
  major: number;
  /** Value, simple value, tag number, or bits of a float; lengths and counts follow from what is there. */
  argument: bigint;
  /** At least so many bytes of argument, whether they are needed or not. */
  width: Width;
  /** What the head says in the place of the true length or count. */
  claims?: bigint;
  /** True for `9f … ff` and the like. */
  indefinite?: boolean;
  /** Major 2 and 3, unless there is an `inner`. */
  content?: Uint8Array;
  /** A byte string that is CBOR itself. */
  inner?: Node;
  /** Major 4: items; 5: keys and values in turn; 6: the one item. */
  items?: Node[];
  /** Written as they stand, in place of everything else. */
  verbatim?: Uint8Array;
};

const WIDTHS: readonly Width[] = [1, 2, 4, 8];

/** Reads a whole sequence of items; undefined where the bytes are not all well-formed CBOR of definite length. */
export function readSequence(bytes: Uint8Array): Node[] | undefined {
  const reader = new Reader(bytes);
  const nodes: Node[] = [];
  while (reader.at < bytes.length) {
    const node = reader.item(0);
    if (node === undefined) return undefined;
    nodes.push(node);
  }
  return nodes.length > 0 ? nodes : undefined;
}

class Reader {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  item(depth: number): Node | undefined {
    const initial = this.#bytes[this.at++];
    if (initial === undefined || depth > 40) return undefined;
    const major = initial >> 5;
    const info = initial & 31;
    if (info > 27) return undefined;
    const width: Width = info < 24 ? 0 : (WIDTHS[info - 24] ?? 0);
    if (this.at + width > this.#bytes.length) return undefined;
    const argument = this.#argument(width, info);
    this.at += width;
    const node: Node = { major, argument, width };
    if (major === 2 || major === 3) return this.#string(node, depth);
    if (major < 4 || major === 7) return node;
    const count = major === 6 ? 1n : major === 5 ? 2n * argument : argument;
    if (count > BigInt(this.#bytes.length - this.at)) return undefined;
    node.items = [];
    for (let n = 0n; n < count; n++) {
      const item = this.item(depth + 1);
      if (item === undefined) return undefined;
      node.items.push(item);
    }
    return node;
  }

  #argument(width: Width, info: number): bigint {
    if (width === 0) return BigInt(info);
    if (width === 1) return BigInt(this.#view.getUint8(this.at));
    if (width === 2) return BigInt(this.#view.getUint16(this.at));
    if (width === 4) return BigInt(this.#view.getUint32(this.at));
    return this.#view.getBigUint64(this.at);
  }

  #string(node: Node, depth: number): Node | undefined {
    if (node.argument > BigInt(this.#bytes.length - this.at)) return undefined;
    const end = this.at + Number(node.argument);
    node.content = this.#bytes.subarray(this.at, end);
    this.at = end;
    const inner = node.major === 2 ? containerIn(node.content, depth) : undefined;
    if (inner !== undefined) node.inner = inner;
    return node;
  }
}

/** A header, a proof, a statement within a byte string; what is only by chance a number or a text stays bytes. */
function containerIn(bytes: Uint8Array, depth: number): Node | undefined {
  const major = (bytes[0] ?? 0) >> 5;
  if (bytes.length < 2 || major < 4 || major > 6) return undefined;
  const reader = new Reader(bytes);
  const node = reader.item(depth + 1);
  return node !== undefined && reader.at === bytes.length ? node : undefined;
}

/** The bytes of a node; the inverse of reading for whatever was read. */
export function writeNode(node: Node): Uint8Array {
  if (node.verbatim !== undefined) return node.verbatim;
  const { major, items, indefinite, claims } = node;
  if (major === 2 || major === 3) {
    const content = node.inner === undefined ? (node.content ?? new Uint8Array()) : writeNode(node.inner);
    if (indefinite === true) {
      const chunk = head(major, BigInt(content.length), 0);
      return concatBytes(Uint8Array.of((major << 5) | 31), chunk, content, Uint8Array.of(0xff));
    }
    return concatBytes(head(major, claims ?? BigInt(content.length), node.width), content);
  }
  if (items === undefined || major < 4 || major === 7) return head(major, node.argument, node.width);
  const written = items.map(writeNode);
  if (indefinite === true && major !== 6)
    return concatBytes(Uint8Array.of((major << 5) | 31), ...written, Uint8Array.of(0xff));
  const count = major === 6 ? node.argument : BigInt(major === 5 ? items.length >> 1 : items.length);
  return concatBytes(head(major, claims ?? count, node.width), ...written);
}

export const writeSequence = (nodes: readonly Node[]): Uint8Array => concatBytes(...nodes.map(writeNode));

function head(major: number, argument: bigint, least: Width): Uint8Array {
  const needed: Width =
    argument < 24n ? 0 : argument < 0x100n ? 1 : argument < 0x1_0000n ? 2 : argument < 0x1_0000_0000n ? 4 : 8;
  const width: Width = least > needed ? least : needed;
  if (width === 0) return Uint8Array.of((major << 5) | Number(argument));
  const bytes = new Uint8Array(1 + width);
  bytes[0] = (major << 5) | (24 + WIDTHS.indexOf(width));
  let rest = BigInt.asUintN(64, argument);
  for (let i = width; i > 0; i--) {
    bytes[i] = Number(rest & 255n);
    rest >>= 8n;
  }
  return bytes;
}

export const integer = (value: number | bigint): Node => {
  const whole = BigInt(value);
  return whole < 0n ? { major: 1, argument: -1n - whole, width: 0 } : { major: 0, argument: whole, width: 0 };
};
export const byteString = (content: Uint8Array): Node => ({ major: 2, argument: 0n, width: 0, content });
export const textString = (text: string): Node => ({
  major: 3,
  argument: 0n,
  width: 0,
  content: new TextEncoder().encode(text),
});
export const array = (items: Node[]): Node => ({ major: 4, argument: 0n, width: 0, items });
export const map = (items: Node[]): Node => ({ major: 5, argument: 0n, width: 0, items });
export const tagged = (tag: number | bigint, item: Node): Node => ({
  major: 6,
  argument: BigInt(tag),
  width: 0,
  items: [item],
});
export const simple = (argument: number | bigint, width: Width = 0): Node => ({
  major: 7,
  argument: BigInt(argument),
  width,
});
export const verbatim = (bytes: Uint8Array): Node => ({
  major: 7,
  argument: 22n,
  width: 0,
  verbatim: bytes,
});

/** Each node below these, and what holds it. */
export function* walk(nodes: readonly Node[]): Generator<Node, void, undefined> {
  for (const node of nodes) {
    yield node;
    if (node.inner !== undefined) yield* walk([node.inner]);
    if (node.items !== undefined) yield* walk(node.items);
  }
}

export function copied(node: Node): Node {
  const { items, inner, ...rest } = node;
  return {
    ...rest,
    ...(items === undefined ? {} : { items: items.map(copied) }),
    ...(inner === undefined ? {} : { inner: copied(inner) }),
  };
}
