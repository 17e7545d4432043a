/**
 * A watch in a folder of its own with a clock of the test's, taken up anew for each look, as after a restart.
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parsePolicy } from "@tallystick/evidence";
import { createNodeProvider, httpPlace, nodeSha256, type Place } from "@tallystick/evidence/node";
import { parseStream } from "../../audit/src/bundle/period.ts";
import type { Change } from "../../audit/src/watch/alert.ts";
import { Watcher, type WatchParts } from "../../audit/src/watch/watcher.ts";

/** Of loopback: who doesn't answer at once is slow. */
export const remotePlace = (url: string): Place =>
  httpPlace(url, { timeoutMs: 2000, attempts: 1, retryMs: 1 });

export class WatchRig {
  readonly folder = mkdtempSync(join(tmpdir(), "tally-watch-"));
  readonly #policy: string;
  now: number;
  /** What is watched besides: streams as they are named on a command line. */
  streams: readonly string[] = [];
  seen: readonly string[] = [];
  copies: readonly Place[] = [];
  reads: WatchParts["reads"];
  silenceS: number | undefined;
  maxAgeS = 3600;
  lookMs = 60_000;
  nowMs = (): number => performance.now();

  constructor(policy: string, now: number) {
    this.#policy = policy;
    this.now = now;
  }

  parts(place: Place): WatchParts {
    return {
      place,
      copies: this.copies,
      reads: this.reads,
      policy: parsePolicy(this.#policy),
      streams: this.streams.map(parseStream),
      seen: this.seen,
      maxAgeS: this.maxAgeS,
      silenceS: this.silenceS,
      folder: this.folder,
      lookMs: this.lookMs,
      recheckMs: 1,
      provider: createNodeProvider(),
      hash: nodeSha256,
      nowUnixS: () => this.now,
      nowMs: () => this.nowMs(),
    };
  }

  /** One look by a watch that knows nothing but its folder. */
  async look(place: Place): Promise<{ changes: readonly Change[]; watcher: Watcher }> {
    const watcher = await Watcher.open(this.parts(place));
    const changes = await watcher.look();
    await watcher.save();
    return { changes, watcher };
  }

  /** As `begins log-fork`. */
  async told(place: Place): Promise<string[]> {
    return (await this.look(place)).changes.map(short);
  }

  proof(name: string | undefined): Record<string, unknown> {
    return JSON.parse(readFileSync(join(this.folder, name ?? ""), "utf8")) as Record<string, unknown>;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const short = ({ state, code, because }: Change): string =>
  `${state} ${code}${because === undefined || because === code ? "" : ` [${because}]`}`;
