/**
 * One simulated world: time, network, keys and the witness, which all its processes share.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import type { Signer } from "@tallystick/evidence";
import type { OpenLog } from "../../anchor/src/log/open-log.ts";
import { Broker } from "./broker.ts";
import type { DeviceParts } from "./device.ts";
import { keyPair, Signatures, type KeyPair } from "./keys.ts";
import type { LedgerParts } from "./ledger-node.ts";
import type { Life } from "./life.ts";
import type { Network } from "./lines.ts";
import { Random } from "./random.ts";
import { Schedule } from "./schedule.ts";
import { Witness } from "./witness.ts";

/** When simulated worlds begin: noon of some day after the programs were built. */
export const BEGIN_UNIX_MS = Date.UTC(2026, 10, 20, 12);
export const BUILD_UNIX_MS = Date.UTC(2026, 10, 1);
export const ORIGIN = "simulation.example/2026";
export const LOG_KEY: KeyPair = keyPair("log");

/** What is put in place of the programs' own parts, to show that the witness notices. */
export type Sabotage = {
  /** Changes an agent's parts, as they are for one life. */
  readonly agent?: (parts: DeviceParts) => DeviceParts;
  /** Changes its database. */
  readonly agentDb?: (db: DatabaseSync) => DatabaseSync;
  /** Changes an anchor's. */
  readonly anchor?: (parts: LedgerParts) => LedgerParts;
  readonly opened?: (log: OpenLog) => OpenLog;
};

const signatures = new Signatures();

export class World {
  readonly seed: number;
  readonly schedule: Schedule;
  readonly network: Network;
  readonly broker: Broker;
  readonly witness: Witness;
  readonly sabotage: Sabotage | undefined;
  readonly signatures = signatures;
  readonly #trace: string[] | undefined;
  readonly #signingMs: Random;
  /** Longest time that a signature takes. */
  maxSigningMs = 3;

  constructor(seed: number, { trace, sabotage }: { trace?: string[]; sabotage?: Sabotage } = {}) {
    this.seed = seed;
    this.#trace = trace;
    this.sabotage = sabotage;
    this.schedule = new Schedule(this.random("order"));
    if (trace !== undefined) this.schedule.onStep = (label) => this.note(label);
    this.broker = new Broker(this.schedule, this.random("broker"));
    this.network = { schedule: this.schedule, random: this.random("network"), broker: this.broker };
    this.#signingMs = this.random("signing");
    this.witness = new Witness((text) => this.note(() => text));
  }

  /** A stream of chance of its own. */
  random(purpose: string): Random {
    return new Random(this.seed, purpose);
  }

  signer(pair: KeyPair, life: Life, look?: (message: Uint8Array) => void): Signer {
    return this.signatures.signer(pair, life, () => this.#signingMs.between(0, this.maxSigningMs), look);
  }

  /** A line of the trace, where there is one. */
  note(text: string | (() => string)): void {
    if (this.#trace === undefined) return;
    const seconds = (this.schedule.nowMs / 1000).toFixed(6).padStart(14);
    this.#trace.push(`${seconds}  ${typeof text === "string" ? text : text()}`);
  }
}
