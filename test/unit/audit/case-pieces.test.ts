/**
 * Files of a case in pieces: the same items wherever a piece ends, and no file counts that has other bytes than its sum says.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concatBytes, encodeCbor, isEvidenceError } from "@tallystick/evidence";
import { afterAll, describe, expect, test } from "vitest";
import type { CaseFiles } from "../../../audit/src/case/folder.ts";
import { statementPieces } from "../../../audit/src/case/pieces.ts";
import { sequenceItems } from "../../../audit/src/case/sequence.ts";

const folder = mkdtempSync(join(tmpdir(), "tally-pieces-"));
mkdirSync(join(folder, "statements"));
afterAll(() => rmSync(folder, { recursive: true }));

const item = (bytes: number): Uint8Array =>
  encodeCbor([new Uint8Array(bytes).fill(bytes % 251), "a", new Map([[1, 2]])]);
const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Files 0, 1, … with their sums. */
function filesOf(...contents: readonly Uint8Array[]): CaseFiles {
  const sums = contents.map((bytes, i) => {
    const path = `statements/${String(i).padStart(6, "0")}.cborseq`;
    rmSync(join(folder, path), { force: true });
    writeFileSync(join(folder, path), bytes);
    return { path, sha256: sha256Of(bytes) };
  });
  return { folder, sums } as unknown as CaseFiles;
}

type Read = { readonly file: number; readonly offset: number; readonly sum: string };

/** All items, or the code with which the reading ends. */
async function read(files: CaseFiles): Promise<readonly Read[] | string> {
  const items: Read[] = [];
  try {
    for await (const { file, offset, bytes, lengths } of statementPieces(files)) {
      let at = 0;
      for (const length of lengths) {
        items.push({ file, offset: offset + at, sum: sha256Of(bytes.subarray(at, at + length)) });
        at += length;
      }
    }
    return items;
  } catch (error) {
    if (isEvidenceError(error)) return error.code;
    throw error;
  }
}

const expected = (...contents: readonly Uint8Array[]): Read[] =>
  contents.flatMap((bytes, file) =>
    Array.from(sequenceItems(bytes, ""), (one) => ({ file, offset: one.offset, sum: sha256Of(one.bytes) })),
  );

describe("the items of files", () => {
  const many = concatBytes(...Array.from({ length: 1500 }, (_, i) => item(100 + 3 * i)));
  const large = concatBytes(item(5), item(1_300_000), item(7), item(600_000), item(0));
  test.each<[string, readonly Uint8Array[]]>([
    ["one after the other", [many, large, item(9)]],
    ["none in an empty file", [new Uint8Array(), item(3)]],
  ])("%s", async (_, contents) => {
    expect(await read(filesOf(...contents))).toEqual(expected(...contents));
  });

  test.each([1, 200_000, many.length - 1])("cut at %i, the file is malformed", async (length) => {
    const kept = many.subarray(0, length);
    expect(await read(filesOf(kept))).toBe("case-malformed");
  });

  test("what is no item is malformed", async () => {
    expect(await read(filesOf(concatBytes(item(5), Uint8Array.of(0xff))))).toBe("case-malformed");
  });

  test("a length that lies is malformed", async () => {
    const lie = Uint8Array.of(0x5b, 0, 0, 0, 1, 0, 0, 0, 0);
    expect(await read(filesOf(concatBytes(item(5), lie, many)))).toBe("case-malformed");
  });

  test("nesting without an end is malformed", async () => {
    expect(await read(filesOf(new Uint8Array(1 << 20).fill(0x81)))).toBe("case-malformed");
  });
});

test.each([0, 700_000])("a byte changed at %i: not the file of the sums", async (at) => {
  const bytes = concatBytes(...Array.from({ length: 1000 }, () => item(1000)));
  const files = filesOf(bytes);
  const changed = bytes.slice();
  changed[at + 100] = (changed[at + 100] ?? 0) ^ 1;
  writeFileSync(join(folder, "statements/000000.cborseq"), changed);
  expect(await read(files)).toBe("case-mismatch");
});

test("a link is no file of a case", async () => {
  const files = filesOf(item(5));
  rmSync(join(folder, "statements/000000.cborseq"));
  writeFileSync(join(folder, "elsewhere"), item(5));
  symlinkSync(join(folder, "elsewhere"), join(folder, "statements/000000.cborseq"));
  expect(await read(files)).toBe("case-mismatch");
});

test("a file beyond 64 MiB is refused", async () => {
  expect(await read(filesOf(concatBytes(Uint8Array.of(0x5a, 4, 0, 0, 0), new Uint8Array(64 << 20))))).toBe(
    "too-large",
  );
});
