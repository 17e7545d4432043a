/**
 * The tree, its files, notes and checkpoints against vectors that were made by other code (test/interop/make_vectors.py).
 *
 * @module
 */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  CompactRange,
  consistencyPath,
  decodeEntries,
  emptyRoot,
  encodeEntries,
  encodeTile,
  entriesPath,
  formatCheckpoint,
  formatTilePath,
  formatVkey,
  fromHex,
  hashLeaf,
  hashNode,
  inclusionPath,
  nobleProvider,
  nobleSigner,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  parseTilePath,
  parseVkey,
  registryPath,
  sha256,
  signNote,
  tileHashReader,
  tilePath,
  tilesForGrowth,
  tilesOfSize,
  tileWidth,
  toHex,
  treeRoot,
  verifyConsistency,
  verifyCosignature,
  verifyInclusion,
  verifyNote,
  type HashReader,
} from "@tallystick/evidence";
import { codeOf, vectors, type Vectors } from "../../support/vectors.ts";

type Inclusion = { index: number; size: number; path: string[] };
type Growth = { from: number; to: number; path: string[] };
const merkle = vectors("merkle") as Vectors<{
  emptyRoot: string;
  leafHashes: string[];
  roots: string[];
  inclusion: Inclusion[];
  consistency: Growth[];
  refusedInclusion: (Inclusion & { name: string; code: string; leafHash: string; root: string })[];
  refusedConsistency: (Growth & { name: string; code: string; root1: string; root2: string })[];
}>;

/** The rule of the file: SHA-256 of the text "tallystick entry " and the number in decimal. */
const entry = (i: number): Uint8Array => sha256(new TextEncoder().encode(`tallystick entry ${i}`));
const leaf = (i: number): Uint8Array => hashLeaf(entry(i));
const read: HashReader = (level, index) =>
  level === 0 ? leaf(index) : hashNode(read(level - 1, 2 * index), read(level - 1, 2 * index + 1));
const root = (size: number): Uint8Array => fromHex(merkle.roots[size] ?? "");
const hashes = (path: string[]): Uint8Array[] => path.map(fromHex);

describe(`tree: ${merkle.source}`, () => {
  test("empty root, leaf hashes, and the root of every size to 300", () => {
    expect(toHex(emptyRoot())).toBe(merkle.emptyRoot);
    expect(merkle.leafHashes.map((_, i) => toHex(leaf(i)))).toEqual(merkle.leafHashes);
    expect(merkle.roots.map((_, size) => toHex(treeRoot(size, read)))).toEqual(merkle.roots);
  });

  test("grown leaf by leaf it has the same roots", () => {
    const grown = new CompactRange();
    const roots = [toHex(grown.root())];
    for (let i = 0; i < merkle.roots.length - 1; i++) {
      grown.append(leaf(i));
      roots.push(toHex(grown.root()));
    }
    expect(roots).toEqual(merkle.roots);
  });

  test.for(merkle.inclusion)("inclusion of $index in $size", ({ index, size, path }) => {
    expect(inclusionPath(index, size, read).map(toHex)).toEqual(path);
    verifyInclusion(leaf(index), index, size, hashes(path), root(size));
  });

  test.for(merkle.consistency)("consistency of $from with $to", ({ from, to, path }) => {
    expect(consistencyPath(from, to, read).map(toHex)).toEqual(path);
    verifyConsistency(from, root(from), to, root(to), hashes(path));
  });

  test.for(merkle.refusedInclusion)("inclusion, $name: $code", (v) => {
    const run = (): void =>
      verifyInclusion(fromHex(v.leafHash), v.index, v.size, hashes(v.path), fromHex(v.root));
    expect(codeOf(run)).toBe(v.code);
  });

  test.for(merkle.refusedConsistency)("consistency, $name: $code", (v) => {
    const run = (): void =>
      verifyConsistency(v.from, fromHex(v.root1), v.to, fromHex(v.root2), hashes(v.path));
    expect(codeOf(run)).toBe(v.code);
  });
});

type Coordinates = [level: number, index: number, width: number];
const tiles = vectors("tiles") as Vectors<{
  paths: { kind: string; level?: number; index: number; width: number; path: string }[];
  refusedPaths: string[];
  ofSize: { size: number; tiles: Coordinates[] }[];
  widths: { size: number; widths: number[] }[];
  growth: { from: number; to: number; tiles: Coordinates[] }[];
  content: { size: number; level: number; index: number; width: number; sha256: string; bytes: number }[];
  entries: { first: number; width: number; hex: string }[];
  anyEntries: { entries: string[]; hex: string };
  refusedEntries: { name: string; width: number; hex: string }[];
}>;

