import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  cosign,
  encodeBundle,
  encodeEntries,
  encodeUtf8,
  formatCheckpoint,
  formatNote,
  formatVkey,
  parseNote,
  parsePolicy,
  registryPath,
  signNote,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, httpPlace, noProgress } from "@tallystick/evidence/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { auditLog, type LogAudit } from "../../../audit/src/log/audit.ts";
import type { Judgement } from "../../../audit/src/judgement.ts";
import { grownLog, type GrownLog } from "../../support/grown-log.ts";
import { memoryPlace } from "../../support/memory-place.ts";
import { operatorOf, signerOf, World } from "../../support/world.ts";
import { serveWorld, type Instead } from "../../support/world-server.ts";
import type { Chain } from "../../support/world-device.ts";

let t: GrownLog;
const folder = mkdtempSync(join(tmpdir(), "tally-log-"));
beforeAll(async () => {
  t = await grownLog();
});
afterAll(() => rmSync(folder, { recursive: true }));

const provider = createNodeProvider();

async function audit(
  files: ReadonlyMap<string, Uint8Array>,
  given: Partial<Omit<LogAudit, "policy">> & { policy?: string } = {},
): Promise<Judgement> {
  const { policy = t.world.policy(), ...rest } = given;
  const place = memoryPlace(files);
  const means = {
    place,
    provider,
    hash: nodeSha256,
    evidence: [],
    progress: noProgress,
    graceMs: 0,
    ...rest,
  };
  return (await auditLog({ ...means, policy: parsePolicy(policy) })).judgement;
}

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Names and codes of the checks that failed. */
const failed = ({ checks }: Judgement): string[] =>
  checks.filter(({ result }) => result === "failed").map(({ name, code }) => `${name} ${code ?? ""}`);

const flip = (bytes: Uint8Array | undefined, at: number): Uint8Array => {
  const changed = (bytes ?? expect.fail()).slice();
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
};

describe("an honest log", () => {
  test("is verified, and says what nothing was given for", async () => {
    const judgement = await audit(t.world.files());
    expect(judgement).toMatchObject({ verdict: "restricted", restrictions: ["no-witness"] });
    expect(failed(judgement)).toEqual([]);
    const notDone = judgement.checks.filter(({ result }) => result === "not-done").map(({ name }) => name);
    expect(notDone).toEqual(["witnesses", "since", "receipts", "seen"]);
  });

  test("fits every receipt, statement, bundle and older checkpoint of its own", async () => {
    const { world, chain, device, batches } = t;
    const [opened, ...rest] = chain.statements;
    const sys = await device.sys();
    const evidence = [
      file("all.receipt", world.receipt(rest.slice(0, 50), batches[2])),
      file("one.cose", world.transparent(opened ?? expect.fail(), ...batches)),
      file("plain.cose", chain.statements[600]?.bytes ?? expect.fail()),
      file("b.tally", encodeBundle(world.bundle([{ chain, from: 0, to: 20 }], sys.statements))),
    ];
    for (const batch of batches) {
      const since = { name: "kept", text: encodeUtf8(batch.note) };
      const judgement = await audit(world.files(), { evidence, since });
      expect(failed(judgement)).toEqual([]);
      expect(judgement.checks.filter(({ result }) => result !== "passed").map(({ name }) => name)).toEqual([
        "witnesses",
      ]);
    }
  });

  test("with a quorum of witnesses and pinned operators is verified without restriction", async () => {
    const { world } = t;
    const witness = signerOf("witness");
    const vkey = formatVkey("witness.example/w1", witness.key, 4);
    const note = parseNote(world.newest.note);
    const cosigned = formatNote({
      ...note,
      signatures: [...note.signatures, await cosign(note.text, "witness.example/w1", 1_790_000_000, witness)],
    });
    const policy = world.policy({ quorum: "w1", more: [`witness w1 ${vkey}`] });
    const files = world.files().set("checkpoint", encodeUtf8(cosigned));
    expect(await audit(files, { policy })).toMatchObject({ verdict: "verified", restrictions: [] });
    expect(await audit(world.files(), { policy })).toMatchObject({
      verdict: "not-verifiable",
      code: "quorum-unmet",
    });
  });

  test("keeps partial files of earlier sizes, which must be beginnings of the later ones", async () => {
    const { world, batches } = t;
    const files = new Map([...world.files(batches[0]), ...world.files(batches[1]), ...world.files()]);
    const judgement = await audit(files);
    expect(failed(judgement)).toEqual([]);
    expect(judgement.checks.find(({ name }) => name === "old-files")?.result).toBe("passed");
    files.set("tile/0/000.p/3", flip(files.get("tile/0/000.p/3"), 40));
    expect(failed(await audit(files))).toEqual(["old-files tile-mismatch"]);
  });

  test("whose files are ahead of its checkpoint says so and fails nothing", async () => {
    const { world, batches } = t;
    const files = new Map([...world.files(), ...world.files(batches[2])]);
    const judgement = await audit(files);
    expect(failed(judgement)).toEqual(["registry registry-mismatch"]);
    for (const path of files.keys())
      if (path.startsWith("registry/") && !path.endsWith("/3")) files.delete(path);
    expect(failed(await audit(files))).toEqual([]);
    const reasons = (await audit(files)).checks.filter(({ name }) => name === "old-files");
    const named = expect.stringContaining(`tile/0/002.p/${world.newest.size - 512}`) as unknown;
    expect(reasons).toEqual([expect.objectContaining({ result: "not-done", reason: named }) as unknown]);
    files.set("tile/0/notes.txt", new Uint8Array());
    const strange = (await audit(files)).checks.filter(({ reason = "" }) =>
      reason.includes("tile/0/notes.txt"),
    );
    expect(strange).toHaveLength(1);
  });
});

