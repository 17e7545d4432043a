/**
 * `tally-audit report`: a result, or evidence that is verified first, as one page to hand over.
 *
 * @module
 */
import process from "node:process";
import { required, UsageError, writeDurable, type Arguments, type Command } from "@tallystick/evidence/node";
import { LANGUAGES, type Language } from "../page/block.ts";
import { htmlPage } from "../page/html.ts";
import { pdfPage } from "../page/pdf.ts";
import { wordsOf } from "../page/words.ts";
import { exitCode } from "../judgement.ts";
import { subjectOf } from "../page/subject.ts";

export const report: Command = {
  summary: "a result, or evidence verified first, as one page to hand over: HTML or PDF",
  usage:
    "RESULT|FOLDER|CASE|BUNDLE|CERTIFICATE [--policy FILE] [--auditor VKEY…] [--lang en|de] -o PAGE.html|PAGE.pdf [--strict]",
  details: [
    "RESULT, FOLDER    a result.json, or the folder with one that a verb wrote: shown as it is, nothing is verified again",
    "CASE, BUNDLE      evidence: verified under --policy first",
    "CERTIFICATE       a completeness certificate: its signature is verified, not the evidence behind it",
    "--policy FILE     whom you trust: the log's key, witnesses, operators",
    "--auditor VKEY    of a certificate: who may have signed it",
    "--lang en|de      the page's language; English unless told",
    "-o PAGE           its name says what it is: .html or .pdf. The same inputs give the same bytes",
    "--strict          exit 3 where there are restrictions",
    "",
    "Exit: 0 written, and the verdict is good; 1 written, and it is invalid, or failed; 2 usage; 3 written, and not verifiable.",
  ].join("\n"),
  takes: 1,
  options: {
    policy: { type: "string" },
    auditor: { type: "string", multiple: true },
    lang: { type: "string" },
    output: { type: "string", short: "o" },
    strict: { type: "boolean" },
  },
  async run({ values, positionals: [input] }) {
    if (input === undefined) throw new UsageError("name one result, case, bundle or certificate");
    const output = required(values, "output");
    const form = /\.(html|pdf)$/.exec(output)?.[1];
    if (form === undefined) throw new UsageError(`-o ${output}: give a name that ends in .html or .pdf`);
    const { page, judgement, inputs } = await subjectOf(input, values, wordsOf(languageOf(values)));
    const bytes = form === "html" ? htmlPage(page) : await pdfPage(page, inputs);
    await writeDurable(output, bytes);
    process.stdout.write(`${output}: ${page.verdict.headline}\n`);
    return exitCode(judgement, values["strict"] === true);
  },
};

function languageOf(values: Arguments["values"]): Language {
  const given = values["lang"] ?? "en";
  const language = LANGUAGES.find((one) => one === given);
  if (language === undefined) throw new UsageError(`--lang ${String(given)}: en or de`);
  return language;
}
