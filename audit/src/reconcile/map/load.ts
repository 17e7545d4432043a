/**
 * Reads a map and what it names, each file with its hash.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { basename, dirname, resolve } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import { decodeUtf8 } from "@tallystick/evidence";
import { ConfigError, parseConfig, readBounded, UsageError } from "@tallystick/evidence/node";
import { readInstant } from "../../calendar.ts";
import type { ResultInput } from "../../result.ts";
import { Zone } from "../../zone.ts";
import { compilePattern } from "../csv/time.ts";
import { MapSchema, type ReconcileMap } from "./schema.ts";

const MAX_MAP_BYTES = 1 << 20;

/** Microseconds; `to` is exclusive. Lines and events in the grace are of the period before or after. */
export type Scope = {
  readonly zone: Zone;
  readonly from: number;
  readonly to: number;
  readonly before: number;
  readonly after: number;
  /** A register of the very end is of the scope, too. */
  readonly endIncluded: boolean;
};

export type LoadedMap = {
  readonly map: ReconcileMap;
  readonly scope: Scope;
  readonly input: ResultInput;
  /** Where a file that the map names is. */
  readonly path: (name: string) => string;
};

/**
 * Reads MAP.yaml.
 *
 * @throws UsageError where there is no such file; ConfigError with each fault and its line
 */
export async function loadMap(file: string): Promise<LoadedMap> {
  const bytes = await readBounded(file, MAX_MAP_BYTES, file);
  if (bytes === undefined)
    throw new UsageError(`${file}: no such file: give the map, or make one with --suggest`);
  const map = parseMap(decodeUtf8(bytes), file);
  return {
    map,
    scope: scopeOf(map, file),
    input: inputOf("map", file, bytes),
    path: (name) => resolve(dirname(file), name),
  };
}

/** @throws ConfigError with each fault and its line */
export function parseMap(text: string, path: string): ReconcileMap {
  const map = parseConfig(text, { path, schema: MapSchema, parseDocument, lineCounter: new LineCounter() });
  if (!map.csv.time.startsWith("epoch-") && compilePattern(map.csv.time) === undefined)
    throw new ConfigError([
      `${path}: csv.time: give a pattern with YYYY, MM and DD, each once, e.g. DD.MM.YYYY HH:mm:ss; or ISO, epoch-s, epoch-ms`,
    ]);
  if (map.csv.zone !== "offset") zoneOf(map.csv.zone, path, "csv.zone");
  return map;
}

/** @throws ConfigError where the zone is none, or a time of the scope means nothing there */
function scopeOf({ scope, pick }: ReconcileMap, path: string): Scope {
  const zone = zoneOf(scope.zone, path, "scope.zone");
  const at = (name: "from" | "to"): number => {
    const read = readInstant(zone, scope[name]);
    if ("at" in read) return read.at * 1_000_000;
    throw new ConfigError([
      `${path}: scope.${name}: ${scope[name]}: ${read.fault} in ${scope.zone}; give a date, or a time with its offset: 2026-11-01T00:00:00+01:00`,
    ]);
  };
  const [from, to] = [at("from"), at("to")];
  if (from >= to) throw new ConfigError([`${path}: scope.to: must be after scope.from`]);
  return {
    zone,
    from,
    to,
    before: scope.grace.before,
    after: scope.grace.after,
    endIncluded: pick?.value === "register",
  };
}

function zoneOf(name: string, path: string, key: string): Zone {
  try {
    return new Zone(name);
  } catch (error) {
    throw new ConfigError([
      `${path}: ${key}: ${name}: ${error instanceof Error ? error.message : String(error)}`,
    ]);
  }
}

/** How a result names a file. */
export const inputOf = (role: ResultInput["role"], file: string, bytes: Uint8Array): ResultInput => ({
  role,
  name: basename(file),
  sha256: createHash("sha256").update(bytes).digest("hex"),
  bytes: bytes.length,
});