test("a registry read just before its checkpoint is published waits for that, and is not accused", async () => {
  const { world, batches } = t;
  const files = new Map([...world.files(), ...world.files(batches[2])]);
  for (const path of files.keys()) if (path === `registry/000.p/3`) files.delete(path);
  const timer = setTimeout(() => files.set("checkpoint", encodeUtf8(world.newest.note)), 100);
  const judgement = await audit(files, { graceMs: 10_000 });
  clearTimeout(timer);
  expect(failed(judgement)).toEqual([]);
  expect(judgement.checks).toContainEqual(expect.objectContaining({ name: "registry", result: "not-done" }));
});

describe("a published file with one bit flipped", () => {
  test.for([
    ["tile/entries/001", "entries tile-mismatch"],
    ["tile/entries/002.p/WIDTH", "entries tile-mismatch"],
    ["tile/0/001", "tiles tile-mismatch"],
    ["tile/1/000.p/2", "tiles tile-mismatch"],
  ] as const)("%s", async ([name, expected]) => {
    const path = name.replace("WIDTH", String(t.world.newest.size - 512));
    const files = t.world.files();
    const judgement = await audit(files.set(path, flip(files.get(path), 20)));
    expect(judgement.verdict).toBe("invalid");
    expect(failed(judgement)).toEqual([expected]);
  });

  test("each bit of the checkpoint", async () => {
    const files = t.world.files();
    const note = files.get("checkpoint") ?? expect.fail();
    for (let at = 0; at < note.length; at++) {
      const judgement = await audit(new Map(files).set("checkpoint", flip(note, at)));
      // In the name of the log it becomes another, unknown one.
      if (judgement.verdict === "not-verifiable") expect(judgement.code).toBe("log-unknown");
      else expect(judgement).toMatchObject({ verdict: "invalid" });
    }
  });

  test("a registry item: named by what it breaks", async () => {
    const { world } = t;
    const path = registryPath(0, world.items.length);
    const whole = world.items.map(({ bytes }) => bytes);
    for (let n = 0; n < whole.length; n++) {
      const item = whole[n] ?? expect.fail();
      const altered = encodeEntries(whole.with(n, flip(item, item.length - 1)));
      const judgement = await audit(world.files().set(path, altered));
      const last = n === whole.length - 1;
      // Its successor names another one; the last has none, and is not among the entries.
      expect(failed(judgement)[0]).toBe(last ? "registry registry-mismatch" : "registry registry-order");
    }
  });

  test("a registry bundle cut short, or gone", async () => {
    const { world } = t;
    const path = registryPath(0, world.items.length);
    const files = world.files();
    const bytes = files.get(path) ?? expect.fail();
    expect(failed(await audit(new Map(files).set(path, bytes.slice(0, -1))))[0]).toBe(
      "registry tile-malformed",
    );
    const without = new Map(files);
    without.delete(path);
    expect(failed(await audit(without))[0]).toBe("registry registry-missing");
  });
});

