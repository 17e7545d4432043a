/**
 * A town for tests: broker, anchor and agent as real processes on ports of their own, which a test may kill and start again. Whatever happens, none of
 * them outlives the test, and what they said last is in its failure.
 *
 * @module
 */
import { execFile, spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  Programs,
  type Exit,
  type Finished,
  type Program,
  type ProgramsOptions,
} from "../../demo/program.ts";
import { freePort, metricAt } from "./loopback.ts";

/** A town has one agent, or several: `agent`, `agent-2`, `agent-3`. */
export type AgentName = "agent" | `agent-${number}`;
export type Daemon = "broker" | "anchor" | AgentName;

/** Settings beside those that say where things are. */
export type TownSettings = Readonly<
  Partial<Record<"broker" | "anchor" | "agent", Readonly<Record<string, unknown>>>>
> &
  Pick<ProgramsOptions, "mains">;

/** How a program is started: with variables added to its environment, under another one (`strace …`). */
export type Launch = { readonly env?: NodeJS.ProcessEnv; readonly under?: readonly string[] };

const OPERATOR = "city/operator";
const ORIGIN = "tally.example/2026";
const ORG = "city";

const deviceOf = (agent: AgentName): string => `gw-${agent === "agent" ? 1 : agent.slice("agent-".length)}`;
/** The name under which an agent signs. */
export const issOf = (agent: AgentName): string => `${ORG}/${deviceOf(agent)}`;
export const ISS = issOf("agent");

const REAPER = fileURLToPath(new URL("./reaper.ts", import.meta.url));

/** Longest wait for anything; a busy machine is slow, and a test that waits longer has found a fault. */
const PATIENCE_MS = 45_000;
/** Longest story; below the runner's own limit, which knows no last words. */
const STORY_MS = 200_000;
const LOOK_MS = 15;
/** Lines of each program's log that a failure shows. */
const LAST_LINES = 12;
/** Logs that it shows: those written to last. */
const LAST_LOGS = 6;

export class Town {
  readonly root: string;
  readonly programs: Programs;
  readonly mqttPort: number;
  /** Of the anchor's read interface; of the newest start. */
  anchorUrl = "";
  /** Of the broker's metrics. */
  brokerHttp = "";
  readonly #settings: TownSettings;
  readonly #running = new Map<Daemon, Program>();
  /** Programs whose end is wanted. */
  readonly #dismissed = new Set<Program>();
  readonly #reaper: ChildProcessByStdio<Writable, null, null>;
  #fault: Error | undefined;

