/**
 * Takes in what a program prints, and answers each line: `{"ack": id}` once what it says is on disk, `{"refused": id, code, text}` where it is bad. A line
 * that is known already is acknowledged again and says nothing new. So whatever ends the agent, the machine or the program, a line that is
 * sent until it is acknowledged is evidence exactly once.
 *
 * @module
 */
import {
  checkStream,
  equalBytes,
  EvidenceError,
  isEvidenceError,
  toHex,
  type Event,
} from "@tallystick/evidence";
import type { Timer } from "@tallystick/evidence/node";
import type { Chains } from "../seal/chains.ts";
import { isStreamOf, type ProgramSettings } from "../config/config-programs.ts";
import { ImportedStream } from "./imported.ts";
import type { Entry, Journal, Stamp } from "../storage/journal.ts";
import type { KnownLine, Line, Lines } from "./lines.ts";
import type { Log } from "../log.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { recall } from "../sample/recall.ts";
import { newSamplerCounters, Sampler } from "../sample/sample.ts";
import type { Sealer } from "../seal/seal.ts";
import { eventOf } from "../sources/exec/event.ts";
import { isRefused, type ParsedLine, type RefusedLine, type SaidEvent } from "../sources/exec/line.ts";
import type { Batch, Program } from "../sources/exec/program.ts";
import type { Standing } from "../sample/standing.ts";
import type { Storage } from "../storage/storage.ts";
import type { Timekeeping } from "../clock/timekeeping.ts";

export type ImporterParts = {
  readonly iss: string;
  readonly settings: ProgramSettings;
  readonly program: Program;
  readonly storage: Storage;
  readonly chains: Chains;
  readonly journal: Journal;
  readonly lines: Lines;
  readonly standing: Standing;
  readonly outbox: Outbox;
  readonly sealer: Sealer;
  readonly time: Timekeeping;
  readonly timer: Timer;
  readonly log: Log;
  /** Told when sealing that nobody waits for fails. */
  readonly fail: (error: unknown) => void;
};

export class Importer {
  readonly counters = newSamplerCounters();
  readonly #parts: ImporterParts;
  readonly #streams = new Map<string, ImportedStream>();
  /** Lines of the batch at hand, which aren't on disk yet. */
  readonly #fresh = new Map<string, KnownLine>();

  /** @param recovered - by stream, what an earlier run journalled and didn't seal; its streams are all there */
  constructor(parts: ImporterParts, recovered: ReadonlyMap<string, readonly Entry[]>) {
    this.#parts = parts;
    for (const [sub, entries] of recovered) this.#streams.set(sub, this.#made(sub, entries));
  }