describe("a log that named its successor", () => {
  test("has that as its last entry", async () => {
    const world = await World.create();
    const chain = (await world.enrol("water/gw-1")).chain("meter/m-1");
    await chain.open();
    await world.register({ kind: "successor", origin: "next.example/2027", log: signerOf("next").key });
    await world.commit();
    const policy = world.policy();
    expect(await audit(world.files(), { policy })).toMatchObject({ verdict: "restricted" });
    await chain.readings();
    await world.commit();
    expect(failed(await audit(world.files(), { policy }))).toEqual(["key-state log-ended"]);
  });
});

describe("another log than the policy's", () => {
  test("unknown, or of the same name with another key", async () => {
    const { world } = t;
    const other = await World.create({ origin: "other.example/2026" });
    expect(await audit(world.files(), { policy: other.policy() })).toMatchObject({
      verdict: "not-verifiable",
      code: "log-unknown",
    });
    const policy = world.policy().replace(world.vkey, formatVkey(world.origin, signerOf("impostor").key));
    expect(await audit(world.files(), { policy })).toMatchObject({ verdict: "invalid", code: "log-key" });
  });

  test("operators that don't begin at the pinned one, or are not pinned", async () => {
    const { world } = t;
    const stranger = operatorOf("water/operator", "water");
    expect(failed(await audit(world.files(), { policy: world.policy({ operators: [stranger] }) }))).toEqual([
      "operators operator-foreign",
      "operators operator-foreign",
    ]);
    const elsewhere = operatorOf("roads/operator", "roads");
    expect(await audit(world.files(), { policy: world.policy({ operators: [elsewhere] }) })).toMatchObject({
      verdict: "restricted",
      restrictions: ["no-witness", "operator-unpinned"],
    });
    expect(await audit(world.files(), { policy: world.policy({ operators: [] }) })).toMatchObject({
      restrictions: ["no-witness", "operators-not-pinned"],
    });
  });

  test("a place without a checkpoint can't be judged", async () => {
    expect(await audit(new Map())).toMatchObject({ verdict: "not-verifiable", code: "unreachable" });
  });
});

