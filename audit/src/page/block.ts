/**
 * What a report says, before it is a page: a verdict, and sections of a few kinds of blocks. HTML and PDF are written from the same
 * blocks, so that both say the same.
 *
 * Every text in here may come from an attacker (a stream's name, a line of an export, the reason of an event). None is markup: whoever
 * writes a page passes each through {@link shownText} and escapes it.
 *
 * @module
 */

export const LANGUAGES = ["en", "de"] as const;
export type Language = (typeof LANGUAGES)[number];

/** good: verified · limited: with restrictions · open: nothing can be said · bad: something is wrong. */
export type Tone = "good" | "limited" | "open" | "bad";

export type Column = { readonly title: string; readonly align?: "number" | "code" | "time" };

/** `note` says what isn't shown, where not all is. */
export type Table = {
  readonly kind: "table";
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
  readonly note?: string;
};

/** One check with its result in words; `means` is what a code stands for. */
export type CheckLine = {
  readonly mark: "passed" | "failed" | "not-done";
  readonly result: string;
  readonly name: string;
  readonly code?: string;
  readonly reason?: string;
  readonly means?: string;
};

/** Values over time: `at` in Unix seconds. Floats, because they are drawn and nothing is decided by them. */
export type Point = { readonly at: number; readonly value: number };
export type Plot = {
  readonly kind: "plot";
  readonly caption: string;
  /** Says in a sentence what the lines show, for those who don't see them. */
  readonly described: string;
  readonly unit: string;
  readonly points: readonly Point[];
};

/** One cell a day: all here · something is missing, and explained · something is missing that nobody explains · nothing was due. */
export type DayState = "whole" | "explained" | "unexplained" | "empty";
export type Strip = {
  readonly kind: "strip";
  readonly caption: string;
  readonly described: string;
  readonly days: readonly { readonly day: string; readonly state: DayState }[];
  readonly legend: readonly { readonly state: DayState; readonly text: string }[];
};

/** `share` of the longest bar, 0 to 1; `tone` colours it. */
export type Bars = {
  readonly kind: "bars";
  readonly caption: string;
  readonly bars: readonly {
    readonly label: string;
    readonly text: string;
    readonly share: number;
    readonly tone: Tone;
  }[];
};

export type Block =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "heading"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly string[] }
  | { readonly kind: "facts"; readonly rows: readonly (readonly [label: string, value: string])[] }
  | { readonly kind: "code"; readonly lines: readonly string[] }
  | { readonly kind: "checks"; readonly rows: readonly CheckLine[] }
  | Table
  | Plot
  | Strip
  | Bars;

export type Section = { readonly id: string; readonly title: string; readonly blocks: readonly Block[] };

/** A whole report. */
export type Page = {
  readonly language: Language;
  readonly title: string;
  /** What it is about: a file, a case. */
  readonly subject: string;
  readonly verdict: { readonly tone: Tone; readonly headline: string; readonly lines: readonly string[] };
  readonly sections: readonly Section[];
  /** Who made the page: tool and version. */
  readonly foot: string;
  /** Names of the parts that every page has. */
  readonly labels: {
    readonly contents: string;
    readonly skip: string;
    readonly page: string;
    readonly check: string;
    readonly result: string;
    readonly why: string;
  };
};
