/**
 * Broker and anchor as real processes, on ports of their own, with their data in the folder of this run, and devices enrolled.
 *
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { formatVkey, parseCheckpoint, parseVkey, toHex, type PublicKey } from "@tallystick/evidence";
import { loadSigner } from "@tallystick/evidence/node";
import { Programs, type Program } from "../demo/program.ts";
import { enrolments, OPERATOR } from "./growth/enrolments.ts";
import { profileFolder, type Profiled } from "./profile-stages.ts";

/** A broker as a process. */
export type Carrier = Pick<Program, "pid" | "stop"> & {
  readonly ended: Promise<Error>;
  readonly url: string;
};

export type TownOptions = {
  readonly folder: string;
  readonly origin: string;
  /** Enrolled under these names, for all streams. */
  readonly devices: readonly { readonly iss: string; readonly key: PublicKey }[];
  /** V8 profiles of the two processes go there. */
  readonly profiles?: string | undefined;
  /** Another broker than ours: started in the folder, stopped with the town. */
  readonly startBroker?: (folder: string) => Promise<Carrier>;
  /** A log that is there already, with its devices: its data folder. */
  readonly data?: string;
};

/** Longest wait for the enrolments to be in the log. */
const ENROL_MS = 60_000;

/** Where a checkpoint comes before its signatures. */
const textOf = (note: string): string => note.slice(0, note.indexOf("\n\n") + 1);

export class Town {
  readonly broker: Carrier;
  readonly anchor: Program;
  readonly mqttUrl: URL;
  readonly httpUrl: string;
  readonly publicFolder: string;
  /** The log's verifier key. */
  readonly vkey: string;

  private constructor(
    parts: Pick<Town, "broker" | "anchor" | "mqttUrl" | "httpUrl" | "publicFolder" | "vkey">,
  ) {
    this.broker = parts.broker;
    this.anchor = parts.anchor;
    this.mqttUrl = parts.mqttUrl;
    this.httpUrl = parts.httpUrl;
    this.publicFolder = parts.publicFolder;
    this.vkey = parts.vkey;
  }

  static async start({
    folder,
    origin,
    devices,
    profiles,
    startBroker,
    data: given,
  }: TownOptions): Promise<Town> {
    mkdirSync(folder, { recursive: true });
    const data = given ?? join(folder, "anchor");
    const programs = new Programs(folder, { ownGroups: false });
    const profiled = (name: Profiled): NodeJS.ProcessEnv =>
      profiles === undefined
        ? {}
        : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir="${profileFolder(profiles, name)}"` };
    const broker = await (startBroker?.(folder) ?? ourBroker(programs, folder, profiled("broker")));
    if (given === undefined) {
      await programs.must("anchor", ["init", "--origin", origin, "--data", data, "--operator-iss", OPERATOR]);
      await fillInbox(data, devices);
    }
    const anchorConfig = join(folder, "anchor.yaml");
    writeFileSync(
      anchorConfig,
      `version: 1\ndata: ${JSON.stringify(data)}\nbroker: { url: ${JSON.stringify(broker.url)} }\n` +
        `http: { listen: "127.0.0.1:0" }\nlog: { level: warn }\n`,
    );
    const runAnchor = ["run", "--json", "--config", anchorConfig];
    const anchor = programs.start("anchor", runAnchor, profiled("anchor"));
    const { url } = JSON.parse(await anchor.ready()) as { url: string };
    const vkey = formatVkey(origin, loadSigner(join(data, "keys", "log.pem")).key);
    const publicFolder = join(data, "public");
    const town = new Town({
      broker,
      anchor,
      mqttUrl: new URL(broker.url),
      httpUrl: url,
      publicFolder,
      vkey,
    });
    await town.#reaches(1 + devices.length);
    return town;
  }

  /** The newest published tree. */
  checkpoint(): { size: number; root: string; origin: string } {
    const { size, root, origin } = parseCheckpoint(
      textOf(readFileSync(join(this.publicFolder, "checkpoint"), "utf8")),
    );
    return { size, root: toHex(root), origin };
  }

  /** The log's public key, in hexadecimal. */
  logKey(): string {
    return toHex(parseVkey(this.vkey).publicKey);
  }

  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.httpUrl}/metrics`)).text();
    return Number(new RegExp(`^tally_anchor_${name} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
  }

  async stop(): Promise<void> {
    await this.anchor.stop();
    await this.broker.stop();
  }

  async #reaches(size: number): Promise<void> {
    const endMs = performance.now() + ENROL_MS;
    while (this.checkpoint().size < size) {
      if (performance.now() > endMs)
        throw new Error(`the enrolments are not in the log: ${this.anchor.lastWords()}`);
      await delay(50);
    }
  }
}

async function ourBroker(programs: Programs, folder: string, env: NodeJS.ProcessEnv): Promise<Carrier> {
  const config = join(folder, "broker.yaml");
  writeFileSync(config, "version: 1\nlisten: { port: 0 }\nlog: { level: warn }\n");
  const program = programs.start("broker", ["run", "--json", "--config", config], env);
  const { listening } = JSON.parse(await program.ready()) as { listening: string };
  const { pid, ended } = program;
  return { pid, ended, url: listening, stop: () => program.stop() };
}

/** Enrolments as an operator's tool would leave them, all at once. */
async function fillInbox(data: string, devices: TownOptions["devices"]): Promise<void> {
  const operator = loadSigner(join(data, "keys", "operator.pem"));
  const inbox = join(data, "inbox");
  mkdirSync(inbox, { recursive: true, mode: 0o700 });
  const after = { count: 1, last: firstItem(join(data, "public")) };
  for (const { claims, bytes } of await enrolments(devices, after, operator)) {
    writeFileSync(join(inbox, `${String(claims.seq).padStart(9, "0")}.cose`), bytes);
  }
}

/** Hash of registry item 0, which is entry 0: the one entry, behind its length, in the first partial bundle. */
const firstItem = (publicFolder: string): Uint8Array =>
  new Uint8Array(readFileSync(join(publicFolder, "tile", "entries", "000.p", "1"))).slice(2);
