/**
 * The agent as a process, for the rows that measure it: its folder with a key, its configuration, and how it is started and stopped.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { PublicKey } from "@tallystick/evidence";
import { createKeyFile } from "@tallystick/evidence/node";
import { buildAgent } from "../agent/build/bundle.ts";
import { mainOf } from "../demo/program.ts";

/** Where an agent lives. */
export type Home = {
  readonly folder: string;
  readonly config: string;
  readonly iss: string;
  readonly key: PublicKey;
};

/** A folder with a fresh key for the device `city/agent-NAME`. */
export function makeHome(root: string, name: string): Home {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  const key = createKeyFile(join(folder, "device.key"));
  return { folder, config: join(root, `${name}.yaml`), iss: `city/agent-${name}`, key };
}

export type AgentConfig = {
  readonly brokerUrl: string;
  /** The log's verifier key. */
  readonly vkey: string;
  /** Its streams, and whatever else it shall have, as YAML. */
  readonly streams: string;
};

export function writeConfig({ folder, config, iss }: Home, { brokerUrl, vkey, streams }: AgentConfig): void {
  const [org, device] = iss.split("/");
  writeFileSync(
    config,
    `version: 1
org: ${org}
device: ${device}
data: ${JSON.stringify(folder)}
log: [${JSON.stringify(vkey)}]
clock: { trust: system }
broker: { url: ${JSON.stringify(brokerUrl)} }
${streams}`,
  );
}

/** Meters of the bench, one a stream, each telegram of them taken. */
export const meterStreams = (port: number, count = 1): string =>
  `streams:\n${Array.from(
    { length: count },
    (_, i) => `  - name: meter/m-${i + 1}
    every: 0
    source: { kind: p1, tcp: { host: 127.0.0.1, port: ${port} } }
`,
  ).join("")}`;

/** What the agent logs when its stages run. */
const RUNNING = "the agent is running";

/** The agent as it is shipped, built in a folder of this run; gives its main file. */
export async function shippedAgent(folder: string): Promise<string> {
  const build = join(folder, "agent-build");
  await buildAgent(build);
  return join(build, "tally-agent.js");
}

export type RunningAgent = { readonly pid: number; readonly startMs: number; stop(): Promise<void> };

/** Runs an agent, from its sources or as `main` is built, and resolves when its stages run. */
export function runAgent(config: string, main = mainOf("agent")): Promise<RunningAgent> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [main, "run", "--config", config], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return new Promise((resolve, reject) => {
    let said = "";
    child.once("exit", (code) => reject(new Error(`the agent ended with ${code}: ${said}`)));
    child.stderr.on("data", (part: Buffer) => {
      if (said.length > 10_000) return;
      said += part.toString();
      if (!said.includes(RUNNING)) return;
      const stop = async (): Promise<void> => {
        child.kill("SIGTERM");
        await exited;
      };
      resolve({ pid: child.pid ?? 0, startMs: performance.now() - startedMs, stop });
    });
  });
}
