/**
 * The scene of the attacks: a log with a witness, a city operator for any org, a water operator for its own, and one gateway with a meter,
 * all honest. Each attack changes one thing of it.
 *
 * @module
 */
import {
  cosign,
  encodeBundle,
  formatNote,
  formatVkey,
  parseNote,
  type Bundle,
  type Operator,
  type RegistryCopy,
  type Signer,
  type Statement,
  type Verdict,
} from "@tallystick/evidence";
import type { Chain, Device } from "../world-device.ts";
import { operatorOf, signerOf, World, type WorldOperator, type WorldOptions } from "../world.ts";

/** What is handed to a verifier, and what the verifier believes. */
export type Evidence = {
  readonly bytes: Uint8Array;
  readonly policy: string;
  /** A copy of the registry that the verifier has at hand, for statements that come without a bundle. */
  readonly registry?: RegistryCopy;
  /** The same copy item by item, for a verifier that derives the key state itself. */
  readonly items?: readonly (readonly [index: number, item: Uint8Array])[];
};

/** One row: who attacks, what they hold and do, and what the verdict has to be. */
export type Attack = {
  readonly name: string;
  readonly attacker:
    | "bundler: holds no key, decides what is handed over"
    | "thief of a device's key"
    | "thief of a device's key, and a log that admits anything"
    | "holder of the log's key"
    | "operator"
    | "thief of an operator's key"
    | "nobody: things that happen";
  readonly make: (town: Town) => Promise<Evidence | Uint8Array | Bundle>;
  readonly demands: {
    readonly verdict: Verdict["verdict"];
    readonly code?: string;
    readonly restrictions?: readonly string[];
    /** The check that reports the code. */
    readonly check?: string;
    /** A check that must not be reported as passed. */
    readonly notDone?: string;
  };
};

export const WITNESS = "witness.example/w1";

export type Town = {
  readonly world: World;
  readonly water: WorldOperator;
  readonly gateway: Device;
  readonly meter: Chain;
  readonly witness: Signer;
};

/** Meter statements 0 to 2, heads that name 2, a batch; then 3 and 4, heads that name 4, and the newest batch. */
export async function createTown(options: WorldOptions = {}): Promise<Town> {
  const world = await World.create(options);
  const water = operatorOf("water/operator", "water");
  const { iss, actsFor, key } = water;
  await world.register({ kind: "operator-added", operator: { iss, actsFor, key } });
  const gateway = await world.enrol("water/gw-1", { streams: ["meter/*"], by: water });
  await world.commit();
  const meter = gateway.chain("meter/m-1");
  await meter.open();
  await meter.readings();
  await meter.readings();
  await gateway.heads();
  await world.commit();
  await meter.readings();
  await meter.readings();
  await gateway.heads();
  await world.commit();
  return { world, water, gateway, meter, witness: signerOf(WITNESS) };
}

/** The world's registry items, each with its place in the log. */
export const itemsOf = ({ world }: Pick<Town, "world">): NonNullable<Evidence["items"]> =>
  world.items.map((item) => [world.indexOf(item), item.bytes]);

/** Statements of the gateway's `sys` chain that are `heads`, oldest first. */
export const headsOf = ({ gateway }: Town): Statement[] =>
  gateway.chains
    .filter(({ sub }) => sub === "sys")
    .flatMap(({ statements }) => statements.filter(({ event }) => event?.kind === "heads"));

/** The last `heads` of the gateway. */
export function lastHeads(town: Town): Statement {
  const last = headsOf(town).at(-1);
  if (last === undefined) throw new Error("no heads");
  return last;
}

/** The complete honest bundle of the meter, with the heads that attest its tail. */
export const honest = (town: Town): Bundle => town.world.bundle([{ chain: town.meter }], [lastHeads(town)]);

/** Commits, and bundles the meter with its newest heads. */
export async function committed(town: Town): Promise<Bundle> {
  await town.world.commit();
  return honest(town);
}

/** Says the heads anew, commits, and bundles these chains (the meter) with them. */
export async function settled(town: Town, ...chains: readonly Chain[]): Promise<Bundle> {
  await town.gateway.heads();
  await town.world.commit();
  const parts = (chains.length > 0 ? chains : [town.meter]).map((chain) => ({ chain }));
  return town.world.bundle(parts, [lastHeads(town)]);
}

/** The policy that believes the log, the witness, and the water operator. */
export const policyOf = (
  { world, water, witness }: Town,
  { quorum = "w1", operators = [water] }: { quorum?: string; operators?: readonly Operator[] } = {},
): string => world.policy({ quorum, operators, more: [`witness w1 ${formatVkey(WITNESS, witness.key, 4)}`] });

/** The note with a cosignature of this witness under it. */
export async function cosigned(note: string, name: string, witness: Signer): Promise<string> {
  const { text, signatures } = parseNote(note);
  return formatNote({ text, signatures: [...signatures, await cosign(text, name, 1_790_100_000, witness)] });
}

/** The bundle's bytes, its checkpoints cosigned by the town's witness. */
export async function handedOver({ witness }: Town, bundle: Bundle): Promise<Uint8Array> {
  const logs = [];
  for (const { vkey, checkpoint } of bundle.logs)
    logs.push({ vkey, checkpoint: await cosigned(checkpoint, WITNESS, witness) });
  return encodeBundle({ ...bundle, logs });
}

/** Evidence of a row, whatever form it was made in: a bundle is cosigned and judged by the usual policy. */
export async function evidenceOf(town: Town, made: Evidence | Uint8Array | Bundle): Promise<Evidence> {
  if (made instanceof Uint8Array) return { bytes: made, policy: policyOf(town) };
  if ("bytes" in made) return made;
  return { bytes: await handedOver(town, made), policy: policyOf(town) };
}
