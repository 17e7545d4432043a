/**
 * An agent with live meters on a test's own time, and a real log behind it: what comes out at an auditor's. The line between them is the test's.
 *
 * @module
 */
import { onTestFinished } from "vitest";
import {
  encodeDown,
  EvidenceError,
  formatVkey,
  nobleSigner,
  parsePolicy,
  parseStatement,
  verify,
  type Statement,
  type Verdict,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { handleBatch } from "../../anchor/src/ledger.ts";
import { chainTimes, type ChainTimes } from "../../audit/src/verify/times.ts";
import { ISS, NOW } from "./agent-rig.ts";
import { AnchorLog } from "./anchor-log.ts";
import { AnchorPipeline } from "./anchor-pipeline.ts";
import { Outage, type OutageOptions } from "./outage.ts";
import { bundleOf, serveLog, type ServedLog } from "./served-log.ts";

/** The rig's own key. */
const DEVICE = nobleSigner(new Uint8Array(32).fill(9));

/** Shorter than any wait of the agent's for an answer. */
const MAX_STEP_MS = 60_000;

export type Judged = { readonly verdict: Verdict; readonly times: readonly ChainTimes[] };

export class AnchoredAgent extends Outage {
  readonly log: AnchorLog;
  readonly #pipeline: AnchorPipeline;
  readonly #served: ServedLog;
  /** The log's disk is a real one: time stands still until it is done. */
  #underway: Promise<unknown> = Promise.resolve();
  /** False: nobody answers. */
  #isOnline = true;
  #giveUp = (): void => {};

  private constructor(options: OutageOptions, log: AnchorLog, pipeline: AnchorPipeline, served: ServedLog) {
    super(options);
    this.log = log;
    this.#pipeline = pipeline;
    this.#served = served;
    const { rig } = this;
    const advance = rig.time.advance.bind(rig.time);
    rig.time.advance = async (ms) => {
      // While it is online in small steps: else time would run on while the log is at its disk.
      for (let leftMs = ms; leftMs >= 0;) {
        const stepMs = this.#isOnline ? Math.min(leftMs, MAX_STEP_MS) : leftMs;
        await advance(stepMs);
        await this.#idle(advance);
        leftMs -= Math.max(stepMs, 1);
      }
    };
    const { origin, signer } = log.opened.log;
    rig.settings = { ...rig.settings, log: [formatVkey(origin, signer.key)] };
    rig.connect = (onDown, signal) => {
      const { promise: closed, resolve } = Promise.withResolvers<string>();
      rig.disconnect = resolve;
      if (!this.#isOnline)
        return new Promise((_resolve, reject) => {
          this.#giveUp = () => reject(new EvidenceError("unreachable", "nobody answers"));
          signal.addEventListener("abort", () => this.#giveUp());
        });
      return Promise.resolve({
        closed,
        publish: async (_topic: string, payload: Uint8Array) => {
          const taken = this.#underway.then(() => this.#take(payload));
          this.#underway = taken.catch(() => {});
          for (const answer of await taken) onDown(answer);
        },
        end: () => Promise.resolve(resolve("ended")),
      });
    };
  }

  static async create(options: OutageOptions): Promise<AnchoredAgent> {
    const log = await AnchorLog.create();
    log.clock.now = Math.floor(NOW / 1000);
    const pipeline = new AnchorPipeline(log);
    const served = await serveLog(log, pipeline);
    onTestFinished(async () => {
      await served.close();
      log.remove();
    });
    const enrolment = { kind: "enrol", device: ISS, key: DEVICE.key, streams: ["*"], silenceS: 900 } as const;
    await log.publish(log.sequence([await log.item(enrolment)], []));
    return new AnchoredAgent(options, log, pipeline, served);
  }

  set isOnline(isOnline: boolean) {
    this.#isOnline = isOnline;
    if (isOnline) this.#giveUp();
    else this.rig.disconnect("the test cut it");
  }

  /** The device's statements, in the order of the log. */
  override get ledger(): readonly Statement[] {
    return this.log.opened.store.db
      .prepare("SELECT bytes FROM statements WHERE chain IS NOT NULL ORDER BY idx")
      .all()
      .map((row) => parseStatement(row["bytes"] as Uint8Array));
  }

  bundle(...subs: readonly string[]): Promise<Uint8Array> {
    return bundleOf(
      this.#served,
      this.log.policy,
      subs.map((sub) => ({ iss: ISS, sub })),
    );
  }

  judge(bundle: Uint8Array): Judged {
    const policy = parsePolicy(this.log.policy);
    const verdict = verify(bundle, { policy, provider: createNodeProvider(), hash: nodeSha256 });
    return { verdict, times: chainTimes(bundle, verdict) };
  }

  /** Whatever is at the log is answered. */
  async #idle(advance: (ms: number) => Promise<void>): Promise<void> {
    for (let last; last !== this.#underway;) {
      last = this.#underway;
      await last;
      await advance(0);
    }
  }

  async #take(payload: Uint8Array): Promise<readonly Uint8Array[]> {
    this.log.clock.now = Math.floor(this.trueUnixMs() / 1000);
    this.#pipeline.receive(ISS, payload);
    const { accepted, parts, receipts } = this.#pipeline;
    await handleBatch(accepted.splice(0), parts);
    await receipts.idle();
    return this.#pipeline.down(ISS).map((message) => encodeDown(message));
  }

  /** The time of day that the rest of the world has; a test whose gateway has another one sets it. */
  trueUnixMs = (): number => this.rig.system.wallUnixMs();
}
