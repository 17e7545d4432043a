/**
 * The insider: signs anew what was changed, with the keys of the worlds that the inputs come from.
 *
 * @module
 */
import { createPrivateKey, sign, type KeyObject } from "node:crypto";
import {
  concatBytes,
  encodeUtf8,
  hashLeaf,
  nobleSigner,
  rootFromInclusion,
  sha256,
  toBeSigned,
  toHex,
} from "@tallystick/evidence";

import { nodeSha256 } from "@tallystick/evidence/node";
import { walk, writeNode, type Node } from "./mutate/cbor-tree.ts";

/** PKCS #8 of an Ed25519 seed up to the seed itself (RFC 8410 section 7). */
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");

const TAG_SIGN1 = 18n;

export class Keys {
  readonly #byKid = new Map<string, KeyObject>();

  /** Takes the key of a world in, by the name that its seed is made of. */
  addNamed(name: string): this {
    return this.addSeed(sha256(encodeUtf8(`world ${name}`)));
  }

  addSeed(seed: Uint8Array): this {
    const key = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: "der", type: "pkcs8" });
    this.#byKid.set(toHex(nobleSigner(seed).key.kid), key);
    return this;
  }

  /** Signs with the key of this id, or with whichever is the first. */
  sign(kid: string, message: Uint8Array): Uint8Array {
    const key = this.#byKid.get(kid) ?? this.#byKid.values().next().value;
    if (key === undefined) throw new Error("no keys");
    return new Uint8Array(sign(null, message, key));
  }
}

type Parts = {
  readonly header: Node;
  readonly unprotected: Node;
  readonly payload: Node;
  readonly signature: Node;
};

function partsOf(node: Node): Parts | undefined {
  if (node.major !== 6 || node.argument !== TAG_SIGN1 || node.verbatim !== undefined) return undefined;
  const [header, unprotected, payload, signature] = node.items?.[0]?.items ?? [];
  if (header === undefined || unprotected === undefined || payload === undefined || signature === undefined)
    return undefined;
  return { header, unprotected, payload, signature };
}

/** The value of an integer key in a map. */
function member(map: Node | undefined, major: 0 | 1, argument: bigint): Node | undefined {
  const { items = [] } = map ?? {};
  const at = items.findIndex((key, i) => i % 2 === 0 && key.major === major && key.argument === argument);
  return at === -1 ? undefined : items[at + 1];
}

const contentOf = ({ content, inner }: Node): Uint8Array =>
  inner === undefined ? (content ?? new Uint8Array()) : writeNode(inner);

/**
 * Signs every COSE_Sign1 in the trees anew, each with the key that it names. Where nothing was changed the signature stays the same.
 *
 * @param entry - the ledger entry that a receipt which stands alone is for
 */
export function signAnew(nodes: readonly Node[], keys: Keys, entry: Uint8Array = new Uint8Array(32)): void {
  for (const node of Array.from(walk(nodes))) {
    const parts = partsOf(node);
    if (parts === undefined) continue;
    const { header, payload, signature, unprotected } = parts;
    const kid = member(header.inner, 0, 4n)?.content ?? new Uint8Array();
    const signed = payload.major === 2 ? contentOf(payload) : rootOf(unprotected, entry);
    const bytes = keys.sign(toHex(kid), toBeSigned(contentOf(header), signed));
    delete signature.inner;
    delete signature.claims;
    Object.assign(signature, { major: 2, content: bytes });
  }
}

/** The root to which the first proof of a receipt leads; zeros where it leads nowhere. */
function rootOf(unprotected: Node, entry: Uint8Array): Uint8Array {
  const proof = member(member(unprotected, 0, 396n), 1, 0n)?.items?.[0]?.inner?.items ?? [];
  const [size, index, path] = proof;
  try {
    const hashes = (path?.items ?? []).map(contentOf);
    const leaf = hashLeaf(entry, nodeSha256);
    return rootFromInclusion(leaf, Number(index?.argument), Number(size?.argument), hashes, nodeSha256);
  } catch {
    return new Uint8Array(32);
  }
}

/** The text of a note, changed, under a good signature of the same line. */
export function signNoteAnew(
  text: string,
  keys: Keys,
  kid: string,
  line: { name: string; keyId: Uint8Array },
): string {
  const blob = keys.sign(kid, encodeUtf8(text));
  return `${text}\n— ${line.name} ${Buffer.from(concatBytes(line.keyId, blob)).toString("base64")}\n`;
}
