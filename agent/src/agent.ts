/**
 * The agent put together, from parts that a test can own: source → sample → journal → seal → outbox → uplink.
 *
 * @module
 */
import type { Stage } from "@tallystick/evidence/node";
import type { StreamSettings, Settings } from "./config/config.ts";
import { isStreamOf, type ProgramSettings } from "./config/config-programs.ts";
import { core, type Core, type CoreParts } from "./core.ts";
import { absentSince } from "./seal/gaps.ts";
import { bindIdentity, type Mark } from "./storage/identity.ts";
import { baseName, type Entry } from "./storage/journal.ts";
import { lookAt, type Look } from "./commands/look.ts";
import type { Log } from "./log.ts";
import type { Importer } from "./programs/importer.ts";
import { packsOf } from "./seal/packs.ts";
import { reopened } from "./seal/seal.ts";
import { recall } from "./sample/recall.ts";
import { sample, Sampler } from "./sample/sample.ts";
import type { Source, SourceContext } from "./sources/source.ts";
import type { Program, ProgramOptions } from "./sources/exec/program.ts";
import type { SourceOptions } from "./sources/open.ts";
import { Stream } from "./sample/stream.ts";
import type { Timekeeping } from "./clock/timekeeping.ts";
import type { Since } from "./sample/unread.ts";

export type AgentParts = Omit<CoreParts, "lost"> & {
  /** Shows that this device had a database before, where the database is new. */
  readonly mark: Mark;
  readonly openSource: (options: SourceOptions, context: SourceContext) => Promise<Source>;
  readonly openProgram: (options: ProgramOptions, context: SourceContext) => Promise<Program>;
  /** Watches over the agent from outside: told where to look, and run beside the other stages. */
  readonly watch?: (look: Look) => Stage;
  /** Makes the stage that tells a service manager that the agent lives, as long as what it is given resolves. */
  readonly answerTo?: (answers: () => Promise<void>) => Stage;
  /** No source is opened and no stream closed; what is journalled of one waits for the next start, which also tells what was missed meanwhile. */
  readonly systemOnly?: boolean;
  /** Why the sources were not read before this start, where it is known: gaps say so. */
  readonly absence?: string;
};

/** A stream with its source, ready to be read. */
type Reader = {
  readonly source: Source;
  readonly sampler: Sampler;
  readonly stream: Stream;
  /** Since when its source has not been read; undefined where nothing was promised yet, or it is noted already. */
  readonly absentSince: Since | undefined;
};

/** Why sources were not read before a start, where nothing else is known. */
const NOT_RUNNING = "agent-stopped";

/** Limits of packs that are made of what a stream left that the configuration no longer has. */
const LEFT_LIMITS = { maxItems: 1000, maxBytes: 24 << 10 } as const;

/**
 * Brings the agent up to where it was: takes in what an earlier run left, and tells of this start. Nothing is read or sent before the stages
 * returned are run.
 *
 * @throws EvidenceError `storage-exists`, `storage-failed`; what the signer or a source that can't be opened throws
 */
export async function startAgent(settings: Settings, parts: AgentParts): Promise<readonly Stage[]> {
  const { iss, previous } = settings;
  const lost = await bindIdentity(parts.storage, { mark: parts.mark, iss, lost: previous?.lost });
  const agent = core(settings, { ...parts, lost });
  const step = await agent.time.check();
  warnOfTime(agent.time, parts.log);
  const isWhole = parts.systemOnly !== true;
  const left = isWhole ? new Map(agent.journal.recover(iss)) : new Map<string, readonly Entry[]>();
  const readers = await Promise.all(
    (isWhole ? settings.streams : []).map((stream) => {
      const entries = left.get(stream.name) ?? [];
      left.delete(stream.name);
      return openReader(stream, entries, { iss, agent, parts });
    }),
  );
  const importers = await Promise.all(
    (isWhole ? settings.programs : []).map((program) => openImporter(program, left, { iss, agent, parts })),
  );
  await agent.rotation?.resume();
  if (isWhole)
    parts.storage.transaction(() => {
      noteAbsence(readers, parts.absence ?? NOT_RUNNING);
      agent.time.reads();
    });
  for (const [sub, entries] of left) await sealLeft(iss, sub, entries, agent);
  await agent.system.start(step, isWhole);
  parts.log.info(
    { iss, streams: readers.length, waiting: agent.outbox.waiting.count },
    "the agent is running",
  );
  const watched = parts.watch?.(lookAt(settings, agent, parts.storage));
  const answering = parts.answerTo?.(async () => {
    // Behind whatever waits to be signed and written: a key or a disk that hangs is not answered for.
    await agent.sealer.seal(() => []);
    await agent.housekeeping.punctual();
  });
  return [
    ...stagesOf(agent, readers, importers),
    ...[watched, answering].filter((stage) => stage !== undefined),
  ];
}

/**
 * The stages, which drain in order when asked to stop: sources end and streams seal what is pending, then the heads are told, then what is in the
 * outbox gets a moment to be heard.
 */
