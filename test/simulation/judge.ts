/**
 * The last judgement: everything has been healed and has come to rest. What the agents hold, what the ledger holds and what was published are laid beside each other, and
 * beside all that the witness saw on the way.
 *
 * @module
 */
import {
  CompactRange,
  Decimal,
  decodePack,
  examineStreams,
  formatVkey,
  hashLeaf,
  isEvidenceError,
  parseReceipt,
  parseStatement,
  SYSTEM_STREAM,
  toHex,
  verifyReceipt,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { checkLogFiles } from "../support/testlog.ts";
import type { Device } from "./device.ts";
import { OPERATOR, OPERATOR_KEY, PAST_DEVICE } from "./founding.ts";
import { PUBLIC, type LedgerNode } from "./ledger-node.ts";
import { LOG_KEY, ORIGIN, type World } from "./world.ts";

const POLICY = `log ${formatVkey(ORIGIN, LOG_KEY.key)}\noperator * ${formatVkey(OPERATOR, OPERATOR_KEY.key)}\nquorum none\n`;

export function judge(world: World, node: LedgerNode, devices: readonly Device[]): void {
  judgeLog(world, node);
  const statements = heldStatements(node);
  judgeChains(world, statements, devices);
  judgeSealed(world, statements);
  judgeReadings(world, statements);
  for (const device of devices) judgeReceipts(world, device);
}

/** F3, F5: the files re-derive, and every root that was ever signed is of a beginning of this log. */
export function judgeLog({ witness }: World, node: LedgerNode): void {
  try {
    const { entries, size } = checkLogFiles((path) => node.files.read(`${PUBLIC}/${path}`), POLICY);
    const there = entries.map(toHex);
    if (size > witness.entries.length || there.some((hash, i) => hash !== witness.entries[i]))
      witness.fail("F3", "the published entries are not the committed ones");
  } catch (error) {
    witness.fail("F3", `the published log: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  const range = new CompactRange({ hash: nodeSha256 });
  for (const [index, hash] of witness.entries.entries()) {
    range.append(hashLeaf(new Uint8Array(Buffer.from(hash, "hex")), nodeSha256));
    const signed = witness.roots.get(index + 1);
    if (signed !== undefined && signed !== toHex(range.root()))
      witness.fail("F5", `the root signed for size ${index + 1} is not the log's`);
  }
}

function heldStatements(node: LedgerNode): readonly Statement[] {
  const rows = node.store.db
    .prepare(
      "SELECT s.bytes FROM statements s JOIN chains c ON c.id = s.chain WHERE c.iss <> ? ORDER BY s.idx",
    )
    .all(PAST_DEVICE);
  return rows.map((row) => parseStatement(row["bytes"] as Uint8Array, nodeSha256));
}

/** F2: no fork, and no hole without a signed gap of the right count. */
function judgeChains({ witness }: World, statements: readonly Statement[], devices: readonly Device[]): void {
  const tainted = new Set(devices.filter((device) => device.tainted).map(({ iss }) => iss));
  for (const { iss, sub, chains, findings } of examineStreams(statements)) {
    for (const finding of findings) {
      const where = `${iss}/${sub} ${toHex(finding.ch)}`;
      if (finding.code === "fork") {
        witness.fail("F2", `the ledger holds a fork: ${where} ${finding.reason} at ${finding.seq}`);
      } else if (finding.code === "hole" && !finding.signed && !tainted.has(iss)) {
        witness.fail("F2", `no gap tells of the hole ${finding.from} to ${finding.to} in ${where}`);
      } else if (finding.code === "discontinuity" && !tainted.has(iss)) {
        witness.fail("F2", `${where} begins with lost`);
      }
    }
    for (const chain of chains) {
      const [first] = chain.statements;
      if (first?.claims.seq !== 0 && !tainted.has(iss))
        witness.fail("F2", `${iss}/${sub} ${toHex(chain.ch)} begins at ${first?.claims.seq}`);
    }
  }
}

/** F1, F6: whatever was sealed is in the ledger, or a gap says that it isn't. */
function judgeSealed({ witness }: World, statements: readonly Statement[]): void {
  const held = new Set(statements.map(({ hash }) => toHex(hash)));
  const gaps = gapsOf(statements);
  for (const { device, hash, bytes } of witness.sealed.values()) {
    if (held.has(hash) || device.tainted) continue;
    const { iss, sub, ch, seq } = parseStatement(bytes, nodeSha256).claims;
    const ranges = gaps.get(`${iss}/${sub}/${ch === undefined ? "" : toHex(ch)}`) ?? [];
    if (!ranges.some(({ first, last }) => first <= seq && seq <= last))
      witness.fail("F1", `${iss}/${sub} ${seq} was sealed, and is neither in the ledger nor in a gap`);
  }
  for (const [name, ranges] of gaps) {
    const missing = [...witness.sealed.values()].filter(({ device, hash, bytes }) => {
      if (held.has(hash) || device.tainted) return false;
      const { iss, sub, ch } = parseStatement(bytes, nodeSha256).claims;
      return `${iss}/${sub}/${ch === undefined ? "" : toHex(ch)}` === name;
    }).length;
    const told = ranges.reduce((sum, { count }) => sum + count, 0);
    if (told < missing)
      witness.fail("F2", `gaps of ${name} tell of ${told} statements, and ${missing} are missing`);
  }
}

type Range = { readonly first: number; readonly last: number; readonly count: number };

/** Numbers that gaps name, by chain. */
function gapsOf(statements: readonly Statement[]): ReadonlyMap<string, readonly Range[]> {
  const found = new Map<string, Range[]>();
  for (const { claims, event } of statements) {
    if (event?.kind !== "gap" || event.seq === undefined) continue;
    const { sub, ch } = event.chain ?? claims;
    const name = `${claims.iss}/${sub}/${ch === undefined ? "" : toHex(ch)}`;
    found.set(name, [...(found.get(name) ?? []), { ...event.seq, count: event.count }]);
  }
  return found;
}

/** F1: every number that had to be kept is in the ledger once, or in a statement that a gap tells of; and none is there twice. */
function judgeReadings({ witness }: World, statements: readonly Statement[]): void {
  const held = new Map<string, number>();
  for (const statement of statements)
    for (const key of numbersOf(statement)) held.set(key, (held.get(key) ?? 0) + 1);
  const sealed = new Set<string>();
  for (const { bytes, hash, device } of witness.sealed.values()) {
    if (device.tainted || witness.indexOf.has(hash)) continue;
    for (const key of numbersOf(parseStatement(bytes, nodeSha256))) sealed.add(key);
  }
  for (const { device, sub, number, isKept } of witness.readings) {
    if (device.tainted) continue;
    const key = `${device.iss}/${sub}/${number}`;
    const times = held.get(key) ?? 0;
    if (times > 1) witness.fail("F1", `the number ${key} is in the ledger ${times} times`);
    if (times === 0 && isKept && !sealed.has(key))
      witness.fail("F1", `the number ${key} was journalled, and is neither in the ledger nor in a gap`);
  }
}

function numbersOf({ claims, content }: Statement): readonly string[] {
  if (content.type !== "senml") return [];
  const base = `${claims.iss}/${claims.sub}/`;
  return decodePack(content.payload, base).flatMap(({ name, value }) =>
    name === "1-0:1.8.0" && "v" in value && value.v instanceof Decimal ? [`${base}${value.v.mantissa}`] : [],
  );
}

/** F4, F6: every receipt that an agent holds is good, and for the place at which its statement is. */
function judgeReceipts({ witness, signatures }: World, { store, name }: Device): void {
  const rows = store.db
    .prepare(
      `SELECT o.receipt, o.hash, o.place, r.bytes FROM outbox o JOIN receipt r ON r.id = o.receipt WHERE o.state = 1 ORDER BY o.receipt, o.place`,
    )
    .all();
  for (const [, some] of Map.groupBy(rows, (row) => row["receipt"])) {
    try {
      const receipt = parseReceipt(some[0]?.["bytes"] as Uint8Array);
      for (const row of some) {
        const { sign1, proofs } = receipt;
        const proof = proofs[row["place"] as number];
        const alone = { ...receipt, sign1, proofs: proof === undefined ? [] : [proof] };
        const hash = row["hash"] as Uint8Array;
        const { indexes, root } = verifyReceipt(alone, [hash], LOG_KEY.key, signatures.provider, nodeSha256);
        if (witness.indexOf.get(toHex(hash)) !== indexes[0])
          witness.fail("F4", `${name} holds a receipt for the entry ${indexes[0]}, and it is another one`);
        if (witness.roots.get(receipt.size) !== toHex(root))
          witness.fail("F4", `${name} holds a receipt for a root of ${receipt.size} that was never signed`);
      }
    } catch (error) {
      const text = isEvidenceError(error) ? error.code : String(error);
      witness.fail("F6", `${name} holds a receipt that isn't good: ${text}`, error);
    }
  }
}

/** F8: what is still waiting anywhere; undefined where everything has come to rest. */
export function unrest(node: LedgerNode, devices: readonly Device[]): string | undefined {
  if (!node.running) return "the anchor doesn't run";
  if (node.waitingItems > 0) return `${node.waitingItems} registry items wait`;
  if ((node.pool?.items ?? 0) > 0) return `${node.pool?.items} statements wait in the anchor`;
  for (const device of devices) {
    if (!device.running) return `${device.name} doesn't run`;
    if (device.tainted) continue; // what forks is never receipted, and a full outbox stays full
    const [counts] = device.store.ask(COUNTS);
    for (const [what, count] of Object.entries(counts ?? {}))
      if (Number(count) > 0) return `${device.name}: ${String(count)} ${what}`;
  }
  return undefined;
}

/** Streams of which something is missing that is told with the next reading. */
export const untold = ({ store }: Device): readonly string[] =>
  store.ask(`SELECT sub FROM stopped WHERE sub <> '${SYSTEM_STREAM}'`).map((row) => String(row["sub"]));

/** What has to be nought. */
const COUNTS = `SELECT
  (SELECT count(*) FROM outbox WHERE state = 0) AS "statements wait",
  (SELECT count(*) FROM outbox WHERE state = 2) AS "statements are refused",
  (SELECT count(*) FROM journal) AS "entries are journalled",
  (SELECT count(*) FROM dropped) AS "gaps are untold",
  (SELECT count(*) FROM chain WHERE id IN (SELECT max(id) FROM chain GROUP BY sub) AND sub <> '${SYSTEM_STREAM}' AND attested < seq)
    AS "streams' heads are untold"`;
