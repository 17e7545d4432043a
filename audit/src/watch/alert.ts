/**
 * What a watch alerts to, and when an alert begins and ends. One that is found at every look is told once.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import type { EvidenceCode } from "@tallystick/evidence";

/**
 * `latched`: proof that the log was dishonest or lost its past; no later good behaviour takes it back. `lasting`: as long as it is found. `once`: something happened.
 * `unknown`: nothing can be said, which is no finding.
 */
export const ALERTS = {
  "log-fork": "latched",
  "log-rollback": "latched",
  "log-invalid": "lasting",
  "quorum-unmet": "lasting",
  "log-stale": "lasting",
  "stream-silent": "lasting",
  "evidence-invalid": "lasting",
  "key-changed": "once",
  "log-ended": "once",
  "log-unreachable": "unknown",
  "stream-unseen": "unknown",
} as const;

export type AlertCode = keyof typeof ALERTS;

/** Something that holds now, or just happened. */
export type Found = {
  readonly code: AlertCode;
  /** Whom or what it is about: an address, a stream, a device, a file. */
  readonly subject: string;
  /** The code behind it, where there is one. */
  readonly because?: EvidenceCode;
  readonly text: string;
  /** Name of the file that keeps its proof. */
  readonly evidence?: string;
};

export type Alert = Found & {
  /** The same when it begins and when it ends, and at each attempt to send it. */
  readonly id: string;
  /** When it began, RFC 3339. */
  readonly since: string;
};

export type Change = Alert & {
  readonly state: "begins" | "ends" | "once";
  /** When the watch found it, RFC 3339. */
  readonly at: string;
};

/** Longest text: it may quote what a server sent. */
const MAX_TEXT = 1000;

const keyOf = ({ code, subject }: Pick<Found, "code" | "subject">): string => `${code} ${subject}`;

/** What one look found, and what it could judge: an alert ends only where it was looked for and not found. */
export class Findings {
  readonly found: Found[] = [];
  readonly #judged = new Set<string>();

  add(found: Found): void {
    this.found.push({ ...found, text: found.text.slice(0, MAX_TEXT) });
  }

  /** It was looked for; where it isn't found, it is over. */
  judged(code: AlertCode, subject: string): void {
    this.#judged.add(keyOf({ code, subject }));
  }

  has(code: AlertCode, subject: string): boolean {
    return this.found.some((one) => one.code === code && one.subject === subject);
  }

  isJudged(found: Pick<Found, "code" | "subject">): boolean {
    return this.#judged.has(keyOf(found));
  }
}

/** RFC 3339, UTC. */
export const iso = (unixS: number): string => new Date(unixS * 1000).toISOString();

/** The alerts that are open after a look, and what changed by it. */
export function afterLook(
  open: readonly Alert[],
  findings: Findings,
  nowUnixS: number,
): { readonly open: readonly Alert[]; readonly changes: readonly Change[] } {
  const at = iso(nowUnixS);
  const found = new Set(findings.found.map(keyOf));
  const still: Alert[] = [];
  const changes: Change[] = [];
  for (const alert of open) {
    const isOver = ALERTS[alert.code] !== "latched" && !found.has(keyOf(alert)) && findings.isJudged(alert);
    if (isOver) changes.push({ ...alert, state: "ends", at });
    else still.push(alert);
  }
  const told = new Set(still.map(keyOf));
  for (const one of findings.found) {
    const isOnce = ALERTS[one.code] === "once";
    if (!isOnce && told.has(keyOf(one))) continue;
    const alert = { ...one, id: randomBytes(16).toString("hex"), since: at };
    changes.push({ ...alert, state: isOnce ? "once" : "begins", at });
    if (isOnce) continue;
    told.add(keyOf(one));
    still.push(alert);
  }
  return { open: still, changes };
}

/** Exit code of one look (docs/codes.md): 1 where something is or was wrong, 3 where only nothing can be said. */
export function exitOfLook(open: readonly Alert[], changes: readonly Change[]): 0 | 1 | 3 {
  const codes = [...open, ...changes.filter(({ state }) => state === "once")].map(({ code }) => ALERTS[code]);
  if (codes.some((kind) => kind !== "unknown")) return 1;
  return codes.length > 0 ? 3 : 0;
}
