/**
 * The log's public files: registry items one by one, bundles of entries and items, tiles; and the whole directory under audit with one file changed.
 *
 * @module
 */
import {
  decodeEntries,
  encodeEntries,
  equalBytes,
  inclusionPath,
  KeyState,
  parsePolicy,
  parseStatement,
  tileHashReader,
  toHex,
  treeRoot,
  verifyInclusion,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256, noProgress } from "@tallystick/evidence/node";
import { auditLog } from "../../../audit/src/log/audit.ts";
import { policyOf } from "../../support/attacks/town.ts";
import { memoryPlace } from "../../support/memory-place.ts";
import type { Corpus } from "../corpus.ts";
import { editCbor } from "../mutate/cbor-edits.ts";
import { signAnew } from "../signing.ts";
import { must, refusal, type Seed, type Target } from "../target.ts";

export function fileTargets(corpus: Corpus): readonly Target[] {
  return [itemTarget(corpus), entriesTarget(corpus), tileTarget(corpus), directoryTarget(corpus)];
}

/** Each registry item as the next one of the registry before it. */
function itemTarget({ world, keys, provider }: Corpus): Target {
  const stateBefore = (n: number): KeyState => {
    const state = new KeyState({ provider, hash: nodeSha256 });
    for (const item of world.items.slice(0, n)) state.apply(item, world.indexOf(item));
    return state;
  };
  return {
    name: "registry item",
    nature: "cbor",
    weight: 8,
    seeds: world.items.map((item, n) => ({ name: `item ${n}`, bytes: item.bytes, about: n })),
    resign: (bytes, other, random) => editCbor(bytes, other, random, (nodes) => signAnew(nodes, keys)),
    run: (bytes, { about }, anew) =>
      refusal(() => {
        const n = about as number;
        const original = world.items[n] as Statement;
        const state = stateBefore(n);
        const before = toHex(state.root());
        const statement = parseStatement(bytes, nodeSha256);
        try {
          state.apply(statement, world.indexOf(original));
        } catch (error) {
          must(state.count === n && toHex(state.root()) === before, "a refused item changed the key state");
          throw error;
        }
        must(anew || equalBytes(bytes, original.bytes), "a changed registry item counts");
        return anew ? "signed anew" : "the original";
      }),
    expected: [
      ..."cbor-malformed cbor-order unknown-member member-missing member-type member-range cose-malformed".split(
        " ",
      ),
      ..."registry-malformed registry-order entry-zero key-unknown signature-invalid statement-claims".split(
        " ",
      ),
      ..."name-malformed key-malformed".split(" "),
      "the original",
      "signed anew",
    ],
  };
}

/** Entry bundles and registry bundles: the bytes are cut into entries in one way only. */
function entriesTarget({ world }: Corpus): Target {
  const width = Math.min(world.entries.length, 256);
  const seeds = [
    { name: "entries", bytes: encodeEntries(world.entries.slice(0, width)), about: width },
    { name: "items", bytes: encodeEntries(world.items.map(({ bytes }) => bytes)), about: world.items.length },
    {
      name: "empty ones",
      bytes: encodeEntries(Array.from({ length: 256 }, () => new Uint8Array())),
      about: 256,
    },
  ];
  return {
    name: "entries",
    nature: "bytes",
    weight: 3,
    seeds,
    run: (bytes, { about }, _, random) =>
      refusal(() => {
        const claimed = random.chance(0.9)
          ? (about as number)
          : random.pick([0, 1, 255, 257, -1, 2 ** 53, Number.NaN]);
        const entries = decodeEntries(bytes, claimed);
        must(equalBytes(encodeEntries(entries), bytes), "a bundle that is written otherwise");
        return "accepted";
      }),
    expected: ["tile-malformed", "accepted"],
  };
}

/** Tiles are believed by nobody: a proof that is made of a changed one leads elsewhere. */
function tileTarget({ world }: Corpus): Target {
  const size = world.entries.length;
  const good = world.files().get(`tile/0/000.p/${size}`) ?? new Uint8Array();
  const root = treeRoot(
    size,
    tileHashReader(() => good, size, nodeSha256),
    nodeSha256,
  );
  return {
    name: "tile",
    nature: "bytes",
    weight: 3,
    seeds: [{ name: "tile 0", bytes: good, about: undefined }],
    run: (bytes, _, __, random) =>
      refusal(() => {
        const read = tileHashReader(() => bytes, size, nodeSha256);
        const index = random.below(size);
        const path = inclusionPath(index, size, read, nodeSha256);
        verifyInclusion(read(0, index), index, size, path, root, nodeSha256);
        must(equalBytes(bytes, good), "a changed tile leads to the signed root");
        return "the original";
      }),
    expected: ["tile-malformed", "proof-root", "the original"],
  };
}

/** The audit of the whole directory, one file of it changed. Nothing in it is unsigned: whatever passes is the file as it was. */
function directoryTarget({ world, town, provider }: Corpus): Target {
  const files = world.files();
  const policy = parsePolicy(policyOf(town, { quorum: "none" }));
  const seeds = Array.from(files, ([path, bytes]): Seed => ({ name: path, bytes, about: path }));
  return {
    name: "directory",
    nature: "bytes",
    weight: 6,
    seeds,
    run: async (bytes, { about }) => {
      const path = about as string;
      const place = memoryPlace(new Map([...files, [path, bytes]]));
      const { judgement } = await auditLog({
        place,
        policy,
        provider,
        hash: nodeSha256,
        evidence: [],
        progress: noProgress,
        graceMs: 0,
      });
      if (judgement.verdict === "invalid" || judgement.verdict === "not-verifiable") {
        must(judgement.code !== undefined, "a refusal without a code");
        return judgement.code ?? "";
      }
      must(
        path === "checkpoint"
          ? sameTree(bytes, files.get(path))
          : equalBytes(bytes, files.get(path) ?? new Uint8Array()),
        `a changed ${path} passes the audit`,
      );
      return "the original";
    },
    expected: [
      ..."note-malformed note-signature checkpoint-malformed tile-malformed tile-mismatch".split(" "),
      "the original",
    ],
  };
}

/** Under a checkpoint there may stand lines of strangers, and the log's own twice. */
const sameTree = (bytes: Uint8Array, original: Uint8Array | undefined): boolean => {
  const text = (all: Uint8Array | undefined): string =>
    Buffer.from(all ?? [])
      .toString()
      .split("\n\n")[0] ?? "";
  return text(bytes) === text(original);
};