describe("a log whose operator cheats", () => {
  test("rolled back, or grown from another history than the note that was kept", async () => {
    const { world, batches } = t;
    const since = { name: "kept", text: encodeUtf8(world.newest.note) };
    const shorter = await audit(world.files(batches[1]), { since });
    expect(failed(shorter)).toEqual(["since log-rollback"]);
    const root = new Uint8Array(32).fill(7);
    const forged = await signNote(
      formatCheckpoint({ origin: world.origin, size: 300, root }),
      world.origin,
      world.log,
    );
    const forked = await audit(world.files(), { since: { name: "kept", text: encodeUtf8(forged) } });
    expect(failed(forked)).toEqual(["since log-fork"]);
    const stranger = await signNote(
      formatCheckpoint({ origin: world.origin, size: 300, root }),
      world.origin,
      signerOf("x"),
    );
    const unsigned = await audit(world.files(), { since: { name: "kept", text: encodeUtf8(stranger) } });
    expect(failed(unsigned)).toEqual(["since note-signature"]);
  });

  /** Two histories of one log that part after the first batch. */
  async function fork(): Promise<{
    ours: World;
    theirs: World;
    ourStatements: Chain;
    theirStatements: Chain;
  }> {
    const make = async (readings: number): Promise<[World, Chain]> => {
      const world = await World.create();
      const device = await world.enrol("water/gw-1");
      const chain = device.chain("meter/m-1");
      await chain.open();
      await world.commit();
      await chain.readings(readings);
      await chain.readings(1);
      await world.commit();
      await chain.readings(1);
      await world.commit();
      return [world, chain];
    };
    const [ours, ourStatements] = await make(1);
    const [theirs, theirStatements] = await make(2);
    return { ours, theirs, ourStatements, theirStatements };
  }

  test("shows in the receipt of a statement, in what a device saw, in two receipts of one size", async () => {
    const { ours, theirs, ourStatements, theirStatements } = await fork();
    const theirOne = theirStatements.statements[2] ?? expect.fail();
    const ourOne = ourStatements.statements[2] ?? expect.fail();
    const theirReceipt = file(
      "theirs.cose",
      theirs.transparent(theirOne, theirs.batches[1] ?? expect.fail()),
    );
    const ourReceipt = file("ours.cose", ours.transparent(ourOne, ours.batches[1] ?? expect.fail()));
    expect(failed(await audit(ours.files(), { evidence: [ourReceipt] }))).toEqual([]);
    expect(failed(await audit(ours.files(), { evidence: [theirReceipt] }))).toEqual(["receipts log-fork"]);
    expect(failed(await audit(ours.files(), { evidence: [ourReceipt, theirReceipt] }))).toEqual([
      "receipts log-equivocation",
    ]);
    const seen = file("seen.cose", theirStatements.statements[3]?.bytes ?? expect.fail());
    expect(failed(await audit(ours.files(), { evidence: [seen] }))).toEqual(["seen log-fork"]);
    const { claims } = theirStatements.statements[3] ?? expect.fail();
    const { size = 0, root = new Uint8Array(32) } = claims.seen ?? {};
    const elsewhere = { seen: { size, root, origin: "log.old.example/2020" } };
    const moved = await ourStatements.readings(1, { claims: elsewhere, admit: false });
    const given = await audit(ours.files(), { evidence: [file("moved.cose", moved.bytes)] });
    expect(failed(given)).toEqual([]);
    expect(given.checks.find(({ name }) => name === "seen")).toMatchObject({ result: "not-done" });
    const bare = file("bare.receipt", theirs.receipt([theirOne], theirs.batches[1]));
    expect(failed(await audit(ours.files(), { evidence: [bare] }))).toEqual(["receipts receipt-entry"]);
  });

  test("shows in a receipt of a tree larger than the log", async () => {
    const { world, chain, batches } = t;
    const statement = chain.statements[1] ?? expect.fail();
    const evidence = [file("newer.cose", world.transparent(statement, world.newest))];
    expect(failed(await audit(world.files(batches[1]), { evidence }))).toEqual(["receipts log-rollback"]);
  });

  test("shows in receipts that sign another registry or key state", async () => {
    for (const [forged, code] of [
      [{ registry: { count: 1, last: new Uint8Array(32) } }, "registry registry-mismatch"],
      [{ keysRoot: new Uint8Array(32) }, "key-state key-state"],
    ] as const) {
      const world = await World.create();
      const device = await world.enrol("water/gw-1");
      const chain = device.chain("meter/m-1");
      const opened = await chain.open();
      const batch = await world.commit(forged);
      const evidence = [file("forged.cose", world.transparent(opened, batch))];
      expect(failed(await audit(world.files(), { evidence }))).toEqual([code]);
    }
  });

  test("shows in an enrolment by somebody who may not", async () => {
    const world = await World.create();
    const roads = operatorOf("roads/operator", "roads");
    await world.register({ kind: "operator-added", operator: roads });
    await world.enrol("water/gw-9", { by: roads });
    await world.commit();
    expect(failed(await audit(world.files()))).toEqual(["key-state operator-org"]);
  });
});

