/** Rotation of the device's key: one story whatever ends the process, nothing lost on the way, and the old key gone when it may be. */
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  equalBytes,
  EvidenceError,
  judgeUse,
  nobleProvider,
  toHex,
  verifyStatement,
  type PublicKey,
  type Statement,
} from "@tallystick/evidence";
import { createKeyFile, readPublicKeyFile } from "@tallystick/evidence/node";
import { FileKeys } from "../../../agent/src/keys/file-keys.ts";
import { openSigningKey, SigningKeys } from "../../../agent/src/seal/signing-key.ts";
import { ISS, observation, reading, Rig, STREAM } from "../../support/agent-rig.ts";
import { cutPower, PowerCut, type Cut } from "../../support/power-cut.ts";

const SELF = {
  software: { name: "tally-agent", version: "0.0.0" },
  layers: {},
  files: { count: 1, hash: new Uint8Array(32) },
};

/** An agent with its key in a file, and an anchor that knows keys. */
class Turning {
  readonly rig: Rig;
  readonly file: string;
  readonly keys: FileKeys;
  readonly first: PublicKey;
  /** Kids that the anchor takes. */
  readonly known = new Set<string>();
  /** The anchor makes its `rotate` item as soon as it sees the device's word. */
  automatic = true;

  constructor(yaml = "") {
    this.rig = new Rig(yaml);
    this.file = join(this.rig.folder, "device.key");
    this.keys = new FileKeys(this.file);
    this.first = createKeyFile(this.file);
    this.known.add(toHex(this.first.kid));
    this.rig.connectAnchor();
    const seen: Statement[] = [];
    this.rig.anchor.judge = (statement) => {
      const isKnown = this.known.has(toHex(statement.kid));
      // An item comes in the batch after the one that brought the word.
      for (const word of seen.splice(0)) if (this.automatic) this.enrolNext(word);
      if (isKnown) seen.push(statement);
      return isKnown ? "receipt" : { reject: "key-unknown" };
    };
  }

  enrolNext({ event }: Statement): void {
    if (event?.kind === "key-rotated") this.known.add(toHex(event.key.kid));
  }

  async start(): Promise<void> {
    const signing = new SigningKeys(await openSigningKey(this.rig.storage, this.keys));
    await this.rig.start({ signing, keys: this.keys, self: SELF });
  }

  /** Every statement in the order of sealing, as far as the agent still has it. */
  check(): readonly Statement[] {
    const sealed = this.rig.sealed();
    const seqs = new Map<string, number>();
    let signs = this.first;
    let rotated: { readonly old: PublicKey; readonly word: Statement } | undefined;
    for (const statement of sealed) {
      const { sub, ch, seq } = statement.claims;
      const chain = `${sub} ${toHex(ch ?? new Uint8Array())}`;
      expect(seq, chain).toBe((seqs.get(chain) ?? -1) + 1);
      seqs.set(chain, seq);
      expect(toHex(statement.kid), `${chain} ${seq} is signed by the key whose turn it is`).toBe(
        toHex(signs.kid),
      );
      verifyStatement(statement, signs, nobleProvider);
      if (statement.event?.kind !== "key-rotated") continue;
      rotated = { old: signs, word: statement };
      signs = statement.event.key;
    }
    if (rotated !== undefined) this.#checkHeads(sealed, rotated);
    return sealed;
  }

  /** All that the old key ever signed counts, whenever it arrives, and nothing more would. */
  #checkHeads(sealed: readonly Statement[], { old, word }: { old: PublicKey; word: Statement }): void {
    if (word.event?.kind !== "key-rotated") return;
    const { heads } = word.event;
    const leaf = {
      kid: old.kid,
      role: "device",
      iss: ISS,
      streams: ["*"],
      silenceS: 0,
      enrolled: 0,
    } as const;
    const superseded = { ...leaf, superseded: 1, suspect: null, revoked: null };
    const succession = { by: "rotate", statement: word.hash, heads } as const;
    for (const { kid, claims, hash } of sealed) {
      if (!equalBytes(kid, old.kid)) continue;
      const { sub, seq, ch } = claims;
      const use = { iss: ISS, sub, seq, hash, index: 9, ...(ch === undefined ? {} : { ch }) };
      expect(judgeUse(superseded, use, succession), `${sub} ${seq}`).toEqual({});
    }
    for (const head of heads) {
      const named = sealed.find(({ hash }) => equalBytes(hash, head.hash));
      expect(named?.claims).toMatchObject({ sub: head.sub, seq: head.seq });
    }
  }

  /** Lets time pass until the rotation is through; files are synced in real time, of which a turn or two may be needed. */
  async settled(withinMs: number): Promise<boolean> {
    for (let ms = 0; ms < withinMs && !this.isSettled; ms += 500) await this.rig.time.advance(500);
    for (let turns = 0; turns < 100 && !this.isSettled; turns++) await this.rig.time.advance(20);
    return this.isSettled;
  }

  get isSettled(): boolean {
    return (
      !existsSync(`${this.file}.next`) &&
      !equalBytes(readPublicKeyFile(this.file).kid, this.first.kid) &&
      this.rig.report().rotation === null
    );
  }
}

