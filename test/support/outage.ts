/**
 * An agent with live meters through outages: what each meter said, what the ledger has of it in the end, and whether the one follows from the other
 * by the statements alone.
 *
 * @module
 */
import { expect } from "vitest";
import {
  coverage,
  formatDecimal,
  toHex,
  type Missing,
  type Statement,
  type StreamCoverage,
} from "@tallystick/evidence";
import { readingsOf, secondOf } from "./agent-book.ts";
import { Rig } from "./agent-rig.ts";
import { LiveMeter } from "./live-meter.ts";

/** A stream of the test. */
export type OutageStream = {
  readonly name: string;
  readonly everyS: number;
  readonly names: number;
  readonly holds?: number;
  readonly hasClock?: boolean;
};

export type OutageOptions = {
  readonly whenFull: "stop" | "drop-oldest";
  readonly maxBytes: number;
  readonly streams: readonly OutageStream[];
  readonly yaml?: string;
};

export class Outage {
  readonly rig: Rig;
  readonly meters = new Map<string, LiveMeter>();
  readonly #streams: readonly OutageStream[];
  /** Most bytes that ever waited. */
  most = 0;
  /** When the agent was asked to stop for good: what is said later is nobody's. */
  #endUnixMs = Infinity;

  constructor({ whenFull, maxBytes, streams, yaml = "" }: OutageOptions) {
    const lines = streams.map(
      ({ name }) =>
        `  - { name: ${name}, source: { kind: host }, every: 0, seal: { maxItems: 60, maxWaitMs: 4000 }, maxLossMs: 2000 }`,
    );
    this.rig = new Rig([yaml, "streams:", ...lines].join("\n"));
    const { settings } = this.rig;
    this.rig.settings = { ...settings, outbox: { ...settings.outbox, maxBytes, whenFull } };
    this.#streams = streams;
    for (const { name, everyS, ...rest } of streams) {
      const nowUnixMs = (): number => this.rig.system.wallUnixMs();
      this.meters.set(name, new LiveMeter({ everyMs: everyS * 1000, nowUnixMs, ...rest }));
    }
    this.#speakAsTimePasses();
    this.rig.connectAnchor();
  }

  /** @param absence - why the meters were not read before, where it is known */
  async start(absence?: string): Promise<void> {
    const meters = this.#streams.map(({ name }) => this.meters.get(name));
    let next = 0;
    await this.rig.start({
      ...(absence === undefined ? {} : { absence }),
      openSource: () => {
        const meter = meters[next++];
        return meter === undefined ? Promise.reject(new Error("no such stream")) : Promise.resolve(meter);
      },
    });
  }

  /** As a power cut would. */
  crash(): void {
    for (const meter of this.meters.values()) meter.cut();
    this.rig.crash();
  }

  /** Lets seconds pass; the meters speak, whether the agent runs or not. */
  pass(seconds: number): Promise<void> {
    return this.rig.time.advance(seconds * 1000);
  }

  /** Wherever time passes, also while the rig stops its agent, the meters speak. */
  #speakAsTimePasses(): void {
    const { time } = this.rig;
    const advance = time.advance.bind(time);
    const stepMs = Math.min(...this.#streams.map(({ everyS }) => everyS)) * 1000;
    let spoken = 0;
    /** Also what fell into a time in which the process stood still. */
    const speak = (): void => {
      while ((spoken + 1) * 1000 <= time.nowMs) {
        spoken += 1;
        const atUnixMs = this.rig.system.wallUnixMs() - (time.nowMs - spoken * 1000);
        for (const { name, everyS } of this.#streams)
          if (spoken % everyS === 0) this.meters.get(name)?.say(atUnixMs);
      }
    };
    time.advance = async (ms) => {
      const endMs = time.nowMs + ms;
      while (time.nowMs < endMs) {
        await advance(Math.min(endMs, (Math.floor(time.nowMs / stepMs) + 1) * stepMs) - time.nowMs);
        speak();
      }
      await advance(0);
    };
  }

  get waitingBytes(): number {
    const { bytes } = this.rig.report().outbox.waiting;
    this.most = Math.max(this.most, bytes);
    return bytes;
  }

  /** The line is good for as long as it takes to deliver everything. */
  async recover(): Promise<void> {
    this.rig.anchor.judge = () => "receipt";
    for (let tries = 0; tries < 20; tries++) {
      await this.pass(40);
      const { outbox, streams } = this.rig.report();
      if (outbox.dropped.length === 0 && streams.every(({ unreadSince }) => unreadSince === null)) break;
    }
    await this.pass(60);
    this.#endUnixMs = this.rig.system.wallUnixMs();
    await this.rig.stop();
    expect(this.rig.report().outbox).toMatchObject({ waiting: { count: 0 }, dropped: [] });
  }

  /** From here on only so many statements a minute have receipts, whatever is sent. */
  throttle(perMinute: number): void {
    const { rig } = this;
    const startMs = rig.time.nowMs;
    let given = 0;
    rig.anchor.judge = () => {
      if (given >= ((rig.time.nowMs - startMs) / 60_000) * perMinute) return "silence";
      given += 1;
      return "receipt";
    };
  }

  /** The ledger's statements, each once. */
  get ledger(): readonly Statement[] {
    const { anchor } = this.rig;
    const arrived = new Map(anchor.arrived.map((one) => [toHex(one.hash), one]));
    return [...arrived.values()].filter(({ hash }) => anchor.isEntered(hash));
  }

  of(name: string): StreamCoverage {
    const found = coverage(this.ledger).find(({ sub }) => sub === name);
    if (found === undefined) throw new Error(`nothing of ${name} is in the ledger`);
    return found;
  }

  /** What is here and what is told to be missing is everything that the meter said, and nothing is missing without a word. */
  check(name: string): StreamCoverage {
    const found = this.of(name);
    const meter = this.meters.get(name);
    if (meter === undefined) throw new Error(`no meter ${name}`);
    const readings = this.ledger
      .filter(({ claims }) => claims.sub === name)
      .flatMap((one) => readingsOf(one));
    const seen = readings.map((one) => `${one.name}@${secondOf(one)}`);
    expect(new Set(seen).size, "no reading is here twice").toBe(seen.length);
    const here = new Set(readings.map((one) => Math.round(secondOf(one) * 1000)));
    expect(found.findings).toEqual([]);
    expect(found.missing.filter(({ kind }) => kind !== "told")).toEqual([]);
    const ranges = found.missing.map((missing) => ({ missing, lost: [] as number[] }));
    const untold = meter.said.filter((at) => {
      if (here.has(at) || at > this.#endUnixMs) return false;
      const range = ranges.find(({ missing }) => isWithin(at, missing));
      range?.lost.push(at);
      return range === undefined;
    });
    expect(
      untold.map((at) => new Date(at).toISOString()),
      "said, not here, and not told of",
    ).toEqual([]);
    for (const { missing, lost } of ranges)
      if (missing.samples !== null) expect(missing.samples, describe(missing)).toBe(lost.length);
    return found;
  }
}

const msOf = (at: Missing["after"]): number | undefined =>
  at === null ? undefined : Math.round(Number(formatDecimal(at)) * 1000);

const isWithin = (atMs: number, { after, before }: Missing): boolean =>
  (msOf(after) ?? -Infinity) < atMs && atMs < (msOf(before) ?? Infinity);

const describe = ({ after, before, gaps }: Missing): string =>
  `${msOf(after)} to ${msOf(before)}: ${gaps.map(({ reason, count }) => `${reason} ${count}`).join(", ")}`;
