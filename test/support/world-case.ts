/**
 * A case of a {@link World}, made without an anchor: what a test wants to verify, or to spoil.
 *
 * @module
 */
import { compareBytes, encodeUtf8, equalBytes, toHex, type Statement } from "@tallystick/evidence";
import type { CaseManifest, Withheld } from "../../audit/src/case/manifest.ts";
import { CaseWriter } from "../../audit/src/case/write.ts";
import { compareNames } from "../../audit/src/facts/build.ts";
import type { Batch, World } from "./world.ts";
import type { Chain } from "./world-device.ts";

export type CaseOptions = {
  /** The chains that were asked for; all of the world's but `sys` where it is left out. `sys` of their devices comes too. */
  readonly chains?: readonly Chain[];
  readonly at?: Batch;
  /** Statements that are in the log and not handed over. */
  readonly without?: readonly Statement[];
  readonly withheld?: readonly Withheld[];
  /** Unix seconds. */
  readonly from?: number;
  readonly to?: number;
  readonly policy?: string;
  /** What the manifest says other than the truth. */
  readonly says?: Partial<CaseManifest>;
  /** In the place of a transparent statement. */
  readonly instead?: (statement: Statement, transparent: Uint8Array) => Uint8Array;
};

/** Writes the folder `place`: each chain from its first statement to its last one in the tree. */
export async function makeCase(
  world: World,
  place: string,
  options: CaseOptions = {},
): Promise<CaseManifest> {
  const { at = world.newest, without = [], instead = (_, transparent) => transparent } = options;
  const all = world.devices.flatMap(({ chains }) => chains);
  const asked = options.chains ?? all.filter(({ sub }) => sub !== "sys");
  const devices = new Set(asked.map(({ device }) => device));
  const sys = all.filter((chain) => chain.sub === "sys" && devices.has(chain.device));
  const chains = [...new Set([...asked, ...sys])].toSorted(byPlace);
  const placed = new Map(world.entries.map((hash, index) => [toHex(hash), index]));
  const inTree = ({ hash }: Statement): boolean => (placed.get(toHex(hash)) ?? at.size) < at.size;
  const items = world.itemsAt(at.size);
  const transparent = (one: Statement): Uint8Array => world.transparent(one, world.firstOf(one), at);
  const writer = await CaseWriter.create(place);
  for (const item of items) await writer.registry(transparent(item));
  const seen = new Set<number>();
  const named: CaseManifest["chains"][number][] = [];
  for (const chain of chains) {
    const held = chain.statements.filter(inTree);
    const here = held.filter((one) => !without.includes(one));
    const last = held.at(-1);
    if (last === undefined) continue;
    for (const one of here) {
      await writer.statement(instead(one, transparent(one)));
      const { origin = world.origin, size = 0 } = one.claims.seen ?? {};
      if (size > 0 && origin === world.origin) seen.add(size);
    }
    const { iss } = chain.device;
    const attested = attestedBy(chain, sys.flatMap(({ statements }) => statements).filter(inTree));
    const range = { from: 0, to: last.claims.seq };
    named.push({ iss, sub: chain.sub, ch: chain.ch, ...range, attested, count: here.length });
  }
  const sizes = [...seen].filter((size) => size < at.size).toSorted((a, b) => a - b);
  for (const size of sizes) await writer.consistency(size, world.consistency(size, at.size));
  const manifest: CaseManifest = {
    origin: world.origin,
    size: at.size,
    root: at.root,
    url: "",
    streams: [...new Map(asked.map(({ device: { iss }, sub }) => [`${iss}/${sub}`, { iss, sub }])).values()],
    from: options.from ?? null,
    to: options.to ?? null,
    purpose: "",
    access: null,
    chains: named,
    withheld: options.withheld ?? [],
    entries: { log: at.size, here: items.length + named.reduce((sum, { count }) => sum + count, 0) },
    ...options.says,
  };
  await writer.finish(manifest, encodeUtf8(at.note), encodeUtf8(options.policy ?? world.policy()));
  return manifest;
}

/** The newest number of a chain that a `heads` statement names. */
function attestedBy(chain: Chain, sys: readonly Statement[]): { seq: number; heads: Uint8Array } | null {
  for (const { event, hash, claims } of sys.toReversed()) {
    if (event?.kind !== "heads" || claims.iss !== chain.device.iss) continue;
    const head = event.heads.find(({ sub, ch }) => sub === chain.sub && equalBytes(ch, chain.ch));
    if (head !== undefined) return { seq: head.seq, heads: hash };
  }
  return null;
}

const byPlace = (a: Chain, b: Chain): number =>
  compareNames({ iss: a.device.iss, sub: a.sub }, { iss: b.device.iss, sub: b.sub }) ||
  placeInLog(a) - placeInLog(b) ||
  compareBytes(a.ch, b.ch);

const placeInLog = (chain: Chain): number => chain.device.chains.indexOf(chain);
