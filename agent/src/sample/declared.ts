/**
 * What a chain's first statement told of its source, and when that is no longer the whole truth.
 *
 * @module
 */
import type { DeclaredName } from "@tallystick/evidence";
import type { Declared } from "../seal/chains.ts";
import type { Register } from "../sources/source.ts";

/** Most names of one stream: as many as one statement surely holds. Beyond, names are sealed but not told of. */
const MAX_NAMES = 200;

/**
 * What a new chain has to tell after these registers were seen; undefined while the chain there is tells it already.
 *
 * Names only ever join: a register that is absent from one telegram is still one of the stream's.
 */
export function declaredAfter(
  known: Declared | undefined,
  seen: {
    readonly source: string;
    readonly registers: readonly Register[];
    readonly meter?: string | undefined;
  },
): Declared | undefined {
  const names = new Map(known?.names.map((one) => [one.name, one]));
  let changed =
    known === undefined ||
    known.source !== seen.source ||
    (known.meter === undefined && seen.meter !== undefined);
  for (const register of seen.registers) {
    const told = names.get(register.name);
    if (told === undefined ? names.size >= MAX_NAMES : agrees(told, register)) continue;
    names.set(register.name, register);
    changed = true;
  }
  if (!changed) return undefined;
  const meter = seen.meter ?? known?.meter;
  return { source: seen.source, names: [...names.values()], ...(meter === undefined ? {} : { meter }) };
}

/** Widths matter where a counter can turn over; a gauge's digits come as they come. */
const agrees = (told: DeclaredName, seen: Register): boolean =>
  told.unit === seen.unit &&
  told.type === seen.type &&
  (told.type !== "counter" ||
    (told.digits?.whole === seen.digits?.whole && told.digits?.fraction === seen.digits?.fraction));
