/**
 * `tally-anchor run` as a process of its own, to be asked over HTTP and killed.
 *
 * @module
 */
import { spawn, type ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";

const MAIN = join(import.meta.dirname, "..", "..", "anchor", "src", "main.ts");

/** Writes a configuration: everything on free ports of loopback, small batches. `more`: lines of YAML. */
export function anchorConfig(
  file: string,
  {
    data,
    broker,
    more = [],
  }: { readonly data: string; readonly broker: string; readonly more?: readonly string[] },
): string {
  const lines = [
    "version: 1",
    `data: ${data}`,
    'http: { listen: "127.0.0.1:0" }',
    `broker: { url: "${broker}", settleMs: 50 }`,
    "batch: { maxItems: 16, maxWaitMs: 5 }",
    "scrapi: { perAddressPerMinute: 100000 }",
    ...more,
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}

/** Has a statement registered, over HTTP: waits until the anchor runs, and its tree is published. Returns its receipt. */
export async function registerAt(url: string, statement: Uint8Array): Promise<Uint8Array> {
  for (;;) {
    const headers = { "content-type": "application/cose" };
    const answer = await fetch(`${url}/entries`, {
      method: "POST",
      headers,
      body: new Uint8Array(statement),
    });
    const body = new Uint8Array(await answer.arrayBuffer());
    if (answer.status === 201) return body;
    if (answer.status !== 503 && answer.status !== 202)
      throw new Error(`${answer.status}: ${Buffer.from(body).toString("latin1")}`);
    await delay(20);
  }
}

export type AnchorProcess = {
  /** Where it serves on loopback; over TLS, where it does. */
  readonly url: string;
  readonly publicUrl: string | undefined;
  /** Ends it: by SIGKILL, or clean. Resolves to its exit code. */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null>;
};

/** Resolves once it serves; rejects with its last words where it ends before. */
export function startAnchor(config: string): Promise<AnchorProcess> {
  const child = spawn(process.execPath, [MAIN, "run", "--config", config, "--json"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let words = "";
  child.stderr.on("data", (chunk: Buffer) => (words = (words + chunk.toString()).slice(-2000)));
  return new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`ended with ${code}: ${words}`)));
    child.stdout.once("data", (line: Buffer) => {
      const ready = JSON.parse(line.toString()) as { url: string; public?: string };
      resolve({ url: ready.url, publicUrl: ready.public, end: (signal) => ended(child, signal) });
    });
  });
}

function ended(child: ChildProcess, signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    child.once("exit", (code) => resolve(code));
    child.kill(signal);
  });
}
