/**
 * What can be seen of a running agent at one moment: from its memory, but for the last receipt and the alarms, which are looked up.
 *
 * @module
 */
import type { Settings } from "../config/config.ts";
import type { Core } from "../core.ts";
import type { Line } from "../uplink/line-state.ts";
import type { OutboxTotals } from "../outbox/outbox.ts";
import type { Storage } from "../storage/storage.ts";

export type Seen = {
  readonly iss: string;
  readonly timeUnixMs: number;
  readonly tq: number;
  readonly uptimeS: number;
  /** Undefined until a connection was had or failed. */
  readonly line: Line | undefined;
  /** Statements without a receipt. */
  readonly waiting: OutboxTotals;
  readonly maxBytes: number;
  /** True where sources are not read because the outbox is full. */
  readonly stopped: boolean;
  /** Statements sent and not receipted yet. */
  readonly window: number;
  /** Commit time of the newest verified receipt, Unix seconds. */
  readonly lastReceiptUnixS: number | undefined;
  readonly alarms: number;
  readonly counters: ReadonlyMap<string, ReadonlyMap<string, number>>;
};

export type Look = () => Seen;

export function lookAt(
  { iss, outbox: { maxBytes } }: Settings,
  { time, outbox, line, delivery, counters, housekeeping }: Core,
  storage: Storage,
): Look {
  const receipt = storage.query<{ time: number }>("SELECT time FROM receipt ORDER BY id DESC LIMIT 1");
  const alarms = storage.query<{ n: number }>("SELECT count(*) AS n FROM alarm");
  return () => {
    housekeeping.count();
    return {
      iss,
      ...time.now(),
      uptimeS: Math.floor(time.monotonicMs() / 1000),
      line: line.now,
      waiting: outbox.waiting,
      maxBytes,
      stopped: outbox.stopped,
      window: delivery.windowSize,
      lastReceiptUnixS: receipt.get()?.time,
      alarms: alarms.get()?.n ?? 0,
      counters: counters.values,
    };
  };
}
