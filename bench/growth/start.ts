/**
 * The anchor started on a log that is there: how long until it serves, what it reads for that, what memory it has then.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Programs } from "../../demo/program.ts";
import { bytesRead, memory } from "../procfs.ts";

export type Start = {
  /** From spawning it to its line on stdout. */
  readonly ms: number;
  /** Read by system calls until then: the program's own sources, the database, files. */
  readonly readBytes: number;
  readonly rss: number;
  /** Of the log, as it serves it. */
  readonly size: number;
};

/** After this its heap has settled. */
const SETTLE_MS = 1500;

/** Starts it, looks, and stops it. No broker is there: it serves without one. */
export async function startOnce(folder: string, data: string): Promise<Start> {
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "start.yaml");
  writeFileSync(
    config,
    `version: 1\ndata: ${JSON.stringify(data)}\nbroker: { url: "mqtt://127.0.0.1:1" }\n` +
      `http: { listen: "127.0.0.1:0" }\nlog: { level: error }\n`,
  );
  const startedMs = performance.now();
  const anchor = new Programs(folder, { ownGroups: false }).start("anchor", [
    "run",
    "--json",
    "--config",
    config,
  ]);
  try {
    const { size } = JSON.parse(await anchor.ready()) as { size: number };
    const ms = performance.now() - startedMs;
    const { calls } = bytesRead(anchor.pid);
    await delay(SETTLE_MS);
    return { ms, readBytes: calls, rss: memory(anchor.pid).rss, size };
  } finally {
    await anchor.stop();
  }
}
