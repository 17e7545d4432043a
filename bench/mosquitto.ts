/**
 * Eclipse Mosquitto (Debian's package) in place of our broker: what carrying costs when nobody checks who may write where.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Carrier } from "./town.ts";

/** Where Debian puts it: not on everybody's PATH. */
const PLACES = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"];
const START_MS = 10_000;

/** The program, where it is installed. */
export const findMosquitto = (): string | undefined => PLACES.find((path) => existsSync(path));

/** A port that was free a moment ago: Mosquitto can't choose one itself. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/**
 * Starts it with what our broker has too: nothing on disk, no bound on queues below what this load has under way.
 *
 * @throws Error with its last words where it does not come up
 */
export async function startMosquitto(program: string, folder: string): Promise<Carrier> {
  const port = await freePort();
  const config = join(folder, "mosquitto.conf");
  writeFileSync(
    config,
    `listener ${port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 16384
max_inflight_messages 1024
set_tcp_nodelay true
log_type error
log_type warning
`,
  );
  const logFile = join(folder, "mosquitto.log");
  const log = openSync(logFile, "a");
  const child = spawn(program, ["-c", config], { stdio: ["ignore", "ignore", log] });
  closeSync(log);
  const words = (): string => readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-5).join("\n  ");
  const ended = once(child, "close").then(
    ([code]) => new Error(`mosquitto ended with ${String(code)}: ${words()}`),
  );
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} did not start`);
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
  };
  const endMs = performance.now() + START_MS;
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() > endMs) {
      child.kill("SIGKILL");
      throw await ended;
    }
    await delay(20);
  }
  return { pid, url: `mqtt://127.0.0.1:${port}`, ended, stop };
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
