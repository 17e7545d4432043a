/**
 * A restored log at work: the devices are heard, asked for what is missing, and the operator is told how it stands.
 *
 * @module
 */
import type { Logger } from "pino";
import type { KeyState } from "@tallystick/evidence";
import type { Config } from "../config.ts";
import type { Downlink } from "../receipts/downlink.ts";
import { Hearing } from "./hearing.ts";
import type { Publisher } from "../publish/publish.ts";
import type { Placed, Sequencer, Store } from "../sequence/sequence.ts";
import type { Tally } from "../tally.ts";
import type { Time } from "../time.ts";
import { Wanted } from "./wanted.ts";

export type RestoringParts = {
  readonly config: Pick<Config, "broker" | "restored">;
  readonly store: Store;
  readonly keys: KeyState;
  readonly sequencer: Sequencer;
  readonly publisher: Pick<Publisher, "size" | "publish">;
  readonly downlink: Downlink;
  readonly tally: Tally;
  readonly time: Time;
  readonly logger: Logger;
  /** Called with the note of what was committed and not signed before the devices were heard. */
  readonly onPublished: (note: string) => void;
  /** True once the process must end: nothing is signed any more. */
  readonly halted: () => boolean;
  /** The archive could not be written: the process must end. */
  readonly onFault: (error: unknown) => void;
};

export class Restoring {
  readonly wanted: Wanted;
  readonly #parts: RestoringParts;
  readonly #hearing: Hearing;
  readonly #isKnown: (iss: string) => boolean;
  /** Resolves when registry items may be taken in: at once, unless the devices are to be heard first. */
  readonly heard: Promise<void>;

  constructor(parts: RestoringParts) {
    const { config, store, keys, sequencer, downlink, tally, time } = parts;
    const { recovery } = sequencer;
    this.#parts = parts;
    this.#isKnown = (iss) => keys.current(iss) !== undefined;
    const [anyHash = new Uint8Array(32)] = store.archive.entries(0, 1);
    const nowMs = (): number => time.nowMs();
    this.wanted = new Wanted({ recovery, downlink, tally, isKnown: this.#isKnown, anyHash, nowMs });
    this.#hearing = new Hearing({ settleMs: config.broker.settleMs, ...config.restored }, time);
    this.heard = recovery.hearing ? this.#hear() : Promise.resolve();
  }

  /** Whether the devices' states are of use. */
  static isOn({ recovery }: Sequencer): boolean {
    return recovery.hearing || recovery.missing > 0;
  }

  /** The broker was reached, and what it retains was seen. */
  begin(): void {
    const { sequencer, config, logger } = this.#parts;
    const { recovery } = sequencer;
    if (recovery.hearing) {
      const { hearMs } = config.restored;
      logger.warn(
        { missing: recovery.missing, hearMs },
        "this log was restored: devices may show newer receipts now; nothing is signed before they were heard",
      );
      this.#hearing.begin();
    } else this.#tellMissing();
  }

  /** The line to the broker is gone: nobody can be heard. */
  lost(): void {
    this.#hearing.pause();
  }

  state(iss: string, state: "online" | "offline"): void {
    if (!this.#isKnown(iss)) return;
    this.#hearing.state(iss, state);
    if (state === "online") this.wanted.turnedUp(iss);
  }

  receipt(iss: string): void {
    this.#hearing.receipt(iss);
  }

  filled(filled: readonly Placed[]): void {
    const { sequencer, logger } = this.#parts;
    for (const iss of new Set(filled.map(({ statement }) => statement.claims.iss))) this.wanted.filled(iss);
    if (sequencer.recovery.missing === 0) logger.info("every missing statement is back: the log is whole");
  }

  async #hear(): Promise<void> {
    const { sequencer, store, publisher, logger, onPublished, halted, onFault } = this.#parts;
    await this.#hearing.over;
    if (halted()) return;
    try {
      const last = store.batches.last();
      if (last !== undefined && publisher.size < last.size) onPublished(await publisher.publish(last));
      sequencer.recovery.heard();
    } catch (error) {
      onFault(error);
      return;
    }
    const { heard, awaited } = this.#hearing;
    logger.info(
      { heard, silent: awaited },
      "the devices were heard, and showed no newer tree: the log goes on",
    );
    this.#tellMissing();
  }

  #tellMissing(): void {
    const { missing } = this.#parts.sequencer.recovery;
    if (missing === 0) return;
    this.#parts.logger.warn(
      { code: "log-restoring", missing },
      "statements are missing: devices that may have sent them are asked, and wait with new ones until all are back; see tally-anchor missing",
    );
  }
}
