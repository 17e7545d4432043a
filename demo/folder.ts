/**
 * The town's folder: keys, the log's beginning, the enrolment, the trust policy, and a configuration for each program.
 * A folder that was used before is used again: keys, log and chains go on.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parsePolicy, type TrustPolicy } from "@tallystick/evidence";
import { ProgramError, type Programs } from "./program.ts";

const ORG = "demo-city";
const DEVICE = "gw-1";
export const ISS = `${ORG}/${DEVICE}`;
/** Streams of readings; beside them every device has `sys`. */
export const STREAMS = { meter: "meter/home", host: "host/gateway" } as const;

/** Short, so that the first receipt comes while one watches. */
const SEAL_WAIT_MS = 2000;
const HEARTBEAT_S = 2;
const RETRY = { firstMs: 2000, maxMs: 10_000 };

export type Folder = {
  readonly root: string;
  /** The trust policy: whom a verifier believes. */
  readonly policyFile: string;
  readonly policy: TrustPolicy;
  readonly evidence: string;
  /** True where an earlier town lived here. */
  readonly reused: boolean;
};

const configOf = (root: string, name: string): string => join(root, `${name}.yaml`);

/** JSON is YAML, and quotes whatever a path may hold. */
const writeConfig = (root: string, name: string, config: object): Promise<void> =>
  writeFile(configOf(root, name), `${JSON.stringify({ version: 1, ...config }, undefined, 2)}\n`);

/**
 * Prepares the folder: what is there already is kept.
 *
 * @throws ProgramError with what a program said
 */
export async function prepareFolder(root: string, programs: Programs): Promise<Folder> {
  const policyFile = join(root, "policy.txt");
  const evidence = join(root, "evidence");
  const reused = existsSync(policyFile);
  await mkdir(evidence, { recursive: true });
  if (!reused) await Promise.all([beginLog(root, policyFile, programs), makeKey(root, programs)]);
  return { root, policyFile, policy: parsePolicy(await readFile(policyFile, "utf8")), evidence, reused };
}

async function beginLog(root: string, policyFile: string, programs: Programs): Promise<void> {
  await writeAnchorConfig(root, "mqtt://127.0.0.1:1883");
  const operator = ["--operator-iss", `${ORG}/operator`, "--for", ORG];
  const policy = await programs.must("anchor", ["init", "--config", configOf(root, "anchor"), ...operator]);
  await writeFile(`${policyFile}.part`, policy);
  await rename(`${policyFile}.part`, policyFile);
}

/** Makes the device's key, and what its owner hands to the operator: the public half. */
async function makeKey(root: string, programs: Programs): Promise<void> {
  const key = join(root, "agent", "device.key");
  const made = await programs.must("agent", [
    "key",
    existsSync(key) ? "print" : "make",
    "--key",
    key,
    "--json",
  ]);
  await writeFile(publicKeyOf(root), (JSON.parse(made) as { pem: string }).pem);
}

const publicKeyOf = (root: string): string => join(root, "device.pub.pem");

/**
 * The operator enrols the device, and the running anchor takes it; a device that is enrolled stays so.
 *
 * @throws ProgramError with what the anchor said
 */
export async function enrolDevice({ root }: Folder, programs: Programs): Promise<void> {
  const mark = join(root, "enrolled");
  if (existsSync(mark)) return;
  const device = ["--device", ISS, "--key", publicKeyOf(root), "--silence", "10s"];
  const streams = ["--streams", Object.values(STREAMS).join(",")];
  const config = ["--config", configOf(root, "anchor")];
  const { code, stdout, stderr } = await programs.run("anchor", [
    "enrol",
    ...config,
    ...device,
    ...streams,
    "--wait",
  ]);
  if (code !== 0 && !stderr.includes("[key-exists]")) throw new ProgramError(stderr.trim());
  await writeFile(mark, stdout);
}

/** Ports change from start to start, so the configurations are written at each. */
export const writeBrokerConfig = (root: string): Promise<void> =>
  writeConfig(root, "broker", { listen: { port: 0 } });

export const writeAnchorConfig = (root: string, brokerUrl: string): Promise<void> =>
  writeConfig(root, "anchor", {
    data: join(root, "anchor"),
    origin: "tally.demo/2026",
    broker: { url: brokerUrl },
    http: { listen: "127.0.0.1:0" },
  });

export function writeAgentConfig(
  { root, policy }: Folder,
  { brokerUrl, meterPort }: { readonly brokerUrl: string; readonly meterPort: number },
): Promise<void> {
  const seal = { maxWaitMs: SEAL_WAIT_MS };
  return writeConfig(root, "agent", {
    org: ORG,
    device: DEVICE,
    data: join(root, "agent"),
    log: policy.logs.map(({ vkey }) => vkey.text),
    broker: { url: brokerUrl },
    heartbeat: HEARTBEAT_S,
    clock: { trust: "system" },
    uplink: { retry: RETRY },
    streams: [
      {
        name: STREAMS.meter,
        source: { kind: "p1", tcp: { host: "127.0.0.1", port: meterPort } },
        every: 0,
        seal,
      },
      { name: STREAMS.host, source: { kind: "host" }, every: 1, seal },
    ],
  });
}

/** Arguments that make a program run with its configuration of this folder. */
export const runArgs = (root: string, name: "agent" | "anchor" | "broker"): readonly string[] => [
  "run",
  "--config",
  configOf(root, name),
  ...(name === "agent" ? [] : ["--json"]),
];
