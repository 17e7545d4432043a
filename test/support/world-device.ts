/**
 * Devices of a {@link World}: each seals statements into chains, and they become entries at once.
 *
 * @module
 */
import {
  decimal,
  encodeEvent,
  encodePack,
  encodeUtf8,
  nobleSigner,
  sealStatement,
  sha256,
  type Claims,
  type Content,
  type Event,
  type Head,
  type Reading,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import type { World, WorldOperator } from "./world.ts";

/** What a test may want other than it would be. */
type Otherwise = {
  readonly claims?: Partial<Claims>;
  /** Another key than the device's. */
  readonly signer?: Signer;
  /** False: sealed, and kept from the log. */
  readonly admit?: boolean;
};

export class Device {
  readonly world: World;
  readonly iss: string;
  /** Replace it after a rotation. */
  signer: Signer;
  readonly chains: Chain[] = [];

  constructor(world: World, iss: string, signer: Signer) {
    this.world = world;
    this.iss = iss;
    this.signer = signer;
  }

  /** A chain without statements; its id follows from device, stream and how many chains there are. */
  chain(sub: string): Chain {
    const ch = sha256(encodeUtf8(`${this.iss} ${sub} ${this.chains.length}`)).slice(0, 8);
    const chain = new Chain(this, sub, ch);
    this.chains.push(chain);
    return chain;
  }

  /** The chain on `sys`, opened if there is none. */
  async sys(): Promise<Chain> {
    const known = this.chains.find(({ sub }) => sub === "sys");
    if (known !== undefined) return known;
    const sys = this.chain("sys");
    await sys.open({ source: "sys" });
    return sys;
  }

  /** A `heads` statement that names the last statement of every other chain, or of these. */
  async heads(chains: readonly Chain[] = this.chains): Promise<Statement> {
    const sys = await this.sys();
    const heads = chains.filter((chain) => chain.sub !== "sys").map((chain) => chain.head());
    return sys.event({ kind: "heads", all: chains === this.chains, heads });
  }

  /**
   * Rotates to a new key: the device's statement on `sys`, and the registry item that embeds it. The device signs with the new key then.
   */
  async rotate(
    name = `${this.iss} key ${this.chains.length + 2}`,
    by: WorldOperator = this.world.operator,
  ): Promise<{ rotated: Statement; item: Statement }> {
    const next = nobleSigner(sha256(encodeUtf8(`world ${name}`)));
    const sys = await this.sys();
    const heads = this.chains.filter(({ statements }) => statements.length > 0).map((chain) => chain.head());
    const rotated = await sys.event({ kind: "key-rotated", key: next.key, heads });
    const item = await this.world.register({ kind: "rotate", statement: rotated.bytes }, by);
    this.signer = next;
    return { rotated, item };
  }
}

export class Chain {
  readonly device: Device;
  readonly sub: string;
  readonly ch: Uint8Array;
  /** All statements sealed into this chain, by seq. */
  readonly statements: Statement[] = [];

  constructor(device: Device, sub: string, ch: Uint8Array) {
    this.device = device;
    this.sub = sub;
    this.ch = ch;
  }

  /** Seals the next statement and, unless told otherwise, makes it the next entry of the log. */
  async add(
    content: Content,
    { claims = {}, signer = this.device.signer, admit = true }: Otherwise = {},
  ): Promise<Statement> {
    const { world, iss } = this.device;
    const previous = this.statements.at(-1);
    const newest = world.batches.at(-1);
    const honest: Claims = {
      iss,
      sub: this.sub,
      iat: world.timeUnixS,
      ch: this.ch,
      seq: this.statements.length,
      tq: 2,
      lvl: 1,
      ...(previous === undefined ? {} : { prev: previous.hash }),
      ...(newest === undefined
        ? {}
        : { seen: { size: newest.size, root: newest.root, origin: world.origin } }),
    };
    const statement = await sealStatement({ ...honest, ...claims }, content, signer);
    this.statements.push(statement);
    if (admit) world.admit(statement);
    return statement;
  }

  event(event: Event, otherwise?: Otherwise): Promise<Statement> {
    return this.add({ type: "event", payload: encodeEvent(event) }, otherwise);
  }

  /** Statement 0. */
  open(
    members: Partial<Extract<Event, { kind: "stream-opened" }>> = {},
    otherwise?: Otherwise,
  ): Promise<Statement> {
    return this.event(
      { kind: "stream-opened", before: "none", source: "p1", interval: decimal(60), names: [], ...members },
      otherwise,
    );
  }

  /** A pack of `count` readings of a register, a second apart. */
  readings(count = 3, otherwise?: Otherwise): Promise<Statement> {
    const { world, iss } = this.device;
    const readings = Array.from({ length: count }, (_, i): Reading => {
      const value = decimal(1_581_123 + 1000 * this.statements.length + i, -3);
      const time = decimal(world.timeUnixS - count + i);
      return { name: "1-0:1.8.0", unit: "kWh", value: { v: value }, time, quality: [] };
    });
    return this.add({ type: "senml", payload: encodePack(`${iss}/${this.sub}/`, readings) }, otherwise);
  }

  /** The last statement, as `heads` names it. */
  head(): Head {
    const last = this.statements.at(-1);
    if (last === undefined) throw new Error("a chain without statements has no head");
    return { sub: this.sub, ch: this.ch, seq: last.claims.seq, hash: last.hash };
  }
}
