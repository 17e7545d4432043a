/**
 * One connection between a client and the broker: two streams, each in order, each as slow as the seed says. A connection that is cut takes along whatever was
 * under way on it; each end hears of that when it hears of it.
 *
 * @module
 */
import type { Message } from "./broker.ts";
import type { Random } from "./random.ts";
import type { Schedule } from "./schedule.ts";

/** What the broker says to a client. */
export type ClientEnd = { message(id: number, message: Message): void };

/** How slow a line is; changed while it lasts. */
export type LineSpeed = {
  maxLatencyMs: number;
  /** Nobody gets through, and nobody is told. */
  dead: boolean;
};

/** How long until an end notices that the other one is gone. */
const NOTICE_MS = { least: 1, most: 3000 };

export class Link {
  readonly #schedule: Schedule;
  readonly #random: Random;
  readonly #speed: LineSpeed;
  readonly #client: ClientEnd;
  readonly #onCut: (() => void)[] = [];
  readonly #onLost: (reason: string) => void;
  readonly #lastMs = { up: 0, down: 0 };
  #open = true;
  /** What is on its way up arrives all the same: the operating system sends what a dead process wrote. */
  #flushes = false;
  /** Something on it was lost: TCP delivers nothing after that. */
  #hasHole = false;

  /** @param onLost - how the client hears that the connection is gone; not after {@link leave} */
  constructor(
    schedule: Schedule,
    random: Random,
    speed: LineSpeed,
    client: ClientEnd,
    onLost: (reason: string) => void,
  ) {
    this.#schedule = schedule;
    this.#random = random;
    this.#speed = speed;
    this.#client = client;
    this.#onLost = onLost;
  }

  /** True until it is cut, whoever knows of it. */
  get open(): boolean {
    return this.#open;
  }

  /** The broker's end: told at once. */
  onCut(listener: () => void): void {
    this.#onCut.push(listener);
  }

  /** Something on its way to the broker. */
  up(arrive: () => void): void {
    this.#send("up", arrive);
  }

  /** Something on its way to the client. */
  down(arrive: (client: ClientEnd) => void): void {
    this.#send("down", () => arrive(this.#client));
  }

  cut(reason: string): void {
    if (!this.#open) return;
    this.leave();
    const waitMs = this.#random.scale(NOTICE_MS.least, NOTICE_MS.most);
    this.#schedule.after(waitMs, "link: lost", () => this.#onLost(reason));
  }

  /** The client ends it, or died. @param flushes - what it has sent still arrives */
  leave(flushes = false): void {
    if (!this.#open) return;
    this.#open = false;
    this.#flushes = flushes;
    for (const listener of this.#onCut) listener();
  }

  #send(way: "up" | "down", arrive: () => void): void {
    if (!this.#open) return;
    const { nowMs } = this.#schedule;
    // Just above what went before: TCP keeps order.
    const atMs = Math.max(
      this.#lastMs[way] + 0.001,
      nowMs + this.#random.between(0, this.#speed.maxLatencyMs),
    );
    this.#lastMs[way] = atMs;
    this.#schedule.after(atMs - nowMs, way === "up" ? "link: up" : "link: down", () => {
      if (this.#speed.dead) this.#hasHole = true;
      else if (this.#hasHole) this.cut("the line came back without what was on it");
      else if (this.#open || (way === "up" && this.#flushes)) arrive();
    });
  }
}