describe(`tiles: ${tiles.source}`, () => {
  test.for(tiles.paths)("$path", ({ kind, level, index, width, path }) => {
    const made =
      level !== undefined
        ? tilePath(level, index, width)
        : kind === "entries"
          ? entriesPath(index, width)
          : registryPath(index, width);
    expect(made).toBe(path);
    expect(formatTilePath(parseTilePath(path))).toBe(path);
  });

  test.for(tiles.refusedPaths)("%j is no path of a tile", (path) => {
    expect(codeOf(() => parseTilePath(path))).toBe("tile-coordinates");
  });

  test.for(tiles.ofSize)("tiles of size $size", ({ size, tiles: expected }) => {
    expect(tilesOfSize(size).map(({ level, index, width }) => [level, index, width])).toEqual(expected);
  });

  test.for(tiles.growth)("tiles to write from $from to $to", ({ from, to, tiles: expected }) => {
    expect(tilesForGrowth(from, to).map(({ level, index, width }) => [level, index, width])).toEqual(
      expected,
    );
  });

  test.for(tiles.widths)("widths of the last tiles at size $size", ({ size, widths }) => {
    for (const [level, partial] of widths.entries()) {
      const hashesThere = Math.floor(size / 256 ** level);
      if (partial > 0) expect(tileWidth(level, Math.floor(hashesThere / 256), size)).toBe(partial);
      else expect(tileWidth(level, Math.floor(hashesThere / 256) - 1, size)).toBe(256);
    }
  });

  test.for(tiles.content)("tile $level/$index.p/$width at size $size, and read back", (v) => {
    const bytes = encodeTile(v, read);
    expect(bytes.length).toBe(v.bytes);
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(v.sha256);
    const reader = tileHashReader((level, index, width) => encodeTile({ level, index, width }, read), v.size);
    expect(toHex(treeRoot(v.size, reader))).toBe(merkle.roots[v.size]);
  });

  test.for(tiles.entries)("$width entries from $first", ({ first, width, hex }) => {
    const entries = Array.from({ length: width }, (_, i) => entry(first + i));
    expect(toHex(encodeEntries(entries))).toBe(hex);
    expect(decodeEntries(fromHex(hex), width)).toEqual(entries);
  });

  test("entries of any length", () => {
    const { entries, hex } = tiles.anyEntries;
    expect(toHex(encodeEntries(hashes(entries)))).toBe(hex);
    expect(decodeEntries(fromHex(hex), entries.length).map(toHex)).toEqual(entries);
  });

  test.for(tiles.refusedEntries)("entries, $name", ({ width, hex }) => {
    expect(codeOf(() => decodeEntries(fromHex(hex), width))).toBe("tile-malformed");
  });
});

type Signature = { name: string; keyId: string; blob: string };
const notes = vectors("notes") as Vectors<{
  keys: { name: string; seed: string }[];
  vkeys: { name: string; type: number; keyId: string; publicKey: string; text: string }[];
  refusedVkeys: { name: string; text: string }[];
  notes: { name: string; text: string; note: string; signatures: Signature[] }[];
  refusedNotes: { name: string; note: string }[];
  checkpoint: { origin: string; size: number; root: string; text: string; note: string; vkey: string };
  refusedCheckpointTexts: { name: string; text: string }[];
  refusedOpen: { name: string; code: string; vkey: string; note: string }[];
  cosigned: { note: string; witnesses: { vkey: string; time: number }[] };
  notCosigned: { name: string; note: string; vkey: string; code?: string }[];
}>;

describe(`notes: ${notes.source}`, () => {
  test.for(notes.vkeys)("vkey of $name", (v) => {
    const key = parseVkey(v.text);
    expect(key).toMatchObject({ name: v.name, type: v.type, text: v.text });
    expect(toHex(key.keyId)).toBe(v.keyId);
    expect(toHex(key.publicKey)).toBe(v.publicKey);
  });

  test.for(notes.refusedVkeys)("vkey, $name", ({ text }) => {
    expect(codeOf(() => parseVkey(text))).toBe("vkey-malformed");
  });

  test.for(notes.notes)("note, $name", ({ text, note, signatures }) => {
    const parsed = parseNote(note);
    expect(parsed.text).toBe(text);
    expect(
      parsed.signatures.map((s) => ({ name: s.name, keyId: toHex(s.keyId), blob: toHex(s.blob) })),
    ).toEqual(signatures);
  });

  test("the checkpoint: written, signed, read and opened to the same bytes", async () => {
    const { origin, size, root: rootHex, text, note, vkey } = notes.checkpoint;
    const checkpoint = { origin, size, root: fromHex(rootHex) };
    const signer = nobleSigner(fromHex(notes.keys[0]?.seed ?? ""));
    expect(formatVkey(origin, signer.key)).toBe(vkey);
    expect(formatCheckpoint(checkpoint)).toBe(text);
    expect(parseCheckpoint(text)).toEqual(checkpoint);
    expect(await signNote(text, origin, signer)).toBe(note);
    expect(openCheckpoint(note, parseVkey(vkey), nobleProvider)).toMatchObject(checkpoint);
    expect(verifyNote(parseNote(note), [parseVkey(vkey)], nobleProvider)).toEqual([origin]);
  });

  test.for(notes.refusedNotes)("note, $name", ({ note }) => {
    expect(codeOf(() => parseNote(note))).toBe("note-malformed");
  });

  test.for(notes.refusedCheckpointTexts)("checkpoint, $name", ({ text }) => {
    expect(codeOf(() => parseCheckpoint(text))).toBe("checkpoint-malformed");
  });

  test.for(notes.refusedOpen)("opening, $name: $code", ({ note, vkey, code }) => {
    expect(codeOf(() => openCheckpoint(note, parseVkey(vkey), nobleProvider))).toBe(code);
  });

  test.for(notes.cosigned.witnesses)("cosignature at $time", ({ vkey, time }) => {
    expect(verifyCosignature(parseNote(notes.cosigned.note), parseVkey(vkey), nobleProvider)).toEqual({
      timeUnixS: time,
    });
  });

  test.for(notes.notCosigned)("no cosignature: $name", ({ note, vkey, code }) => {
    const run = () => verifyCosignature(parseNote(note), parseVkey(vkey), nobleProvider);
    if (code === undefined) expect(run()).toBeUndefined();
    else expect(codeOf(run)).toBe(code);
  });
});
