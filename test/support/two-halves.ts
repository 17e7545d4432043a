/**
 * The two halves of the tally laid together: what the agent kept, and what the ledger holds.
 *
 * @module
 */
import {
  isEvidenceError,
  parseReceipt,
  parseTransparent,
  toHex,
  verifyReceipt,
  type PublicKey,
  type SignatureProvider,
} from "@tallystick/evidence";
import type { BookEntry } from "./agent-book.ts";
import { finding, type Finding } from "./finding.ts";
import type { ChainCopy } from "./ledger-copy.ts";

/** Reasons of gaps in time that may be told in any fault run: the agent was not there to read, or its disk held it up. They excuse nothing that it had read. */
const ABSENCES: ReadonlySet<string> = new Set(["agent-stopped", "disk-full", "disk-slow"]);

export type ChainDemands = {
  readonly subs: readonly string[];
  /** How many starts of the agent have told of themselves: one that is killed early does not. */
  readonly boots: { readonly atLeast: number; readonly atMost: number };
};

/**
 * F2: one chain for each of these streams, without a hole, each statement naming the one before; a boot event for each start; and nothing let go, since
 * no outbox was full.
 */
export function chainFindings(
  chains: readonly ChainCopy[],
  { subs, boots }: ChainDemands,
): readonly Finding[] {
  const findings: Finding[] = [];
  const find = (text: string): void => void findings.push(finding("F2", text));
  const found = chains.map(({ sub }) => sub).toSorted();
  if (found.join() !== subs.toSorted().join())
    find(`chains of ${found.join(", ")}; there should be ${subs.join(", ")}`);
  for (const { sub, first, last, count, statements } of chains) {
    if (first !== 0 || count !== last + 1) find(`${sub}: ${count} statements, ${first} to ${last}`);
    for (const [seq, { statement }] of statements.entries()) {
      const { claims } = statement;
      const before = statements[seq - 1]?.statement;
      if (claims.seq !== seq) find(`${sub}: number ${claims.seq} in the place of ${seq}`);
      if ((claims.prev && toHex(claims.prev)) !== (before && toHex(before.hash)))
        find(`${sub}: ${seq} does not name the one before`);
    }
    const opening = statements[0]?.statement.event;
    if (opening?.kind !== "stream-opened" || opening.before !== "none")
      find(`${sub}: does not begin as the first chain`);
  }
  const events = chains.flatMap(({ statements }) => statements.map(({ statement }) => statement.event));
  const told = events.flatMap((event) => (event?.kind === "boot" ? [toHex(event.boot)] : []));
  if (new Set(told).size !== told.length) find("a boot event twice");
  if (told.length < boots.atLeast || told.length > boots.atMost)
    find(`${told.length} boot events, not ${boots.atLeast} to ${boots.atMost}`);
  for (const event of events) {
    const isAbsence = event?.kind === "gap" && event.seq === undefined && ABSENCES.has(event.reason);
    if ((event?.kind === "gap" && !isAbsence) || event?.kind === "stream-closed")
      find(`${event.kind}: ${event.reason}, though nothing was full or changed`);
  }
  return findings;
}

/**
 * F6, F4: the same statements on both sides, each at one place in the log, and for each a good receipt in the agent's hands for that very place.
 */
export function halvesFindings(
  entries: readonly BookEntry[],
  chains: readonly ChainCopy[],
  logKey: PublicKey,
  provider: SignatureProvider,
): readonly Finding[] {
  const findings: Finding[] = [];
  const held = new Map<string, number>();
  for (const { statement, index } of chains.flatMap(({ statements }) => statements)) {
    if (held.has(toHex(statement.hash)))
      findings.push(finding("F1", `${nameOf(statement)} is in the log twice`));
    held.set(toHex(statement.hash), index);
  }
  if (new Set(held.values()).size !== held.size)
    findings.push(finding("F4", "two statements at one place in the log"));
  const own = new Set(entries.map(({ statement }) => toHex(statement.hash)));
  for (const hash of held.keys())
    if (!own.has(hash))
      findings.push(finding("F1", `${hash} is in the log, and the agent has nothing of it`));
  for (const entry of entries) {
    const index = held.get(toHex(entry.statement.hash));
    const fault = entryFault(entry, index, logKey, provider);
    if (fault !== undefined) findings.push(finding("F6", `${nameOf(entry.statement)}: ${fault}`));
  }
  return findings;
}

function entryFault(
  { statement, isReceipted, transparent }: BookEntry,
  index: number | undefined,
  logKey: PublicKey,
  provider: SignatureProvider,
): string | undefined {
  if (index === undefined) return isReceipted ? "marked receipted, and not in the log" : "not in the log";
  if (!isReceipted || transparent === undefined) return "no receipt";
  const [receipt] = parseTransparent(transparent).receipts;
  if (receipt === undefined) return "marked receipted, without a receipt";
  try {
    const { indexes } = verifyReceipt(parseReceipt(receipt), [statement.hash], logKey, provider);
    return indexes[0] === index ? undefined : `its receipt is for ${indexes[0]}, and it is at ${index}`;
  } catch (error) {
    if (isEvidenceError(error)) return `its receipt is refused: ${error.code}`;
    throw error;
  }
}

const nameOf = ({ claims, hash }: BookEntry["statement"]): string =>
  `${claims.iss}/${claims.sub} ${claims.seq} (${toHex(hash).slice(0, 12)})`;