function stagesOf(agent: Core, readers: readonly Reader[], importers: readonly Importer[]): readonly Stage[] {
  const { system, housekeeping, rotation, delivery, chains, journal, failed } = agent;
  const drained = Promise.withResolvers<void>();
  const taking: readonly Stage[] = [
    ...readers.map(
      ({ source, sampler, stream }): Stage =>
        (signal) =>
          stream.run(() => sample(source.observations(signal), sampler), signal),
    ),
    ...importers.map(
      (importer): Stage =>
        (signal) =>
          importer.run(signal),
    ),
  ];
  const reading = taking.map((take) => {
    const done = Promise.withResolvers<void>();
    const stage: Stage = (signal) => take(signal).finally(() => done.resolve());
    return { stage, done: done.promise };
  });
  const closing: Stage = async (signal) => {
    await aborted(signal);
    try {
      journal.write(); // before any stream waits for a signature, which may take longer than a stop may
      await Promise.all(reading.map(({ done }) => done));
      if (chains.heads(false).length > 0) await system.tellHeads(false);
    } finally {
      drained.resolve();
    }
  };
  return [
    ...reading.map(({ stage }) => stage),
    (signal) => system.run(signal),
    (signal) => housekeeping.run(signal),
    ...(rotation === undefined ? [] : [(signal: AbortSignal) => rotation.run(signal)]),
    (signal) => delivery.run(signal, drained.promise),
    closing,
    (signal) => Promise.race([failed, aborted(signal)]),
  ];
}

async function openReader(
  settings: StreamSettings,
  left: readonly Entry[],
  { iss, agent, parts }: { iss: string; agent: Core; parts: AgentParts },
): Promise<Reader> {
  const { storage, log, timer } = parts;
  const { name, everyS } = settings;
  const source = await parts.openSource(settings.source, contextOf({ stream: name }, agent, log));
  const chain = agent.chains.get(name);
  const meter = chain === undefined || chain.closed ? undefined : chain.declared.meter;
  const names = chain?.declared.names.map((declared) => declared.name) ?? [];
  const told = recall(storage, { iss, sub: name, names, left, standing: agent.standing });
  const sampler = new Sampler({ everyS, told, clock: agent.time, ...(meter === undefined ? {} : { meter }) });
  agent.housekeeping.takeIn({ sub: name, source: source.counters, sampler: sampler.counters });
  const stream = new Stream({ ...agent, iss, settings, source, storage, log, timer }, left);
  const { unixMs: aliveUnixMs, tq: aliveTq } = agent.time.lastRead;
  // A chain that isn't open has promised nothing; what is noted already goes on.
  const isNew = chain === undefined || chain.closed || stream.absence !== undefined;
  const { intervalS } = stream;
  const lastRun = { left, told, aliveUnixMs, aliveTq, maxLossMs: settings.maxLossMs, intervalS };
  return { source, sampler, stream, absentSince: isNew ? undefined : absentSince(lastRun) };
}

/** A program with all its streams that there are; what is left of them is taken out of `left`. */
async function openImporter(
  settings: ProgramSettings,
  left: Map<string, readonly Entry[]>,
  { iss, agent, parts }: { iss: string; agent: Core; parts: AgentParts },
): Promise<Importer> {
  const { storage, log, timer } = parts;
  const { chains, housekeeping } = agent;
  const open = chains.subs().filter((sub) => chains.get(sub)?.closed === false);
  const mine = new Set([...open, ...left.keys()].filter((sub) => isStreamOf(settings.patterns, sub)));
  const recovered = new Map([...mine].map((sub) => [sub, left.get(sub) ?? []] as const));
  for (const sub of mine) left.delete(sub);
  const { name } = settings;
  const { Importer } = await import("./programs/importer.ts");
  const program = await parts.openProgram(settings, contextOf({ program: name }, agent, log));
  const importer = new Importer({ ...agent, iss, settings, program, storage, log, timer }, recovered);
  housekeeping.takeIn({ sub: `exec:${name}`, source: program.counters, sampler: importer.counters });
  return importer;
}

const contextOf = (about: Record<string, string>, { time }: Core, log: Log): SourceContext => ({
  clock: time,
  log: {
    info: (message) => log.info(about, message),
    warn: (message) => log.warn(about, message),
  },
});

/** From now on it is known, over restarts too, that these sources were not read: until a first sample shows how much is missing. */
function noteAbsence(readers: readonly Reader[], reason: string): void {
  for (const { stream, absentSince: since } of readers) if (since !== undefined) stream.missed(since, reason);
}

/**
 * Seals what is journalled of a stream that the configuration no longer has; its chain is closed afterwards. Where an earlier version closed it before, what
 * is left opens another.
 */
async function sealLeft(
  iss: string,
  sub: string,
  entries: readonly Entry[],
  { sealer, journal, time }: Core,
): Promise<void> {
  await sealer.seal((view) => [
    ...reopened(sub, view, { now: time.now(), intervalS: 0 }), // how often it came nobody knows any more
    ...packsOf(baseName(iss, sub), entries, LEFT_LIMITS).map((pack) => ({
      sub,
      time: time.sealTime(pack.stamp),
      content: pack.content,
      level: pack.level,
      commit: (_row: number, hash: Uint8Array) => journal.remove(pack.entries, hash),
    })),
  ]);
}

function warnOfTime(time: Timekeeping, log: Log): void {
  const { tq } = time.now();
  if (tq >= 2) return;
  const how = tq === 0 ? "statements carry no time" : "times are marked unsynchronised";
  log.warn(
    { tq },
    `nothing shows that this machine's clock is right: ${how}; wait for NTP, or see clock.trust in the configuration`,
  );
}

const aborted = async (signal: AbortSignal): Promise<void> => {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
};
