/**
 * Working papers of `docs/formats.md`, signed and countersigned by fixed keys.
 *
 * @module
 */
import { encodeUtf8, fromHex, nobleSigner, sha256 } from "@tallystick/evidence";
import { encodeManifest, type Manifest, type PaperFile } from "../../audit/src/papers/manifest.ts";
import { countersignPapers, signPapers } from "../../audit/src/papers/signature.ts";

const signerOf = (name: string) => nobleSigner(sha256(encodeUtf8(`example ${name}`)));
const NAMES = ["audit.city.example/anna", "audit.city.example/ben"] as const;

/** The files of the examples, by name. */
const PAPERS: ReadonlyMap<string, string> = new Map([
  ["charged-twice.csv", "line,key\n3,T-7\n"],
  ["result.json", "{}\n"],
]);

const MANIFEST: Manifest = {
  kind: "reconcile",
  verdict: "restricted",
  tool: { name: "tally-audit", version: "0.1.0", hash: sha256(encodeUtf8("the tool's files")) },
  log: {
    origin: "log.city.example/2026",
    size: 6,
    root: fromHex("ec52b0a15b5d0c805c7f3ce4ca51c5257f140fadb960e98b1bb0cdb8890af3a0"),
  },
  inputs: [{ role: "export", name: "tolls.csv", bytes: 15, hash: sha256(encodeUtf8("line,key\n3,T-7\n")) }],
  files: [...PAPERS].map(([name, text]): PaperFile => {
    const content = encodeUtf8(text);
    return { name, bytes: content.length, hash: sha256(content) };
  }),
};

/** The manifest, its signature, and what a countersigner adds behind it. */
export async function papersExamples(): Promise<[string, Uint8Array][]> {
  const [anna, ben] = NAMES;
  const manifest = encodeManifest(MANIFEST);
  const first = await signPapers(
    manifest,
    { name: anna, role: "auditor", atUnixS: 1_790_000_000 },
    signerOf(anna),
  );
  const both = await countersignPapers(
    first,
    { name: ben, role: "reviewer", atUnixS: 1_790_086_400 },
    signerOf(ben),
  );
  return [
    ["papers-manifest", manifest],
    ["papers-signature", first],
    ["papers-countersignature", both.slice(first.length)],
  ];
}
