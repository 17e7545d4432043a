/**
 * Makes the bytes of one case, always the same for the same seed, target and number, and runs it.
 *
 * @module
 */
import { editBytes, splice, transplant } from "./mutate/bytes.ts";
import { writeSequence } from "./mutate/cbor-tree.ts";
import { editCbor } from "./mutate/cbor-edits.ts";
import { anything } from "./mutate/cbor-values.ts";
import { editText, textFromNothing } from "./mutate/text.ts";
import { Random } from "./random.ts";
import { Hostile, type Outcome, type Seed, type Target } from "./target.ts";

export type Case = {
  readonly bytes: Uint8Array;
  readonly seed: Seed;
  readonly how: string;
  readonly signed: boolean;
};

/** Every sixteenth case is cut off: the cuts go through the seeds, so that a long run cuts each of them at each place. */
const CUT_EVERY = 16;

export function makeCase(target: Target, runSeed: number, number: number): Case {
  const random = new Random(runSeed, target.name, number);
  if (number % CUT_EVERY === 0) return cut(target, Math.floor(number / CUT_EVERY));
  const seed = random.pick(target.seeds);
  const other = random.pick(target.seeds);
  const [how, bytes] = changed(target, seed.bytes, other.bytes, random);
  return { seed, bytes, how, signed: how === "signed anew" };
}

function cut(target: Target, turn: number): Case {
  const seed = target.seeds[turn % target.seeds.length] as Seed;
  const at = Math.floor(turn / target.seeds.length) % (seed.bytes.length + 1);
  // a stride that has no factor in common with most lengths visits all places, and not from the front
  const place = (at * 7919) % (seed.bytes.length + 1);
  return { seed, bytes: seed.bytes.subarray(0, place), how: "cut", signed: false };
}

function changed(
  target: Target,
  bytes: Uint8Array,
  other: Uint8Array,
  random: Random,
): readonly [how: string, bytes: Uint8Array] {
  const byBytes = (): readonly [string, Uint8Array] => {
    let made = bytes;
    for (let edits = random.pick([1, 1, 2, 4]); edits > 0; edits--) made = editBytes(made, random);
    return ["bytes", made];
  };
  const structured = (): readonly [string, Uint8Array] => {
    if (target.nature === "text") return ["text", editText(bytes, other, random)];
    const made = target.nature === "cbor" ? editCbor(bytes, other, random) : undefined;
    return made === undefined ? byBytes() : ["cbor", made];
  };
  const resigned = (): readonly [string, Uint8Array] => {
    const made = target.resign?.(bytes, other, random);
    return made === undefined ? structured() : ["signed anew", made];
  };
  const fromNothing = (): readonly [string, Uint8Array] => {
    if (target.nature === "text") return ["nothing", textFromNothing(other, random)];
    if (target.nature === "cbor") return ["nothing", writeSequence([anything(random)])];
    return ["nothing", random.bytes(random.below(200))];
  };
  return random.oneOf([
    [5, structured],
    [4, byBytes],
    [target.resign === undefined ? 0 : 4, resigned],
    [1, () => ["splice", splice(bytes, other, random)] as const],
    [1, () => ["transplant", transplant(bytes, other, random)] as const],
    [1, fromNothing],
    [1, () => ["unchanged", bytes] as const],
  ]);
}

/** Runs a case. @throws Hostile for what must not be, with what led there */
export async function runCase(target: Target, runSeed: number, number: number): Promise<Outcome> {
  const one = makeCase(target, runSeed, number);
  try {
    const random = new Random(runSeed, `${target.name} run`, number);
    const outcome = target.run(one.bytes, one.seed, one.signed, random);
    return outcome instanceof Promise ? await outcome : outcome;
  } catch (error) {
    const what = error instanceof Hostile ? error.message : `crashed: ${String(error)}`;
    throw new Hostile(`${what} (${one.seed.name}, ${one.how}, ${one.bytes.length} bytes)`, { cause: error });
  }
}
