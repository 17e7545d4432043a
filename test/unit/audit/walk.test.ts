import {
  CompactRange,
  encodeEntries,
  encodeTile,
  entriesPath,
  hashLeaf,
  HASH_BYTES,
  sha256,
  TILE_WIDTH,
  tilePath,
  tilesOfSize,
  toHex,
  type HashReader,
} from "@tallystick/evidence";
import { nodeSha256, noProgress } from "@tallystick/evidence/node";
import { describe, expect, test } from "vitest";
import { walkLog, type Walked } from "../../../audit/src/log/walk.ts";
import { memoryPlace } from "../../support/memory-place.ts";

type Log = { files: Map<string, Uint8Array>; roots: Uint8Array[] };

/** Roots of every size up to the last, and the files of the last. */
function logOf(size: number): Log {
  const entries = Array.from({ length: size }, (_, i) => sha256(Uint8Array.of(i & 255, i >> 8, i >> 16)));
  const nodes = new Map<string, Uint8Array>();
  const range = new CompactRange({
    onNode: (level, index, hash) => nodes.set(`${level} ${index}`, hash),
    hash: nodeSha256,
  });
  const roots = [range.root()];
  for (const entry of entries) {
    range.append(hashLeaf(entry, nodeSha256));
    roots.push(range.root());
  }
  const read: HashReader = (level, index) => nodes.get(`${level} ${index}`) ?? expect.fail();
  const files = new Map<string, Uint8Array>();
  for (const tile of tilesOfSize(size)) {
    files.set(tilePath(tile.level, tile.index, tile.width), encodeTile(tile, read));
    if (tile.level > 0) continue;
    const first = tile.index * TILE_WIDTH;
    files.set(entriesPath(tile.index, tile.width), encodeEntries(entries.slice(first, first + tile.width)));
  }
  return { files, roots };
}

type Result = Walked & { seen: number };

async function walk({ files, roots }: Log, sizes: readonly number[] = []): Promise<Result> {
  const size = roots.length - 1;
  let seen = 0;
  const walked = await walkLog({
    place: memoryPlace(files),
    size,
    root: roots[size] ?? expect.fail(),
    sizes,
    onEntries: (first, bundle) => {
      expect(first).toBeGreaterThanOrEqual(seen);
      seen = first + bundle.length / 34;
    },
    hash: nodeSha256,
    progress: noProgress,
  });
  return { ...walked, seen };
}

const small = logOf(700);
const large = logOf(65_536 + 300);

const flip = (bytes: Uint8Array, bit: number): Uint8Array => {
  const changed = bytes.slice();
  changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return changed;
};

const hexOf = (bytes: Uint8Array | undefined): string => toHex(bytes ?? expect.fail());

describe("a log as published", () => {
  test("leads to its root, and to the root of each size before", async () => {
    for (const size of [1, 2, 3, 5, 255, 256, 257, 511, 512, 513, 700]) {
      const log = logOf(size);
      const all = Array.from({ length: size }, (_, i) => i + 1);
      const walked = await walk(log, all);
      expect(walked.findings).toEqual([]);
      expect(walked.seen).toBe(size);
      expect(walked.entryBundles).toBe(Math.ceil(size / 256));
      expect([...walked.roots.keys()]).toEqual(all);
      for (const at of all) expect(hexOf(walked.roots.get(at))).toBe(hexOf(log.roots[at]));
    }
  });

  test("of three levels, over the edge of a level-1 tile", async () => {
    const sizes = [65_535, 65_536, 65_537, 65_792, 65_793, 65_836];
    const walked = await walk(large, sizes);
    expect(walked.findings).toEqual([]);
    for (const at of sizes) expect(hexOf(walked.roots.get(at))).toBe(hexOf(large.roots[at]));
  });

  test("may have dropped partial files once the full ones were written", async () => {
    const older = logOf(300);
    const newer = logOf(600);
    expect((await walk({ ...older, files: newer.files })).findings).toEqual([
      expect.objectContaining({ code: "tile-missing", path: "tile/1/000.p/1" }) as unknown,
    ]);
    newer.files.set(
      "tile/1/000.p/1",
      newer.files.get("tile/1/000.p/2")?.slice(0, HASH_BYTES) ?? expect.fail(),
    );
    expect((await walk({ ...older, files: newer.files })).findings).toEqual([]);
  });
});

