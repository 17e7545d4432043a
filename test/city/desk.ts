/**
 * The city's anchor and its auditor, as the programs that they are: the anchor serves the ledger, erases what it is ordered to, and hands a case over.
 *
 * @module
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "@tallystick/evidence";
import { Programs, type Finished, type Program } from "../../demo/program.ts";
import type { MadeCity } from "./city.ts";
import { ZONE } from "./calendar.ts";
import { LATE_AFTER_S } from "./planted.ts";

export class Desk {
  readonly #city: MadeCity;
  readonly #programs: Programs;
  readonly #config: string;
  readonly #serving: Program[] = [];
  #url = "";

  constructor(city: MadeCity) {
    this.#city = city;
    const logs = join(city.folder, "logs");
    mkdirSync(logs, { recursive: true });
    this.#programs = new Programs(logs, { ownGroups: false });
    this.#config = join(city.folder, "anchor.yaml");
  }

  /** Starts the anchor on the city's ledger, and a broker, without which it commits nothing. */
  async open(): Promise<void> {
    const { folder } = this.#city;
    const brokerConfig = join(folder, "broker.yaml");
    write(brokerConfig, { data: join(folder, "broker"), listen: { port: 0 } });
    const broker = this.#programs.start("broker", ["run", "--json", "--config", brokerConfig]);
    this.#serving.push(broker);
    const { listening } = JSON.parse(await broker.ready()) as { listening: string };
    write(this.#config, {
      data: join(folder, "anchor"),
      broker: { url: listening },
      http: { listen: "127.0.0.1:0" },
      log: { level: "warn" },
    });
    const anchor = this.#programs.start("anchor", ["run", "--json", "--config", this.#config]);
    this.#serving.push(anchor);
    const { url } = JSON.parse(await anchor.ready()) as { url: string };
    this.#url = url;
  }

  /** Has erased what the plan has orders for, once the anchor has a device of its own to say so. */
  async erase(): Promise<void> {
    await this.#programs.must("anchor", ["trail", "--wait", "--config", this.#config]);
    for (const { hash, order } of this.#city.orders) {
      const given = [toHex(hash), "--order", order, "--wait", "--config", this.#config];
      await this.#programs.must("anchor", ["erase", ...given]);
    }
  }

  /** Takes a case of everything in the period. Returns its folder. */
  async takeCase(): Promise<string> {
    const { folder } = this.#city;
    const named = ["--name", "desk", "--stream", "*", "--expires", "1h", "--config", this.#config];
    const token = join(folder, "token");
    writeFileSync(token, await this.#programs.must("anchor", ["token", "add", ...named]), { mode: 0o600 });
    const place = join(folder, "case");
    const how = ["--purpose", "audit of the city", "--token-file", token, "--policy", this.#policy];
    const { stderr } = await this.#audit([
      "case",
      this.#url,
      ...how,
      ...STREAMS,
      ...this.#period,
      "-o",
      place,
    ]);
    if (!existsSync(place)) throw new Error(`tally-audit case: ${stderr}`);
    return place;
  }

  /** Returns the folder of the result. */
  coverage(place: string): Promise<string> {
    const late = ["--zone", ZONE, "--late", `${LATE_AFTER_S}s`];
    return this.#result("coverage", ["coverage", place, ...this.#period, ...late]);
  }

  /** Returns the folder of the result. */
  reconcile(place: string, name: string): Promise<string> {
    const [file, map] = [`${name}.csv`, `${name}.yaml`].map((one) => join(this.#city.folder, one));
    return this.#result(name, ["reconcile", file ?? "", "--map", map ?? "", "--case", place]);
  }

  /** The case is taken: anchor and broker are of no more use. */
  async leave(): Promise<void> {
    for (const program of this.#serving.splice(0).toReversed()) await program.stop();
  }

  close(): Promise<void> {
    return this.#programs.stopAll();
  }

  get #policy(): string {
    return join(this.#city.folder, "policy.txt");
  }

  get #period(): readonly string[] {
    const { fromUnixS, toUnixS } = this.#city.period;
    const time = (unixS: number): string => new Date(unixS * 1000).toISOString().replace(".000", "");
    return ["--from", time(fromUnixS), "--to", time(toUnixS)];
  }

  /** @throws Error where there is none, whatever the exit code */
  async #result(name: string, args: readonly string[]): Promise<string> {
    const folder = join(this.#city.folder, `result-${name}`);
    const { stderr } = await this.#audit([...args, "--policy", this.#policy, "-o", folder]);
    if (!existsSync(folder)) throw new Error(`tally-audit ${args[0] ?? ""}: ${stderr}`);
    return folder;
  }

  #audit(args: readonly string[]): Promise<Finished> {
    return this.#programs.run("audit", args);
  }
}

/** Those of the two departments; what the anchor says of itself comes where it is needed. */
const STREAMS = ["--stream", "energy/*/*", "--stream", "tolls/*/*"];

/** YAML, of which JSON is a part. */
const write = (file: string, config: object): void =>
  writeFileSync(file, JSON.stringify({ version: 1, ...config }));
