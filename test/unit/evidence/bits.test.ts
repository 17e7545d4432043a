/**
 * One bit changed in a receipt, a checkpoint, a cosignature, a tile, a registry item or a bundle: it is refused, with a code that docs/codes.md
 * explains. Receipts, notes and items are tried at every bit; bundles at a seeded sample (all of them: test/exhaustive/bundle-bits.ts).
 *
 * @module
 */
import { beforeAll, describe, expect, test } from "vitest";
import {
  decodeEntries,
  encodeEntries,
  encodeTile,
  equalBytes,
  EVIDENCE_CODES,
  EvidenceError,
  hashLeaf,
  inclusionPath,
  isEvidenceError,
  KeyState,
  openCheckpoint,
  parseNote,
  parseReceipt,
  parseStatement,
  parseVkey,
  tileHashReader,
  treeRoot,
  verifyCosignature,
  verifyInclusion,
  verifyReceipt,
  formatVkey,
  type HashReader,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { cosigned, createTown, WITNESS, type Town } from "../../support/attacks/town.ts";
import { flipBit, seededBit } from "../../support/bit-flips.ts";
import { targetOf } from "../../support/bundle-bits.ts";
import { ReferenceTree } from "../../support/reference-tree.ts";

const provider = createNodeProvider();

/** The code with which `run` refuses; undefined where it gives a result that `means` something. */
function refusal(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    expect(EVIDENCE_CODES).toContain(error.code);
    return error.code;
  }
}

/** Tries every bit of `bytes`, and gives how often which code came. */
function attackAll(bytes: Uint8Array, judge: (changed: Uint8Array) => unknown): Map<string, number> {
  const codes = new Map<string, number>();
  const frames = Error.stackTraceLimit;
  Error.stackTraceLimit = 0; // thousands of refusals, whose stacks nobody reads
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const code = refusal(() => judge(flipBit(bytes, bit)));
    if (code === undefined) throw new Error(`bit ${bit} was accepted`);
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  Error.stackTraceLimit = frames;
  return codes;
}

let town: Town;
beforeAll(async () => {
  town = await createTown();
});

describe("a receipt", () => {
  test("of one statement", () => {
    const { world, meter } = town;
    const statement = meter.statements[2] as Statement;
    const judge = (bytes: Uint8Array) =>
      verifyReceipt(parseReceipt(bytes), [statement.hash], world.log.key, provider, nodeSha256);
    const codes = attackAll(world.receipt([statement]), judge);
    // The path, the claims and the signature: most of a receipt.
    expect(codes.get("signature-invalid")).toBeGreaterThan(1000);
  });

  test("of several", () => {
    const { world, meter } = town;
    const hashes = meter.statements.map(({ hash }) => hash);
    const judge = (bytes: Uint8Array) =>
      verifyReceipt(parseReceipt(bytes), hashes, world.log.key, provider, nodeSha256);
    const codes = attackAll(world.receipt(meter.statements), judge);
    expect(codes.get("receipt-entry")).toBeGreaterThan(1000); // the paths no longer meet in one root
  });

  test("for any other hash than the one it is for", () => {
    const { world, meter } = town;
    const statement = meter.statements[2] as Statement;
    const receipt = parseReceipt(world.receipt([statement]));
    const codes = attackAll(statement.hash, (hash) =>
      verifyReceipt(receipt, [hash], world.log.key, provider, nodeSha256),
    );
    expect([...codes.keys()]).toEqual(["signature-invalid"]);
  });
});