describe("a registry of more than one file", () => {
  let large: World;
  beforeAll(async () => {
    large = await World.create();
    for (let i = 0; i < 530; i++) await large.enrol(`water/gw-${i}`);
    await large.commit();
  });

  test("is read whole, from a folder and from a place that can't list its files", async () => {
    const policy = large.policy();
    const files = large.files();
    expect([...files.keys()].filter((path) => path.startsWith("registry/"))).toHaveLength(3);
    const { list: _, ...blind } = memoryPlace(files);
    for (const judgement of [await audit(files, { policy }), await audit(files, { policy, place: blind })]) {
      expect(failed(judgement)).toEqual([]);
      const registry = judgement.checks.find(({ name }) => name === "registry");
      expect(registry?.reason).toContain("531 items");
    }
  });

  test("of which a file in the middle is gone", async () => {
    const files = large.files();
    files.delete("registry/001");
    expect(failed(await audit(files, { policy: large.policy() }))[0]).toBe("registry registry-missing");
  });

  test("one item of which was left out and the rest renumbered", async () => {
    const files = large.files();
    const rest = large.items.filter((_, n) => n !== 300).map(({ bytes }) => bytes);
    files.set("registry/001", encodeEntries(rest.slice(256, 512)));
    files.delete("registry/002.p/19");
    files.set("registry/002.p/18", encodeEntries(rest.slice(512)));
    expect(failed(await audit(files, { policy: large.policy() }))[0]).toBe("registry registry-order");
  });
});

describe("a server that", () => {
  const limits = { timeoutMs: 300, attempts: 2, retryMs: 1 };
  const through = async (instead: Instead): Promise<Judgement> => {
    const server = await serveWorld(t.world, instead);
    try {
      return await audit(new Map(), { place: httpPlace(server.url, limits) });
    } finally {
      await server.close();
    }
  };

  test("serves the whole log is as good as a folder", async () => {
    expect(failed(await through(() => false))).toEqual([]);
  });

  test("hangs at a tile, or fails: nothing can be said, and nothing is said against the log", async () => {
    const hangs = await through((path) => path === "tile/entries/001");
    expect(hangs).toMatchObject({ verdict: "not-verifiable", code: "unreachable" });
    const fails = await through(
      (path, response) => path === "tile/0/001" && response.writeHead(500).end() !== undefined,
    );
    expect(fails).toMatchObject({ verdict: "not-verifiable", code: "http-answer" });
    expect([...failed(hangs), ...failed(fails)]).toEqual([]);
  });

  test("sends a tile without end: the tile is refused as too large", async () => {
    const judgement = await through((path, response) => {
      if (path !== "tile/0/001") return false;
      const more = (): void => {
        if (!response.destroyed) response.write(Buffer.alloc(65_536), () => setImmediate(more));
      };
      more();
      return true;
    });
    expect(failed(judgement)).toEqual(["tiles too-large"]);
  });

  test("has no such tile", async () => {
    const judgement = await through(
      (path, response) => path === "tile/0/001" && response.writeHead(404).end() !== undefined,
    );
    expect(failed(judgement)).toEqual(["tiles tile-missing"]);
  });
});

describe("evidence that is none", () => {
  test("is named with its own cause", async () => {
    const { world, chain } = t;
    const statement = chain.statements[1] ?? expect.fail();
    const receipt = world.transparent(statement, world.newest);
    const cases: [Uint8Array, string][] = [
      [encodeUtf8("hello"), "receipts cbor-malformed"],
      [receipt.slice(0, -1), "receipts cbor-malformed"],
      [flip(receipt, receipt.length - 1), "receipts signature-invalid"],
    ];
    for (const [bytes, expected] of cases) {
      const judgement = await audit(world.files(), { evidence: [file("bad", bytes)] });
      expect(failed(judgement)[0]).toBe(expected);
    }
    const gone = await audit(world.files(), { evidence: [join(folder, "nothing-here")] });
    expect(failed(gone)).toEqual(["receipts unreachable"]);
  });

  test("of another log is not laid to this one's charge", async () => {
    const other = await World.create({ origin: "other.example/2026" });
    const device = await other.enrol("water/gw-1");
    const opened = await device.chain("meter/m-1").open();
    await other.commit();
    const judgement = await audit(t.world.files(), {
      evidence: [file("other", other.transparent(opened, other.newest))],
    });
    expect(failed(judgement)).toEqual([]);
  });
});
