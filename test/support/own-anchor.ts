/**
 * An anchor with a device of its own and its reads served, without a broker: what it says is sequenced and published as soon as it says it.
 *
 * @module
 */
import type { ServerType } from "@hono/node-server";
import { pino } from "pino";
import { createKeyFile } from "@tallystick/evidence/node";
import { defaultConfig, placesOf, type Config } from "../../anchor/src/config.ts";
import type { Work } from "../../anchor/src/ledger.ts";
import { Lookups } from "../../anchor/src/http/lookups.ts";
import { openReads } from "../../anchor/src/reads/open.ts";
import { newToken, TokenStore } from "../../anchor/src/reads/tokens.ts";
import { KeyStates } from "../../anchor/src/registry/registry.ts";
import { close, createApp, listen } from "../../anchor/src/http/serve.ts";
import { createSodiumProvider } from "../../anchor/src/admission/sodium.ts";
import { machineTime } from "../../anchor/src/time.ts";
import { Own } from "../../anchor/src/trail/open.ts";
import { AnchorLog } from "./anchor-log.ts";
import { AnchorPipeline } from "./anchor-pipeline.ts";

export const OWN = "city/anchor";

export class OwnAnchor {
  readonly log: AnchorLog;
  readonly config: Config;
  pipeline: AnchorPipeline;
  own: Own;
  readonly #clock = { shiftMs: 0 };
  #batches: Promise<void> = Promise.resolve();
  #server: ServerType | undefined;
  url = "";
  /** False: what is brought to the ledger stays where it is. */
  sequencing = true;

  private constructor(log: AnchorLog, config: Config) {
    this.log = log;
    this.config = config;
    this.pipeline = new AnchorPipeline(log);
    this.own = this.#ownOf();
  }

  /** @param settings - of reads, in the place of the defaults */
  static async start(settings: Partial<Config["reads"]> = {}, log?: AnchorLog): Promise<OwnAnchor> {
    const made = log ?? (await AnchorLog.create());
    const { anchorKey } = placesOf(made.config);
    if (log === undefined) {
      const key = createKeyFile(anchorKey);
      const item = await made.item({
        kind: "enrol",
        device: OWN,
        key,
        streams: ["access"],
        silenceS: 259_200,
      });
      await made.publish(made.sequence([item], []));
    }
    const { reads } = defaultConfig(made.config.data);
    const anchor = new OwnAnchor(made, { ...made.config, reads: { ...reads, ...settings } });
    await anchor.serve();
    return anchor;
  }

  /** As after the end of the process. */
  async restart(): Promise<void> {
    await this.unserve();
    await this.log.reopen();
    this.pipeline = new AnchorPipeline(this.log);
    this.own = this.#ownOf();
    await this.serve();
  }

  async serve(): Promise<void> {
    const { opened } = this.log;
    const { tally, pool } = this.pipeline;
    const keys = new KeyStates(opened.keys, opened.store.archive, createSodiumProvider());
    const lookups = new Lookups(opened, keys);
    const nowUnixS = (): number => this.log.clock.now;
    const { config, own } = this;
    const logger = pino({ level: "silent" });
    const reads = openReads({ config, opened, lookups, trail: own.trail, tally, logger, nowUnixS });
    const app = createApp({
      publicFolder: this.log.publicFolder,
      lookups,
      reads,
      health: () => {
        throw new Error("not asked here");
      },
      metrics: () => Promise.resolve(`${pool.items}`),
    });
    const { server, url } = await listen(app, { host: "127.0.0.1", port: 0 });
    this.#server = server;
    this.url = url;
    own.begin((work) => this.#sequence(work));
  }

  async unserve(): Promise<void> {
    this.own.end();
    await this.#batches;
    if (this.#server !== undefined) await close(this.#server);
  }

  async remove(): Promise<void> {
    await this.unserve();
    this.log.remove();
  }

  /** A token for these streams that is good for a day. */
  async token(name: string, ...streams: readonly string[]): Promise<string> {
    const { now } = this.log.clock;
    const { token, hash } = newToken();
    const store = new TokenStore(placesOf(this.config).tokens);
    await store.add({ hash, name, streams, madeUnixS: now, expiresUnixS: now + 86_400 }, now);
    return token;
  }

  /** Carries out the orders that wait. */
  async erase(): Promise<void> {
    this.passMs(60_000);
    await this.own.erasing.look();
  }

  /** Lets time pass for whatever is due: heads, buckets that refill. */
  passMs(ms: number): void {
    this.#clock.shiftMs += ms;
  }

  #sequence(work: Work): void {
    this.pipeline.accepted.push(work);
    if (this.sequencing) void this.batch();
  }

  /** Sequences and publishes what was brought: one batch after the other. */
  batch(): Promise<void> {
    this.#batches = this.#batches.then(() => this.pipeline.batch());
    return this.#batches;
  }

  #ownOf(): Own {
    const time = { ...machineTime, nowMs: () => machineTime.nowMs() + this.#clock.shiftMs };
    const { opened } = this.log;
    const logger = pino({ level: "silent" });
    return new Own({
      config: this.config ?? this.log.config,
      opened,
      provider: createSodiumProvider(),
      logger,
      time,
      nowUnixS: () => this.log.clock.now,
    });
  }
}
