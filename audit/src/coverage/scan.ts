/**
 * The walk along one stream in the order of its chains: which numbers are here, what lies between them, and which of them can have to do with
 * the period.
 *
 * @module
 */
import { toHex } from "@tallystick/evidence";
import type { Cause, Seqs } from "./body.ts";
import { DayCounts } from "./counts.ts";
import type { FindingList } from "./findings.ts";
import { SECOND_US, type Days } from "./moments.ts";
import { rankOf, type Said } from "./numbers.ts";
import type { GapEvent, Opening } from "./said.ts";
import { joined, timesOf, type Times } from "./rows.ts";
import { runsOf, Some, type Runs } from "./runs.ts";
import { momentsOf, Samples } from "./samples.ts";
import type { StatementRow, StreamName, TimedRow } from "./view.ts";

/** How far a reading's time may lie after its commit before it is `ahead`: clocks differ, and a commit has whole seconds. */
const AHEAD_S = 300;

/** A statement that is held, as the edges of the period see it. */
export type Mark = {
  /** Place of its chain among those of the stream. */
  readonly chain: number;
  readonly seq: number;
  readonly kind: string;
  /** Its newest time, in microseconds. */
  readonly us: number;
  /** Statements of its chain that are held, up to it and with it. */
  readonly held: number;
};

/** Numbers that are not held, and when: between the two statements beside them. */
export type Hole = Seqs & { readonly fromUs: number | null; readonly toUs: number | null };

/** Something that may be why samples are missing between two moments; an end that is null is not known. */
export type Passed = { readonly fromUs: number | null; readonly toUs: number | null; readonly cause: Cause };

export type ScannedChain = {
  readonly ch: Uint8Array;
  readonly id: number | null;
  readonly opening: Opening | undefined;
  /** First number that anything here is said of, and the last that is held; -1 where none is. */
  readonly first: number;
  readonly last: number;
  readonly lastUs: number | null;
  readonly held: number;
  /** Between `first` and `last`. */
  readonly holes: readonly Hole[];
  /** Of numbers here that prove nothing, of others that were withheld, of those that a gap names. */
  readonly said: readonly Said[];
};

export type ScanInput = {
  readonly ch: Uint8Array;
  readonly id: number | null;
  readonly statements: Iterable<StatementRow>;
  readonly readings: Iterable<TimedRow>;
  readonly opening: Opening | undefined;
  readonly gaps: readonly GapEvent[];
  readonly said: readonly Said[];
  /** First number of the chain that should be here; infinite where nobody says. A chain that follows another one begins at 0. */
  readonly from: number;
  /** Why the chain's predecessor is lost, where it is: a cause for what is missing before its first sample. */
  readonly lost: Cause | undefined;
};

export class StreamScan {
  readonly name: StreamName;
  readonly samples = new Samples();
  readonly counts: DayCounts;
  readonly passed: Passed[] = [];
  /** The last statement before the period, the first and the last in it, and the first after it, in the order of the chains. */
  before: Mark | undefined;
  first: Mark | undefined;
  last: Mark | undefined;
  after: Mark | undefined;
  /** The last one in it, where that holds times beyond it or was sealed when it was over: what follows it is of later. */
  closing: Mark | undefined;
  /** The newest sample before the period and the oldest after it. */
  sampleBefore = -Infinity;
  sampleAfter = Infinity;
  readings = 0;
  untimed = 0;
  firstUs: number | null = null;
  lastUs: number | null = null;
  readonly clock: [number, number, number, number] = [0, 0, 0, 0];
  readonly qualities = new Map<string, number>();
  readonly #days: Days;
  readonly #lateUs: number;
  readonly #findings: FindingList;
  #chains = 0;
  /** Newest time of the last statement with readings, and what was passed since. */
  #lastSample: number | null = null;
  #pending: Cause | undefined;
  #reordered: { count: number; fromUs: number; toUs: number } | undefined;

  constructor(name: StreamName, days: Days, lateAfterS: number, findings: FindingList) {
    this.name = name;
    this.#days = days;
    this.#lateUs = lateAfterS * SECOND_US;
    this.#findings = findings;
    this.counts = new DayCounts(days);
  }

