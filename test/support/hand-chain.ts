/**
 * A chain sealed by hand, with a device's real key: honest statements, and what only a dishonest device says.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import {
  decimal,
  encodeEvent,
  encodePack,
  sealStatement,
  type Claims,
  type Content,
  type Signer,
  type Statement,
} from "@tallystick/evidence";

export class HandChain {
  readonly iss: string;
  readonly sub: string;
  readonly ch = new Uint8Array(randomBytes(8));
  readonly #signer: Signer;
  #last: Statement | undefined;

  constructor(iss: string, sub: string, signer: Signer) {
    this.iss = iss;
    this.sub = sub;
    this.#signer = signer;
  }

  /** Statement 0. */
  open(): Promise<Statement> {
    const event = {
      kind: "stream-opened",
      before: "none",
      source: "hand",
      interval: decimal(60),
      names: [],
    } as const;
    return this.#next({ type: "event", payload: encodeEvent(event) });
  }

  /** The next statement: one reading. */
  reading(value: number): Promise<Statement> {
    return this.#next(this.#pack(value));
  }

  /** Another statement in the place of the last one, by the same key. */
  other(value: number): Promise<Statement> {
    const last = this.#last;
    if (last === undefined) throw new Error("there is no statement yet");
    return sealStatement(last.claims, this.#pack(value), this.#signer);
  }

  async #next(content: Content): Promise<Statement> {
    const { iss, sub, ch } = this;
    const before = this.#last;
    const claims: Claims = {
      iss,
      sub,
      ch,
      iat: Math.floor(Date.now() / 1000),
      tq: 2,
      lvl: 1,
      seq: (before?.claims.seq ?? -1) + 1,
      ...(before === undefined ? {} : { prev: before.hash }),
    };
    this.#last = await sealStatement(claims, content, this.#signer);
    return this.#last;
  }

  #pack(value: number): Content {
    const time = decimal(Math.floor(Date.now() / 1000));
    const reading = { name: "1-0:1.8.0", unit: "kWh", value: { v: decimal(value, -3) }, time, quality: [] };
    return { type: "senml", payload: encodePack(`${this.iss}/${this.sub}/`, [reading]) };
  }
}
