/**
 * Back offices as real programs: the very script of docs/exec.md, and one that tells all it has at each start, while agent and programs are killed at any
 * moment. Afterwards each line is evidence once, with its receipt, and the auditor finds every chain complete.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { Decimal, decodePack, formatDecimal, toHex, type Statement } from "@tallystick/evidence";
import { expect, test } from "vitest";
import { AgentBook } from "../support/agent-book.ts";
import { Dice } from "../support/dice.ts";
import { need } from "../support/require.ts";
import { ISS, Town } from "../support/town.ts";
import { checkWorld } from "../support/world-check.ts";

const PAGE = join(import.meta.dirname, "..", "..", "docs", "exec.md");
const LANES = ["lane-1", "lane-2", "lane-3"];
const METER = "meter/m-1";
const KILLS = 12;
/** Passages that the office's database gets between two kills. */
const PASSAGES = 25;
/** Lines of the other program: registers, and an invoice after each tenth. */
const REGISTERS = 300;
const MAX_STOPS = 8;

/** Tells everything at each start, and takes no answer for granted; its own process id for whoever wants to kill it. */
const FORGETFUL = `
import { writeFileSync } from "node:fs";
writeFileSync(process.argv[2], String(process.pid));
process.stdin.on("data", () => {}).on("end", () => process.exit());
let n = 0;
const say = (line) => process.stdout.write(JSON.stringify(line) + "\\n");
const more = () => {
  for (let i = 0; i < 10 && n < ${REGISTERS}; i++, n++) {
    say({ id: "r-" + n, name: "1-0:1.8.0", unit: "kWh", v: (1000 + n) + ".50", t: 1790000000 + n * 900 });
    if (n % 10 !== 9) continue;
    const refs = [{ line: "r-" + (n - 9) }, { line: "r-" + n }];
    say({ id: "i-" + n, event: { kind: "ref", id: "I-" + n, type: "invoice", t: 1790000000 + n * 900, refs } });
  }
  setTimeout(more, 60);
};
more();
`;

test.skipIf(!need("python3"))("each line is evidence once, whoever is killed", async () => {
  await Town.run((town) => new Story(town).tell());
});

class Story {
  readonly #town: Town;
  readonly #book: AgentBook;
  readonly #office: DatabaseSync;
  readonly #dice = new Dice(7);
  #passages = 0;
  #starts = 0;

  constructor(town: Town) {
    this.#town = town;
    this.#book = new AgentBook(town.path("agent"), ISS);
    this.#office = new DatabaseSync(town.path("office.db"), { timeout: 30_000 });
    this.#office
      .exec(`PRAGMA journal_mode = WAL; CREATE TABLE passage (id INTEGER PRIMARY KEY, at TEXT NOT NULL, lane TEXT NOT NULL,
      class INTEGER NOT NULL, cents INTEGER NOT NULL, told INTEGER NOT NULL DEFAULT 0)`);
  }

  async tell(): Promise<void> {
    const town = this.#town;
    await town.start("broker");
    await town.start("anchor");
    await town.enrol(ISS, town.path("device.key"), `toll/plaza-12/*,${METER}`);
    this.#configure();
    for (let kill = 0; kill < KILLS; kill++) {
      await this.#startAgent();
      this.#pass();
      await this.#takesMore();
      await delay(this.#dice.whole(0, 250));
      if (this.#dice.next() < 0.4) this.#killProgram();
      await delay(this.#dice.whole(0, 250));
      await town.kill("agent");
    }
    this.#pass();
    await this.#startAgent();
    await this.#takesMore();
    await town.until("everything is told", () => this.#toldIs(1) === this.#passages);
    await town.until("and has its receipt, up to the last heads", () => this.#isDelivered());
    await this.#closeBooks();
    await this.#check();
    this.#office.close();
  }

  #configure(): void {
    const [, script = ""] = /```python\n([^]*?)```/.exec(readFileSync(PAGE, "utf8")) ?? [];
    const passages = this.#town.path("passages.py");
    writeFileSync(passages, script, { mode: 0o755 });
    const forgetful = this.#town.path("forgetful.mjs");
    writeFileSync(forgetful, FORGETFUL);
    const seal = { maxWaitMs: 300 };
    const python = spawnSync("/bin/sh", ["-c", "command -v python3"], { encoding: "utf8" }).stdout.trim();
    this.#town.writeAgentConfig({
      heartbeat: 2,
      clock: { trust: "system" },
      uplink: { retry: { firstMs: 300, maxMs: 3000 } },
      streams: [],
      programs: [
        {
          name: "passages",
          command: [python, passages, this.#town.path("office.db")],
          streams: ["toll/plaza-12/*"],
          seal,
        },
        {
          name: "meters",
          command: [process.execPath, forgetful, this.#pidFile],
          streams: [METER],
          seal,
          again: 0.1,
        },
      ],
    });
  }

  get #pidFile(): string {
    return this.#town.path("forgetful.pid");
  }

  async #startAgent(): Promise<void> {
    await this.#town.start("agent");
    this.#starts += 1;
  }

  /** More cars pass. */
  #pass(): void {
    const insert = this.#office.prepare("INSERT INTO passage (at, lane, class, cents) VALUES (?, ?, ?, ?)");
    for (let i = 0; i < PASSAGES; i++) {
      this.#passages += 1;
      const at = `2026-11-20T12:00:00.${String(this.#passages).padStart(3, "0")}Z`;
      insert.run(at, this.#dice.one(LANES), this.#dice.whole(1, 5), this.#dice.whole(100, 900));
    }
  }

  #toldIs(told: number): number {
    const row = this.#office.prepare("SELECT count(*) AS n FROM passage WHERE told = ?").get(told);
    return Number(row?.["n"]);
  }

  /** This life of the agent takes something in. */
  async #takesMore(): Promise<void> {
    const before = this.#toldIs(1);
    await this.#town.until("passages are told", () => this.#toldIs(1) > before);
  }

