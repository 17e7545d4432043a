/**
 * An agent under fire, with its meter: it is known at each kill what had reached the agent, and for how long.
 *
 * Two claims are made. Whatever is on the agent's disk after a kill, and all that its meter sent before that, has to be in the ledger. And what the
 * agent had taken from its socket longer than `maxLossMs` before the kill has to be on its disk.
 *
 * @module
 */
import { monitorEventLoopDelay, type IntervalHistogram } from "node:perf_hooks";
import { finding, type Finding } from "../support/finding.ts";
import { METER, MeteredAgent } from "../support/metered-agent.ts";
import { unreadBytes } from "../support/socket-queue.ts";

/** From the socket to the disk, beyond `maxLossMs`: the agent's own work, on a machine that others use too. */
const HANDLING_MS = 1000;
/** Where this process was itself held up for so long, so may the agent have been: then only the first claim is made. */
const STARVED_MS = 250;

export class GatewayUnderFire extends MeteredAgent {
  readonly findings: Finding[] = [];
  /** Kills at which the second claim was made. */
  timed = 0;
  readonly #lag: IntervalHistogram = monitorEventLoopDelay({ resolution: 10 });

  override launch(): void {
    this.#lag.enable();
    this.#lag.reset();
    super.launch();
  }

  /** Kills the agent; the signal is sent before this returns, and what it had by then is known. */
  async kill(): Promise<void> {
    this.#claimInTime();
    const gone = this.town.kill(this.name);
    await gone;
    this.endLife();
  }

  #claimInTime(): void {
    const lagMs = this.#lag.max / 1e6;
    this.#lag.reset();
    const served = this.life.at(-1);
    if (served === undefined || lagMs > STARVED_MS) return;
    const unread = unreadBytes(this.meter.port, served.port);
    const last = served.written.at(-1);
    if (unread === undefined || last === undefined) return;
    const { maxLossMs } = this.settings;
    const dueMs = performance.now() - maxLossMs - HANDLING_MS;
    const taken = last.endBytes - unread;
    const due = served.written.findLastIndex(({ atMs, endBytes }) => atMs < dueMs && endBytes <= taken);
    const second = served.seconds[due];
    if (second === undefined) return;
    this.timed += 1;
    const onDisk = this.book.newestSecond(METER) ?? 0;
    if (onDisk < second) {
      const text = `${this.iss}: ${second} was read more than ${maxLossMs + HANDLING_MS} ms before a kill; the disk has ${onDisk}`;
      this.findings.push(finding("F1", text));
    }
  }
}
