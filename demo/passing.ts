/**
 * What the demonstration learns from the wire: statements as they pass, and the receipts that come back, each verified here with
 * the log's key from the trust policy.
 *
 * @module
 */
import {
  decodeDown,
  decodePack,
  formatDecimal,
  Decimal,
  isEvidenceError,
  parseReceipt,
  parseStatement,
  splitUp,
  toHex,
  verifyReceipt,
  type EvidenceCode,
  type PublicKey,
  type Reading,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";

/** A statement on its way, until its receipt comes. */
type Underway = {
  readonly statement: Statement;
  readonly readings: readonly Reading[];
  readonly seenAtMs: number;
  sent: number;
};

/** A statement whose receipt was verified here. */
export type Receipted = {
  readonly statement: Statement;
  readonly readings: readonly Reading[];
  /** Entry number in the log. */
  readonly index: number;
  /** Tree that the receipt is for. */
  readonly size: number;
  readonly latencyMs: number;
  /** How often it was sent until then. */
  readonly sent: number;
};

export type StreamFacts = {
  readings: number;
  statements: number;
  receipts: number;
  /** Receipts of statements that hold readings. */
  readingReceipts: number;
  lastSeq: number;
  newest: Receipted | undefined;
};

export type PassingEvents = {
  readonly receipted: (receipted: Receipted) => void;
  /** A receipt, or a message, that is not what it claims to be. */
  readonly bad: (code: EvidenceCode, text: string) => void;
  readonly rejected: (sub: string, code: string) => void;
};

/** Statements without a receipt that are remembered; of older ones the receipt is no longer noticed here. */
const MAX_UNDERWAY = 10_000;

const provider = createNodeProvider();

export class Passing {
  readonly streams = new Map<string, StreamFacts>();
  readonly #underway = new Map<string, Underway>();
  readonly #logKey: PublicKey;
  readonly #events: PassingEvents;
  #logSize = 0;

  constructor(logKey: PublicKey, events: PassingEvents) {
    this.#logKey = logKey;
    this.#events = events;
  }

  /** Size of the newest tree that a receipt was verified for. */
  get logSize(): number {
    return this.#logSize;
  }

  /** Statements seen whose receipt was not. */
  get waiting(): number {
    return this.#underway.size;
  }

  up(payload: Uint8Array): void {
    for (const { kind, bytes } of splitUp(Uint8Array.from(payload)).items) {
      if (kind === "statement") this.#judging(() => this.#statement(parseStatement(bytes, nodeSha256)));
    }
  }

  down(payload: Uint8Array): void {
    this.#judging(() => {
      for (const message of decodeDown(Uint8Array.from(payload))) {
        if (message.kind === "receipt") this.#receipt(message.hashes, message.receipt);
        if (message.kind === "rejected") {
          const sub = this.#underway.get(toHex(message.hash))?.statement.claims.sub ?? "?";
          this.#events.rejected(sub, message.code);
        }
      }
    });
  }

  /** The facts of a stream, made when it is first heard of. */
  facts(sub: string): StreamFacts {
    const known = this.streams.get(sub);
    if (known !== undefined) return known;
    const fresh: StreamFacts = {
      readings: 0,
      statements: 0,
      receipts: 0,
      readingReceipts: 0,
      lastSeq: -1,
      newest: undefined,
    };
    this.streams.set(sub, fresh);
    return fresh;
  }

  #statement(statement: Statement): void {
    const name = toHex(statement.hash);
    const again = this.#underway.get(name);
    if (again !== undefined) {
      again.sent++;
      return;
    }
    const { iss, sub, seq } = statement.claims;
    const { content } = statement;
    const readings = content.type === "senml" ? decodePack(content.payload, `${iss}/${sub}/`) : [];
    const facts = this.facts(sub);
    facts.statements++;
    facts.readings += readings.length;
    facts.lastSeq = Math.max(facts.lastSeq, seq);
    this.#underway.set(name, { statement, readings, seenAtMs: performance.now(), sent: 1 });
    if (this.#underway.size > MAX_UNDERWAY) this.#underway.delete(this.#underway.keys().next().value ?? "");
  }

  #receipt(hashes: readonly Uint8Array[], bytes: Uint8Array): void {
    const receipt = parseReceipt(bytes);
    const { indexes } = verifyReceipt(receipt, hashes, this.#logKey, provider, nodeSha256);
    this.#logSize = Math.max(this.#logSize, receipt.size);
    for (const [i, hash] of hashes.entries()) {
      const underway = this.#underway.get(toHex(hash));
      if (underway === undefined) continue;
      this.#underway.delete(toHex(hash));
      const { statement, readings, seenAtMs, sent } = underway;
      const receipted: Receipted = {
        statement,
        readings,
        index: indexes[i] ?? -1,
        size: receipt.size,
        latencyMs: performance.now() - seenAtMs,
        sent,
      };
      const facts = this.facts(statement.claims.sub);
      facts.receipts++;
      if (readings.length > 0) facts.readingReceipts++;
      facts.newest = receipted;
      this.#events.receipted(receipted);
    }
  }

  #judging(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      this.#events.bad(error.code, error.message);
    }
  }
}

/** The value of a reading as people read it, digits as the source gave them. */
export function formatReading({ name, unit, value }: Reading): string {
  const suffix = unit === undefined ? "" : ` ${unit}`;
  if ("v" in value) return `${name} ${formatNumber(value.v)}${suffix}`;
  if ("s" in value) return `${name} ${formatNumber(value.s)}${suffix}`;
  if ("vs" in value) return `${name} ${JSON.stringify(value.vs)}`;
  if ("vb" in value) return `${name} ${value.vb}`;
  return `${name} ${value.vd.length} bytes`;
}

const formatNumber = (value: Decimal | { readonly value: number }): string =>
  value instanceof Decimal ? formatDecimal(value) : String(value.value);
