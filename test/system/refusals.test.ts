/**
 * What the running programs refuse: statements that aren't the sender's, packets that are too large, a clock in 1970, and a ledger that is behind its
 * own signature. Whoever is refused leaves nothing behind, and others are served as before.
 *
 * @module
 */
import { cpSync, readFileSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { sha256, toHex, type Statement } from "@tallystick/evidence";
import { loadSigner } from "@tallystick/evidence/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentBook, readingsOf } from "../support/agent-book.ts";
import { DeviceWire } from "../support/device-wire.ts";
import { HandChain } from "../support/hand-chain.ts";
import { copyLedger } from "../support/ledger-copy.ts";
import { need } from "../support/require.ts";
import { ISS, Town } from "../support/town.ts";

const OTHER = "city/gw-2";
const STRANGER = "city/gw-3";
const SUB = "meter/m-1";

/** A device with a key that is enrolled, or not, on a line of its own. */
type Hand = { readonly wire: DeviceWire; readonly chain: HandChain };

async function handOf(town: Town, iss: string): Promise<Hand> {
  const file = town.path(`${iss.replace("/", "-")}.key`);
  if (iss === STRANGER) await town.makeKey(file);
  else await town.enrol(iss, file);
  const wire = await DeviceWire.connect(town.brokerUrl, iss);
  return { wire, chain: new HandChain(iss, SUB, loadSigner(file)) };
}

/** Whether the ledger's archive has it. */
async function isHeld(town: Town, { hash }: Pick<Statement, "hash">): Promise<boolean> {
  const { status } = await fetch(`${town.anchorUrl}/statements/${toHex(hash)}`);
  expect([200, 404]).toContain(status);
  return status === 200;
}

/** Sends a statement as an honest device would, and has its receipt. */
async function receipted(town: Town, { wire }: Hand, statement: Statement): Promise<void> {
  await wire.up(statement.bytes);
  await town.until("the receipt", () => wire.hasReceipt(statement.hash));
}

/** Sends what is to be refused, and checks that it is: told by its code, not held, without a receipt. */
async function refused(
  town: Town,
  { wire }: Hand,
  statement: Pick<Statement, "bytes" | "hash">,
  code: string,
): Promise<void> {
  await wire.up(statement.bytes);
  await town.until(`the refusal ${code}`, () => wire.refusals(statement.hash).length > 0);
  expect(wire.refusals(statement.hash)).toEqual([code]);
  expect(await isHeld(town, statement)).toBe(false);
  expect(wire.hasReceipt(statement.hash)).toBe(false);
}

describe("broker and anchor refuse", () => {
  let town: Town;
  let own: Hand;
  let other: Hand;
  let stranger: Hand;

  beforeAll(async () => {
    town = await Town.begin();
    await town.tell(async () => {
      await town.start("broker");
      await town.start("anchor");
      own = await handOf(town, ISS);
      other = await handOf(town, OTHER);
      stranger = await handOf(town, STRANGER);
      await receipted(town, own, await own.chain.open());
    });
  });
  afterAll(async () => {
    for (const hand of [own, other, stranger]) hand.wire.end();
    await town.end();
  });

  /** After each refusal an honest statement still gets its receipt, and the log is whole. */
  const goesOn = async (): Promise<void> => {
    await receipted(town, own, await own.chain.reading(1));
  };

  test("a statement on another device's topic", () =>
    town.tell(async () => {
      const wire = await DeviceWire.connect(town.brokerUrl, "city/gw-4");
      const statement = await own.chain.reading(2);
      const messages = await town.metric('outcomes_total{outcome="message"}');
      await wire.upAndCutOff(statement.bytes, ISS);
      expect(wire.connected).toBe(false);
      expect(await town.brokerMetric('refused_total{code="topic-owner"}')).toBe(1);
      // Even where a broker doesn't look, the anchor does.
      await refused(town, other, statement, "topic-owner");
      expect(await town.metric('outcomes_total{outcome="message"}')).toBe(messages + 1);
      await receipted(town, own, statement);
    }));

  test("a statement of a device that nobody enrolled", () =>
    town.tell(async () => {
      await refused(town, stranger, await stranger.chain.open(), "key-unknown");
      await goesOn();
    }));

  test("a statement that was signed by another key", () =>
    town.tell(async () => {
      const stolen = new HandChain(ISS, "meter/m-2", loadSigner(town.path("city-gw-2.key")));
      await refused(town, own, await stolen.open(), "key-issuer");
      await goesOn();
    }));

  test("a statement with a bit changed", () =>
    town.tell(async () => {
      const statement = await own.chain.reading(3);
      const bytes = statement.bytes.slice();
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      await refused(town, own, { bytes, hash: sha256(bytes) }, "signature-invalid");
      await receipted(town, own, statement);
    }));

  test("a second statement for the same number: refused, and kept as evidence", () =>
    town.tell(async () => {
      const statement = await own.chain.reading(4);
      await receipted(town, own, statement);
      const second = await own.chain.other(5);
      await refused(town, own, second, "fork");
      expect(await town.metric('outcomes_total{outcome="fork"}')).toBe(1);
      const db = new DatabaseSync(town.path("anchor", "anchor.db"), { readOnly: true });
      const kept = db.prepare("SELECT hash, bytes FROM forks").all();
      db.close();
      expect(kept).toEqual([{ hash: second.hash, bytes: second.bytes }]);
      await goesOn();
    }));

  test.for([
    ["10 MB", 10_000_000],
    ["a byte more than a message may have", 65_537],
  ] as const)("a packet of %s", ([, bytes]) =>
    town.tell(async () => {
      const before = await town.brokerMetric('refused_total{code="too-large"}');
      const wire = await DeviceWire.connect(town.brokerUrl, "city/gw-5");
      await wire.upAndCutOff(new Uint8Array(bytes));
      expect(await town.brokerMetric('refused_total{code="too-large"}')).toBe(before + 1);
      await goesOn();
    }),
  );

  test("and the log is good", () =>
    town.tell(async () => {
      const { code, stdout } = await town.run(
        ...(["audit", "log", town.publicFolder, "--policy", town.policyFile, "--json"] as const),
      );
      expect(JSON.parse(stdout)).toMatchObject({ verdict: "restricted", restrictions: ["no-witness"] });
      expect(code).toBe(0);
    }));
});

describe("an agent whose machine says 1970", () => {
  test.skipIf(!need("faketime"))("signs no time that it doesn't know, and goes on once it does", () =>
    Town.run(async (town) => {
      const book = new AgentBook(town.path("agent"), ISS);
      const sub = "host/gateway";
      await town.start("broker");
      await town.start("anchor");
      await town.enrol(ISS, town.path("device.key"));
      town.writeAgentConfig({
        clock: { trust: "system" },
        uplink: { retry: { firstMs: 300 } },
        streams: [{ name: sub, source: { kind: "host" }, every: 1, seal: { maxWaitMs: 200 } }],
      });
      const receiptedPacks = (): readonly Statement[] =>
        book
          .entries()
          .flatMap(({ statement, isReceipted }) =>
            isReceipted && statement.content.type === "senml" ? [statement] : [],
          );
      await town.start("agent", await town.clockAt("1970-01-01 00:00:42"));
      await town.until("readings have receipts", () => receiptedPacks().length >= 2);
      await town.stop("agent");
      const timeless = book.entries().length;
      await town.start("agent");
      await town.until("readings of a known time have receipts", () => {
        return receiptedPacks().filter(({ claims }) => claims.tq === 2).length >= 2;
      });
      await town.stop("agent");

      const nowS = Date.now() / 1000;
      for (const [i, { statement }] of book.entries().entries()) {
        const { tq, iat } = statement.claims;
        if (i < timeless) expect({ tq, iat }).toEqual({ tq: 0, iat: undefined });
        else expect(Math.abs(nowS - (iat ?? 0))).toBeLessThan(600);
        const times = readingsOf(statement).map(({ time }) => time);
        expect(times.every((time) => (time === null) === i < timeless)).toBe(true);
      }
      const chains = await copyLedger(town.anchorUrl, ISS);
      expect(chains.map((chain) => chain.sub).toSorted()).toEqual([sub, "sys"]);
      expect(chains.every(({ first, last, count }) => first === 0 && count === last + 1)).toBe(true);
    }),
  );
});

describe("an anchor that is behind its own signature", () => {
  let town: Town;
  let hand: Hand;
  let waiting: Statement;

  /** The anchor's data folder, put by and taken back. */
  const putBy = (name: string): void => cpSync(town.path("anchor"), town.path(name), { recursive: true });
  const replace = (name: string): void => {
    rmSync(town.path("anchor"), { recursive: true });
    cpSync(town.path(name), town.path("anchor"), { recursive: true });
  };

  /** Runs the anchor, which has to end with this one complaint. */
  async function refusesToRun(): Promise<{ readonly stdout: string }> {
    const { code, stdout, stderr } = await town.run("anchor", "run", "--config", town.configFile("anchor"));
    const complaints = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
    expect(complaints).toHaveLength(1);
    expect(complaints[0]).toMatch(/^tally-anchor run: .+ \[checkpoint-ahead\]$/);
    expect(code).toBe(1);
    return { stdout };
  }

  const checkpointIn = (name: string): string =>
    readFileSync(town.path(name, "public", "checkpoint"), "utf8");

  beforeAll(async () => {
    town = await Town.begin();
    await town.tell(async () => {
      await town.start("broker");
      await town.start("anchor");
      hand = await handOf(town, ISS);
      await receipted(town, hand, await hand.chain.open());
      await town.stop("anchor");
      putBy("older");
      await town.start("anchor");
      await receipted(town, hand, await hand.chain.reading(1));
      await town.stop("anchor");
      putBy("newest");
    });
  });
  afterAll(async () => {
    hand.wire.end();
    await town.end();
  });

  test("as the broker's retained checkpoint shows: it signs nothing", () =>
    town.tell(async () => {
      replace("older");
      waiting = await hand.chain.reading(2);
      await hand.wire.up(waiting.bytes);
      await refusesToRun();
      expect(hand.wire.messages.filter(({ kind }) => kind === "rejected")).toEqual([]);
      expect(hand.wire.hasReceipt(waiting.hash)).toBe(false);
      expect(checkpointIn("anchor")).toBe(checkpointIn("older"));
      await hand.wire.watchCheckpoint();
      await town.until("a retained checkpoint", () => hand.wire.checkpoint !== undefined);
      expect(hand.wire.checkpoint).toBe(checkpointIn("newest"));
    }));

  test("as its public folder shows: it doesn't even begin to serve", () =>
    town.tell(async () => {
      replace("newest");
      for (const name of ["anchor.db", "anchor.db-wal", "anchor.db-shm"]) {
        rmSync(town.path("anchor", name), { force: true });
      }
      cpSync(town.path("older", "anchor.db"), town.path("anchor", "anchor.db"));
      const { stdout } = await refusesToRun();
      expect(stdout).toBe("");
      expect(checkpointIn("anchor")).toBe(checkpointIn("newest"));
    }));

  test("and with the newest database it goes on, and takes what has no receipt when it comes again", () =>
    town.tell(async () => {
      replace("newest");
      await town.start("anchor");
      await receipted(town, hand, waiting);
      await receipted(town, hand, await hand.chain.reading(3));
      const [chain] = await copyLedger(town.anchorUrl, ISS);
      expect(chain).toMatchObject({ first: 0, last: 3, count: 4 });
    }));
});
