/**
 * Reads the public vectors and samples, which live beside the project and are never copied into it.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Path of a file below `../shared`, e.g. `sharedPath("vectors/facts/facts.json")`. */
const sharedPath = (path: string): string => join(import.meta.dirname, "..", "..", "..", "shared", path);

export const sharedBytes = (path: string): Uint8Array => new Uint8Array(readFileSync(sharedPath(path)));

export const sharedText = (path: string): string => readFileSync(sharedPath(path), "utf8");

/** Parsed JSON of a shared file; the caller states the shape it expects. */
export const sharedJson = (path: string): unknown => JSON.parse(sharedText(path));
