/**
 * What systemd is told of a service (sd_notify(3)): that it is up, that it lives, that it stops. Node has no datagram sockets of AF_UNIX, so
 * `systemd-notify` says it, which is wherever systemd is; the unit needs `NotifyAccess=all`, since it is a child. Without systemd nothing is done.
 *
 * @module
 */
import { execFile } from "node:child_process";
import process from "node:process";
import type { Stage } from "./stages.ts";
import { sleep, systemTimer, type Timer } from "./timer.ts";

/** Says a word of sd_notify(3), as `READY=1`. Never throws: a service whose word isn't heard is started again, and that is the answer to it. */
export type Tell = (word: string) => Promise<void>;

const TELL_TIMEOUT_MS = 10_000;
/** Of the time that the service manager waits for a word. */
const BEATS = 3;

type Environment = Readonly<Record<string, string | undefined>>;

export class ServiceManager {
  readonly #tell: Tell;
  readonly #beatMs: number | undefined;
  readonly #timer: Timer;

  /**
   * @param beatMs - how often it wants to hear that the service lives; undefined: never
   */
  constructor(tell: Tell, beatMs: number | undefined, timer: Timer) {
    this.#tell = tell;
    this.#beatMs = beatMs;
    this.#timer = timer;
  }

  /** The one that started this process, as its environment says; one that hears nothing where there is none. */
  static of(env: Environment, warn: (message: string) => void): ServiceManager {
    const socket = env["NOTIFY_SOCKET"];
    if (socket === undefined) return new ServiceManager(async () => {}, undefined, systemTimer);
    return new ServiceManager(bySystemd(socket, env, warn), beatOf(env), systemTimer);
  }

  /** The service is up. */
  ready(): Promise<void> {
    return this.#tell("READY=1");
  }

  /** It lives. For whoever has no {@link watch} yet. */
  async alive(): Promise<void> {
    if (this.#beatMs !== undefined) await this.#tell("WATCHDOG=1");
  }

  /**
   * A stage that says at each beat that the service lives, if it answers until the next one is due; and that it stops, when it does.
   *
   * @param answers - resolves once every part that could hang has had its turn; what it rejects with ends the service
   */
  watch(answers: () => Promise<void>): Stage {
    return async (signal) => {
      while (this.#beatMs !== undefined && !signal.aborted) {
        await unlessAborted(answers(), signal);
        if (!signal.aborted) await this.alive();
        await sleep(this.#timer, this.#beatMs, signal);
      }
      await aborted(signal);
      await this.#tell("STOPPING=1");
    };
  }
}

const aborted = async (signal: AbortSignal): Promise<void> => {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
};

/** Resolves with `work`, or when `signal` is aborted; of a wait that is over nothing stays at the signal. */
async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  const stop = (): void => over.resolve();
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  try {
    await Promise.race([work, over.promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** A third of `WATCHDOG_USEC`, where it is meant for this process (sd_watchdog_enabled(3)). */
function beatOf(env: Environment): number | undefined {
  const us = Number(env["WATCHDOG_USEC"]);
  const pid = env["WATCHDOG_PID"];
  if (!(us > 0) || (pid !== undefined && pid !== String(process.pid))) return undefined;
  return us / 1000 / BEATS;
}

const bySystemd =
  (socket: string, env: Environment, warn: (message: string) => void): Tell =>
  (word) =>
    new Promise((resolve) => {
      const told = { NOTIFY_SOCKET: socket, PATH: env["PATH"] ?? "/usr/bin:/bin" };
      execFile("systemd-notify", [word], { env: told, timeout: TELL_TIMEOUT_MS }, (error) => {
        if (error !== null) warn(`systemd-notify ${word}: ${error.message.trim()}`);
        resolve();
      });
    });
