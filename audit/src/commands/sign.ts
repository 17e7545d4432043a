/**
 * `tally-audit sign FOLDER` and `countersign FOLDER.sig`: an auditor's name under working papers.
 *
 * @module
 */
import { existsSync } from "node:fs";
import process from "node:process";
import { EvidenceError, formatVkey } from "@tallystick/evidence";
import {
  loadSigner,
  required,
  terminalProgress,
  UsageError,
  writeDurable,
  type Command,
} from "@tallystick/evidence/node";
import { bestProvider } from "../provider.ts";
import { exitCode } from "../judgement.ts";
import { checkPapers, readSignatureFile, signatureOf } from "../papers/check.ts";
import { papersOf } from "../papers/make.ts";
import { encodeManifest } from "../papers/manifest.ts";
import { countersignPapers, signPapers } from "../papers/signature.ts";
import { textReport } from "../report.ts";
import { readAuditors, readClaims } from "./auditors.ts";

const OPTIONS = {
  key: { type: "string" },
  name: { type: "string" },
  role: { type: "string" },
  at: { type: "string" },
} as const;

const DETAILS = [
  "--key FILE     the auditor's private key (PKCS#8 PEM, Ed25519, mode 0600)",
  "--name NAME    whose key it is, e.g. audit.example/anna: the name in its verifier key",
  "--role TEXT    what the signer signs as: auditor, or reviewer for a countersignature, unless told",
  "--at TIME      when, as the signer says it, e.g. 2026-12-01T09:00:00Z; the clock's time unless told. With it the same",
  "               folder and key give the same bytes",
];

export const sign: Command = {
  summary: "signs a folder that a verb wrote: result, lists, and the hashes of what they were made of",
  usage: "FOLDER --key FILE --name NAME [--role TEXT] [--at TIME]",
  details: [
    "Writes FOLDER.sig beside the folder. It covers every file in it by hash: nothing can be changed, added or left out.",
    "",
    ...DETAILS,
  ].join("\n"),
  takes: 1,
  options: OPTIONS,
  async run({ values, positionals: [folder] }) {
    if (folder === undefined) throw new UsageError("name one folder");
    const claims = readClaims(values, "auditor");
    const signer = loadSigner(required(values, "key"));
    const output = signatureOf(folder);
    if (existsSync(output))
      throw new EvidenceError(
        "storage-exists",
        `${output}: there is a signature already; move it away first`,
      );
    const progress = terminalProgress("sign");
    try {
      const manifest = await papersOf(folder, progress);
      await writeDurable(output, await signPapers(encodeManifest(manifest), claims, signer));
      progress.done();
      process.stdout.write(
        `${output}: ${manifest.files.length} files, signed as ${formatVkey(claims.name, signer.key)}\n`,
      );
    } finally {
      progress.done();
    }
  },
};

export const countersign: Command = {
  summary: "a second name under signed working papers, after the first was checked",
  usage: "FOLDER.sig --auditor VKEY… --key FILE --name NAME [--role TEXT] [--at TIME]",
  details: [
    "--auditor VKEY  who signed before: a verifier key, or a file that holds one; once for each",
    ...DETAILS,
    "",
    "The folder and every signature of the auditors named are checked first; where that isn't verified nothing is signed.",
    "Exit: 0 signed; 1 invalid, or failed; 2 usage; 3 not verifiable: one of the auditors named hasn't signed, or none of them signed the folder.",
  ].join("\n"),
  takes: 1,
  options: { ...OPTIONS, auditor: { type: "string", multiple: true } },
  async run({ values, positionals: [file] }) {
    if (file === undefined || !file.endsWith(".sig")) throw new UsageError("name one FOLDER.sig");
    const auditors = await readAuditors(values);
    if (auditors.length === 0)
      throw new UsageError("--auditor is missing: what is countersigned is checked first");
    const claims = readClaims(values, "reviewer");
    const signer = loadSigner(required(values, "key"));
    const folder = file.slice(0, -".sig".length);
    const progress = terminalProgress("countersign");
    try {
      const before = await readSignatureFile(file);
      const { judgement, says } = await checkPapers(folder, before, {
        auditors,
        provider: bestProvider(),
        progress,
      });
      progress.done();
      if (judgement.verdict !== "verified") {
        process.stdout.write(textReport(folder, judgement, says));
        process.stderr.write("tally-audit countersign: nothing was signed\n");
        return exitCode(judgement, true);
      }
      await writeDurable(file, await countersignPapers(before, claims, signer));
      process.stdout.write(`${file}: countersigned as ${formatVkey(claims.name, signer.key)}\n`);
      return 0;
    } finally {
      progress.done();
    }
  },
};
