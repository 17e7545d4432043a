/**
 * The stages of an anchor around a log, without MQTT and without threads: messages in, batches when the test says so, down messages kept.
 *
 * @module
 */
import {
  concatBytes,
  decodeDown,
  downTopic,
  ed25519Key,
  esp256Key,
  toHex,
  type SignatureProvider,
  type DownMessage,
  type Statement,
} from "@tallystick/evidence";
import { Admission } from "../../anchor/src/admission/admit.ts";
import type { Config } from "../../anchor/src/config.ts";
import { handleBatch, type LedgerParts, type Work } from "../../anchor/src/ledger.ts";
import { Places, type Entrant } from "../../anchor/src/sequence/place.ts";
import { Pool } from "../../anchor/src/intake/pool.ts";
import { Receipts } from "../../anchor/src/receipts/receipts.ts";
import { Refusals } from "../../anchor/src/receipts/refusals.ts";
import { Registrations } from "../../anchor/src/scrapi/registrations.ts";
import {
  runJob,
  SignatureJob,
  verdictsOf,
  type VerifyOne,
} from "../../anchor/src/admission/signature-job.ts";
import { createSodiumProvider } from "../../anchor/src/admission/sodium.ts";
import { Tally } from "../../anchor/src/tally.ts";
import { machineTime } from "../../anchor/src/time.ts";
import { Wanted } from "../../anchor/src/restore/wanted.ts";
import { ownNameOf } from "../../anchor/src/trail/own-device.ts";
import type { AnchorLog } from "./anchor-log.ts";

/** A provider as a job asks it. */
export const verifyOne =
  (provider: SignatureProvider): VerifyOne =>
  (x, y, message, signature) =>
    provider.verify(y === undefined ? ed25519Key(x) : esp256Key(x, y), message, signature);

export class AnchorPipeline {
  readonly log: AnchorLog;
  readonly tally = new Tally();
  readonly pool: Pool;
  readonly receipts: Receipts;
  readonly admission: Admission;
  readonly parts: LedgerParts;
  /** Whoever brought statements over HTTP. */
  readonly registrations: Registrations;
  /** Candidates whose signature was good. */
  readonly accepted: Work[] = [];
  readonly faults: unknown[] = [];
  /** Devices that sent a receipt that was looked at. */
  readonly heard: string[] = [];
  readonly notes: string[] = [];
  /** Statements by which devices named their next keys. */
  readonly rotated: Entrant[] = [];
  /** Boot evidence of another machine than the enrolled one. */
  readonly elsewhere: Entrant[] = [];
  /** Signatures that were checked. */
  checked = 0;
  /** False: the broker is away. */
  online = true;
  #now = 0;
  #sent: { topic: string; payload: Uint8Array }[] = [];

  constructor(log: AnchorLog, config: Config = log.config) {
    this.log = log;
    const { opened } = log;
    const { keys, history, store, sequencer, publisher } = opened;
    const { tally } = this;
    const downlink = {
      send: (topic: string, payload: Uint8Array): boolean => {
        if (this.online) this.#sent.push({ topic, payload });
        return this.online;
      },
    };
    const onFault = (error: unknown): void => {
      this.faults.push(error);
    };
    const provider = createSodiumProvider();
    const pool = new Pool(config.pool);
    const nowMs = (): number => this.#now;
    const refusals = new Refusals(downlink, config.refusals, nowMs, (code) => tally.count(code));
    const receipts = new Receipts({
      store,
      log: opened.log,
      downlink,
      limits: config.receipts,
      tally,
      time: machineTime,
      halted: () => this.faults.length > 0,
      onFault,
    });
    const { recovery } = sequencer;
    const wanted = new Wanted({
      recovery,
      downlink,
      tally,
      isKnown: (iss) => keys.current(iss) !== undefined,
      anyHash: store.archive.entries(0, 1)[0] as Uint8Array,
      nowMs,
    });
    const registrations = new Registrations(config.scrapi, machineTime, tally);
    this.registrations = registrations;
    this.pool = pool;
    this.receipts = receipts;
    this.admission = new Admission({
      origin: opened.log.origin,
      ownIss: ownNameOf(config.trail, keys),
      keys,
      history,
      pool,
      receipts,
      refusals,
      registrations,
      tally,
      time: { ...machineTime, nowMs },
      recovery,
      wanted,
      onReceipt: (iss) => this.heard.push(iss),
      threads: {
        job: () => new SignatureJob(),
        check: (job, done) => {
          this.checked += job.count;
          const buffer = job.take();
          runJob(buffer, verifyOne(provider));
          done(verdictsOf(buffer));
        },
      },
      places: new Places(store.archive, store.chains),
      size: () => sequencer.size,
      publishedSize: () => publisher.size,
      accept: (candidate) => this.accepted.push(candidate),
      onFault,
    });
    registrations.open(this.admission);
    this.parts = {
      log: opened.log,
      ready: { next: () => Promise.resolve(undefined) },
      sequencer,
      publisher,
      receipts,
      refusals,
      registrations,
      inbox: { done: () => Promise.resolve(), refuse: () => Promise.resolve() },
      pool,
      tally,
      nowMs,
      onPublished: (note) => this.notes.push(note),
      onFilled: (filled) => {
        for (const iss of new Set(filled.map(({ statement }) => statement.claims.iss))) wanted.filled(iss);
      },
      onRotated: (statement) => this.rotated.push(statement),
      onElsewhere: (statement) => this.elsewhere.push(statement),
      onFault,
      halted: () => this.faults.length > 0,
    };
  }

  /** A message of a device: statements, or any bytes. */
  receive(iss: string, ...items: readonly (Statement | Uint8Array)[]): void {
    this.admission.receive(
      iss,
      concatBytes(...items.map((item) => (item instanceof Uint8Array ? item : item.bytes))),
    );
    this.admission.flush();
  }

  /** Sequences, publishes and answers what was accepted; re-derives the whole log. */
  async batch(): Promise<void> {
    await handleBatch(this.accepted.splice(0), this.parts);
    await this.receipts.idle();
    if (this.faults.length === 0) this.log.check();
  }

  /** What was sent to a device since the last call. */
  down(iss: string): DownMessage[] {
    const mine = this.#sent.filter(({ topic }) => topic === downTopic(iss));
    this.#sent = this.#sent.filter(({ topic }) => topic !== downTopic(iss));
    return mine.flatMap(({ payload }) => decodeDown(payload));
  }

  /** Codes of the refusals sent to a device, by the hash they are about. */
  refusals(iss: string): Map<string, string> {
    const refused = this.down(iss).flatMap((one) => (one.kind === "rejected" ? [one] : []));
    return new Map(refused.map(({ hash, code }) => [toHex(hash), code]));
  }

  /** Moves the refusals' clock. */
  passMs(ms: number): void {
    this.#now += ms;
  }
}
