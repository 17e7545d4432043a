/**
 * A device of the city: its key, its chains, and what it signs. What is signed here need not arrive: that is for the post to say.
 *
 * @module
 */
import {
  decimal,
  encodeEvent,
  encodePack,
  sealStatement,
  SYSTEM_STREAM,
  type Before,
  type Claims,
  type Content,
  type Event,
  type Head,
  type Reading,
  type Signer,
  type Statement,
  type StreamOpened,
  type TimeQuality,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";

export const VERSION = "0.1.0";

type Chain = { readonly ch: Uint8Array; seq: number; hash: Uint8Array | undefined; closed: boolean };

export type Opening = Omit<StreamOpened, "kind" | "before">;

const SYSTEM: Opening = { source: "sys", interval: decimal(0), names: [] };

export class Device {
  readonly iss: string;
  signer: Signer;
  /** How far its clock is to be believed. */
  tq: TimeQuality = 2;
  seen: Claims["seen"];
  readonly #chains = new Map<string, Chain>();
  /** Of the chains opened so far: their ids, and those of starts, follow from it. */
  #count = 0;

  constructor(iss: string, signer: Signer) {
    this.iss = iss;
    this.signer = signer;
  }

  /** The next statement of the stream's open chain. */
  say(sub: string, content: Content, atUnixS: number): Promise<Statement> {
    const chain = this.#chains.get(sub);
    if (chain === undefined || chain.closed) throw new Error(`${this.iss}: ${sub} has no open chain`);
    return this.#seal(sub, chain, content, atUnixS);
  }

  tell(sub: string, event: Event, atUnixS: number): Promise<Statement> {
    return this.say(sub, eventOf(event), atUnixS);
  }

  report(sub: string, readings: readonly Reading[], atUnixS: number): Promise<Statement> {
    const payload = encodePack(`${this.iss}/${sub}/`, readings);
    return this.say(sub, { type: "senml", payload }, atUnixS);
  }

  /** Begins a chain: behind the one before where there is one, or as `before` has it. */
  open(sub: string, opening: Opening, atUnixS: number, before?: Before): Promise<Statement> {
    const head = this.head(sub);
    const chain: Chain = { ch: this.id(`${sub} chain`).slice(0, 8), seq: -1, hash: undefined, closed: false };
    this.#chains.set(sub, chain);
    const named = before ?? (head && { ch: head.ch, seq: head.seq, hash: head.hash }) ?? "none";
    return this.#seal(sub, chain, eventOf({ kind: "stream-opened", before: named, ...opening }), atUnixS);
  }

  /** The device's own chain begins. */
  openSystem(atUnixS: number, before?: Before): Promise<Statement> {
    return this.open(SYSTEM_STREAM, SYSTEM, atUnixS, before);
  }

  close(sub: string, reason: string, atUnixS: number): Promise<Statement> {
    const closing = this.tell(sub, { kind: "stream-closed", reason }, atUnixS);
    const chain = this.#chains.get(sub);
    if (chain !== undefined) chain.closed = true;
    return closing;
  }

  boot(version: string, atUnixS: number, aliveUnixS?: number): Promise<Statement> {
    const boot = this.id("boot").slice(0, 16);
    const alive = aliveUnixS === undefined ? {} : { alive: aliveUnixS };
    return this.tell(SYSTEM_STREAM, { kind: "boot", version, boot, ...alive, uptime: decimal(7) }, atUnixS);
  }

  /** @param all - false where it happens to list all of them, too */
  heads(all: boolean, atUnixS: number): Promise<Statement> {
    return this.tell(SYSTEM_STREAM, { kind: "heads", all, heads: this.allHeads() }, atUnixS);
  }

  /** Of every stream but `sys`. */
  allHeads(): readonly Head[] {
    return [...this.#chains.keys()].flatMap((sub) => (sub === SYSTEM_STREAM ? [] : (this.head(sub) ?? [])));
  }

  head(sub: string): Head | undefined {
    const chain = this.#chains.get(sub);
    if (chain?.hash === undefined) return undefined;
    return { sub, ch: chain.ch, seq: chain.seq, hash: chain.hash };
  }

  /** 32 bytes that are never the same twice. */
  id(purpose: string): Uint8Array {
    return nodeSha256(Buffer.from(`${this.iss} ${purpose} ${this.#count++}`));
  }

  async #seal(sub: string, chain: Chain, content: Content, atUnixS: number): Promise<Statement> {
    const { iss, tq, seen, signer } = this;
    const seq = chain.seq + 1;
    const claims: Claims = {
      iss,
      sub,
      ch: chain.ch,
      seq,
      tq,
      lvl: 1,
      ...(tq === 0 ? {} : { iat: atUnixS }),
      ...(chain.hash === undefined ? {} : { prev: chain.hash }),
      ...(seen === undefined ? {} : { seen }),
    };
    const statement = await sealStatement(claims, content, signer, nodeSha256);
    chain.seq = seq;
    chain.hash = statement.hash;
    return statement;
  }
}

const eventOf = (event: Event): Content => ({ type: "event", payload: encodeEvent(event) });
