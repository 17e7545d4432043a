/**
 * Bundles: the whole argument at once. They begin from an honest one, from every row of the attack table, and from our vectors; a changed one may
 * be verified only where all that it claims is still true.
 *
 * What no signature covers, by design, is the bundler's own word, and is judged by what it says: `scope` is a claim, which a smaller one that is
 * true keeps and a larger one loses; without a consistency proof a `seen` is reported as not checked; the `size` of a key tree may be any that leaves
 * the shape of a path as it is; statements, keys, logs and proofs may be left out, doubled or stand in another order; `timestamps`,
 * `disclosures` and lines of strangers under a checkpoint are carried along.
 *
 * @module
 */
import {
  decodeBundle,
  decodeChange,
  decodeItem,
  ed25519Key,
  encodeBundle,
  encodeTransparent,
  encodeUtf8,
  equalBytes,
  EVIDENCE_CODES,
  isEvidenceError,
  parseNote,
  parsePolicy,
  parseStatement,
  parseTransparent,
  parseVkey,
  toHex,
  verify,
  verifyStatement,
  type Bundle,
  type PublicKey,
  type Scope,
  type SignatureProvider,
  type Statement,
  type TrustPolicy,
  type Verdict,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Corpus, Handed } from "../corpus.ts";
import { editCbor } from "../mutate/cbor-edits.ts";
import type { Random } from "../random.ts";
import { editText } from "../mutate/text.ts";
import { signAnew, signNoteAnew, type Keys } from "../signing.ts";
import { must, refusal, type Outcome, type Seed, type Target } from "../target.ts";

type Trust = { readonly policy: TrustPolicy };

export function bundleTargets(corpus: Corpus): readonly Target[] {
  const { honest, attacked, forged, vectors, provider, keys } = corpus;
  const seedOf = ({ name, bytes, policy }: Handed): Seed<Trust> => ({
    name,
    bytes,
    about: { policy: parsePolicy(policy) },
  });
  const several = Array.from({ length: 24 }, () => honest);
  const seeds = [...several, ...forged.bundles, ...forged.bundles, ...attacked, ...vectors.bundles].map(
    seedOf,
  );
  const known = signedIn(seeds, provider);
  const judge = (bytes: Uint8Array, { policy }: Trust): Verdict =>
    verify(bytes, { policy, provider, hash: nodeSha256 });
  return [
    {
      name: "bundle",
      nature: "cbor",
      weight: 20,
      seeds,
      resign: (bytes, other, random) => {
        if (random.chance(0.05)) return checkpointAnew(bytes, other, random, keys);
        if (random.chance(0.5)) return rebuilt(bytes, other, random);
        return editCbor(bytes, other, random, (nodes) => signAnew(nodes, keys));
      },
      run: (bytes, seed) => {
        const verdict = judge(bytes, seed.about as Trust);
        checkVerdict(verdict);
        if (verdict.verdict === "invalid" || verdict.verdict === "not-verifiable") return verdict.code ?? "";
        checkClaims(bytes, verdict, known);
        return outcomeOf(verdict);
      },
      expected: [
        ..."cbor-malformed cbor-duplicate-key cbor-order cbor-depth cbor-tag cbor-trailing unknown-member".split(
          " ",
        ),
        ..."member-missing member-type member-range cose-malformed cose-unprotected".split(" "),
        ..."bundle-scope signature-invalid statement-claims receipt-malformed receipt-size receipt-missing".split(
          " ",
        ),
        ..."receipt-index receipt-entry vds-unsupported log-unknown log-key log-fork log-equivocation".split(
          " ",
        ),
        ..."note-malformed note-signature checkpoint-malformed checkpoint-origin vkey-malformed quorum-unmet".split(
          " ",
        ),
        ..."registry-missing registry-mismatch registry-malformed registry-order entry-zero key-unknown".split(
          " ",
        ),
        ..."key-state key-stream key-issuer key-revoked key-superseded key-exists key-not-enrolled".split(
          " ",
        ),
        ..."operator-foreign operator-unpinned operator-org proof-root proof-index proof-length fork".split(
          " ",
        ),
        ..."content-mismatch too-large".split(" "),
        "verified",
        "restricted: hole",
        "restricted: tail-not-attested",
      ],
    },
  ];
}

const outcomeOf = ({ verdict, restrictions }: Verdict): Outcome =>
  restrictions.length === 0 ? verdict : `${verdict}: ${restrictions.join(" ")}`;

