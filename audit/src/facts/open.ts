/**
 * Opens the facts of a case or a bundle: verified once, and kept beside the auditor, under a name that says of what, under which policy and by
 * which version. The case's own files are compared with their sums each time.
 *
 * @module
 */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { availableParallelism, homedir } from "node:os";
import { basename, join, resolve } from "node:path";
import process from "node:process";
import type { DatabaseSync } from "node:sqlite";
import {
  decodeBundle,
  encodeUtf8,
  isBundle,
  isEvidenceError,
  parseCheckpoint,
  parseNote,
  toHex,
  verify,
  EvidenceError,
  type Hash,
  type SignatureProvider,
  type TrustPolicy,
} from "@tallystick/evidence";
import { keepObjectsYoung, type Progress } from "@tallystick/evidence/node";
import manifest from "../../package.json" with { type: "json" };
import { compareFiles, isFolder, openCase, type CaseFiles } from "../case/folder.ts";
import { verifyCase } from "../case/verify.ts";
import type { Judgement } from "../judgement.ts";
import { readEvidence } from "../log/given.ts";
import { bundleFacts } from "./from-bundle.ts";
import { createFacts, emptyFacts, FACTS_VERSION, readFacts } from "./schema.ts";

/** So few statements are verified before threads have begun. */
const FEW = 2000;

export type FactsMeans = {
  readonly policy: TrustPolicy;
  readonly provider: SignatureProvider;
  readonly hash: Hash;
  readonly progress: Progress;
  /** Threads that judge the statements of a case beside this one; one for each other core where it is left out. */
  readonly threads?: number;
  /** Folder of the facts; by default `tallystick` in the user's cache. */
  readonly cache?: string;
};

/** The tree at which evidence stands: of a bundle over several logs, that of the last. */
type FactsLog = { readonly origin: string; readonly size: number; readonly root: string };

export type Facts = {
  readonly kind: "case" | "bundle";
  /** The file's or folder's own name, without the folders before it. */
  readonly name: string;
  /** As given, to read from it again. */
  readonly path: string;
  /** The case's digest, the SHA-256 of its SHA256SUMS; of a bundle that of the file. Hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
  /** Null where the evidence can't even be read. */
  readonly log: FactsLog | null;
  readonly judgement: Judgement;
  /** The folder as it was compared; null for a bundle. */
  readonly files: CaseFiles | null;
  /** Read only; its tables are in docs/auditing.md. */
  readonly db: DatabaseSync;
  close(): void;
};

/**
 * Verifies a case folder or a `.tally` bundle, or finds that this was done before, and opens what was found. Evidence that is wrong has facts too:
 * its `judgement` says what is wrong, and no statement of it proves more than its own `standing`.
 *
 * @throws EvidenceError `case-mismatch`, `case-malformed` for a folder that is no whole case, `bundle-malformed` for a file that is no bundle, `unreachable`
 */
export async function openFacts(path: string, means: FactsMeans): Promise<Facts> {
  const given = (await isFolder(path)) ? await givenCase(path, means) : await givenBundle(path, means);
  const place = placeOf(given.sha256, means);
  if (existsSync(place)) await given.compare();
  else {
    keepObjectsYoung();
    await make(place, given);
  }
  const db = readFacts(place);
  const about = db.prepare("SELECT value FROM about WHERE name = 'judgement'").get() as { value: string };
  return {
    ...given.facts,
    path,
    name: basename(resolve(path)),
    sha256: given.sha256,
    judgement: JSON.parse(about.value) as Judgement,
    db,
    close: () => db.close(),
  };
}

type Given = {
  readonly sha256: string;
  readonly facts: Pick<Facts, "kind" | "bytes" | "log" | "files">;
  /** Fills empty facts. */
  readonly fill: (db: DatabaseSync) => Judgement | Promise<Judgement>;
  /** Where the facts are there already: makes sure that they are of these very bytes. */
  readonly compare: () => Promise<void>;
};

async function givenCase(path: string, means: FactsMeans): Promise<Given> {
  const files = await openCase(path, means.hash);
  const { origin, size, root } = files.manifest;
  const threads = means.threads ?? (files.manifest.entries.here < FEW ? 0 : availableParallelism() - 1);
  return {
    sha256: toHex(files.digest),
    facts: { kind: "case", bytes: files.bytes, log: { origin, size, root: toHex(root) }, files },
    fill: (db) => verifyCase(files, { ...means, threads }, db),
    compare: () => compareFiles(files, means.progress),
  };
}

async function givenBundle(path: string, { policy, provider, hash }: FactsMeans): Promise<Given> {
  const bytes = await readEvidence(path);
  if (!isBundle(bytes))
    throw new EvidenceError("bundle-malformed", `${path} is neither a case nor a bundle`, { path });
  return {
    sha256: toHex(hash(bytes)),
    facts: { kind: "bundle", bytes: bytes.length, log: logOf(bytes), files: null },
    compare: () => Promise.resolve(),
    fill: (db) => {
      const judgement = verify(bytes, { policy, provider, hash });
      try {
        bundleFacts(decodeBundle(bytes), { policy, provider, hash }, db);
      } catch (error) {
        if (!isEvidenceError(error)) throw error; // the verdict says it
        emptyFacts(db);
      }
      return judgement;
    },
  };
}

function logOf(bytes: Uint8Array): FactsLog | null {
  try {
    const last = decodeBundle(bytes).logs.at(-1);
    if (last === undefined) return null;
    const { origin, size, root } = parseCheckpoint(parseNote(encodeUtf8(last.checkpoint)).text);
    return { origin, size, root: toHex(root) };
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    return null;
  }
}

/** Written beside its place and renamed: half a file of facts is never read. */
async function make(place: string, { fill }: Given): Promise<void> {
  const beside = `${place}.${process.pid}.new`;
  const db = createFacts(beside);
  try {
    const judgement = await fill(db);
    db.prepare("INSERT INTO about VALUES ('judgement', ?)").run(JSON.stringify(judgement));
    db.close();
    renameSync(beside, place);
  } catch (error) {
    if (db.isOpen) db.close();
    rmSync(beside, { force: true });
    throw error;
  }
}

function placeOf(sha256: string, { policy, hash, cache = defaultCache() }: FactsMeans): string {
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  const name = `${sha256}\n${policyText(policy)}\n${manifest.version}\n${FACTS_VERSION}`;
  return join(cache, `${toHex(hash(encodeUtf8(name)))}.facts`);
}

const defaultCache = (): string => {
  const base = process.env["XDG_CACHE_HOME"];
  return join(base !== undefined && base !== "" ? base : join(homedir(), ".cache"), "tallystick");
};

/** Everything that a policy says, as one text. */
const policyText = (policy: TrustPolicy): string =>
  JSON.stringify(policy, (_name, value: unknown) => {
    if (value instanceof Uint8Array) return toHex(value);
    return value instanceof Map ? [...(value as Map<unknown, unknown>)] : value;
  });
