/**
 * Re-derives a whole published log from its files, with nothing but the evidence package: every tile from the entries, the root, the note's signature,
 * the registry and its key state. Anchor tests call it after each step.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  CompactRange,
  decodeEntries,
  decodeUtf8,
  entriesPath,
  equalBytes,
  hashLeaf,
  KeyState,
  openCheckpoint,
  parsePolicy,
  parseStatement,
  registryPath,
  TILE_WIDTH,
  tileHashReader,
  tilePath,
  tilesOfSize,
  toHex,
  treeRoot,
  type SignatureProvider,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";

export type CheckedLog = {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Hashes of statements, by log index. */
  readonly entries: readonly Uint8Array[];
  /** After the last registry item. */
  readonly keys: KeyState;
};

const provider: SignatureProvider = createNodeProvider();

/**
 * @param folder - the public directory
 * @param policy - a trust policy with one log
 * @throws Error or EvidenceError that says which file is wrong
 */
export function checkLog(folder: string, policy: string): CheckedLog {
  return checkLogFiles((path) => {
    const full = join(folder, path);
    return existsSync(full) ? new Uint8Array(readFileSync(full)) : undefined;
  }, policy);
}

/** As {@link checkLog}. @param read - a file of the public directory; undefined where there is none */
export function checkLogFiles(read: (path: string) => Uint8Array | undefined, policy: string): CheckedLog {
  const [log] = parsePolicy(policy).logs;
  if (log === undefined) throw new Error("the policy names no log");
  const file = (path: string): Uint8Array => {
    const bytes = read(path);
    if (bytes === undefined) throw new Error(`${path} is missing`);
    return bytes;
  };
  const { origin, size, root } = openCheckpoint(decodeUtf8(file("checkpoint")), log.vkey, provider);

  const entries: Uint8Array[] = [];
  for (const { level, index, width } of tilesOfSize(size)) {
    if (level > 0) continue;
    const bundle = decodeEntries(file(entriesPath(index, width)), width);
    if (bundle.some((entry) => entry.length !== 32))
      throw new Error(`entries ${index}: an entry is not a hash`);
    entries.push(...bundle);
  }
  if (entries.length !== size) throw new Error(`${entries.length} entries for a size of ${size}`);

  // Each level from the one below, so that no tile vouches for itself.
  const derived = new Map<string, Uint8Array>();
  let hashes = entries.map((entry) => hashLeaf(entry, nodeSha256));
  for (let level = 0; hashes.length > 0; level++) {
    const above: Uint8Array[] = [];
    for (let index = 0; index * TILE_WIDTH < hashes.length; index++) {
      const part = hashes.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH);
      const tile = new Uint8Array(Buffer.concat(part));
      const path = tilePath(level, index, part.length);
      if (!equalBytes(file(path), tile)) throw new Error(`${path} does not follow from the entries`);
      derived.set(`${level} ${index}`, tile);
      if (part.length === TILE_WIDTH) above.push(rootOf(part));
    }
    hashes = above;
  }
  const readTile = tileHashReader(
    (level, index) => derived.get(`${level} ${index}`) ?? new Uint8Array(),
    size,
    nodeSha256,
  );
  if (!equalBytes(treeRoot(size, readTile, nodeSha256), root))
    throw new Error("the entries do not lead to the signed root");
  return { origin, size, root, entries, keys: checkRegistry(read, entries) };
}

function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  const range = new CompactRange({ hash: nodeSha256 });
  for (const hash of hashes) range.append(hash);
  return range.root();
}

/** The registry, item by item: each is an entry, and counts. */
function checkRegistry(
  read: (path: string) => Uint8Array | undefined,
  entries: readonly Uint8Array[],
): KeyState {
  const places = new Map(entries.map((entry, index) => [toHex(entry), index]));
  const keys = new KeyState({ provider, hash: nodeSha256 });
  for (let number = 0; ; number++) {
    const { width, bytes: bundle } = widest(read, number);
    if (bundle === undefined) break;
    for (const bytes of decodeEntries(bundle, width)) {
      const item = parseStatement(bytes, nodeSha256);
      const index = places.get(toHex(item.hash));
      if (index === undefined) throw new Error(`registry item ${item.claims.seq} is not an entry`);
      keys.apply(item, index);
    }
  }
  if (keys.count === 0) throw new Error("no registry");
  return keys;
}

function widest(
  read: (path: string) => Uint8Array | undefined,
  number: number,
): { readonly width: number; readonly bytes: Uint8Array | undefined } {
  for (let width = TILE_WIDTH; width > 0; width--) {
    const bytes = read(registryPath(number, width));
    if (bytes !== undefined) return { width, bytes };
  }
  return { width: 0, bytes: undefined };
}
