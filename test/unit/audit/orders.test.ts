/**
 * Which numbers an order to erase excuses: the one of the statement that it names, as far as anything of the devices here says which that is.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { decimal, toHex, type Statement } from "@tallystick/evidence";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Orders } from "../../../audit/src/facts/orders.ts";
import { auditCommand } from "../../support/audit-command.ts";
import { cover, END, found, NOON, town } from "../../support/coverage-desk.ts";
import { hashOf, HOUR_S, type FactsTown, type Made, type MadeChain } from "../../support/facts-town.ts";
import { signerOf, World } from "../../support/world.ts";
import { makeCase } from "../../support/world-case.ts";
import type { Chain, Device } from "../../support/world-device.ts";

/** No heads of these hours are here: what number 40 and the next ones were, only the statement behind them says. */
const SILENT = [NOON, NOON + HOUR_S, NOON + 2 * HOUR_S];

function quiet(): FactsTown {
  return town((hourS, made) => {
    if (!SILENT.includes(hourS)) return false;
    made.report(made.read(hourS), hourS + 5);
    return true;
  });
}

/** The number that was sealed at noon. */
const FIRST = 48;

/** An order in the ledger that names a statement. */
const ordered = (made: FactsTown, hash: Uint8Array, atS = END + 60): Made =>
  made.tell(made.sys, { kind: "erased", hash, order: "court 7/26" }, atS);

/** The case says that a number is not in it, and by which order. */
function without(made: FactsTown, chain: MadeChain, seq: number, order: Made): void {
  const one = chain.made[seq] ?? expect.fail();
  one.held = false;
  made.withheld.push({ ch: chain.ch, first: seq, last: seq, why: "erased", by: toHex(order.hash) });
}

const at = ({ meter }: FactsTown, seq: number): Made => meter.made[seq] ?? expect.fail();

describe("a number that no heads name", () => {
  test("is the one of the order where the statement behind it says so", () => {
    const made = quiet();
    expect(at(made, FIRST).atS).toBe(NOON + 5);
    without(made, made.meter, FIRST, ordered(made, at(made, FIRST).hash));
    expect(found(cover(made))).toEqual(["erased 1"]);
  });

  test("is not excused by an order about another statement, here or of another stream", () => {
    const made = quiet();
    without(made, made.meter, FIRST, ordered(made, hashOf("of another meter")));
    expect(found(cover(made))).toEqual(["erased-unordered 1"]);
  });

  test("a statement behind it that proves nothing says nothing", () => {
    const made = quiet();
    without(made, made.meter, FIRST, ordered(made, hashOf("of another meter")));
    const behind = at(made, FIRST + 1);
    [behind.standing, behind.code] = ["bad", "signature-invalid"];
    expect(found(cover(made))).toEqual(["bad 1", "erased 1"]);
  });

  test("of several in a row the last is known, and the others are as the case says", () => {
    const made = quiet();
    const orders = [FIRST, FIRST + 1].map((seq) => ordered(made, at(made, seq).hash, END + seq));
    for (const [i, order] of orders.entries()) without(made, made.meter, FIRST + i, order);
    expect(found(cover(made))).toEqual(["erased 1", "erased 1"]);
  });

  test("an order whose statement is known to have stood elsewhere is for that place only", () => {
    const made = quiet();
    const [one, two] = [FIRST, FIRST + 1].map((seq) => ordered(made, at(made, seq).hash, END + seq));
    if (one === undefined || two === undefined) throw new Error("no orders");
    without(made, made.meter, FIRST, two); // named by the one behind number 49
    without(made, made.meter, FIRST + 1, one);
    expect(found(cover(made))).toEqual(["erased-unordered 1", "erased-unordered 1"]);
  });

  test("an order is used up by one place, whoever is asked how often", () => {
    const made = quiet();
    const order = ordered(made, hashOf("of another meter"));
    using facts = made.facts();
    const orders = new Orders(facts.db);
    const place = { iss: made.iss, sub: "meter/m-2", ch: hashOf("chain").slice(0, 8), seq: 7 };
    const by = toHex(order.hash);
    for (let i = 0; i < 2; i++) expect(orders.counting(place, by)).toMatchObject({ text: "court 7/26" });
    expect(orders.counting({ ...place, seq: 8 }, by)).toBeUndefined();
    expect(orders.counting(place, by)).toBeDefined();
  });
});