/** A verdict follows from its checks, whatever they were made of. */
function checkVerdict({ verdict, code, restrictions, checks }: Verdict): void {
  const failed = checks.filter(({ result }) => result === "failed");
  must((verdict === "invalid") === failed.length > 0, "a verdict that its checks don't bear out");
  must(verdict !== "verified" || restrictions.length === 0, "verified, and restricted");
  must(
    (code === undefined) === (verdict === "verified" || verdict === "restricted"),
    "a refusal without a code",
  );
  for (const one of [code, ...restrictions])
    must(one === undefined || EVIDENCE_CODES.includes(one), `no such code ${String(one)}`);
}

/** Every statement and item of the inputs that is signed by the key it names: who else's word there is, is nobody's. */
function signedIn(seeds: readonly Seed<Trust>[], provider: SignatureProvider): ReadonlySet<string> {
  const found = new Map(
    seeds.flatMap(({ bytes }) => readAll(bytes)).map((statement) => [toHex(statement.hash), statement]),
  );
  const keys = new Map<string, PublicKey>();
  for (const statement of found.values()) for (const key of keysIn(statement)) keys.set(toHex(key.kid), key);
  const signed = new Set<string>();
  for (const [name, statement] of found) {
    const key = keys.get(toHex(statement.kid));
    const code =
      key === undefined ? "key-unknown" : refusal(() => (verifyStatement(statement, key, provider), "good"));
    if (code === "good") signed.add(name);
  }
  return signed;
}

/** The keys that a registry item brings. */
function keysIn({ content }: Statement): readonly PublicKey[] {
  if (content.type !== "registry") return [];
  const item = decodeItem(content.payload);
  switch (item.kind) {
    case "policy":
      return item.operators.map(({ key }) => key);
    case "operator-added":
      return [item.operator.key];
    case "operators":
      return decodeChange(item.change).add.map(({ key }) => key);
    case "enrol":
    case "re-enrol":
      return [item.key];
    case "rotate": {
      const { event } = parseStatement(item.statement);
      return event?.kind === "key-rotated" ? [event.key] : [];
    }
    case "revoke":
    case "successor":
      return [];
  }
}

function readAll(bytes: Uint8Array): readonly Statement[] {
  try {
    const { statements, registry } = decodeBundle(bytes);
    return [...statements, ...registry].flatMap((one) => {
      try {
        return [parseTransparent(one, nodeSha256).statement];
      } catch (error) {
        if (isEvidenceError(error)) return [];
        throw error;
      }
    });
  } catch (error) {
    if (isEvidenceError(error)) return [];
    throw error;
  }
}

/** What a verifier would tell somebody: nothing of it may be the mutation's own. */
function checkClaims(bytes: Uint8Array, verdict: Verdict, known: ReadonlySet<string>): void {
  const bundle = decodeBundle(bytes);
  const statements = bundle.statements.map((one) => parseTransparent(one, nodeSha256).statement);
  const items = bundle.registry.map((one) => parseTransparent(one, nodeSha256).statement);
  for (const { hash } of [...statements, ...items])
    must(known.has(toHex(hash)), "a changed or forged statement was accepted");
  if (verdict.restrictions.includes("hole") || verdict.restrictions.includes("tail-not-attested")) return;
  for (const scope of bundle.scope) checkComplete(scope, statements);
  const proven = new Set(bundle.consistency.map(({ from }) => from));
  const unproven = statements.some(
    ({ claims: { seen } }) =>
      seen !== undefined && !proven.has(seen.size) && !atCheckpoint(bundle, seen.size),
  );
  const told = verdict.checks.some(({ name, result }) => name === "seen" && result === "not-done");
  must(!unproven || told, "a tree that was seen passes without a proof");
}

const atCheckpoint = ({ logs }: Bundle, size: number): boolean =>
  logs.some(({ checkpoint }) => checkpoint.split("\n")[1] === String(size));

/** Complete from..to, found the slow way: each number is there, and a `heads` of the device names the last. */
function checkComplete({ iss, sub, ch, from, to }: Scope, statements: readonly Statement[]): void {
  const ofChain = statements.filter(
    ({ claims }) =>
      claims.iss === iss && claims.sub === sub && claims.ch !== undefined && equalBytes(claims.ch, ch),
  );
  const bySeq = new Map(ofChain.map((one) => [one.claims.seq, one]));
  must(to - from < 10_000, "complete over more than there is");
  for (let seq = from; seq <= to; seq++) must(bySeq.has(seq), `complete, and ${seq} is not there`);
  const last = bySeq.get(to);
  const attested = statements.some(
    ({ claims, event }) =>
      claims.iss === iss &&
      claims.sub === "sys" &&
      event?.kind === "heads" &&
      event.heads.some(
        (head) =>
          head.sub === sub &&
          head.seq === to &&
          equalBytes(head.ch, ch) &&
          last !== undefined &&
          equalBytes(head.hash, last.hash),
      ),
  );
  must(attested, "complete, and no heads statement names the last");
}

