/**
 * The city's log: the anchor's own sequencer and publisher on a real data folder, with the city's clock and keys. By-passed are MQTT and the check of
 * signatures on the way in; they are real, and whoever verifies will see. Nothing is synced to the disk before the end.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  encodeItem,
  sealStatement,
  type Claims,
  type RegistryItem,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { defaultConfig, placesOf, type Config } from "../../anchor/src/config.ts";
import { createLog } from "../../anchor/src/log/create-log.ts";
import { openLog, type OpenLog } from "../../anchor/src/log/open-log.ts";
import type { Sequenced } from "../../anchor/src/sequence/sequence.ts";
import { createSodiumProvider } from "../../anchor/src/admission/sodium.ts";
import { signerOf, writeKeyFile } from "./keys.ts";

const ORIGIN = "city.example/2026";
const OPERATOR = "city/operator";

export class Ledger {
  readonly config: Config;
  readonly #opened: OpenLog;
  readonly #operator: Signer;
  readonly #clock: { nowUnixS: number };
  #seen: Claims["seen"];

  private constructor(config: Config, opened: OpenLog, operator: Signer, clock: { nowUnixS: number }) {
    this.config = config;
    this.#opened = opened;
    this.#operator = operator;
    this.#clock = clock;
  }

  /** A new log in `folder`/anchor, and the trust policy for it as `folder`/policy.txt. */
  static async create(folder: string, seed: number, nowUnixS: number): Promise<Ledger> {
    const config = defaultConfig(join(folder, "anchor"));
    const places = placesOf(config);
    writeKeyFile(places.logKey, seed, "log");
    writeKeyFile(places.operatorKey, seed, "operator");
    const clock = { nowUnixS };
    const now = (): number => clock.nowUnixS;
    const founding = { config, origin: ORIGIN, operatorIss: OPERATOR, actsFor: "*", nowUnixS: now };
    const { logVkey, operatorVkey } = await createLog(founding);
    writeFileSync(join(folder, "policy.txt"), `log ${logVkey}\noperator * ${operatorVkey}\nquorum none\n`);
    const opened = await openLog({ config, provider: createSodiumProvider(), nowUnixS: now });
    opened.store.db.exec("PRAGMA synchronous = OFF");
    return new Ledger(config, opened, signerOf(seed, "operator"), clock);
  }

  get size(): number {
    return this.#opened.sequencer.size;
  }

  /** The newest tree, as devices name it in `seen`. */
  get seen(): Claims["seen"] {
    return this.#seen;
  }

  /** The operator's next items, sequenced at once. @throws Error where one is refused */
  async enact(items: readonly RegistryItem[], nowUnixS: number): Promise<void> {
    const { keys } = this.#opened;
    const statements: Statement[] = [];
    let prev = keys.last;
    for (const [i, item] of items.entries()) {
      const claims = {
        iss: OPERATOR,
        sub: "registry",
        iat: nowUnixS,
        seq: keys.count + i,
        prev,
        tq: 2,
        lvl: 1,
      } as const;
      const content = { type: "registry", payload: encodeItem(item) } as const;
      const statement = await sealStatement(claims, content, this.#operator, nodeSha256);
      statements.push(statement);
      prev = statement.hash;
    }
    this.#noneRefused(this.#sequence(statements, [], nowUnixS));
  }

  /** Commits what arrived. Returns the statements that were refused, which the city has to have meant. */
  commit(statements: readonly Statement[], nowUnixS: number): Sequenced["refused"] {
    return statements.length === 0 ? [] : this.#sequence([], statements, nowUnixS).refused;
  }

  /** Publishes the newest tree, and closes. */
  async finish(): Promise<void> {
    const last = this.#opened.store.batches.last();
    if (last === undefined) throw new Error("the city's log is empty");
    this.#opened.store.db.exec("PRAGMA synchronous = FULL");
    await this.#opened.publisher.publish(last);
    await this.#opened.publisher.tidy();
    this.#opened.close();
  }

  #sequence(items: readonly Statement[], statements: readonly Statement[], nowUnixS: number): Sequenced {
    this.#clock.nowUnixS = nowUnixS;
    const done = this.#opened.sequencer.sequence(items, statements);
    if (done.batch !== undefined) this.#seen = { size: done.batch.size, root: done.batch.root };
    return done;
  }

  #noneRefused({ refused }: Sequenced): void {
    for (const { code, text } of refused)
      throw new Error(`the log refused an item of the city: ${code}: ${text}`);
  }
}