describe("a note", () => {
  test("a checkpoint under the log's signature", () => {
    const { world } = town;
    const vkey = parseVkey(world.vkey);
    const note = new TextEncoder().encode(world.newest.note);
    const codes = attackAll(note, (bytes) => openCheckpoint(bytes, vkey, provider));
    expect(codes.get("note-signature")).toBeGreaterThan(100);
  });

  test("a cosignature: refused, or no longer this witness's", async () => {
    const { world, witness } = town;
    const log = parseVkey(world.vkey);
    const vkey = parseVkey(formatVkey(WITNESS, witness.key, 4));
    const note = new TextEncoder().encode(await cosigned(world.newest.note, WITNESS, witness));
    expect(verifyCosignature(parseNote(note), vkey, provider)).toBeDefined();
    attackAll(note, (bytes) => {
      openCheckpoint(bytes, log, provider); // the log's own line is not the witness's to vouch for
      if (verifyCosignature(parseNote(bytes), vkey, provider) !== undefined) return;
      // A changed name or id makes it the line of somebody else, whom nobody asked for.
      throw new EvidenceError("quorum-unmet", "no cosignature of this witness");
    });
  });
});

describe("the log's files", () => {
  const tree = new ReferenceTree();
  const read: HashReader = (level, index) => tree.root(index * 2 ** level, (index + 1) * 2 ** level);
  const size = 300;

  test("a tile: the proof that is made of it leads elsewhere", () => {
    const root = treeRoot(size, read, nodeSha256);
    const good = encodeTile({ level: 0, index: 1, width: 44 }, read);
    const bits = seededBit(7);
    for (let i = 0; i < 1000; i++) {
      const [bit = 0] = bits(good.length * 8);
      const changed = flipBit(good, bit);
      const reader = tileHashReader(
        (level, index, width) =>
          level === 0 && index === 1 ? changed : encodeTile({ level, index, width }, read),
        size,
        nodeSha256,
      );
      const neighbour = (256 + (bit >> 8)) ^ 1;
      const path = inclusionPath(neighbour, size, reader, nodeSha256);
      const judge = (): void => verifyInclusion(read(0, neighbour), neighbour, size, path, root, nodeSha256);
      expect(refusal(judge)).toBe("proof-root");
    }
  });

  test("a tile of another length", () => {
    const reader = tileHashReader(() => new Uint8Array(31), size, nodeSha256);
    expect(refusal(() => reader(0, 0))).toBe("tile-malformed");
  });

  test("an entry bundle: a length breaks it, an entry shows in the tree", () => {
    const entries = Array.from({ length: 5 }, (_, i) => new Uint8Array(32).fill(i));
    const good = encodeEntries(entries);
    for (let bit = 0; bit < good.length * 8; bit++) {
      const changed = flipBit(good, bit);
      const code = refusal(() => decodeEntries(changed, 5));
      if (code !== undefined) {
        expect(code).toBe("tile-malformed");
        continue;
      }
      const leaves = decodeEntries(changed, 5).map((entry) => hashLeaf(entry, nodeSha256));
      expect(
        leaves.every((leaf, i) => equalBytes(leaf, hashLeaf(entries[i] as Uint8Array, nodeSha256))),
      ).toBe(false);
    }
  });
});

describe("a registry item", () => {
  test.for([
    [0, "the policy"],
    [1, "an operator"],
    [2, "an enrolment"],
  ] as const)("item %i, %s", ([n]) => {
    const { world } = town;
    const before = (): KeyState => {
      const state = new KeyState({ provider, hash: nodeSha256 });
      for (const item of world.items.slice(0, n)) state.apply(item, world.indexOf(item));
      return state;
    };
    const item = world.items[n] as Statement;
    const codes = attackAll(item.bytes, (bytes) =>
      before().apply(parseStatement(bytes), world.indexOf(item)),
    );
    expect(codes.get("signature-invalid")).toBeGreaterThan(500);
  });
});

describe("a bundle", () => {
  test("a sample of its bits", async () => {
    const { bits, attack } = await targetOf(town);
    const next = seededBit(2026);
    const verdicts = new Set<string>();
    for (let i = 0; i < 500; i++) for (const bit of next(bits)) verdicts.add(attack(bit).verdict);
    expect(verdicts).toContain("invalid");
    expect(verdicts).not.toContain("verified");
  });
});
