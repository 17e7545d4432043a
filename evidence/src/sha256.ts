/**
 * The hash of everything here. noble's is the portable default; a faster one of the same result may be passed where
 * a function takes a `hash`.
 *
 * @module
 */
import { sha256 as noble } from "@noble/hashes/sha2.js";

/** SHA-256: any number of bytes in, a fresh array of 32 bytes out. */
export type Hash = (bytes: Uint8Array) => Uint8Array;

/** Bytes of a SHA-256. */
export const HASH_BYTES = 32;

export const sha256: Hash = (bytes) => noble(bytes);
