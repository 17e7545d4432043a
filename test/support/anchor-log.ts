/**
 * An anchor's log in a folder of its own, and devices to write to it: what the anchor's tests start from.
 *
 * @module
 */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  decimal,
  encodeEvent,
  encodeItem,
  encodePack,
  encodeUtf8,
  equalBytes,
  nobleSigner,
  sealStatement,
  sha256,
  type Before,
  type Claims,
  type Content,
  type Event,
  type RegistryItem,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { loadSigner, nodeSha256 } from "@tallystick/evidence/node";
import { defaultConfig, placesOf, type Config } from "../../anchor/src/config.ts";
import { createLog } from "../../anchor/src/log/create-log.ts";
import { openLog, type OpenLog } from "../../anchor/src/log/open-log.ts";
import { backupLog } from "../../anchor/src/backup/backup.ts";
import { restoreLog, type Restored } from "../../anchor/src/restore/restore.ts";
import { signedBatch } from "../../anchor/src/publish/sign.ts";
import type { Sequenced } from "../../anchor/src/sequence/sequence.ts";
import { createSodiumProvider } from "../../anchor/src/admission/sodium.ts";
import { checkLog, type CheckedLog } from "./testlog.ts";

export const ORIGIN = "tally.example/2026";
const OPERATOR = "city/operator";

/** A clock of the test's own, seconds. */
export type Clock = { now: number };

export class AnchorLog {
  readonly config: Config;
  readonly folder: string;
  readonly operator: Signer;
  readonly policy: string;
  readonly clock: Clock;
  opened: OpenLog;
  /** Hash of the last registry item that was made here, and how many there are. */
  #items = 1;
  #lastItem: Uint8Array;
  /** Folders to restore into; they go with this log. */
  readonly #empty: string[] = [];

  private constructor(folder: string, config: Config, opened: OpenLog, policy: string, clock: Clock) {
    this.clock = clock;
    this.folder = folder;
    this.config = config;
    this.opened = opened;
    this.policy = policy;
    this.operator = loadSigner(placesOf(config).operatorKey);
    this.#items = opened.keys.count;
    this.#lastItem = opened.keys.last;
  }

  static async create(): Promise<AnchorLog> {
    const folder = mkdtempSync(join(tmpdir(), "tally-anchor-"));
    const config = defaultConfig(join(folder, "data"));
    const clock: Clock = { now: 1_790_000_000 };
    const nowUnixS = (): number => clock.now;
    const { logVkey, operatorVkey } = await createLog({
      config,
      origin: ORIGIN,
      operatorIss: OPERATOR,
      actsFor: "*",
      nowUnixS,
    });
    const opened = await openLog({ config, provider: createSodiumProvider(), nowUnixS });
    const policy = `log ${logVkey}\noperator * ${operatorVkey}\nquorum none\n`;
    return new AnchorLog(folder, config, opened, policy, clock);
  }

  get publicFolder(): string {
    return placesOf(this.config).public;
  }

  get size(): number {
    return this.opened.sequencer.size;
  }

  /** The next registry item, signed and not sequenced. */
  async item(
    item: RegistryItem,
    { signer = this.operator, iss = OPERATOR, claims = {} }: ItemOptions = {},
  ): Promise<Statement> {
    const statement = await sealStatement(
      {
        iss,
        sub: "registry",
        iat: this.clock.now,
        seq: this.#items,
        prev: this.#lastItem,
        tq: 2,
        lvl: 1,
        ...claims,
      },
      { type: "registry", payload: encodeItem(item) },
      signer,
      nodeSha256,
    );
    return statement;
  }

  /** Sequences registry items and statements as one batch. Nothing is published. */
  sequence(items: readonly Statement[], statements: readonly Statement[]): Sequenced {
    const done = this.opened.sequencer.sequence(items, statements);
    for (const { statement } of done.items) {
      this.#items = statement.claims.seq + 1;
      this.#lastItem = statement.hash;
    }
    return done;
  }

  /** Signs and publishes a batch as the ledger does. */
  async publish({ batch }: Pick<Sequenced, "batch">): Promise<CheckedLog> {
    if (batch !== undefined) {
      const { growth: _, ...row } = batch;
      const signed = await signedBatch(this.opened.log, { ...row, signature: null });
      await this.opened.publisher.publish({ ...row, signature: null });
      this.opened.sequencer.keepSignature(row.size, signed.signature);
    }
    return this.check();
  }

  check(): CheckedLog {
    const checked = checkLog(this.publicFolder, this.policy);
    const last = this.opened.store.batches.last();
    if (last === undefined || last.size !== checked.size || !equalBytes(last.root, checked.root)) {
      throw new Error(`published are ${checked.size} entries, stored are ${last?.size}`);
    }
    return checked;
  }

  /** Enrols a device at once: sequenced and published. */
  async enrol(iss: string, streams: readonly string[] = ["*"], silenceS = 900): Promise<AnchorDevice> {
    const device = new AnchorDevice(iss, deviceSigner(iss), this.clock);
    const item = await this.item({
      kind: "enrol",
      device: iss,
      key: device.signer.key,
      streams,
      silenceS,
    });
    await this.publish(this.sequence([item], []));
    return device;
  }

  close(): void {
    this.opened.close();
  }