  /** Takes lines until `signal` is aborted; then what is pending is sealed, or left in the journal where there is no room. */
  async run(signal: AbortSignal): Promise<void> {
    const { program, journal } = this.#parts;
    await this.#hold(signal);
    for (const stream of this.#streams.values()) await stream.seal();
    if (!signal.aborted) {
      for await (const batch of program.batches(signal)) {
        await this.#take(batch, signal);
        await this.#hold(signal);
        if (signal.aborted) break;
      }
    }
    for (const stream of this.#streams.values()) {
      stream.cancel();
      await stream.seal();
    }
    journal.write();
  }

  async #take({ lines, answer }: Batch, signal: AbortSignal): Promise<void> {
    const { journal, time } = this.#parts;
    const stamp = time.stamp();
    const answers: Answer[] = [];
    for (const line of lines) {
      const one = await this.#answer(line, stamp, signal);
      if (one === undefined) break; // the agent stops: what has no answer comes again
      answers.push(one);
    }
    journal.write();
    const events = lines.flatMap((line) =>
      !isRefused(line) && line.says.kind === "event" && this.#fresh.has(line.id) ? [line.id] : [],
    );
    this.#fresh.clear();
    const told = answer(textOf(answers));
    await Promise.all([...this.#streams.values()].map((stream) => stream.sealDue(signal))); // in one transaction, mostly
    await told;
    await answer(textOf(events.flatMap((id) => this.#sealed(id))));
  }

  /** Where the outbox is full, the program's output is left unread. */
  async #hold(signal: AbortSignal): Promise<void> {
    const { outbox, log, settings } = this.#parts;
    if (!outbox.stopped || signal.aborted) return;
    const { name } = settings;
    log.warn({ program: name }, `the outbox is full: ${name} is left unread until receipts make room`);
    while (outbox.stopped && !signal.aborted) await outbox.room(signal);
    if (!signal.aborted) log.info({ program: name }, `the outbox has room again: ${name} is read`);
  }

  /** Undefined where the agent stops before it can tell. */
  async #answer(
    line: ParsedLine | RefusedLine,
    stamp: Stamp,
    signal: AbortSignal,
  ): Promise<Answer | undefined> {
    if (isRefused(line)) return this.#refuse(line.id, line.error);
    let take: (() => Promise<Answer>) | undefined;
    try {
      take = await this.#look(line, stamp, signal);
    } catch (error) {
      if (!isEvidenceError(error) || error.disposition !== "refuse") throw error;
      return this.#refuse(line.id, error);
    }
    return await take?.(); // what fails here is the agent's own fault, and ends it
  }

  /** Looks at a line, and gives what takes it. @throws EvidenceError where the line is bad */
  async #look(
    line: ParsedLine,
    stamp: Stamp,
    signal: AbortSignal,
  ): Promise<(() => Promise<Answer>) | undefined> {
    const { settings, program } = this.#parts;
    const { id, digest, says } = line;
    const known = this.#find(id);
    if (known !== undefined) {
      if (!equalBytes(known.digest, digest))
        throw new EvidenceError("line-conflict", "a line with this id said something else");
      this.counters.repeats += 1;
      return () => Promise.resolve(acknowledged(id, known.statement));
    }
    const sub = this.#streamOf(line);
    const stream = this.#streams.get(sub) ?? this.#made(sub, []);
    const { name, remember } = settings;
    const noted: Line = { program: name, id, digest, remember, row: undefined };
    const take =
      says.kind === "reading"
        ? stream.reading(says, stamp, noted)
        : await this.#eventOf(says, signal).then((event) => event && stream.event(event, stamp, noted));
    if (take === undefined) return undefined;
    return async () => {
      this.#streams.set(sub, stream); // one that has nothing good isn't counted
      await take();
      this.#fresh.set(id, { sub, digest, statement: null });
      program.counters.framesGood += 1;
      return acknowledged(id, null);
    };
  }

  #find(id: string): KnownLine | undefined {
    const { lines, settings } = this.#parts;
    return this.#fresh.get(id) ?? lines.find(settings.name, id);
  }

  /** @throws EvidenceError `line-stream` for a stream that isn't this program's, `name-malformed` */
  #streamOf({ sub }: ParsedLine): string {
    const { patterns, maxStreams } = this.#parts.settings;
    const [only = ""] = patterns;
    const isOne = patterns.length === 1 && !only.endsWith("*");
    const found = sub ?? (isOne ? only : undefined);
    if (found === undefined)
      throw new EvidenceError("line-stream", "the line names no stream, and the program has several");
    if (this.#streams.has(found)) return found;
    checkStream(found);
    if (!isStreamOf(patterns, found))
      throw new EvidenceError("line-stream", "the stream is none that the configuration gives this program");
    if (this.#streams.size >= maxStreams)
      throw new EvidenceError(
        "line-stream",
        `the program has more than ${maxStreams} streams: see maxStreams`,
      );
    return found;
  }

  /**
   * The event, with the statements that its lines became in place of their names; undefined where the agent stops before it can tell.
   *
   * @throws EvidenceError `line-unknown`, and of an event
   */
  async #eventOf({ members, references }: SaidEvent, signal: AbortSignal): Promise<Event | undefined> {
    const hashes = new Map<string, Uint8Array>();
    for (const id of references) {
      const hash = await this.#statementOf(id, signal);
      if (hash === undefined) return undefined;
      hashes.set(id, hash);
    }
    return eventOf(members, (id) => hashes.get(id) ?? unknown(id));
  }

  /** What a line refers to is sealed first, if it waits for that. @throws EvidenceError `line-unknown` */
  async #statementOf(id: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const { journal, lines, settings, outbox } = this.#parts;
    const known = this.#find(id) ?? unknown(id);
    if (known.statement !== null) return known.statement;
    journal.write();
    for (;;) {
      await this.#hold(signal);
      if (outbox.stopped) return undefined; // and the agent stops
      await this.#streams.get(known.sub)?.seal();
      const found = lines.find(settings.name, id)?.statement;
      if (found !== undefined && found !== null) return found;
      if (!outbox.stopped) return unknown(id); // it said nothing new, and is in no statement of its own
    }
  }

  #made(sub: string, recovered: readonly Entry[]): ImportedStream {
    const { iss, storage, standing, settings, chains, time } = this.#parts;
    const { intervalS, seal } = settings;
    const chain = chains.get(sub);
    const meter = chain === undefined || chain.closed ? undefined : chain.declared.meter;
    const names = chain?.declared.names.map(({ name }) => name) ?? [];
    const isNew = chain === undefined && recovered.length === 0;
    const told = isNew ? [] : recall(storage, { iss, sub, names, left: recovered, standing });
    const pinned = meter === undefined ? {} : { meter };
    // A line that is acknowledged is evidence, whatever meter it names: none is left out.
    const taken = { everyS: 0, maxChanges: Infinity, counters: this.counters };
    const sampler = new Sampler({ ...taken, told, clock: time, ...pinned });
    const own = { sub, seal, intervalS, source: "exec", sampler };
    return new ImportedStream({ ...this.#parts, ...own }, recovered);
  }

  /** Bad lines are counted by code; the log names the 1st, 2nd, 4th, 8th, … of each. */
  #refuse(id: string | undefined, { code, message }: EvidenceError): Answer {
    const { log, settings, program } = this.#parts;
    const { framesBad } = program.counters;
    const count = (framesBad.get(code) ?? 0) + 1;
    framesBad.set(code, count);
    if (Number.isInteger(Math.log2(count)))
      log.warn(
        { program: settings.name, code },
        `${settings.name}: a line was refused: ${message} [${code}], ${count} so far`,
      );
    return { refused: id ?? null, code, text: message };
  }

  /** For a program that wants to name statements later, when their lines may be forgotten. */
  #sealed(id: string): readonly Answer[] {
    const { statement } = this.#find(id) ?? { statement: null };
    return statement === null ? [] : [{ sealed: id, statement: toHex(statement) }];
  }
}

type Answer = Readonly<Record<string, string | null>>;

const acknowledged = (id: string, statement: Uint8Array | null): Answer =>
  statement === null ? { ack: id } : { ack: id, statement: toHex(statement) };

const textOf = (answers: readonly Answer[]): string =>
  answers.map((one) => `${JSON.stringify(one)}\n`).join("");

function unknown(id: string): never {
  throw new EvidenceError(
    "line-unknown",
    `no line of this program is known as ${JSON.stringify(id.slice(0, 40))}`,
  );
}
