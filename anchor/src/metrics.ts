/**
 * Figures for Prometheus. Labels are codes and outcomes from closed lists, never names.
 *
 * @module
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";
import type { Pool } from "./intake/pool.ts";
import type { SilenceState } from "./silence/stage.ts";
import type { Tally } from "./tally.ts";

export type Measured = {
  readonly tally: Tally;
  readonly pool: Pool;
  readonly size: () => number;
  readonly missing: () => number;
  readonly brokerConnected: () => boolean;
  readonly silence?: () => SilenceState;
};

/** The text of `/metrics`, from counts that are read when it is asked for. */
export function createMetrics({
  tally,
  pool,
  size,
  missing,
  brokerConnected,
  silence,
}: Measured): () => Promise<string> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers: Registry[] = [];
  const gauge = (name: string, help: string, read: () => number): void => {
    const metric = new Gauge({
      name: `tally_anchor_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
    registry.registerMetric(metric);
  };
  const total = (name: string, help: string, read: () => number): void => {
    const metric = new Counter({
      name: `tally_anchor_${name}`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
    registry.registerMetric(metric);
  };
  const outcomes = new Counter({
    name: "tally_anchor_outcomes_total",
    help: "What became of statements, receipts, messages and requests to enrol, by outcome or code",
    labelNames: ["outcome"],
    registers,
    collect() {
      this.reset();
      for (const [outcome, count] of tally.entries()) this.inc({ outcome }, count);
    },
  });
  registry.registerMetric(outcomes);
  gauge("log_size", "Entries published", size);
  gauge("missing_statements", "Entries whose statements a restored log has not got back", missing);
  gauge("pool_items", "Statements between intake and commit", () => pool.items);
  gauge("broker_connected", "1 while connected to the broker", () => (brokerConnected() ? 1 : 0));
  total("commits_total", "Batches committed", () => tally.commits);
  total("commit_seconds_total", "Time in commits", () => tally.commitMs / 1000);
  total("publish_seconds_total", "Time in publishing", () => tally.publishMs / 1000);
  if (silence !== undefined) {
    gauge("devices_watched", "Devices whose silence would be noticed", () => silence().devices);
    gauge("devices_silent", "Devices that are silent for longer than allowed", () => silence().silentDevices);
    gauge(
      "streams_silent",
      "Streams of other devices that are silent for longer than allowed",
      () => silence().silentStreams,
    );
    gauge("streams_unwatched", "Streams beyond alarms.maxStreams", () => silence().unwatchedStreams);
    gauge("watching", "1 while silence is looked for: 0 without a broker, and for a grace after it", () =>
      silence().watching ? 1 : 0,
    );
    gauge("alarms_waiting", "Alarms that the receiver has not taken", () => silence().alarms.waiting);
    total("alarms_dropped_total", "Alarms let go because too many waited", () => silence().alarms.dropped);
    total("alarms_sent_total", "Alarms that the receiver took", () => silence().alarms.sent);
    total("alarm_failures_total", "Attempts to send alarms that failed", () => silence().alarms.failures);
  }
  return () => registry.metrics();
}
