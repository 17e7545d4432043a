/**
 * A result as a report: the verdict first, then what the kind of result brings, then the checks, what isn't proven, and how to repeat it.
 *
 * @module
 */
import type { EvidenceCode } from "@tallystick/evidence";
import type { CheckRow } from "../judgement.ts";
import type { Result, ResultInput } from "../result.ts";
import type { Block, CheckLine, Page, Section, Tone } from "./block.ts";
import { grouped } from "./text.ts";
import type { Words } from "./words.ts";

const TONES: Record<Result["verdict"], Tone> = {
  verified: "good",
  restricted: "limited",
  "not-verifiable": "open",
  invalid: "bad",
};

/** Rows of a list that are shown. */
const MAX_ROWS = 200;

/** What no evidence shows, whatever a result names besides. */
const NEVER_PROVEN = ["sensor-truth", "key-theft", "metering-law"];

/** A result without its body: a verdict on evidence, or on a certificate, has one of these as well. */
export type Head = Omit<Result, "v" | "body" | "inputs"> & {
  readonly inputs: readonly (Omit<ResultInput, "role"> & {
    readonly role: ResultInput["role"] | "certificate";
  })[];
};

/** @param subject - what it is about, for the line under the title; `own`: sections of the kind */
export function pageOf(head: Head, subject: string, own: readonly Section[], words: Words): Page {
  const { tool } = head;
  const toolName = `${tool.name} ${tool.version}`;
  return {
    language: words.language,
    title: words.titles[head.kind],
    subject,
    verdict: { ...headline(head, words), lines: verdictLines(head, words) },
    sections: [
      ...own,
      { id: "checks", title: words.sections.checks, blocks: [checksOf(head.checks, words)] },
      { id: "not-proven", title: words.sections.notProven, blocks: [notProven(head, words)] },
      { id: "repeat", title: words.sections.repeat, blocks: repeat(head, toolName, words) },
    ],
    foot: words.says.foot(toolName),
    labels: words.labels,
  };
}

/** Kinds that find something in what good evidence says: a green page with findings would be misread. */
const FINDS: ReadonlySet<Head["kind"]> = new Set(["coverage", "reconcile"]);

function headline(
  { verdict, kind, findings }: Head,
  words: Words,
): Pick<Page["verdict"], "tone" | "headline"> {
  const [tone, text] = [TONES[verdict], words.headlines[verdict]];
  if (!FINDS.has(kind) || findings === 0) return { tone, headline: text };
  return { tone: tone === "good" ? "limited" : tone, headline: words.says.headline(text, findings) };
}

function verdictLines({ verdict, code, restrictions, findings, kind }: Head, words: Words): string[] {
  const cause = code === undefined ? [] : [`${codeText(code, words)} [${code}]`];
  const limits =
    verdict === "restricted" || verdict === "verified"
      ? [
          ...(restrictions.length > 0 ? [words.says.restrictions(restrictions.length)] : []),
          ...restrictions.slice(0, MAX_ROWS).map((one) => `${codeText(one, words)} [${one}]`),
        ]
      : [];
  const found = FINDS.has(kind) ? [words.says.findings(findings)] : [];
  const own = kind === "verify" ? undefined : words.resultMeanings[verdict];
  return [own ?? words.meanings[verdict], ...cause, ...found, ...limits];
}

const codeText = (code: EvidenceCode, words: Words): string => words.codes[code] ?? "";

function checksOf(rows: readonly CheckRow[], words: Words): Block {
  const line = ({ name, result, code, reason }: CheckRow): CheckLine => {
    const means = code === undefined ? undefined : words.codes[code];
    return {
      mark: result,
      result: words.marks[result],
      name: words.checks[name] ?? name,
      ...(code === undefined ? {} : { code }),
      ...(reason === undefined ? {} : { reason }),
      ...(means === undefined ? {} : { means }),
    };
  };
  return { kind: "checks", rows: rows.slice(0, MAX_ROWS).map(line) };
}

function notProven({ notProven: codes }: Head, words: Words): Block {
  const all = [...new Set([...codes, ...NEVER_PROVEN])].slice(0, MAX_ROWS);
  return { kind: "list", items: all.map((code) => words.notProven[code] ?? code) };
}

function repeat({ inputs, log, repeat: lines }: Head, tool: string, words: Words): Block[] {
  const { name, says, language } = words;
  const hidden = inputs.length - MAX_ROWS;
  return [
    { kind: "text", text: says.tool(tool) },
    { kind: "code", lines: lines.slice(0, MAX_ROWS) },
    {
      kind: "table",
      caption: says.inputs,
      columns: [
        { title: name.role },
        { title: name.file },
        { title: name.bytes, align: "number" },
        { title: "SHA-256", align: "code" },
      ],
      rows: inputs
        .slice(0, MAX_ROWS)
        .map((one) => [one.role, one.name, grouped(one.bytes, language), one.sha256]),
      ...(hidden > 0 ? { note: says.notShown(grouped(hidden, language)) } : {}),
    },
    {
      kind: "facts",
      rows: [
        [name.log, log.origin],
        [name.size, grouped(log.size, language)],
        [name.root, log.root],
      ],
    },
  ];
}
