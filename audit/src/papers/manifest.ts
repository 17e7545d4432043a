/**
 * The manifest of working papers: what a folder holds, byte by byte, and what the result in it was made of. It is what an auditor signs
 * (docs/formats.md, "Working papers"). One byte string for one folder.
 *
 * @module
 */
import {
  asBytes,
  asText,
  asUint,
  decodeCbor,
  encodeCbor,
  equalBytes,
  EvidenceError,
  Fields,
  HASH_BYTES,
  mapOf,
  tuple,
  type CborValue,
} from "@tallystick/evidence";

export type PaperFile = { readonly name: string; readonly bytes: number; readonly hash: Uint8Array };

export type Manifest = {
  /** Kind and verdict of the result, as it says. */
  readonly kind: string;
  readonly verdict: string;
  /** The tool that made the result and signed it; `hash` of its source files. */
  readonly tool: { readonly name: string; readonly version: string; readonly hash: Uint8Array };
  readonly log: { readonly origin: string; readonly size: number; readonly root: Uint8Array | null };
  readonly inputs: readonly {
    readonly role: string;
    readonly name: string;
    readonly bytes: number;
    readonly hash: Uint8Array;
  }[];
  /** By name, in the order of its bytes. */
  readonly files: readonly PaperFile[];
};

/** Longest manifest, and most files. */
export const MAX_MANIFEST_BYTES = 8 << 20;
export const MAX_FILES = 20_000;
const MAX_NAME = 512;
const MAX_INPUTS = 1000;

export const encodeManifest = ({ kind, verdict, tool, log, inputs, files }: Manifest): Uint8Array =>
  encodeCbor(
    mapOf({
      v: 1,
      kind,
      verdict,
      tool: mapOf({ name: tool.name, version: tool.version, hash: tool.hash }),
      log: [log.origin, log.size, log.root],
      inputs: inputs.map(({ role, name, bytes, hash }) => [role, name, bytes, hash]),
      files: files.map(({ name, bytes, hash }) => [name, bytes, hash]),
    }),
  );

/**
 * Reads a manifest, once and strictly.
 *
 * @throws EvidenceError a code of a closed shape or of CBOR; `member-range` for files in another order, or a name twice
 */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const fields = new Fields(decodeCbor(bytes, { maxBytes: MAX_MANIFEST_BYTES }), "manifest");
  fields.literal("v", [1]);
  const tool = new Fields(fields.value("tool"), "tool");
  const [origin, size, root] = tuple(fields.value("log"), 3, "log");
  const manifest: Manifest = {
    kind: fields.text("kind"),
    verdict: fields.text("verdict"),
    tool: { name: tool.text("name"), version: tool.text("version"), hash: tool.bytes("hash", HASH_BYTES) },
    log: {
      origin: asText(origin, "origin", MAX_NAME),
      size: asUint(size, "size"),
      root: root === null ? null : asBytes(root, HASH_BYTES, "root"),
    },
    inputs: fields.list("inputs", 0, MAX_INPUTS).map((value) => {
      const [role, name, length, hash] = tuple(value, 4, "input");
      return { role: asText(role, "role"), ...fileOf(name, length, hash) };
    }),
    files: fields.list("files", 0, MAX_FILES).map((value) => {
      const [name, length, hash] = tuple(value, 3, "file");
      return fileOf(name, length, hash);
    }),
  };
  tool.end();
  fields.end();
  checkOrder(manifest.files);
  if (!equalBytes(encodeManifest(manifest), bytes))
    throw new EvidenceError("cbor-malformed", "a manifest has one form, and this is another");
  return manifest;
}

const fileOf = (
  name: CborValue | undefined,
  bytes: CborValue | undefined,
  hash: CborValue | undefined,
): PaperFile => ({
  name: asText(name, "name", MAX_NAME),
  bytes: asUint(bytes, "bytes"),
  hash: asBytes(hash, HASH_BYTES, "hash"),
});

function checkOrder(files: readonly PaperFile[]): void {
  for (const [i, { name }] of files.entries()) {
    if (!isPaperName(name)) throw new EvidenceError("member-range", "a file's name has a wrong form");
    const before = files[i - 1]?.name;
    if (before !== undefined && before >= name)
      throw new EvidenceError("member-range", "files are in the order of their names, each once");
  }
}

/** Parts of letters, digits, `.`, `_` and `-`, none of which begins with a dot, joined by `/`: the same on every file system. In ASCII the order of texts is that of bytes. */
export const isPaperName = (name: string): boolean =>
  name.length <= MAX_NAME && /^[A-Za-z0-9_-][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/.test(name);
