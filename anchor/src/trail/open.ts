/**
 * The anchor's own device, wired to a log that is open.
 *
 * @module
 */
import type { Logger } from "pino";
import type { SignatureProvider } from "@tallystick/evidence";
import { placesOf, type Config } from "../config.ts";
import { Erasing } from "../erasure/erasing.ts";
import { Orders } from "../erasure/orders.ts";
import type { Work } from "../ledger.ts";
import type { OpenLog } from "../log/open-log.ts";
import { machineTime, type Time } from "../time.ts";
import { Kept } from "./kept.ts";
import { ownNameOf } from "./own-device.ts";
import { Trail } from "./trail.ts";

export type OwnOptions = {
  readonly config: Config;
  readonly opened: Pick<OpenLog, "store" | "keys" | "sequencer">;
  readonly provider: SignatureProvider;
  readonly logger: Pick<Logger, "info" | "warn">;
  readonly nowUnixS: () => number;
  readonly time?: Time;
};

/** What the anchor says and does by itself while it runs. */
export class Own {
  readonly trail: Trail;
  readonly erasing: Erasing;

  constructor({ config, opened, provider, logger, nowUnixS, time = machineTime }: OwnOptions) {
    const { store, keys, sequencer } = opened;
    const places = placesOf(config);
    this.trail = new Trail({
      iss: ownNameOf(config.trail, keys),
      keyFile: places.anchorKey,
      kept: new Kept(places.trail),
      store,
      keys,
      recovery: sequencer.recovery,
      provider,
      heartbeatS: config.trail.heartbeatS,
      nowUnixS,
      time,
      logger,
    });
    const orders = new Orders(places.erasures, (file, err) =>
      logger.warn({ file, err }, "an order to erase can't be read, and is left where it is"),
    );
    this.erasing = new Erasing({ orders, trail: this.trail, store, time, logger });
  }

  /** From now on statements are sequenced: `push` brings one. */
  begin(push: (work: Work) => void): void {
    this.trail.begin(push);
  }

  /** @throws EvidenceError `storage-failed` */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.trail.run(signal), this.erasing.run(signal)]);
  }

  /** Nothing more is begun. */
  stop(): void {
    this.trail.stop();
  }

  /** Nothing is sequenced any more. */
  end(): void {
    this.trail.end();
  }
}
