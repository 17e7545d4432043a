/**
 * Published log directories, honest and otherwise, for those who compare what verifiers make of them. Made of {@link World}; each is a map of files.
 *
 * @module
 */
import {
  encodeEntries,
  encodeUtf8,
  formatCheckpoint,
  formatVkey,
  registryPath,
  signNote,
  type Signer,
} from "@tallystick/evidence";
import { grownLog } from "./grown-log.ts";
import { changeOperators, nextChange } from "./operator-change.ts";
import { operatorOf, signerOf, World, type Batch, type WorldOperator } from "./world.ts";

export type LogDirectory = {
  readonly name: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly policy: string;
  /** An older checkpoint of this log, from which it should have grown. */
  readonly since?: Uint8Array;
};

const flipped = (files: Map<string, Uint8Array>, path: string, bit: number): Map<string, Uint8Array> => {
  const bytes = files.get(path)?.slice();
  if (bytes === undefined) throw new Error(`no ${path}`);
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return new Map(files).set(path, bytes);
};

const without = (files: Map<string, Uint8Array>, path: string): Map<string, Uint8Array> => {
  const rest = new Map(files);
  if (!rest.delete(path)) throw new Error(`no ${path}`);
  return rest;
};

/** A checkpoint of this log's name that says something else than its tree. */
const noteOf = (world: World, size: number, root: Uint8Array, signer: Signer = world.log): Promise<string> =>
  signNote(formatCheckpoint({ origin: world.origin, size, root }), world.origin, signer);

/** Every file of a good log changed or gone, older states kept and forged, and what policies make of it. */
async function alteredLogs(): Promise<LogDirectory[]> {
  const { world, batches } = await grownLog();
  const files = world.files();
  const policy = world.policy();
  const [first, second, third] = batches as readonly [Batch, Batch, Batch];
  const registry = registryPath(0, world.items.length);
  const items = world.items.map(({ bytes }) => bytes);
  const kept = new Map([...world.files(first), ...world.files(second), ...files]);
  const forged = new Uint8Array(32).fill(7);
  const rows: LogDirectory[] = [
    { name: "honest", files, policy },
    { name: "with the files of earlier sizes", files: kept, policy },
    { name: "a file of an earlier size altered", files: flipped(kept, "tile/0/000.p/3", 300), policy },
    { name: "ahead of its checkpoint", files: new Map([...files, ...world.files(third)]), policy },
    { name: "no checkpoint", files: without(files, "checkpoint"), policy },
    {
      name: "a registry cut short",
      files: new Map(files).set(registry, (files.get(registry) ?? forged).slice(0, -1)),
      policy,
    },
    { name: "grown from its second batch", files, policy, since: encodeUtf8(second.note) },
    { name: "rolled back", files: world.files(second), policy, since: encodeUtf8(third.note) },
    {
      name: "grown from another history",
      files,
      policy,
      since: encodeUtf8(await noteOf(world, 300, forged)),
    },
    {
      name: "of its own size, another root",
      files,
      policy,
      since: encodeUtf8(await noteOf(world, world.newest.size, forged)),
    },
    {
      name: "an older note that a stranger signed",
      files,
      policy,
      since: encodeUtf8(await noteOf(world, 300, forged, signerOf("x"))),
    },
    {
      name: "a checkpoint of another root",
      files: new Map(files).set("checkpoint", encodeUtf8(await noteOf(world, world.newest.size, forged))),
      policy,
    },
    {
      name: "a checkpoint that a stranger signed",
      files: new Map(files).set(
        "checkpoint",
        encodeUtf8(await noteOf(world, world.newest.size, world.newest.root, signerOf("x"))),
      ),
      policy,
    },
    { name: "no operator line", files, policy: world.policy({ operators: [] }) },
    {
      name: "an org that nobody pins",
      files,
      policy: world.policy({ operators: [operatorOf("roads/operator", "roads")] }),
    },
    {
      name: "pinned to another key",
      files,
      policy: world.policy({ operators: [operatorOf("water/operator", "water")] }),
    },
    {
      name: "another key under the log's name",
      files,
      policy: policy.replace(world.vkey, formatVkey(world.origin, signerOf("impostor").key)),
    },
    {
      name: "a log that nobody pins",
      files,
      policy: policy.replace(world.vkey, formatVkey("other.example/2026", world.log.key)),
    },
  ];
  for (const [path, bytes] of files) {
    for (const bit of [3, bytes.length * 4, bytes.length * 8 - 2]) {
      rows.push({ name: `${path}, bit ${bit}`, files: flipped(files, path, bit), policy });
    }
    if (path !== "checkpoint") rows.push({ name: `without ${path}`, files: without(files, path), policy });
  }
  for (const [n, item] of items.entries()) {
    const altered = items.with(
      n,
      Uint8Array.from(item, (byte, at) => (at === item.length - 1 ? byte ^ 1 : byte)),
    );
    rows.push({
      name: `item ${n} with another signature`,
      files: new Map(files).set(registry, encodeEntries(altered)),
      policy,
    });
  }
  return rows;
}