  private constructor(root: string, mqttPort: number, settings: TownSettings) {
    this.root = root;
    this.mqttPort = mqttPort;
    this.#settings = settings;
    mkdirSync(join(root, "log"));
    this.programs = new Programs(join(root, "log"), { mains: settings.mains ?? {} });
    this.#reaper = spawn(process.execPath, [REAPER, root], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
    });
    this.#reaper.stdin.on("error", () => {}); // somebody ended it: then nobody cleans up after us
  }

  /** A log that has begun, configurations, and nothing that runs yet. It has to be ended. */
  static async begin(settings: TownSettings = {}): Promise<Town> {
    const town = new Town(mkdtempSync(join(tmpdir(), "tallystick-town-")), await freePort(), settings);
    try {
      await town.#prepare();
      return town;
    } catch (error) {
      await town.end();
      throw error;
    }
  }

  /** Runs `story` in a town of its own, and takes the town down after it. */
  static async run(
    story: (town: Town) => Promise<void>,
    settings: TownSettings = {},
    withinMs = STORY_MS,
  ): Promise<void> {
    const town = await Town.begin(settings);
    try {
      await town.tell(() => story(town), withinMs);
    } finally {
      await town.end();
    }
  }

  /** Runs `story`, not for ever; its failure, or that of a program meanwhile, carries the programs' last words. */
  async tell(story: () => Promise<void>, withinMs = STORY_MS): Promise<void> {
    let overdue: NodeJS.Timeout | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      overdue = setTimeout(() => {
        this.#fault = new Error(`the story is not over after ${withinMs / 1000} s`);
        reject(this.#fault);
      }, withinMs);
    });
    const told = story();
    told.catch(() => undefined); // where it is not over in time, it fails later, and nobody waits for that
    try {
      await Promise.race([told, tooLong]);
      if (this.#fault !== undefined) throw this.#fault;
    } catch (error) {
      if (error instanceof Error) error.message += `\n\n${this.lastWords()}`;
      throw error;
    } finally {
      clearTimeout(overdue);
    }
  }

  path(...names: readonly string[]): string {
    return join(this.root, ...names);
  }

  get policyFile(): string {
    return this.path("policy.txt");
  }

  get publicFolder(): string {
    return this.path("anchor", "public");
  }

  get brokerUrl(): string {
    return `mqtt://127.0.0.1:${this.mqttPort}`;
  }

  configFile(name: Daemon): string {
    return this.path(`${name}.yaml`);
  }

  /** Starts a program, again with what it left; resolves when it says that it is ready (the agent says nothing). */
  async start(name: Daemon, env: NodeJS.ProcessEnv = {}): Promise<void> {
    this.launch(name, { env });
    await this.ready(name);
  }

  /** Starts a program and doesn't wait for it. */
  launch(name: Daemon, { env = {}, under = [] }: Launch = {}): Program {
    const kind = name === "broker" || name === "anchor" ? name : "agent";
    const json = kind === "agent" ? [] : ["--json"];
    const command = ["run", "--config", this.configFile(name), ...json];
    const program = this.programs.start(kind, command, env, { label: name, under });
    this.#running.set(name, program);
    this.#reaper.stdin.write(`+${program.pid}\n`);
    void this.#watch(program);
    return program;
  }

  /** Resolves when a program that was launched says that it is ready (the agent says nothing). @throws ProgramError if it ends before */
  async ready(name: Daemon): Promise<void> {
    const program = this.#programOf(name);
    if (program.name === "agent") return;
    const told = JSON.parse(await program.ready()) as { url?: string; http?: string };
    this.anchorUrl = told.url ?? this.anchorUrl;
    this.brokerHttp = told.http ?? this.brokerHttp;
  }

  /** From now on this program may end, however it likes: no fault of the story's. Resolves when it has. */
  async letEnd(name: Daemon): Promise<Exit> {
    const program = this.#dismiss(name);
    const error = await program.ended;
    if (program.exit === undefined) throw error;
    return program.exit;
  }

  /** Process id of a program that runs. */
  pidOf(name: Daemon): number {
    return this.#programOf(name).pid;
  }

  isRunning(name: Daemon): boolean {
    return this.#running.get(name)?.running ?? false;
  }

  /** Ends a program as a power cut would; the signal is sent before this returns. */
  kill(name: Daemon): Promise<void> {
    return this.#dismiss(name).kill();
  }

  /** Asks a program to stop. The signal is sent before this returns. */
  stop(name: Daemon): Promise<void> {
    return this.#dismiss(name).stop();
  }

  /** Runs a command to its end. */
  run(name: "agent" | "anchor" | "audit" | "broker", ...args: readonly string[]): Promise<Finished> {
    return this.programs.run(name, args);
  }

  /** Makes a key for a device; resolves with the file of its public half. */
  async makeKey(keyFile: string): Promise<string> {
    const made = await this.programs.must("agent", ["key", "make", "--key", keyFile, "--json"]);
    const publicFile = `${keyFile}.pub`;
    writeFileSync(publicFile, (JSON.parse(made) as { pem: string }).pem);
    return publicFile;
  }

  /** Makes a key for a device and enrols it with the running anchor. */
  async enrol(iss: string, keyFile: string, streams = "*"): Promise<void> {
    const key = ["--key", await this.makeKey(keyFile)];
    const config = ["--config", this.configFile("anchor")];
    const device = ["--device", iss, "--streams", streams];
    await this.programs.must("anchor", ["enrol", ...config, ...device, ...key, "--wait"]);
  }

  /** Environment in which a program's wall clock starts at this moment. Needs `faketime`. */
  async clockAt(moment: string): Promise<Readonly<Record<string, string>>> {
    const { stdout } = await promisify(execFile)("faketime", ["-f", `@${moment}`, "printenv", "LD_PRELOAD"]);
    return { LD_PRELOAD: stdout.trim(), FAKETIME: `@${moment}`, TZ: "UTC" };
  }

  /** Where the key of an agent's device is. */
  keyFile(agent: AgentName): string {
    return this.path(agent === "agent" ? "device.key" : `${agent}.key`);
  }

  /** Writes an agent's configuration; the device's key and the log's are in their places. */
  writeAgentConfig(settings: Readonly<Record<string, unknown>>, agent: AgentName = "agent"): void {
    this.#write(agent, {
      org: ORG,
      device: deviceOf(agent),
      data: this.path(agent),
      key: this.keyFile(agent),
      log: [this.logVkey],
      broker: { url: this.brokerUrl },
      ...this.#settings.agent,
      ...settings,
    });
  }

  /** The log's verifier key, from the trust policy. */
  get logVkey(): string {
    return /^log (\S+)$/m.exec(readFileSync(this.policyFile, "utf8"))?.[1] ?? "";
  }

  /** Waits for a condition, looking at it again and again; a program that ends meanwhile ends the wait. */
  async until(
    what: string,
    condition: () => boolean | Promise<boolean>,
    withinMs = PATIENCE_MS,
  ): Promise<void> {
    const endMs = performance.now() + withinMs;
    while (!(await condition())) {
      if (this.#fault !== undefined) throw this.#fault;
      if (performance.now() > endMs) throw new Error(`${what}: not within ${withinMs / 1000} s`);
      await new Promise((resolve) => {
        setTimeout(resolve, LOOK_MS);
      });
    }
  }

  /** A sample of the anchor's metrics; 0 where it has none of this name. */
  metric(name: string): Promise<number> {
    return metricAt(`${this.anchorUrl}/metrics`, `tally_anchor_${name}`);
  }

  brokerMetric(name: string): Promise<number> {
    return metricAt(`${this.brokerHttp}/metrics`, `tally_broker_${name}`);
  }

  /** The end of every program's log. */
  lastWords(): string {
    const folder = this.path("log");
    if (!existsSync(folder)) return "";
    return readdirSync(folder)
      .toSorted((a, b) => statSync(join(folder, b)).mtimeMs - statSync(join(folder, a)).mtimeMs)
      .slice(0, LAST_LOGS)
      .map((name) => {
        const lines = readFileSync(join(folder, name), "utf8").trimEnd().split("\n");
        return `${name}:\n${lines.slice(-LAST_LINES).join("\n")}`;
      })
      .join("\n\n");
  }

  /** Kills whatever runs, and removes everything. */
  async end(): Promise<void> {
    for (const program of this.#running.values()) this.#dismissed.add(program);
    this.programs.killAll();
    await this.programs.stopAll();
    this.#reaper.stdin.end();
    await once(this.#reaper, "exit"); // it removes the folder
  }

  async #prepare(): Promise<void> {
    this.#write("broker", {
      listen: { port: this.mqttPort },
      http: { port: 0 },
      ...this.#settings.broker,
    });
    const { broker, enrolment, ...anchor } = this.#settings.anchor ?? {};
    this.#write("anchor", {
      data: this.path("anchor"),
      origin: ORIGIN,
      broker: { url: this.brokerUrl, ...(broker as object | undefined) },
      http: { listen: "127.0.0.1:0" },
      enrolment: { broker: { url: this.brokerUrl }, ...(enrolment as object | undefined) },
      ...anchor,
    });
    const init = ["init", "--config", this.configFile("anchor"), "--operator-iss", OPERATOR];
    writeFileSync(this.policyFile, await this.programs.must("anchor", init));
  }

  /** JSON is YAML, and quotes whatever a path may hold. */
  #write(name: Daemon, config: object): void {
    writeFileSync(this.configFile(name), `${JSON.stringify({ version: 1, ...config }, undefined, 2)}\n`);
  }

  #programOf(name: Daemon): Program {
    const program = this.#running.get(name);
    if (program === undefined) throw new Error(`${name} was not started`);
    return program;
  }

  #dismiss(name: Daemon): Program {
    const program = this.#programOf(name);
    this.#dismissed.add(program);
    return program;
  }

  async #watch(program: Program): Promise<void> {
    const error = await program.ended;
    if (this.#reaper.stdin.writable) this.#reaper.stdin.write(`-${program.pid}\n`);
    if (!this.#dismissed.has(program)) this.#fault ??= error;
  }
}
