/**
 * The words of a report in one language. Codes, names and whatever stands in evidence are not translated: they are what was signed.
 *
 * @module
 */
import type { EvidenceCode } from "@tallystick/evidence";
import type { Cause } from "../coverage/body.ts";
import type { FindingClass } from "../coverage/classes.ts";
import type { Judgement } from "../judgement.ts";
import type { LineClass } from "../reconcile/body.ts";
import type { ResultKind } from "../result.ts";
import type { SampleMethod } from "../sample/body.ts";
import type { DayState, Language, CheckLine } from "./block.ts";
import { de } from "./words-de.ts";
import { en } from "./words-en.ts";

type Verdict = Judgement["verdict"];

export type Words = {
  readonly language: Language;
  /** Of the page, by what it shows. */
  readonly titles: Readonly<Record<ResultKind | "certificate", string>>;
  readonly headlines: Readonly<Record<Verdict, string>>;
  /** What a verdict means for the reader, a sentence. */
  readonly meanings: Readonly<Record<Verdict, string>>;
  /** The same of a result that was drawn from evidence: each statement in it was judged by itself. */
  readonly resultMeanings: Readonly<Partial<Record<Verdict, string>>>;
  readonly sections: Readonly<
    Record<
      | "values"
      | "doubts"
      | "totals"
      | "items"
      | "drawn"
      | "findings"
      | "signers"
      | "times"
      | "completeness"
      | "checks"
      | "notProven"
      | "repeat",
      string
    >
  >;
  readonly labels: Readonly<Record<"contents" | "skip" | "page" | "check" | "result" | "why", string>>;
  readonly marks: Readonly<Record<CheckLine["mark"], string>>;
  /** Checks by name; a name that isn't here is shown as it is. */
  readonly checks: Readonly<Record<string, string>>;
  /** What restricts or leaves open, by code. */
  readonly codes: Readonly<Partial<Record<EvidenceCode, string>>>;
  /** What isn't shown by a result, by code. */
  readonly notProven: Readonly<Record<string, string>>;
  readonly days: Readonly<Record<DayState, string>>;
  /** Qualities, levels and clocks by what evidence says of them. */
  readonly levels: readonly [string, string, string];
  readonly clocks: readonly [string, string, string, string];
  /** Class names of a reconciliation. */
  readonly methods: Readonly<Record<SampleMethod, string>>;
  /** Of a coverage: states of streams, weights and classes of findings, causes, and what shows an end. */
  readonly states: Readonly<Record<string, string>>;
  readonly weights: Readonly<Record<string, string>>;
  readonly findings: Readonly<Partial<Record<FindingClass, string>>>;
  readonly causes: Readonly<Record<Cause, string>>;
  readonly edges: Readonly<Record<"reading" | "chain" | "heads" | "open", string>>;
  /** What a statement that proves nothing is, by its standing. */
  readonly standings: Readonly<Record<string, string>>;
  readonly classes: Readonly<Record<LineClass, string>>;
  /** Short labels of columns and facts. */
  readonly name: Readonly<Record<Label, string>>;
  /** Sentences with something in them. */
  readonly says: {
    readonly restrictions: (count: number) => string;
    /** The headline of what has findings beside its verdict. */
    readonly headline: (verdict: string, findings: number) => string;
    readonly findings: (count: number) => string;
    readonly notShown: (hidden: string) => string;
    readonly notShownFile: (hidden: string, file: string) => string;
    readonly between: (hidden: string) => string;
    readonly moreStreams: (count: number) => string;
    readonly plot: (name: string, first: string, from: string, last: string, to: string) => string;
    readonly strip: (whole: number, explained: number, unexplained: number, empty: number) => string;
    readonly complete: (from: number, to: number) => string;
    readonly incomplete: (from: number, to: number, missing: string) => string;
    readonly tail: (seq: number) => string;
    readonly openTail: (seq: number) => string;
    readonly support: (count: number) => string;
    readonly enrolled: (item: number, index: string) => string;
    readonly reEnrolled: (item: number, index: string) => string;
    readonly pinned: (org: string) => string;
    readonly unpinned: string;
    /** Of a result that is shown as it is. */
    readonly asHandedOver: string;
    readonly claims: string;
    readonly seen: string;
    readonly committed: string;
    readonly clock: string;
    readonly values: string;
    readonly inputs: string;
    /** Of a certificate: what its signature says, and what it doesn't. */
    readonly certified: string;
    readonly signedBy: (name: string) => string;
    readonly certifiedStates: (complete: string, all: string) => string;
    readonly tool: (tool: string) => string;
    readonly foot: (tool: string) => string;
  };
};

type Label =
  | "stream"
  | "chain"
  | "numbers"
  | "statements"
  | "readings"
  | "register"
  | "first"
  | "last"
  | "difference"
  | "unit"
  | "count"
  | "time"
  | "value"
  | "quality"
  | "statement"
  | "event"
  | "detail"
  | "events"
  | "key"
  | "signedFor"
  | "enrolment"
  | "operators"
  | "pin"
  | "state"
  | "notBefore"
  | "notAfter"
  | "deviceClock"
  | "measured"
  | "sealed"
  | "level"
  | "missing"
  | "restriction"
  | "role"
  | "file"
  | "bytes"
  | "log"
  | "size"
  | "root"
  | "class"
  | "lines"
  | "billed"
  | "proven"
  | "currency"
  | "line"
  | "index"
  | "finding"
  | "item"
  | "seed"
  | "method"
  | "population"
  | "drawn"
  | "asked"
  | "start"
  | "stratum"
  | "hits"
  | "amount"
  | "counts"
  | "revoked"
  | "superseded"
  | "suspect"
  | "nobody"
  | "unknown"
  | "none"
  | "period"
  | "zone"
  | "day"
  | "totals"
  | "of"
  | "meter"
  | "metric"
  | "streams"
  | "begins"
  | "ends"
  | "why"
  | "timeAsGiven"
  | "evidence"
  | "policy"
  | "verdict"
  | "signedAt"
  | "lateAfter"
  | "expected"
  | "here"
  | "late"
  | "repeats"
  | "conflicts"
  | "provenEvents"
  | "unprovenEvents";

const WORDS: Readonly<Record<Language, Words>> = { en, de };

export const wordsOf = (language: Language): Words => WORDS[language];