/** Registries that don't hold. */
async function cheatingLogs(): Promise<LogDirectory[]> {
  const rows: LogDirectory[] = [];
  const add = async (name: string, make: (world: World) => Promise<unknown>, options = {}): Promise<void> => {
    const world = await World.create(options);
    await make(world);
    await world.commit();
    rows.push({ name, files: world.files(), policy: world.policy() });
  };
  const roads = operatorOf("roads/operator", "roads");
  await add("an operator of another org enrols", async (world) => {
    await world.register({ kind: "operator-added", operator: roads });
    await world.enrol("water/gw-9", { by: roads });
  });
  await add("a stranger enrols", (world) => world.enrol("water/gw-9", { by: roads }));
  await add("a device is enrolled twice", async (world) => {
    await world.enrol("water/gw-1");
    await world.enrol("water/gw-1", { key: "another" });
  });
  await add("a key is suspect from the future on", async (world) => {
    await world.enrol("water/gw-1");
    await world.register({ kind: "revoke", kid: signerOf("water/gw-1 key 1").key.kid, from: 99 });
  });
  await add("a log that goes on after its successor", async (world) => {
    await world.register({ kind: "successor", origin: "log.city.example/2027", log: signerOf("2027").key });
    await world.enrol("water/gw-1");
  });
  const [first, second, third] = ["first", "second", "third"].map((name) =>
    operatorOf("roads/operator", "roads", name),
  ) as [WorldOperator, WorldOperator, WorldOperator];
  const twoOfTwo = (world: World): Promise<unknown> =>
    changeOperators(world, nextChange(world, "roads", { add: [first, second], threshold: 2 }), [
      world.operator,
    ]);
  await add("operators who changed by consent", async (world) => {
    await twoOfTwo(world);
    await changeOperators(world, nextChange(world, "roads", { add: [third], remove: [first.key.kid] }), [
      second,
      first,
    ]);
    await world.enrol("roads/gw-1", { by: third });
  });
  await add("an operator who was added without the consent of the others", async (world) => {
    await twoOfTwo(world);
    await world.register({ kind: "operator-added", operator: third }, first);
    await world.enrol("roads/gw-1", { by: third });
  });
  await add("entry 0 of another log", (world) => world.enrol("water/gw-1"), {
    says: { origin: "other.example/2026" },
  });
  const large = await World.create();
  for (let i = 0; i < 530; i++) await large.enrol(`water/gw-${i}`);
  await large.commit();
  const files = large.files();
  rows.push({ name: "a registry of three files", files, policy: large.policy() });
  rows.push({
    name: "of which the second is gone",
    files: without(files, "registry/001"),
    policy: large.policy(),
  });
  const rest = large.items.filter((_, n) => n !== 300).map(({ bytes }) => bytes);
  const renumbered = without(files, "registry/002.p/19")
    .set("registry/001", encodeEntries(rest.slice(256, 512)))
    .set("registry/002.p/18", encodeEntries(rest.slice(512)));
  rows.push({ name: "one item left out", files: renumbered, policy: large.policy() });
  return rows;
}

export const logDirectories = async (): Promise<LogDirectory[]> => [
  ...(await alteredLogs()),
  ...(await cheatingLogs()),
];
