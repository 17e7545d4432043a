/**
 * Puts a bundle together at one pinned checkpoint: statements with their receipts, keys and registry items, proofs for what devices saw. Nothing is
 * trusted on the way; the caller verifies the result before it is written.
 *
 * @module
 */
import {
  EvidenceError,
  decodeUtf8,
  MAX_BUNDLE_BYTES,
  parseReceipt,
  parseTransparent,
  type Bundle,
  type Hash,
  type SignatureProvider,
} from "@tallystick/evidence";
import type { Place, Progress } from "@tallystick/evidence/node";
import { AuthenticTiles } from "../log/authentic.ts";
import type { OpenLog } from "../log/note.ts";
import { consistencyProof } from "./consistency.ts";
import { collectKeys, distinct } from "./keys.ts";
import type { Period, StreamName } from "./period.ts";
import { ReadApi, type ChainRow } from "./read-api.ts";
import { selectStream, type Selected } from "./select.ts";

export type BundleRequest = {
  readonly place: Place;
  /** The checkpoint, opened under the policy: everything is proven for this one. */
  readonly log: OpenLog;
  readonly streams: readonly StreamName[];
  readonly period: Period;
  readonly provider: SignatureProvider;
  readonly hash: Hash;
  readonly progress: Progress;
};

/** Statements of one bundle, as the format allows. */
const MAX_STATEMENTS = 65_536;
/** Requests under way at once. */
const PARALLEL = 8;

/** @throws EvidenceError `bundle-scope` where the period holds nothing, `too-large`, and what the interface throws */
export async function buildBundle(request: BundleRequest): Promise<Bundle> {
  const { place, log, streams, period, provider, hash, progress } = request;
  const api = new ReadApi(place);
  const selected: Selected[] = [];
  for (const stream of streams)
    selected.push(...(await selectStream(api, stream, period, log.size, progress)));
  const statements = await collectStatements(api, selected, request);

  const parsed = statements.map((bytes) => parseTransparent(bytes));
  const kids = distinct(parsed.map(({ statement }) => statement.kid));
  const newest = parsed.flatMap(({ receipts }) => receipts.slice(-1)).map((bytes) => parseReceipt(bytes))[0];
  const items = newest?.registry.count ?? 0;
  const { keys, registry } = await collectKeys(api, place, kids, log.size, items, { provider, hash });
  const { name } = log.vkey;
  const seen = parsed.flatMap(({ statement: { claims } }) =>
    (claims.seen?.origin ?? name) === name ? (claims.seen?.size ?? []) : [],
  );
  return {
    scope: selected.map(({ scope }) => scope),
    logs: [{ vkey: log.vkey.text, checkpoint: decodeUtf8(log.text) }],
    statements,
    registry,
    keys,
    consistency: await proofs(seen, request),
  };
}

/** The statements of all parts in order, then the `heads` statements that attest their ends. */
async function collectStatements(
  api: ReadApi,
  selected: readonly Selected[],
  { log, progress }: BundleRequest,
): Promise<Uint8Array[]> {
  const hashes: Uint8Array[] = [];
  for (const { chain, scope } of selected) {
    for await (const row of api.rows(chain, scope.from, scope.to)) {
      if (row.index < log.size) hashes.push(row.hash);
      if (hashes.length > MAX_STATEMENTS) throw tooMuch(`more than ${MAX_STATEMENTS} statements`, row);
    }
  }
  const heads = selected.flatMap((one) => one.heads ?? []);
  const wanted = distinct([...hashes, ...heads]);
  const statements: Uint8Array[] = [];
  let bytes = 0;
  for (let first = 0; first < wanted.length; first += PARALLEL) {
    const some = await Promise.all(
      wanted.slice(first, first + PARALLEL).map((hash) => api.statement(hash, log.size)),
    );
    for (const one of some) {
      if (one === undefined) continue; // erased from the archive: the verdict names the hole
      bytes += one.length;
      if (bytes > MAX_BUNDLE_BYTES)
        throw tooMuch(`${statements.length} of ${wanted.length} statements fill 64 MiB`);
      statements.push(one);
    }
    progress.update(statements.length, wanted.length, "statements");
  }
  return statements;
}

function tooMuch(what: string, reached?: ChainRow): EvidenceError {
  const until =
    reached === undefined ? "" : `, e.g. before ${new Date(reached.timeUnixS * 1000).toISOString()}`;
  const advice = `take a shorter period${until}, or fewer streams, and make several bundles`;
  return new EvidenceError("too-large", `${what}, more than a bundle holds: ${advice}`);
}

async function proofs(
  seen: readonly number[],
  { place, log, hash, progress }: BundleRequest,
): Promise<Bundle["consistency"]> {
  const tiles = new AuthenticTiles(place, log.size, log.root, hash);
  const sizes = [...new Set(seen)].filter((from) => from < log.size).toSorted((a, b) => a - b);
  const made: { log: number; from: number; path: readonly Uint8Array[] }[] = [];
  for (const from of sizes) {
    made.push({ log: 0, from, path: await consistencyProof(from, log.size, tiles, hash) });
    progress.update(made.length, sizes.length, "consistency proofs");
  }
  return made;
}
