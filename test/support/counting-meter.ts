/**
 * The demonstration's meter on a socket, which keeps account of what it sent: each telegram is a second later than the one before, and for
 * each connection it is known which telegrams were written to it.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { advance, startState, telegram, type MeterState } from "../../demo/meter.ts";

/** One connection of a reader, and the seconds (Unix) of the telegrams written to it, in order. */
export type Served = {
  readonly seconds: number[];
  /** Of each: when it was written (milliseconds, monotonic), and how many bytes of this connection then were. */
  readonly written: { readonly atMs: number; readonly endBytes: number }[];
  /** The reader's end of it. */
  readonly port: number;
  /** Of those, the ones that the test saw arrive: what comes after them may be lost with its reader. */
  sure: number;
};

export class CountingMeter {
  /** In the order in which they were made. */
  readonly connections: Served[] = [];
  /** Every telegram ever sent, by its second. */
  readonly telegrams = new Map<number, string>();
  readonly #server: Server = createServer((socket) => this.#welcome(socket));
  readonly #sockets = new Map<Socket, Served>();
  readonly #intervalMs: number;
  #state: MeterState;
  #second: number;
  #timer: NodeJS.Timeout | undefined;

  private constructor(firstUnixS: number, intervalMs: number) {
    this.#second = firstUnixS;
    this.#state = startState(firstUnixS);
    this.#intervalMs = intervalMs;
  }

  /** Listens on 127.0.0.1 and begins to send. */
  static async start(firstUnixS: number, intervalMs: number): Promise<CountingMeter> {
    const meter = new CountingMeter(firstUnixS, intervalMs);
    meter.#server.listen(0, "127.0.0.1");
    await once(meter.#server, "listening");
    meter.#timer = setInterval(() => meter.tick(), intervalMs);
    return meter;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Second of the newest telegram that went to a reader; undefined before the first. */
  get newest(): number | undefined {
    return this.connections.findLast(({ seconds }) => seconds.length > 0)?.seconds.at(-1);
  }

  /** Whether somebody is connected now. */
  get isRead(): boolean {
    return this.#sockets.size > 0;
  }

  /** Sends the next telegram to whoever is connected. */
  tick(): void {
    const next = this.#second + 1;
    this.#state = advance(this.#state, this.#second, next);
    this.#second = next;
    const bytes = telegram(this.#state, next);
    if (this.#sockets.size > 0) this.telegrams.set(next, bytes.toString("latin1"));
    const atMs = performance.now();
    for (const [socket, { seconds, written }] of this.#sockets) {
      socket.write(bytes);
      seconds.push(next);
      written.push({ atMs, endBytes: (written.at(-1)?.endBytes ?? 0) + bytes.length });
    }
  }

  /**
   * Notes that everything sent so far has arrived, and sends one more: the only one, at this moment, of which nobody knows. Whoever ends the
   * reader in the same turn knows what may be missing afterwards.
   */
  sendInFlight(): void {
    for (const served of this.#sockets.values()) served.sure = served.seconds.length;
    this.tick();
  }

  /** Sends nothing of its own accord any more. */
  pause(): void {
    clearInterval(this.#timer);
  }

  resume(): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.tick(), this.#intervalMs);
  }

  async stop(): Promise<void> {
    this.pause();
    for (const socket of this.#sockets.keys()) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #welcome(socket: Socket): void {
    const served: Served = { seconds: [], written: [], port: socket.remotePort ?? 0, sure: 0 };
    this.connections.push(served);
    this.#sockets.set(socket, served);
    socket.setNoDelay(true);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.resume(); // a P1 port takes no commands
  }
}
