/**
 * The facts of a bundle. Its verdict is the one of `verify`; here each statement gets its own standing, by the same functions.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import {
  agreedKey,
  checkLeaves,
  checkLogs,
  Findings,
  parseTransparent,
  placeAll,
  ReceiptCheck,
  replayRegistry,
  toHex,
  type Bundle,
  type CheckedLog,
  type FindingSink,
  type Hash,
  type KeyLeaf,
  type KeyState,
  type SignatureProvider,
  type TrustPolicy,
} from "@tallystick/evidence";
import { compareFacts, FactsBuild } from "./build.ts";
import { factsOf, type StatementFacts } from "./extract.ts";
import { StatementJudge, type Found, type KnownKey } from "./judge.ts";
import { knownKey, remembered } from "./known-keys.ts";

type Means = { readonly policy: TrustPolicy; readonly provider: SignatureProvider; readonly hash: Hash };

/**
 * Writes the statements of a bundle into empty facts.
 *
 * @throws EvidenceError where a statement in it is malformed: then there are none
 */
export function bundleFacts(bundle: Bundle, { policy, provider, hash }: Means, db: DatabaseSync): void {
  const findings = new Findings(); // the verdict has said it all
  const logs = checkLogs(bundle.logs, policy, provider, findings);
  const receipts = new ReceiptCheck(policy, provider, hash, findings);
  const items = placeAll(
    bundle.registry.map((bytes) => parseTransparent(bytes, hash)),
    logs,
    receipts,
    findings,
  );
  const keysOf = new Map<CheckedLog, (kid: Uint8Array) => KnownKey>();
  const states: KeyState[] = [];
  for (const [i, log] of logs.entries()) {
    if (log === undefined) continue;
    const mine = items.filter((item) => item.log === log);
    const newest = mine[0]?.newest.tree;
    const trees = receipts.treesOf(log.origin);
    const state = replayRegistry(mine, trees, log, provider, hash, findings);
    if (state === undefined || newest === undefined) continue;
    states.push(state);
    const given = bundle.keys.filter((key) => key.log === i);
    const leaves = checkLeaves(given, newest.keysRoot, hash, findings);
    keysOf.set(
      log,
      remembered((kid) => knownKey(kid, state, policy, (one) => agreed(one, state, leaves))),
    );
  }
  const keyOf = (kid: Uint8Array, log: CheckedLog): KnownKey =>
    keysOf.get(log)?.(kid) ?? {
      fault: {
        kind: "missing",
        check: "registry",
        code: "registry-missing",
        reason: `the registry of ${log.origin} in the bundle doesn't hold`,
      },
    };
  const judge = new StatementJudge({ policy, logs, provider, hash, keyOf });
  const all = new Map<string, StatementFacts>();
  for (const [offset, bytes] of bundle.statements.entries()) {
    const facts = factsOf(judge.judge(bytes), { offset, length: bytes.length });
    if (!all.has(toHex(facts.hash))) all.set(toHex(facts.hash), facts);
  }
  write([...all.values()].toSorted(compareFacts), states, policy, db);
}

/** The key's record where registry and signed state agree; else what is missing or wrong. */
function agreed(kid: Uint8Array, state: KeyState, leaves: ReadonlyMap<string, KeyLeaf>) {
  let found: Found | undefined;
  const note =
    (kind: Found["kind"]): FindingSink["failed"] =>
    (check, code, reason) => {
      found ??= { kind, check, code, reason };
    };
  const sink: FindingSink = {
    passed: () => undefined,
    failed: note("failed"),
    missing: note("missing"),
    restricted: note("restricted"),
  };
  const record = agreedKey(kid, state, leaves, sink);
  const nothing: Found = { kind: "missing", check: "keys", code: "key-unknown", reason: toHex(kid) };
  return record ?? found ?? nothing;
}

function write(
  ordered: readonly StatementFacts[],
  states: readonly KeyState[],
  policy: TrustPolicy,
  db: DatabaseSync,
): void {
  const recordOf = (kid: Uint8Array) =>
    states.flatMap((state) => {
      const record = state.get(kid);
      return record === undefined ? [] : [{ record, state }];
    })[0];
  const build = new FactsBuild(db, {
    findings: new Findings(),
    reEnrolled: (kid) => recordOf(kid)?.record.reEnrolled === true,
  });
  const kids = new Map<string, Uint8Array>();
  for (const one of ordered) {
    build.add(one, 0);
    kids.set(toHex(one.kid), one.kid);
  }
  for (const kid of kids.values()) {
    const used = recordOf(kid);
    if (used !== undefined) writeKey(build, used.record.kid, used.state, policy);
  }
  build.finish();
}

/** A key that signed, and the operators behind it. */
export function writeKey(build: FactsBuild, kid: Uint8Array, state: KeyState, policy: TrustPolicy): void {
  const records = [state.get(kid), ...state.operatorsOf(kid)];
  for (const record of records) {
    if (record === undefined) continue;
    const { fault } = knownKey(record.kid, state, policy, () => record);
    build.writer.key(record, fault?.code ?? null);
  }
}