/** The bundler's own changes, made with its tools: whole parts left out, doubled, exchanged, receipts swapped, the form always good. */
function rebuilt(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array | undefined {
  try {
    let bundle = decodeBundle(bytes);
    const stranger = decodeBundle(other);
    for (let edits = 1 + random.below(2); edits > 0; edits--) bundle = rearranged(bundle, stranger, random);
    return encodeBundle(bundle);
  } catch (error) {
    if (isEvidenceError(error)) return undefined; // the seed was no bundle, or nothing was left of it
    throw error;
  }
}

/** One log's checkpoint says something else, and is signed by that log. */
function checkpointAnew(
  bytes: Uint8Array,
  other: Uint8Array,
  random: Random,
  keys: Keys,
): Uint8Array | undefined {
  try {
    const bundle = decodeBundle(bytes);
    const at = random.below(bundle.logs.length);
    const logs = bundle.logs.map((log, i) => {
      if (i !== at) return log;
      const vkey = parseVkey(log.vkey);
      const { text } = parseNote(encodeUtf8(log.checkpoint));
      const changed = Buffer.from(editText(encodeUtf8(text), other, random)).toString();
      const { kid } = ed25519Key(vkey.publicKey);
      return { ...log, checkpoint: signNoteAnew(changed, keys, toHex(kid), vkey) };
    });
    return encodeBundle({ ...bundle, logs });
  } catch (error) {
    if (isEvidenceError(error)) return undefined;
    throw error;
  }
}

function rearranged(bundle: Bundle, stranger: Bundle, random: Random): Bundle {
  const name = random.pick([
    "statements",
    "registry",
    "keys",
    "logs",
    "consistency",
    "scope",
    "receipts",
    "scope",
  ] as const);
  if (name === "receipts") return otherReceipts(bundle, stranger, random);
  if (name === "scope" && random.chance(0.02)) return { ...bundle, scope: tooMany(bundle.scope) };
  if (name === "scope") return { ...bundle, scope: bundle.scope.map((one) => otherScope(one, random)) };
  // an item among the statements, or the other way round, is a strange one too
  const strange = name === "registry" && random.chance(0.3) ? stranger.statements : stranger[name];
  return { ...bundle, [name]: otherList<unknown>(bundle[name], strange, random) };
}

function otherList<T>(list: readonly T[], strange: readonly T[], random: Random): readonly T[] {
  const at = random.below(list.length);
  const made = [...list];
  random.oneOf<void>([
    [3, () => void made.splice(at, 1)],
    [2, () => void made.splice(random.below(made.length + 1), 0, ...list.slice(at, at + 1))],
    [2, () => void made.splice(random.below(made.length + 1), 0, ...made.splice(at, 1))],
    [
      3,
      () =>
        void made.splice(
          random.below(made.length + 1),
          random.below(2),
          ...(strange.length > 0 ? [random.pick(strange)] : []),
        ),
    ],
    [1, () => void made.splice(0, made.length, ...list.toReversed())],
  ]);
  return made;
}

/** More than a bundle may have. */
const tooMany = (scope: readonly Scope[]): readonly Scope[] =>
  Array.from({ length: 4097 }, (_, i) => scope[i % scope.length] as Scope);

const otherScope = (scope: Scope, random: Random): Scope => ({
  ...scope,
  from: Math.max(0, scope.from + random.pick([-1, 0, 0, 1, 2])),
  to: Math.max(0, scope.to + random.pick([-1, 0, 0, 1, 2, 1000])),
});

/** One statement with the receipts of another, or its own in another order or number. */
function otherReceipts(bundle: Bundle, stranger: Bundle, random: Random): Bundle {
  const list = random.pick(["statements", "registry"] as const);
  const at = random.below(bundle[list].length);
  const { statement, receipts } = parseTransparent(bundle[list][at] ?? new Uint8Array(), nodeSha256);
  const donors = random.chance(0.7) ? bundle : stranger;
  const donor = parseTransparent(
    random.pick(donors[random.pick(["statements", "registry"] as const)]),
    nodeSha256,
  );
  const other = otherList(receipts, donor.receipts, random);
  return { ...bundle, [list]: bundle[list].with(at, encodeTransparent(statement.bytes, other)) };
}