describe("the last number of a chain", () => {
  /** A town whose meter's stream begins anew at noon; nothing but what a test adds says what the last number before it was. */
  function anew(): { made: FactsTown; last: Made; ended: MadeChain } {
    let ended: MadeChain | undefined;
    const made = town((hourS, one) => {
      if (hourS < NOON - HOUR_S || hourS > NOON) return false;
      one.report(one.read(hourS), hourS + 5);
      if (hourS < NOON) return true;
      ended = one.meter;
      one.reopen(hourS + 10);
      return true;
    });
    if (ended === undefined) throw new Error("it was not opened anew");
    return { made, last: ended.made.at(-1) ?? expect.fail(), ended };
  }

  test("is named by the opening of the next one", () => {
    const right = anew();
    without(right.made, right.ended, right.last.seq, ordered(right.made, right.last.hash));
    expect(found(cover(right.made))).toEqual(["erased 1", "new-chain 1"]);
    const wrong = anew();
    without(wrong.made, wrong.ended, wrong.last.seq, ordered(wrong.made, hashOf("of another meter")));
    expect(found(cover(wrong.made))).toEqual(["erased-unordered 1", "new-chain 1"]);
  });

  test.for(["a rotation of the device's key", "heads"])("is named by %s", (what) => {
    const counts = (named: Uint8Array): boolean => {
      const made = town();
      const { ch, sub } = made.meter;
      const heads = [{ sub, ch, seq: 500, hash: named }];
      if (what === "heads") made.tell(made.sys, { kind: "heads", all: false, heads }, END + 30);
      else made.tell(made.sys, { kind: "key-rotated", key: signerOf("next").key, heads }, END + 30);
      const order = ordered(made, hashOf("the last"));
      using facts = made.facts();
      return (
        new Orders(facts.db).counting({ iss: made.iss, sub, ch, seq: 500 }, toHex(order.hash)) !== undefined
      );
    };
    expect([counts(hashOf("the last")), counts(hashOf("of another meter"))]).toEqual([true, false]);
  });
});

test("a statement that is here was not erased", () => {
  const made = town();
  const last = made.report(made.read(END + HOUR_S), END + HOUR_S + 5); // nothing names it yet
  const order = ordered(made, last.hash);
  const place = { iss: made.iss, sub: "meter/m-2", ch: hashOf("chain").slice(0, 8), seq: 7 };
  for (const isHere of [true, false]) {
    last.held = isHere;
    using facts = made.facts();
    const counts = new Orders(facts.db).counting(place, toHex(order.hash)) !== undefined;
    expect(counts).toBe(!isHere);
  }
});

test("a gateway of another org orders nothing, also where an operator for every org brought its key", () => {
  const made = quiet();
  made.acts = "*";
  made.erasedBy = "waste/gw-9";
  without(made, made.meter, FIRST, ordered(made, at(made, FIRST).hash));
  expect(found(cover(made))).toEqual(["erased-unordered 1"]);
});

