/**
 * Attacks on proofs: one bit changed, and the verifier must refuse. The size is not attacked: no path authenticates it, receipts sign it.
 *
 * @module
 */
import { isEvidenceError, verifyConsistency, verifyInclusion, type Hash } from "@tallystick/evidence";

/** A number below 2^53 has as many bits. */
const NUMBER_BITS = 53;

export type Inclusion = {
  readonly leaf: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly path: readonly Uint8Array[];
  readonly root: Uint8Array;
};

export type Growth = {
  readonly size1: number;
  readonly root1: Uint8Array;
  readonly size2: number;
  readonly root2: Uint8Array;
  readonly path: readonly Uint8Array[];
};

/** Which bits of a field of so many bits are tried. */
export type Bits = (count: number) => Iterable<number>;

export const everyBit: Bits = (count) => Array.from({ length: count }, (_, bit) => bit);

/** One bit of each field, chosen by a linear congruential generator: the same at each run. */
export function seededBit(seed: number): Bits {
  let state = seed >>> 0;
  return (count) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return [Math.floor((state / 2 ** 32) * count)];
  };
}

export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = Uint8Array.from(bytes);
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}

const flipNumber = (n: number, bit: number): number => {
  const weight = 2 ** bit;
  return Math.floor(n / weight) % 2 === 1 ? n - weight : n + weight;
};

/**
 * Changes leaf, index, each hash of the path, and root, one bit at a time.
 *
 * @returns how many changes were tried
 * @throws Error naming the first one that was accepted
 */
export function attackInclusion(good: Inclusion, bits: Bits, hash: Hash): number {
  const refused = (changed: Partial<Inclusion>, what: string): number => {
    const { leaf, index, size, path, root } = { ...good, ...changed };
    return mustRefuse(
      () => verifyInclusion(leaf, index, size, path, root, hash),
      `${what}, ${good.index} in ${size}`,
    );
  };
  let tried = 0;
  for (const bit of bits(256)) tried += refused({ leaf: flipBit(good.leaf, bit) }, `leaf, bit ${bit}`);
  for (const bit of bits(NUMBER_BITS)) {
    tried += refused({ index: flipNumber(good.index, bit) }, `index, bit ${bit}`);
  }
  for (const [i, sibling] of good.path.entries()) {
    for (const bit of bits(256)) {
      tried += refused({ path: good.path.with(i, flipBit(sibling, bit)) }, `path ${i}, bit ${bit}`);
    }
  }
  for (const bit of bits(256)) tried += refused({ root: flipBit(good.root, bit) }, `root, bit ${bit}`);
  return tried;
}

/** The same for both roots and the path of a consistency proof. */
export function attackGrowth(good: Growth, bits: Bits, hash: Hash): number {
  const refused = (changed: Partial<Growth>, what: string): number => {
    const { size1, root1, size2, root2, path } = { ...good, ...changed };
    return mustRefuse(
      () => verifyConsistency(size1, root1, size2, root2, path, hash),
      `${what}, ${size1} to ${size2}`,
    );
  };
  let tried = 0;
  for (const bit of bits(256)) tried += refused({ root1: flipBit(good.root1, bit) }, `root1, bit ${bit}`);
  for (const bit of bits(256)) tried += refused({ root2: flipBit(good.root2, bit) }, `root2, bit ${bit}`);
  for (const [i, node] of good.path.entries()) {
    for (const bit of bits(256)) {
      tried += refused({ path: good.path.with(i, flipBit(node, bit)) }, `path ${i}, bit ${bit}`);
    }
  }
  return tried;
}

function mustRefuse(run: () => void, what: string): 1 {
  const frames = Error.stackTraceLimit;
  Error.stackTraceLimit = 0; // millions of refusals: their stacks would cost more than the hashing
  try {
    run();
  } catch (error) {
    if (isEvidenceError(error)) return 1;
    throw error;
  } finally {
    Error.stackTraceLimit = frames;
  }
  throw new Error(`accepted: ${what}`);
}
