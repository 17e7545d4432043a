/**
 * Who is killed when: blows drawn by chance, from a seed. One program or two at once, in the middle of its work, while it starts, and again as soon as it
 * is back.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Dice } from "../support/dice.ts";
import type { Daemon, Town } from "../support/town.ts";
import type { GatewayUnderFire } from "./gateway.ts";

/** Kinds of blows, and how often each comes. */
const BLOWS = ["one", "one", "one", "two", "two", "starting", "again"] as const;
export type Blow = (typeof BLOWS)[number];

/** Longest quiet between two blows: some receipts come, some don't. */
const MAX_QUIET_MS = 3000;
/** Longest time that somebody stays dead. */
const MAX_AWAY_MS = 1200;
/** A start is hit within so long: before it is over, or just after. */
const MAX_START_MS = 900;

export class Hunt {
  /** Processes that were killed. */
  kills = 0;
  readonly blows = new Map<string, number>();
  readonly #town: Town;
  readonly #gateways: readonly GatewayUnderFire[];
  readonly #dice: Dice;

  constructor(town: Town, gateways: readonly GatewayUnderFire[], dice: Dice) {
    this.#town = town;
    this.#gateways = gateways;
    this.#dice = dice;
  }

  /** Deals blows until `over` says so. */
  async run(over: () => boolean, say: (what: string) => void): Promise<void> {
    while (!over()) {
      await delay(this.#dice.whole(100, MAX_QUIET_MS));
      const blow = this.#dice.one(BLOWS);
      // Agents and the anchor keep things, the broker nothing: it is hit less often.
      const agents = this.#gateways.map(({ name }) => name);
      const first = this.#dice.one<Daemon>(["anchor", "anchor", ...agents, ...agents, "broker"]);
      const second = this.#dice.one<Daemon>(
        ["anchor", ...agents, "broker"].filter((name) => name !== first) as Daemon[],
      );
      const victims: readonly Daemon[] = blow === "two" ? [first, second] : [first];
      say(`${this.kills} kills; next: ${blow} (${victims.join(", ")})`);
      const name = `blows: ${blow}`;
      this.blows.set(name, (this.blows.get(name) ?? 0) + 1);
      await this.#strike(blow, victims);
    }
  }

  async #strike(blow: Blow, victims: readonly Daemon[]): Promise<void> {
    await this.#killAll(victims);
    if (blow === "one" || blow === "two") await delay(this.#dice.whole(0, MAX_AWAY_MS));
    for (const victim of victims) this.launch(victim);
    if (blow === "starting") await delay(this.#dice.whole(0, MAX_START_MS));
    else if (blow === "again") await this.back(victims);
    else return;
    await this.#killAll(victims);
    for (const victim of victims) this.launch(victim);
  }

  launch(name: Daemon): void {
    const gateway = this.#gatewayOf(name);
    if (gateway === undefined) this.#town.launch(name);
    else gateway.launch();
  }

  /** Resolves when all these are back at their work. */
  async back(names: readonly Daemon[]): Promise<void> {
    for (const name of names) {
      const gateway = this.#gatewayOf(name);
      if (gateway === undefined) await this.#town.ready(name);
      else await this.#town.until(`${name} reads its meter again`, () => gateway.reads);
    }
  }

  /** All signals are sent in one turn. */
  async #killAll(names: readonly Daemon[]): Promise<void> {
    this.kills += names.length;
    await Promise.all(names.map((name) => this.#gatewayOf(name)?.kill() ?? this.#town.kill(name)));
  }

  #gatewayOf(name: Daemon): GatewayUnderFire | undefined {
    return this.#gateways.find((gateway) => gateway.name === name);
  }
}