describe("of a log", () => {
  const folder = mkdtempSync(join(tmpdir(), "tally-orders-"));
  const place = (name: string): string => join(folder, name);
  let world: World;
  let meters: readonly [Chain, Chain];
  let trail: Chain;
  let bin: Chain;

  beforeAll(async () => {
    vi.stubEnv("XDG_CACHE_HOME", folder);
    world = await World.create();
    const gateway = await world.enrol("water/gw-1");
    const other = await world.enrol("waste/bin-9");
    const open = async (device: Device, sub: string): Promise<Chain> => {
      const chain = device.chain(sub);
      await chain.open({ interval: decimal(0) });
      return chain;
    };
    meters = [await open(gateway, "meter/m-1"), await open(gateway, "meter/m-2")];
    for (let i = 0; i < 20; i++) for (const meter of meters) await meter.readings(1);
    await gateway.heads();
    for (const meter of meters) await meter.readings(1); // the last, which no heads name
    trail = await open(gateway, "access");
    bin = await open(other, "level");
    await gateway.heads([trail]);
    await world.commit();
    await order(trail, numbered(1, 7));
    await order(trail, numbered(0, 10));
    await order(trail, numbered(0, 21));
    await order(bin, numbered(0, 12));
    await gateway.heads([trail]);
    await world.commit();
    writeFileSync(place("policy.txt"), world.policy());
    for (const [path, bytes] of world.files()) {
      mkdirSync(dirname(place(join("log", path))), { recursive: true });
      writeFileSync(place(join("log", path)), bytes);
    }
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  const orders = new Map<string, Statement>();
  const nameOf = (one: Statement): string => toHex(one.hash);
  const numbered = (meter: 0 | 1, seq: number): Statement => meters[meter].statements[seq] ?? expect.fail();
  async function order(by: Chain, erased: Statement): Promise<void> {
    orders.set(nameOf(erased), await by.event({ kind: "erased", hash: erased.hash, order: "court 17/2026" }));
  }
  /** A case without one statement; `by`: the order that it names, which is about this one. */
  async function made(
    name: string,
    hidden: Statement,
    by?: Statement,
    chains?: readonly Chain[],
  ): Promise<void> {
    const { iss, sub, ch = new Uint8Array(8), seq } = hidden.claims;
    const cited = by === undefined ? undefined : orders.get(nameOf(by));
    const why = "erased" as const;
    await makeCase(world, place(name), {
      ...(chains === undefined ? {} : { chains }),
      without: [hidden],
      withheld: cited === undefined ? [] : [{ iss, sub, ch, from: seq, to: seq, why, by: cited.hash }],
    });
  }

  type Check = { readonly name: string; readonly reason?: string };
  const checksOf = (stdout: string, name: string): string[] =>
    (JSON.parse(stdout) as { checks: Check[] }).checks.flatMap((one) =>
      one.name === name ? [one.reason ?? ""] : [],
    );

  test("a case that cites the order about one meter for a statement of another one", async () => {
    const told: unknown[] = [];
    for (const [name, by] of [
      ["right", numbered(0, 10)],
      ["wrong", numbered(1, 7)],
    ] as const) {
      await made(name, numbered(0, 10), by, [meters[0], trail]);
      const policy = ["--policy", place("policy.txt")];
      const verified = await auditCommand("verify", place(name), ...policy, "--json");
      const period = ["--from", "2026-09-21T14:00:00Z", "--to", "2026-09-21T14:55:00Z", "--zone", "UTC"];
      const asked = [...period, "--stream", "water/gw-1/meter/m-1", "--json"];
      const covered = await auditCommand("coverage", place(name), ...policy, ...asked);
      const { findings } = (JSON.parse(covered.stdout) as { body: { findings: { class: string }[] } }).body;
      const completeness = checksOf(verified.stdout, "completeness").filter((one) => one.endsWith(": 10"));
      told.push([completeness, covered.exit, findings.map((one) => one.class)]);
    }
    expect(told).toEqual([
      [["water/gw-1/meter/m-1 0..21: erased by order: 10"], 0, ["erased"]],
      [["water/gw-1/meter/m-1 0..21: not here: 10"], 1, ["erased-unordered"]],
    ]);
  });

  test("laid beside the log: an order counts from the org's own device, or where the case says whose it was", async () => {
    const audited = async (name: string): Promise<[number | null, string[]]> => {
      const ran = await auditCommand(
        "log",
        place("log"),
        "--policy",
        place("policy.txt"),
        "--archive",
        place(name),
        "--json",
      );
      return [ran.exit, checksOf(ran.stdout, "archive")];
    };
    await made("own", numbered(0, 10));
    expect(await audited("own")).toEqual([0, [expect.stringContaining("erased: 1")]]);
    const foreign = numbered(0, 12);
    await made("foreign", foreign, foreign);
    expect(await audited("foreign")).toEqual([
      1,
      [expect.stringContaining(`entry ${world.indexOf(foreign)}:`)],
    ]);
    const last = numbered(0, 21);
    await made("last", last);
    expect(await audited("last")).toEqual([1, [expect.stringContaining(`entry ${world.indexOf(last)}:`)]]);
    await made("said", last, last);
    expect(await audited("said")).toEqual([0, [expect.stringContaining("erased: 1")]]);
  });
});