/** Each file of a log, and a root before the end that must still be derived. */
const badFiles = [
  [small, "tile/entries/000"],
  [small, "tile/entries/002.p/188"],
  [small, "tile/0/000"],
  [small, "tile/0/002.p/188"],
  [small, "tile/1/000.p/2"],
  [large, "tile/entries/256"],
  [large, "tile/1/000"],
  [large, "tile/1/001.p/1"],
  [large, "tile/2/000.p/1"],
] as const;

describe("a log with one bad file", () => {
  test.for(badFiles)("one bit flipped, %#: named, and nothing else", async ([log, path]) => {
    const bytes = log.files.get(path) ?? expect.fail();
    const walked = await walk(
      { ...log, files: new Map(log.files).set(path, flip(bytes, 8 * bytes.length - 3)) },
      [300],
    );
    expect(walked.findings.map(({ code, path: at }) => [code, at])).toEqual([["tile-mismatch", path]]);
    expect(hexOf(walked.root)).toBe(hexOf(log.roots.at(-1)));
    expect(hexOf(walked.roots.get(300))).toBe(hexOf(log.roots[300]));
  });

  test.for(badFiles)("missing, short or long, %#: named, and nothing else", async ([log, path]) => {
    const bytes = log.files.get(path) ?? expect.fail();
    const cases: [string, Uint8Array | undefined][] = [
      ["tile-missing", undefined],
      ["tile-malformed", bytes.slice(0, -1)],
      ["tile-malformed", Uint8Array.of(...bytes, 0)],
    ];
    for (const [code, instead] of cases) {
      const files = new Map(log.files);
      if (instead === undefined) files.delete(path);
      else files.set(path, instead);
      const walked = await walk({ ...log, files });
      expect(walked.findings.map((one) => [one.code, one.path])).toEqual([[code, path]]);
      expect(hexOf(walked.root)).toBe(hexOf(log.roots.at(-1)));
    }
  });

  test("an entry that states another length", async () => {
    const bytes = small.files.get("tile/entries/001") ?? expect.fail();
    const walked = await walk({
      ...small,
      files: new Map(small.files).set("tile/entries/001", flip(bytes, 8)),
    });
    expect(walked.findings.map((one) => [one.code, one.path])).toEqual([
      ["tile-malformed", "tile/entries/001"],
    ]);
  });
});

describe("a log with more than one bad file", () => {
  const log = small;

  test("entries and their tile gone: the hole is named, the tile above fills it", async () => {
    const files = new Map(log.files);
    files.delete("tile/entries/000");
    files.delete("tile/0/000");
    const walked = await walk({ ...log, files }, [100, 600]);
    expect(walked.findings.map(({ path }) => path)).toEqual(["tile/entries/000", "tile/0/000"]);
    expect(hexOf(walked.root)).toBe(hexOf(log.roots[700]));
    expect(walked.roots.get(100)).toBeUndefined();
  });

  test("entries and their tile changed together: the pair is named", async () => {
    const entries = (log.files.get("tile/entries/000") ?? expect.fail()).slice();
    entries[40] = (entries[40] ?? 0) ^ 1;
    const leaf = hashLeaf(entries.slice(36, 68));
    const tile = (log.files.get("tile/0/000") ?? expect.fail()).slice();
    tile.set(leaf, HASH_BYTES);
    const files = new Map(log.files).set("tile/entries/000", entries).set("tile/0/000", tile);
    const walked = await walk({ ...log, files });
    expect(walked.findings.map(({ code, path }) => [code, path])).toEqual([["tile-mismatch", "tile/0/000"]]);
    expect(hexOf(walked.root)).toBe(hexOf(log.roots[700]));
  });

  test("another history under the same checkpoint", async () => {
    const roots = log.roots.with(700, log.roots[699] ?? expect.fail());
    const walked = await walk({ ...log, roots });
    expect(walked.findings).toEqual([
      expect.objectContaining({ code: "tile-mismatch", path: "checkpoint" }) as unknown,
    ]);
  });

  test("a flood of findings is counted and not kept", async () => {
    const log30 = logOf(256 * 30);
    const files = new Map([...log30.files].filter(([path]) => !path.startsWith("tile/entries")));
    const walked = await walk({ ...log30, files });
    expect(walked.findings).toHaveLength(20);
    expect(walked.findingCount).toBe(30);
    expect(hexOf(walked.root)).toBe(hexOf(log30.roots.at(-1)));
  });
});