test("a running agent hands over within seconds, and the old key is gone when the log knows the new one", async () => {
  const turning = new Turning();
  const { rig } = turning;
  await turning.start();
  rig.source.push(observation(1));
  await rig.time.advance(70_000);
  const next = await turning.keys.makeNext(undefined);
  rig.source.push(observation(2));
  await rig.time.advance(3000);
  expect(rig.report().rotation).toMatchObject({ to: toHex(next.kid), isReceipted: true });
  expect(readPublicKeyFile(turning.file).kid).toEqual(turning.first.kid);
  expect(await turning.settled(9000)).toBe(true);
  expect(readPublicKeyFile(turning.file).kid).toEqual(next.kid);
  await rig.time.advance(120_000);
  await rig.stop();
  const sealed = turning.check();
  const word = sealed.findIndex(({ event }) => event?.kind === "key-rotated");
  expect(sealed[word + 1]?.content.type).toBe("eat"); // the new key's first word is about itself
  expect(rig.report().outbox.waiting.count).toBe(0);
  // A second one, of a stopped agent.
  const third = await turning.keys.makeNext(undefined);
  await turning.start();
  for (let s = 0; s < 15 && !equalBytes(readPublicKeyFile(turning.file).kid, third.kid); s++)
    await rig.time.advance(1000);
  expect(await turning.settled(1)).toBe(true);
  expect(readPublicKeyFile(turning.file).kid).toEqual(third.kid);
  await rig.stop();
  turning.check();
});

test("statements sealed before keep going out; those of the new key wait for an operator, and then go through in seconds", async () => {
  const turning = new Turning();
  const { rig } = turning;
  turning.automatic = false;
  const { connect } = rig;
  await turning.start();
  rig.source.push(observation(1));
  await rig.time.advance(70_000);
  rig.connect = (_onDown, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new EvidenceError("unreachable", "offline for a while")));
    });
  rig.disconnect("lost");
  rig.source.push(observation(2));
  await rig.time.advance(70_000);
  const next = await turning.keys.makeNext(undefined);
  await rig.time.advance(5000);
  rig.source.push(observation(3));
  await rig.stop();
  rig.connect = connect;
  await turning.start();
  await rig.time.advance(600_000);
  const { rotation, rejections, outbox } = rig.report();
  expect(rotation).toMatchObject({ from: toHex(turning.first.kid), to: toHex(next.kid), isReceipted: true });
  expect(new Set(rejections.map(({ code }) => code))).toEqual(new Set(["key-unknown"]));
  expect(outbox.waiting.count).toBe(outbox.refused);
  const old = rig.anchor.arrived.filter(({ kid }) => equalBytes(kid, turning.first.kid));
  expect(old.filter(({ claims }) => claims.sub === STREAM).length).toBeGreaterThanOrEqual(3);
  turning.known.add(toHex(next.kid));
  expect(await turning.settled(75_000), "within the longest pause between tries").toBe(true);
  await rig.time.advance(60_000);
  expect(rig.report().outbox.waiting.count).toBe(0);
  turning.check();
});

test.for<Cut>(["before", "within", "after"])(
  "the power fails %s each single transaction of a rotation",
  async (cut) => {
    for (let transactions = 0; ; transactions++) {
      const turning = new Turning();
      const { rig } = turning;
      await turning.start();
      rig.source.push(observation(1));
      await rig.time.advance(70_000);
      await turning.keys.makeNext(undefined);
      const power = cutPower(rig, transactions, cut);
      rig.source.push(observation(2));
      for (let s = 0; s < 15 && !power.failed; s++) await rig.time.advance(1000);
      rig.crash();
      turning.check();
      await turning.start();
      rig.source.push(observation(3));
      expect(await turning.settled(90_000), `after a cut ${cut} transaction ${transactions}`).toBe(true);
      await rig.time.advance(90_000);
      await rig.stop().catch((error: unknown) => {
        if (!(error instanceof PowerCut)) throw error;
      });
      turning.check();
      expect(rig.report().outbox.waiting.count).toBe(0);
      if (!power.failed) {
        expect(transactions).toBeGreaterThan(4);
        break;
      }
    }
  },
);

test("a full outbox lets go of everything but the word that hands over", async () => {
  const turning = new Turning("outbox: { maxBytes: 1048576, whenFull: drop-oldest }");
  const { rig } = turning;
  turning.automatic = false;
  await turning.start();
  await rig.time.advance(2000);
  turning.known.clear();
  await turning.keys.makeNext(undefined);
  await rig.time.advance(5000);
  for (let i = 0; i < 60; i++) {
    rig.source.push({
      ...observation(i),
      readings: Array.from({ length: 900 }, (_, n) => ({ ...reading(i), name: `r${n}` })),
    });
    await rig.time.advance(1000);
  }
  expect(rig.report().outbox.dropped.length).toBeGreaterThan(0);
  expect(rig.sealed("sys").some(({ event }) => event?.kind === "key-rotated")).toBe(true);
  await rig.stop();
});

test("a next key that can't be used is told of once, and the old one signs on; none is made over another", async () => {
  const turning = new Turning();
  const { rig } = turning;
  await turning.keys.makeNext(undefined);
  await expect(turning.keys.makeNext(undefined)).rejects.toMatchObject({ code: "key-file-exists" });
  chmodSync(`${turning.file}.next`, 0o644);
  await turning.start();
  await rig.time.advance(20_000);
  expect(rig.lines.filter(({ message }) => message.includes("next key"))).toHaveLength(1);
  writeFileSync(`${turning.file}.next`, "rubbish", { mode: 0o600 });
  await rig.time.advance(20_000);
  expect(rig.report().rotation).toBeNull();
  await rig.stop();
});

test("without the key that signs since a rotation the agent says so, and doesn't take the old one", async () => {
  const turning = new Turning();
  const { rig } = turning;
  turning.automatic = false;
  await turning.start();
  await turning.keys.makeNext(undefined);
  await rig.time.advance(5000);
  await rig.stop();
  writeFileSync(`${turning.file}.next`, "rubbish");
  await expect(turning.start()).rejects.toMatchObject({ code: "key-file-unreadable" });
});