  /** Goes along the next chain, in the order in which they follow one another. */
  chain({ ch, id, statements, readings, opening, gaps, said, from, lost }: ScanInput): ScannedChain {
    const chain = this.#chains++;
    if (lost !== undefined) this.pass(lost);
    const causes = new CauseOf(said);
    const next = joined(readings);
    const told = new Map(gaps.map((gap) => [gap.at, gap]));
    const runs = runsOf(this.name, toHex(ch), this.#findings);
    const [holes, bad]: [Hole[], Said[]] = [[], []];
    // Numbers that the case says it should have belong to the chain, whatever is here.
    let first = said.reduce(
      (low, one) => (one.cause === "told" ? low : Math.min(low, one.from)),
      chain > 0 ? 0 : from,
    );
    let [held, last, lastUs, highest, badHere] = [0, -1, null as number | null, -1, 0];
    for (const row of statements) {
      first = Math.min(first, row.seq);
      const rows = next(row.id);
      if (row.standing === "bad" || row.standing === "unproven") {
        this.#bad(row, rows, runs, bad);
        badHere++;
        continue;
      }
      if (row.seq === last) continue; // a second history: the one that stands is the first
      runs.fork.end();
      const time = timesOf(row, rows) ?? (lastUs === null ? [0, 0] : [lastUs, lastUs]);
      if (row.seq > Math.max(last, first - 1) + 1) {
        const hole = { from: Math.max(last + 1, first), to: row.seq - 1, fromUs: lastUs, toUs: time[0] };
        holes.push(hole);
        const whole = badHere <= hole.to - hole.from;
        this.pass(worst(causes.within(hole, whole), badHere > 0 ? "bad" : undefined));
      }
      badHere = 0;
      held++;
      [last, lastUs] = [row.seq, time[1]];
      const gap = told.get(row.seq);
      if (row.kind === "gap" && gap?.own === true) this.pass("told");
      const mark = { chain, seq: row.seq, kind: row.kind, us: time[1], held };
      const meets = time[0] < this.#days.toUs && time[1] >= this.#days.fromUs;
      this.#place(mark, time, meets);
      if (meets) {
        const sealedUs = row.iat === null ? time[1] : Math.max(time[1], row.iat * SECOND_US);
        this.closing = sealedUs >= this.#days.toUs ? mark : undefined;
      }
      this.#take(row, rows, chain, meets ? runs : undefined);
      if (row.idx !== null) {
        if (row.idx < highest && meets) this.#outOfOrder(time);
        highest = Math.max(highest, row.idx);
      }
    }
    for (const run of Object.values(runs)) run.end();
    first = first === Infinity ? 0 : first;
    return { ch, id, opening, first, last, lastUs, held, holes, said: [...said, ...bad] };
  }

  /** All chains were walked. */
  end(): void {
    if (this.#pending !== undefined)
      this.passed.push({ fromUs: this.#lastSample, toUs: null, cause: this.#pending });
    this.#pending = undefined;
    const reordered = this.#reordered;
    if (reordered === undefined) return;
    const says = "statements of a chain were admitted after later ones of it";
    this.#findings.add("reordered", this.name, says, reordered);
  }

  /** Something is missing behind what was walked so far. */
  pass(cause: Cause | undefined): void {
    this.#pending = worst(cause, this.#pending);
  }

  /** A statement that is here and proves nothing. */
  #bad(row: StatementRow, rows: readonly TimedRow[], runs: Runs, bad: Said[]): void {
    const last = bad.at(-1);
    const { seq, code } = row;
    if (last?.to === seq - 1 && last.why === code) bad[bad.length - 1] = { ...last, to: seq };
    else if (last?.to !== seq) bad.push({ from: seq, to: seq, cause: "bad", why: code });
    if (code !== "fork") return;
    const [from, to] = timesOf(row, rows) ?? [0, 0];
    if (from < this.#days.toUs && to >= this.#days.fromUs) runs.fork.add(seq, from, to);
  }

  /** Places a statement before, in or after the period. */
  #place(mark: Mark, [fromUs, toUs]: Times, meets: boolean): void {
    if (meets) {
      this.first ??= mark;
      this.last = mark;
      this.after = undefined;
    } else if (this.first === undefined && toUs < this.#days.fromUs) {
      this.before = mark;
      this.after = undefined;
    } else if (this.after === undefined && fromUs >= this.#days.toUs) this.after = mark;
  }

  #take(row: StatementRow, rows: readonly TimedRow[], chain: number, runs: Runs | undefined): void {
    const moments = rows.length > 0 ? momentsOf(rows) : row.t === null ? [] : [{ us: row.t, device: false }];
    if (moments.length > 0) this.#meet(moments.map(({ us }) => us));
    for (const moment of moments) {
      if (this.#days.has(moment.us)) this.samples.add(moment, chain);
      else if (moment.us < this.#days.fromUs) this.sampleBefore = Math.max(this.sampleBefore, moment.us);
      else this.sampleAfter = Math.min(this.sampleAfter, moment.us);
    }
    if (runs === undefined) return;
    const judged = rows.length > 0 ? rows : row.t === null ? [] : [{ t: row.t, q: "" }];
    this.#judge(row, judged, rows.length > 0, runs);
  }

  /** A statement with samples ends what was passed since the last one. */
  #meet(moments: readonly number[]): void {
    const [from, to] = [Math.min(...moments), Math.max(...moments)];
    if (this.#pending !== undefined)
      this.passed.push({ fromUs: this.#lastSample, toUs: from, cause: this.#pending });
    this.#pending = undefined;
    this.#lastSample = to;
  }

  /** Lateness, clock and quality of what is of the period. */
  #judge(
    row: StatementRow,
    rows: readonly { readonly t: number | null; readonly q: string }[],
    are: boolean,
    runs: Runs,
  ): void {
    const committedUs = row.committed === null ? null : row.committed * SECOND_US;
    const [late, ahead] = [new Some(), new Some()];
    let here = 0;
    for (const { t, q } of rows) {
      if (t === null) this.untimed++;
      if (t === null || !this.#days.has(t)) continue;
      here++;
      this.firstUs = Math.min(this.firstUs ?? t, t);
      this.lastUs = Math.max(this.lastUs ?? t, t);
      if (are) {
        this.readings++;
        this.#countClock(row.tq);
        if (q !== "")
          for (const one of q.split(" ")) this.qualities.set(one, (this.qualities.get(one) ?? 0) + 1);
      }
      if (committedUs === null) continue;
      if (committedUs - t > this.#lateUs) {
        late.add(t, committedUs - t);
        this.counts.count("late", t);
      } else if (t - committedUs > AHEAD_S * SECOND_US) ahead.add(t, t - committedUs);
    }
    late.into(runs.late, row.seq);
    ahead.into(runs.ahead, row.seq);
    if (here === 0) return;
    const [from, to] = timesOf(row, []) ?? [0, 0];
    if (row.tq < 2) runs.unsynchronised.add(row.seq, from, to);
    else runs.unsynchronised.end();
    if (row.standing === "restricted" && row.code?.includes("declared-suspect-later") === true)
      runs.suspect.add(row.seq, from, to);
    else runs.suspect.end();
  }

  #countClock(tq: number): void {
    const at = tq as 0 | 1 | 2 | 3;
    this.clock[at] += 1;
  }

  #outOfOrder([fromUs, toUs]: Times): void {
    const so = this.#reordered;
    this.#reordered = {
      count: (so?.count ?? 0) + 1,
      fromUs: Math.min(so?.fromUs ?? fromUs, fromUs),
      toUs: Math.max(so?.toUs ?? toUs, toUs),
    };
  }
}

/** Of two causes the one that says less. */
const worst = (a: Cause | undefined, b: Cause | undefined): Cause | undefined =>
  a === undefined ? b : b === undefined ? a : rankOf(a) <= rankOf(b) ? a : b;

/** The cause of a hole, as far as something is said of it. */
class CauseOf {
  readonly #said: readonly Said[];
  #next = 0;

  constructor(said: readonly Said[]) {
    this.#said = said.toSorted((a, b) => a.from - b.from);
  }

  /** The cause that says least of those met; with `whole`, unexplained where not every number is covered. hostile: holes come in order, so each is looked at once. */
  within({ from, to }: Seqs, whole = true): Cause | undefined {
    let cause: Cause | undefined;
    let covered = from;
    for (
      let one = this.#said[this.#next];
      one !== undefined && one.from <= to;
      one = this.#said[++this.#next]
    ) {
      if (one.to < from) continue;
      cause = worst(cause, one.cause);
      if (one.from <= covered) covered = Math.max(covered, one.to + 1);
      if (one.to > to) break;
    }
    return whole && covered <= to ? "unexplained" : cause;
  }
}