  #killProgram(): void {
    try {
      process.kill(Number(readFileSync(this.#pidFile, "utf8")), "SIGKILL");
    } catch {
      // it has ended already, or never began
    }
  }

  #isDelivered(): boolean {
    return (
      this.#book.waiting() === 0 &&
      this.#registers.length === REGISTERS &&
      this.#events("ref").length === REGISTERS / 10
    );
  }

  /** A clean stop tells the heads, and waits two seconds for the last receipts, which may be too short for a busy machine. */
  async #closeBooks(): Promise<void> {
    const town = this.#town;
    for (let stops = 1; ; stops++) {
      await town.stop("agent");
      if (this.#book.waiting() === 0) return;
      if (stops === MAX_STOPS) throw new Error(`statements still wait after ${stops} stops`);
      await this.#startAgent();
      await town.until("what waits is delivered", () => this.#book.waiting() === 0);
    }
  }

  get #statements(): readonly Statement[] {
    return this.#book.entries().map(({ statement }) => statement);
  }

  #events(kind: string): readonly Statement[] {
    return this.#statements.filter(({ event }) => event?.kind === kind);
  }

  /** The values of the register, in the order of the chain, and in which statement each is. */
  get #registers(): readonly { readonly v: string; readonly hash: string }[] {
    return this.#statements
      .filter(({ claims, content }) => claims.sub === METER && content.type === "senml")
      .flatMap(({ content, hash }) =>
        content.type === "senml"
          ? decodePack(content.payload, `${ISS}/${METER}/`).map(({ value }) => ({
              v: "v" in value && value.v instanceof Decimal ? formatDecimal(value.v) : "",
              hash: toHex(hash),
            }))
          : [],
      );
  }

  async #check(): Promise<void> {
    // Each passage once, as the office has it.
    const told = this.#events("toll-transaction").flatMap(({ event, claims }) =>
      event?.kind === "toll-transaction"
        ? [
            `${event.tx} ${claims.sub} ${claims.lvl} ${event.amount?.minor} ${event.class.measured} ${formatDecimal(event.t)}`,
          ]
        : [],
    );
    const rows = this.#office.prepare("SELECT id, at, lane, class, cents FROM passage ORDER BY id").all();
    const passed = rows.map(({ id, at, lane, class: measured, cents }) => {
      const seconds = `${Date.parse(`${String(at).slice(0, 19)}Z`) / 1000}.${String(at).slice(20, 23)}`;
      return `t-${Number(id)} toll/plaza-12/${String(lane)} 0 ${Number(cents)} ${Number(measured)} ${seconds}`;
    });
    expect(told.toSorted()).toEqual(passed.toSorted());
    expect(this.#toldIs(2)).toBe(0);
    // Each register once, in order; each invoice once, and it names the statements of its first and last register.
    const registers = this.#registers;
    expect(registers.map(({ v }) => v)).toEqual(
      Array.from({ length: REGISTERS }, (_, n) => `${1000 + n}.50`),
    );
    const invoices = this.#events("ref").map(({ event }) =>
      event?.kind === "ref" ? [event.id, ...(event.refs ?? []).map(toHex)] : [],
    );
    expect(invoices).toEqual(
      Array.from({ length: REGISTERS / 10 }, (_, i) => [
        `I-${i * 10 + 9}`,
        registers[i * 10]?.hash,
        registers[i * 10 + 9]?.hash,
      ]),
    );
    const lanes = LANES.map((lane) => ({ sub: `toll/plaza-12/${lane}`, eventsAlone: true }));
    const streams = [{ sub: METER }, ...lanes];
    // One that was killed at once may not have told of its start.
    const boots = { atLeast: Math.ceil(this.#starts / 2), atMost: this.#starts };
    const gateways = [{ iss: ISS, book: this.#book, streams, boots }];
    const { findings } = await checkWorld({ town: this.#town, gateways, bundles: true });
    expect(findings).toEqual([]);
  }
}
