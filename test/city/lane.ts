/**
 * A toll lane: each passage is a statement of its own, and each hour it says how far it is.
 *
 * @module
 */
import { decimal, type Amount, type Statement, type TollTransaction } from "@tallystick/evidence";
import { HOUR_S, localTime } from "./calendar.ts";
import { VERSION, type Device } from "./device.ts";
import type { Post } from "./post.ts";
import { TARIFF, type Passage } from "./trips.ts";

/** From a passage to the ledger. */
const UNDER_WAY_MS = 800;

/** What may happen to what a lane says of a passage. */
export type LaneTwist = {
  /** Changes what is signed of it. */
  readonly transaction?: (passage: Passage, said: TollTransaction) => TollTransaction;
  /** True where the statement never arrives. */
  readonly lost?: (passage: Passage) => boolean;
  /** Says more once it was signed. */
  readonly afterwards?: (passage: Passage, signed: Statement) => Promise<void>;
};

export class Lane {
  readonly device: Device;
  readonly number: number;
  readonly sub: string;
  readonly plaza: string;
  readonly twists: LaneTwist[] = [];
  readonly #post: Post;
  readonly #passages: readonly Passage[];
  #next = 0;
  #later: { readonly atUnixS: number; readonly run: () => Promise<void> }[] = [];

  /** @param passages - of this lane, in order */
  constructor(device: Device, number: number, passages: readonly Passage[], post: Post) {
    this.device = device;
    this.number = number;
    this.sub = `lane/${laneName(number)}`;
    this.plaza = plazaName(number);
    this.#passages = passages;
    this.#post = post;
  }

  get name(): string {
    return `${this.device.iss}/${this.sub}`;
  }

  async open(atUnixS: number): Promise<void> {
    this.send(await this.device.openSystem(atUnixS), atUnixS);
    this.send(await this.device.boot(VERSION, atUnixS), atUnixS);
    const opening = { source: "lane", interval: decimal(0), names: [] } as const;
    this.send(await this.device.open(this.sub, opening, atUnixS), atUnixS);
  }

  /** What happened until `nowUnixS`, and at the full hour the heads. */
  async until(nowUnixS: number): Promise<void> {
    for (
      let passage = this.#passages[this.#next];
      passage !== undefined && passage.timeMs + UNDER_WAY_MS < nowUnixS * 1000;
      passage = this.#passages[++this.#next]
    ) {
      await this.#runLater(Math.floor(passage.timeMs / 1000));
      await this.#passed(passage);
    }
    await this.#runLater(nowUnixS - 1);
    if (nowUnixS % HOUR_S !== 0) return;
    const all = localTime(nowUnixS).hour === "00";
    this.send(await this.device.heads(all, nowUnixS + 1), nowUnixS);
  }

  /** Says something when its time has come. */
  later(atUnixS: number, run: () => Promise<void>): void {
    this.#later.push({ atUnixS, run });
  }

  async #runLater(untilUnixS: number): Promise<void> {
    const due = this.#later.filter(({ atUnixS }) => atUnixS <= untilUnixS);
    this.#later = this.#later.filter(({ atUnixS }) => atUnixS > untilUnixS);
    for (const { run } of due) await run();
  }

  async #passed(passage: Passage): Promise<void> {
    const atUnixS = Math.floor((passage.timeMs + UNDER_WAY_MS) / 1000);
    const said = this.twists.reduce<TollTransaction>(
      (so, { transaction }) => transaction?.(passage, so) ?? so,
      this.transaction(passage),
    );
    const signed = await this.device.tell(this.sub, said, atUnixS);
    if (!this.twists.some(({ lost }) => lost?.(passage) === true)) this.send(signed, atUnixS);
    for (const { afterwards } of this.twists) await afterwards?.(passage, signed);
  }

  transaction({ tx, timeMs, vehicleClass, cents, tag }: Passage): TollTransaction {
    return {
      kind: "toll-transaction",
      tx,
      plaza: this.plaza,
      lane: laneName(this.number),
      t: decimal(timeMs, -3),
      direction: this.number % 2 === 0 ? "in" : "out",
      class: { measured: vehicleClass, declared: vehicleClass },
      tag,
      validity: "ok",
      amount: amountOf(cents),
      refs: [],
    };
  }

  send(statement: Statement, dueUnixS: number): void {
    this.#post.send(statement, dueUnixS);
  }
}

export const amountOf = (cents: number): Amount => ({ minor: cents, currency: "EUR", tariff: TARIFF });

export const laneName = (number: number): string => String(number + 1).padStart(2, "0");
/** Four lanes make a plaza. */
export const plazaName = (number: number): string => `P${Math.floor(number / 4) + 1}`;