  /** As after the end of the process: everything in memory is lost. */
  async reopen(): Promise<OpenLog> {
    this.opened.close();
    this.opened = await this.openAgain();
    return this.opened;
  }

  openAgain(config: Config = this.config): Promise<OpenLog> {
    return openLog({ config, provider: createSodiumProvider(), nowUnixS: () => this.clock.now });
  }

  /** A backup as a file of this log's folder. */
  async backup(name = "log.backup"): Promise<string> {
    const { file } = await backupLog(placesOf(this.config), join(this.folder, name), {
      nowUnixS: () => this.clock.now,
      progress: noProgress,
    });
    return file;
  }

  /** A folder that has nothing but this log's keys, to restore into. */
  emptyFolder(): Config {
    const folder = mkdtempSync(join(tmpdir(), "tally-anchor-"));
    this.#empty.push(folder);
    const config = defaultConfig(join(folder, "data"));
    cpSync(join(this.config.data, "keys"), join(config.data, "keys"), { recursive: true });
    return config;
  }

  restoreInto(config: Config, from: readonly string[]): Promise<Restored> {
    const nowUnixS = (): number => this.clock.now;
    return restoreLog({ config, from, provider: createSodiumProvider(), nowUnixS, progress: noProgress });
  }

  /** This log anew, in a folder of its own, from what these sources have of it; opened, and so published. */
  async restored(from: readonly string[]): Promise<AnchorLog> {
    const config = this.emptyFolder();
    await this.restoreInto(config, from);
    const opened = await this.openAgain(config);
    return new AnchorLog(join(config.data, ".."), config, opened, this.policy, this.clock);
  }

  remove(): void {
    try {
      this.opened.close();
    } catch {
      // closed by the test
    }
    for (const folder of [this.folder, ...this.#empty]) rmSync(folder, { recursive: true, force: true });
  }
}

const noProgress = { update: () => undefined, done: () => undefined };

type ItemOptions = {
  readonly signer?: Signer;
  readonly iss?: string;
  readonly claims?: Partial<Claims>;
};

/** A signer that is the same at every run. */
export const deviceSigner = (name: string): Signer => nobleSigner(sha256(encodeUtf8(`anchor test ${name}`)));

/** A device that seals statements and forgets none. */
export class AnchorDevice {
  readonly iss: string;
  readonly signer: Signer;
  readonly #clock: Clock;

  constructor(iss: string, signer: Signer, clock: Clock) {
    this.iss = iss;
    this.signer = signer;
    this.#clock = clock;
  }

  chain(sub = "meter/m-1", name = "first"): AnchorChain {
    return new AnchorChain(
      this,
      sub,
      sha256(encodeUtf8(`${this.iss} ${sub} ${name}`)).slice(0, 8),
      this.#clock,
    );
  }
}

export class AnchorChain {
  readonly device: AnchorDevice;
  readonly sub: string;
  readonly ch: Uint8Array;
  readonly statements: Statement[] = [];
  readonly #clock: Clock;

  constructor(device: AnchorDevice, sub: string, ch: Uint8Array, clock: Clock) {
    this.device = device;
    this.sub = sub;
    this.ch = ch;
    this.#clock = clock;
  }

  /** Seals a statement without keeping it: at `seq`, after `prev`, or with other claims. */
  seal(
    content: Content,
    claims: Partial<Claims> = {},
    signer: Signer = this.device.signer,
  ): Promise<Statement> {
    const previous = claims.seq === 0 ? undefined : this.statements.at(-1);
    return sealStatement(
      {
        iss: this.device.iss,
        sub: this.sub,
        ch: this.ch,
        iat: this.#clock.now,
        tq: 2,
        lvl: 1,
        seq: this.statements.length,
        ...(previous === undefined ? {} : { prev: previous.hash }),
        ...claims,
      },
      content,
      signer,
      nodeSha256,
    );
  }

  async open(before: Before = "none"): Promise<Statement> {
    const statement = await this.seal(openingOf(before));
    this.statements.push(statement);
    return statement;
  }

  async next(count = 1): Promise<Statement[]> {
    const made: Statement[] = [];
    for (let i = 0; i < count; i++) {
      const statement = await this.seal(this.pack(this.statements.length));
      this.statements.push(statement);
      made.push(statement);
    }
    return made;
  }

  /** Opened, and `count` statements in all. */
  async filled(count: number): Promise<Statement[]> {
    await this.open();
    await this.next(count - 1);
    return [...this.statements];
  }

  /** One reading whose value tells it apart. */
  pack(value: number): Content {
    const reading = {
      name: "1-0:1.8.0",
      unit: "kWh",
      value: { v: decimal(1_000_000 + value, -3) },
      time: decimal(this.#clock.now),
      quality: [],
    };
    return { type: "senml", payload: encodePack(`${this.device.iss}/${this.sub}/`, [reading]) };
  }

  /** The head that a later chain names. */
  head(): Exclude<Before, "none" | { lost: string }> {
    const last = this.statements.at(-1) as Statement;
    return { ch: this.ch, seq: last.claims.seq, hash: last.hash };
  }
}

export const openingOf = (before: Before): Content =>
  eventOf({ kind: "stream-opened", before, source: "p1", interval: decimal(60), names: [] });

export const eventOf = (event: Event): Content => ({ type: "event", payload: encodeEvent(event) });
