/**
 * A small world in memory, honest unless a test makes it otherwise: a log with its key, operators, a registry, devices with chains, batches
 * with receipts, bundles, and the directory that the log publishes. Made of the evidence package only, and the same at every run.
 *
 * Statements become entries in the order in which they are admitted; `commit()` signs the tree so far. Each piece that a test
 * may want to forge is returned as data before it is encoded.
 *
 * @module
 */
import {
  CompactRange,
  consistencyPath,
  encodeEntries,
  encodeItem,
  encodeReceipt,
  encodeTile,
  encodeTransparent,
  encodeUtf8,
  entriesPath,
  equalBytes,
  formatCheckpoint,
  formatVkey,
  hashLeaf,
  inclusionPath,
  isEvidenceError,
  KeyState,
  nobleSigner,
  registryPath,
  sealStatement,
  sha256,
  signBatch,
  signNote,
  TILE_WIDTH,
  tilePath,
  tilesOfSize,
  toHex,
  type BatchClaims,
  type Bundle,
  type Checkpoint,
  type HashReader,
  type Operator,
  type RegistryCopy,
  type RegistryItem,
  type SignedBatch,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { Device, type Chain } from "./world-device.ts";

/** A signer that is the same at every run: its seed is the hash of its name. */
export const signerOf = (name: string): Signer => nobleSigner(sha256(encodeUtf8(`world ${name}`)));

/** An operator with its key. */
export type WorldOperator = Operator & { readonly signer: Signer };

/** @param keyName - another one gives another key under the same name */
export const operatorOf = (iss: string, actsFor: string, keyName = iss): WorldOperator => {
  const signer = signerOf(keyName);
  return { iss, actsFor, key: signer.key, signer };
};

/** A signed tree: the receipts' claims and signature, and the note of the same tree. */
export type Batch = Checkpoint & {
  readonly claims: BatchClaims;
  readonly signed: SignedBatch;
  readonly note: string;
};

/** A part of a chain for a bundle's scope; both ends included, the whole chain where they are left out. */
export type Part = { readonly chain: Chain; readonly from?: number; readonly to?: number };

export type WorldOptions = {
  readonly origin?: string;
  /** The founding operator. */
  readonly operator?: WorldOperator;
  /** What item 0 says other than the truth. */
  readonly says?: Partial<Extract<RegistryItem, { kind: "policy" }>>;
  /** What comes before item 0, in a log that is not as it must be. */
  readonly before?: (world: World) => void;
};

export class World {
  readonly origin: string;
  readonly log: Signer;
  readonly vkey: string;
  /** The founding operator: acts for every org. */
  readonly operator: WorldOperator;
  /** Hashes of statements, in the order of the log. */
  readonly entries: Uint8Array[] = [];
  readonly items: Statement[] = [];
  readonly batches: Batch[] = [];
  readonly devices: Device[] = [];
  /** The log's clock, and the devices'. A minute passes with each statement and each batch. */
  timeUnixS = 1_790_000_000;
  readonly #nodes = new Map<string, Uint8Array>();
  readonly #range: CompactRange;
  readonly #indexes = new Map<string, number>();

  private constructor(origin: string, operator: WorldOperator) {
    this.origin = origin;
    this.operator = operator;
    this.log = signerOf(origin);
    this.vkey = formatVkey(origin, this.log.key);
    const onNode = (level: number, index: number, hash: Uint8Array): void => {
      this.#nodes.set(`${level} ${index}`, hash);
    };
    this.#range = new CompactRange({ onNode, hash: nodeSha256 });
  }

  /** A log of one entry, its registration policy. Nothing is committed yet: there is no receipt at size 1. */
  static async create({
    origin = "log.city.example/2026",
    operator = operatorOf("city/operator", "*"),
    says = {},
    before = () => {},
  }: WorldOptions = {}): Promise<World> {
    const world = new World(origin, operator);
    before(world);
    const { iss, actsFor, key } = operator;
    const operators = [{ iss, actsFor, key }];
    await world.register({ kind: "policy", origin, log: world.log.key, operators, ...says });
    return world;
  }

  /** The trust policy's text. */
  policy({
    quorum = "none",
    operators = [this.operator],
    more = [],
  }: {
    readonly quorum?: string;
    readonly operators?: readonly Operator[];
    /** Lines before the quorum: witnesses, groups. */
    readonly more?: readonly string[];
  } = {}): string {
    const pins = operators.map(({ iss, actsFor, key }) => `operator ${actsFor} ${formatVkey(iss, key)}`);
    return `${[`log ${this.vkey}`, ...more, `quorum ${quorum}`, ...pins].join("\n")}\n`;
  }

  // entries

  /** Makes a statement the next entry, whatever it says, and gives its index. */
  admit(statement: Statement): number {
    const index = this.entries.push(statement.hash) - 1;
    this.#indexes.set(toHex(statement.hash), index);
    this.#range.append(hashLeaf(statement.hash, nodeSha256));
    this.timeUnixS += 60;
    return index;
  }

  /** Index of the entry that was admitted with this hash. */
  has({ hash }: Statement): boolean {
    return this.#indexes.has(toHex(hash));
  }

  indexOf({ hash }: Statement): number {
    const index = this.#indexes.get(toHex(hash));
    if (index === undefined) throw new Error("not an entry of this world");
    return index;
  }

  // registry

  /** Signs the next registry item and admits it; that it counts is not checked here. */
  async register(item: RegistryItem, by: WorldOperator = this.operator): Promise<Statement> {
    const previous = this.items.at(-1);
    const statement = await sealStatement(
      {
        iss: by.iss,
        sub: "registry",
        iat: this.timeUnixS,
        seq: this.items.length,
        tq: 2,
        lvl: 1,
        ...(previous === undefined ? {} : { prev: previous.hash }),
      },
      { type: "registry", payload: encodeItem(item) },
      by.signer,
    );
    this.items.push(statement);
    this.admit(statement);
    return statement;
  }

  /** Enrols a device under a fresh key and gives it. */
  async enrol(
    iss: string,
    {
      streams = ["*"],
      silenceS = 900,
      by = this.operator,
      key = `${iss} key 1`,
    }: {
      readonly streams?: readonly string[];
      readonly silenceS?: number;
      readonly by?: WorldOperator;
      readonly key?: string;
    } = {},
  ): Promise<Device> {
    const signer = signerOf(key);
    await this.register({ kind: "enrol", device: iss, key: signer.key, streams, silenceS }, by);
    const device = new Device(this, iss, signer);
    this.devices.push(device);
    return device;
  }

  /** Registry items within the first `size` entries. */
  itemsAt(size: number): readonly Statement[] {
    return this.items.filter((item) => this.indexOf(item) < size);
  }

  /** The key state after the items within the first `size` entries; ends before the first that does not count. */
  keyState(size: number): KeyState {
    const state = new KeyState({ hash: nodeSha256 });
    try {
      for (const item of this.itemsAt(size)) state.apply(item, this.indexOf(item));
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
    }
    return state;
  }

  /** The registry as a verifier may have it at hand. */
  registryCopy(): RegistryCopy {
    return { at: ({ size }) => this.keyState(size), hashOf: (item) => this.items[item]?.hash };
  }

  // the tree

  readonly #read: HashReader = (level, index) => {
    const hash = this.#nodes.get(`${level} ${index}`);
    if (hash === undefined) throw new Error(`no subtree ${index} of level ${level}`);
    return hash;
  };

  /** What an honest log signs of the tree so far. */
  claims(): BatchClaims {
    const size = this.entries.length;
    const items = this.itemsAt(size);
    const last = items.at(-1)?.hash ?? new Uint8Array(32);
    const registry = { count: items.length, last };
    const keysRoot = this.keyState(size).root();
    return { origin: this.origin, timeUnixS: this.timeUnixS, size, registry, keysRoot };
  }

  /** Signs the tree so far as a batch; what a test gives is signed in the place of what an honest log would say. */
  async commit(forged: Partial<BatchClaims & { readonly root: Uint8Array }> = {}): Promise<Batch> {
    this.timeUnixS += 60;
    const { root = this.#range.root(), ...claims } = { ...this.claims(), ...forged };
    const checkpoint = { origin: this.origin, size: claims.size, root };
    const batch = {
      ...checkpoint,
      claims,
      signed: await signBatch(claims, root, this.log),
      note: await signNote(formatCheckpoint(checkpoint), this.origin, this.log),
    };
    this.batches.push(batch);
    return batch;
  }

  /** The newest batch. */
  get newest(): Batch {
    const batch = this.batches.at(-1);
    if (batch === undefined) throw new Error("nothing was committed");
    return batch;
  }

  /** The batch in which a statement was first signed. */
  firstOf(statement: Statement): Batch {
    const batch = this.batches.find(({ size }) => size > this.indexOf(statement));
    if (batch === undefined) throw new Error("not committed");
    return batch;
  }

  // proofs

  /** One receipt of the batch for all these statements, in their order. */
  receipt(statements: readonly Statement[], batch: Batch = this.newest): Uint8Array {
    return encodeReceipt(
      batch.signed,
      statements.map((statement) => this.proof(statement, batch)),
    );
  }

  proof(statement: Statement, batch: Batch): { readonly index: number; readonly path: Uint8Array[] } {
    const index = this.indexOf(statement);
    return { index, path: inclusionPath(index, batch.size, this.#read, nodeSha256) };
  }

  /** The statement with one receipt of each of these batches. */
  transparent(statement: Statement, ...batches: readonly Batch[]): Uint8Array {
    const receipts = batches.map((batch) => this.receipt([statement], batch));
    return encodeTransparent(statement.bytes, receipts);
  }

  consistency(from: number, to: number): Uint8Array[] {
    return consistencyPath(from, to, this.#read, nodeSha256);
  }

  /**
   * An honest bundle of these parts at the newest batch.
   *
   * @param support - statements outside every scope: the `heads` that attest a tail
   */
  bundle(parts: readonly Part[], support: readonly Statement[] = [], at: Batch = this.newest): Bundle {
    const scope = parts.map(({ chain, from = 0, to = chain.statements.length - 1 }) => {
      return { iss: chain.device.iss, sub: chain.sub, ch: chain.ch, from, to };
    });
    const inScope = parts.flatMap(({ chain }, i) =>
      chain.statements.filter(
        ({ claims: { seq } }) => seq >= (scope[i]?.from ?? 0) && seq <= (scope[i]?.to ?? 0),
      ),
    );
    const statements = [...inScope, ...support];
    const state = this.keyState(at.size);
    const kids = distinct(statements.map(({ kid }) => kid));
    // Where the key of some statement has no state, an item did not count: all of them are there, to see which.
    const puzzling = kids.some((kid) => state.get(kid) === undefined);
    const items = this.itemsAt(at.size);
    const numbers = new Set(puzzling ? items.keys() : kids.flatMap((kid) => state.itemsFor(kid)));
    const known = puzzling
      ? [...state.records()].map(({ kid }) => kid)
      : kids.flatMap((kid) => [kid, ...state.operatorsOf(kid).map((operator) => operator.kid)]);
    const seen = statements.flatMap(({ claims }) =>
      claims.seen !== undefined && (claims.seen.origin ?? this.origin) === this.origin
        ? [claims.seen.size]
        : [],
    );
    const withReceipts = (one: Statement): Uint8Array => this.transparent(one, this.firstOf(one), at);
    return {
      scope,
      logs: [{ vkey: this.vkey, checkpoint: at.note }],
      statements: statements.map(withReceipts),
      registry: items.filter(({ claims }) => numbers.has(claims.seq)).map(withReceipts),
      keys: distinct(known).map((kid) => ({ log: 0, ...state.proof(kid) })),
      consistency: [...new Set(seen)]
        .filter((from) => from < at.size)
        .map((from) => ({ log: 0, from, path: this.consistency(from, at.size) })),
    };
  }

  // the public directory

  /** Every file that the log publishes at a batch, by path. */
  files(at: Batch = this.newest): Map<string, Uint8Array> {
    const files = new Map([["checkpoint", encodeUtf8(at.note)]]);
    for (const tile of tilesOfSize(at.size)) {
      files.set(tilePath(tile.level, tile.index, tile.width), encodeTile(tile, this.#read));
      if (tile.level > 0) continue;
      files.set(entriesPath(tile.index, tile.width), bundleOf(this.entries, tile));
    }
    const items = this.itemsAt(at.size).map(({ bytes }) => bytes);
    for (const tile of tilesOfSize(items.length)) {
      if (tile.level === 0) files.set(registryPath(tile.index, tile.width), bundleOf(items, tile));
    }
    return files;
  }
}

const bundleOf = (
  all: readonly Uint8Array[],
  { index, width }: { index: number; width: number },
): Uint8Array => encodeEntries(all.slice(index * TILE_WIDTH, index * TILE_WIDTH + width));

const distinct = (all: readonly Uint8Array[]): Uint8Array[] =>
  all.filter((one, i) => all.findIndex((other) => equalBytes(one, other)) === i);
