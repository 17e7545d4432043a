/**
 * `tally-anchor run` as a process of its own, to be asked over HTTP and killed.
 *
 * @module
 */
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import process from "node:process";

const MAIN = join(import.meta.dirname, "..", "..", "anchor", "src", "main.ts");

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
