import {
  concatBytes,
  decodeEntries,
  encodeEntries,
  encodeTile,
  entriesPath,
  formatTilePath,
  inclusionPath,
  isEvidenceError,
  parseTilePath,
  registryPath,
  TILE_WIDTH,
  tileHashReader,
  tilePath,
  tilesForGrowth,
  tilesOfSize,
  tileWidth,
  toHex,
  treeRoot,
  type HashReader,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ReferenceTree } from "../../support/reference-tree.ts";
import { codeOf } from "../../support/vectors.ts";

const tree = new ReferenceTree();
const read: HashReader = (level, index) => tree.root(index * 2 ** level, (index + 1) * 2 ** level);

describe("paths", () => {
  test("the specification's example, and the ends of every range", () => {
    expect(tilePath(0, 1234067, 256)).toBe("tile/0/x001/x234/067");
    expect(tilePath(0, 1234067, 8)).toBe("tile/0/x001/x234/067.p/8");
    expect(tilePath(63, 0, 1)).toBe("tile/63/000.p/1");
    expect(tilePath(0, Number.MAX_SAFE_INTEGER, 255)).toBe("tile/0/x009/x007/x199/x254/x740/991.p/255");
    expect(entriesPath(999, 256)).toBe("tile/entries/999");
    expect(entriesPath(1000, 255)).toBe("tile/entries/x001/000.p/255");
    expect(registryPath(0, 7)).toBe("registry/000.p/7");
    expect(registryPath(1, 256)).toBe("registry/001");
  });

  test.for([
    [-1, 0, 1],
    [64, 0, 1],
    [0.5, 0, 1],
    [0, -1, 1],
    [0, 2 ** 53, 1],
    [0, Number.NaN, 1],
    [0, 0, 0],
    [0, 0, 257],
    [0, 0, 1.5],
  ] as const)("level %d, index %d, width %d: no such tile", ([level, index, width]) => {
    expect(codeOf(() => tilePath(level, index, width))).toBe("tile-coordinates");
  });

  test.for([
    "",
    "checkpoint",
    "tile/0/1",
    "tile/0/0000",
    "tile/00/000",
    "tile/64/000",
    "tile/-1/000",
    "tile/0/x000/000",
    "tile/0/x000/x001/000",
    "tile/0/001/000",
    "tile/0/x001",
    "tile/0/X001/000",
    "tile/0/000.p/0",
    "tile/0/000.p/08",
    "tile/0/000.p/256",
    "tile/0/000.p/999",
    "tile/0/000.p/",
    "tile/0/000.P/8",
    "tile/0/000/",
    "/tile/0/000",
    "tile/0/000\n",
    "tile/entries/0/000",
    "registry/entries/000",
    "registry/0/000",
    "tile/000",
    "tile/0/../0/000",
    "tile/0/x009/x007/x199/x254/x740/992",
    "tile/0/x001/x000/x000/x000/x000/x000/000",
    "tile/٠/000",
  ])("%j names no file of a log", (path) => {
    expect(codeOf(() => parseTilePath(path))).toBe("tile-coordinates");
  });

  const width = fc.integer({ min: 1, max: TILE_WIDTH });
  const index = fc.oneof(fc.maxSafeNat(), fc.nat(2000));
  const paths = fc.oneof(
    fc.tuple(fc.nat(63), index, width).map((coordinates) => tilePath(...coordinates)),
    fc.tuple(index, width).map((coordinates) => entriesPath(...coordinates)),
    fc.tuple(index, width).map((coordinates) => registryPath(...coordinates)),
  );

  test("each path is read to the one that writes it", () => {
    fc.assert(fc.property(paths, (path) => formatTilePath(parseTilePath(path)) === path));
  });

  test("anything else is refused, or written again as it was", () => {
    const near = fc
      .tuple(
        paths,
        fc.nat(40),
        fc.nat(2),
        fc.constantFrom("", "0", "1", "x", "/", ".p/", "000", "é", "\n", "entries"),
      )
      .map(([path, at, cut, put]) => path.slice(0, at) + put + path.slice(at + cut));
    fc.assert(
      fc.property(
        fc.oneof(near, fc.string(), fc.string({ unit: fc.constantFrom(...Array.from("tile/0x1.pregsy")) })),
        (path) => {
          try {
            return formatTilePath(parseTilePath(path)) === path;
          } catch (error) {
            return isEvidenceError(error) && error.code === "tile-coordinates";
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("which tiles a tree has", () => {
  const names = (tiles: readonly { level: number; index: number; width: number }[]): string[] =>
    tiles.map(({ level, index, width }) => tilePath(level, index, width));

  test("the specification's examples", () => {
    const tiles = tilesOfSize(70_000);
    const of = (level: number): typeof tiles => tiles.filter((tile) => tile.level === level);
    expect(of(0).filter((tile) => tile.width === 256)).toHaveLength(273);
    expect(of(0).at(-1)).toEqual({ level: 0, index: 273, width: 112 });
    expect(names(of(1))).toEqual(["tile/1/000", "tile/1/001.p/17"]);
    expect(names(of(2))).toEqual(["tile/2/000.p/1"]);
    expect(of(3)).toEqual([]);
    expect(names(tilesOfSize(256))).toEqual(["tile/0/000", "tile/1/000.p/1"]);
    expect(tilesOfSize(0)).toEqual([]);
  });

  test("growth writes what is new, and only that", () => {
    expect(tilesForGrowth(5, 5)).toEqual([]);
    expect(names(tilesForGrowth(5, 6))).toEqual(["tile/0/000.p/6"]);
    expect(names(tilesForGrowth(255, 256))).toEqual(["tile/0/000", "tile/1/000.p/1"]);
    expect(names(tilesForGrowth(256, 257))).toEqual(["tile/0/001.p/1"]);
    expect(names(tilesForGrowth(65_535, 65_537))).toEqual([
      "tile/0/255",
      "tile/0/256.p/1",
      "tile/1/000",
      "tile/2/000.p/1",
    ]);
    // The last leaf of the largest tree completes nothing; the leaf before 2^48 completes a tile of each of six levels.
    const largest = Number.MAX_SAFE_INTEGER;
    expect(tilesForGrowth(largest - 1, largest)).toEqual([{ level: 0, index: 2 ** 45 - 1, width: 255 }]);
    expect(tilesForGrowth(2 ** 48 - 1, 2 ** 48).map(({ level, width }) => [level, width])).toEqual([
      [0, 256],
      [1, 256],
      [2, 256],
      [3, 256],
      [4, 256],
      [5, 256],
      [6, 1],
    ]);
  });

  test("a log that wrote at each growth has every tile of its size, at its width", () => {
    const sizes = fc.array(fc.nat(20_000), { minLength: 1, maxLength: 6 }).map((steps) => {
      let size = 0;
      return steps.map((step) => (size += step));
    });
    fc.assert(
      fc.property(sizes, (grown) => {
        const written = new Set<string>();
        let before = 0;
        for (const size of grown) {
          for (const name of names(tilesForGrowth(before, size))) {
            expect(written.has(name)).toBe(false); // a file is written once
            written.add(name);
          }
          for (const tile of tilesOfSize(size)) {
            expect(tile.width).toBe(tileWidth(tile.level, tile.index, size));
            expect(written.has(tilePath(tile.level, tile.index, tile.width))).toBe(true);
          }
          before = size;
        }
      }),
      { numRuns: 50 },
    );
  });

  test("no tile beyond the tree", () => {
    expect(tileWidth(0, 0, 0)).toBe(0);
    expect(tileWidth(0, 1, 256)).toBe(0);
    expect(tileWidth(0, 5, 256)).toBe(0);
    expect(tileWidth(63, 0, Number.MAX_SAFE_INTEGER)).toBe(0);
    for (const [level, index, size] of [
      [-1, 0, 1],
      [64, 0, 1],
      [0, -1, 1],
      [0, 0, 2 ** 53],
    ] as const) {
      expect(codeOf(() => tileWidth(level, index, size))).toBe("tile-coordinates");
    }
    for (const [from, to] of [
      [2, 1],
      [-1, 1],
      [0, 2 ** 53],
      [0.5, 1],
    ] as const) {
      expect(codeOf(() => tilesForGrowth(from, to))).toBe("tile-coordinates");
    }
  });
});

describe("hashes in tiles", () => {
  const getTile = (level: number, index: number, width: number): Uint8Array =>
    encodeTile({ level, index, width }, read);

  test("a tree is read back from its tiles: each full subtree, the root, paths", () => {
    for (const size of [1, 2, 255, 256, 257, 511, 512, 700]) {
      const reader = tileHashReader(getTile, size, nodeSha256);
      for (let level = 0; 2 ** level <= size; level++) {
        for (let index = 0; (index + 1) * 2 ** level <= size; index++) {
          expect(toHex(reader(level, index)), `${level}/${index} of ${size}`).toBe(toHex(read(level, index)));
        }
      }
      expect(toHex(treeRoot(size, reader, nodeSha256))).toBe(toHex(tree.root(0, size)));
      for (const index of [0, size >> 1, size - 1]) {
        const path = inclusionPath(index, size, reader, nodeSha256);
        expect(path.map(toHex)).toEqual(tree.path(index, 0, size).map(toHex));
      }
    }
  });

  test("asks for tiles in the width that the size gives them", () => {
    const asked: string[] = [];
    const reader = tileHashReader((level, index, width) => {
      asked.push(tilePath(level, index, width));
      return new Uint8Array(width * 32);
    }, 70_000);
    treeRoot(70_000, reader);
    expect(new Set(asked)).toEqual(new Set(["tile/2/000.p/1", "tile/1/001.p/17", "tile/0/273.p/112"]));
  });

  test("what the tree has not in full, and tiles of another length, are refused", () => {
    const reader = tileHashReader(getTile, 300);
    for (const [level, index] of [
      [0, 300],
      [8, 1],
      [9, 0],
      [-1, 0],
      [0.5, 0],
      [0, -1],
      [2000, 0],
      [0, 2 ** 53],
    ] as const) {
      expect(codeOf(() => reader(level, index))).toBe("tile-coordinates");
    }
    for (const bytes of [0, 31, 255 * 32, 257 * 32]) {
      expect(codeOf(() => tileHashReader(() => new Uint8Array(bytes), 300)(0, 0))).toBe("tile-malformed");
    }
  });
});

describe("entry bundles", () => {
  test("the layout", () => {
    expect(toHex(encodeEntries([Uint8Array.of(7), new Uint8Array(), Uint8Array.of(8, 9)]))).toBe(
      "000107000000020809",
    );
    expect(encodeEntries(Array.from({ length: 256 }, () => new Uint8Array(32)))).toHaveLength(8704);
    expect(encodeEntries([new Uint8Array(65_535)])).toHaveLength(65_537);
  });

  test("refused: too few, too many, too long, cut off, bytes left", () => {
    const code = (run: () => unknown): string => codeOf(run);
    expect(code(() => encodeEntries([]))).toBe("tile-malformed");
    expect(code(() => encodeEntries(Array.from({ length: 257 }, () => new Uint8Array())))).toBe(
      "tile-malformed",
    );
    expect(code(() => encodeEntries([new Uint8Array(65_536)]))).toBe("tile-malformed");
    const bundle = encodeEntries([Uint8Array.of(1, 2), Uint8Array.of(3)]);
    for (let cut = 0; cut < bundle.length; cut++) {
      expect(code(() => decodeEntries(bundle.subarray(0, cut), 2))).toBe("tile-malformed");
    }
    for (const width of [0, 1, 3, 257, -1, 1.5, Number.NaN]) {
      expect(code(() => decodeEntries(bundle, width))).toBe("tile-malformed");
    }
    expect(code(() => decodeEntries(concatBytes(bundle, Uint8Array.of(0)), 2))).toBe("tile-malformed");
  });

  test("any bytes are refused, or written again as they were", () => {
    const whole = fc
      .array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 256 })
      .map((entries) => ({ bytes: encodeEntries(entries), width: entries.length }));
    const bent = fc.tuple(whole, fc.nat(), fc.nat(255)).map(([{ bytes, width }, at, value]) => ({
      bytes: bytes.with(at % bytes.length, value),
      width,
    }));
    const any = fc.record({ bytes: fc.uint8Array({ maxLength: 20 }), width: fc.integer({ min: 1, max: 4 }) });
    fc.assert(
      fc.property(fc.oneof(whole, bent, any), ({ bytes, width }) => {
        try {
          return toHex(encodeEntries(decodeEntries(bytes, width))) === toHex(bytes);
        } catch (error) {
          return isEvidenceError(error) && error.code === "tile-malformed";
        }
      }),
      { numRuns: 1000 },
    );
    fc.assert(fc.property(whole, ({ bytes, width }) => decodeEntries(bytes, width).length === width));
  });
});
