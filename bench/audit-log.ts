/**
 * How fast `tally-audit log` re-derives a whole log: makes a log directory of so many entries in a temporary folder, audits it as the command
 * does, and prints entries per second and memory. Budget: 300,000 entries/s.
 *
 *     node bench/audit-log.ts [ENTRIES]
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import {
  encodeEntries,
  encodeItem,
  encodeUtf8,
  entriesPath,
  formatCheckpoint,
  formatVkey,
  hashLeaf,
  nobleSigner,
  parsePolicy,
  registryPath,
  sealStatement,
  signNote,
  TILE_WIDTH,
  tilePath,
  tileWidth,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { auditLog } from "../audit/src/log/audit.ts";
import { Levels } from "../audit/src/log/levels.ts";
import { openPlace } from "../audit/src/place/place.ts";
import { noProgress } from "../audit/src/progress.ts";

const ORIGIN = "bench.example/2026";
const log = nobleSigner(nodeSha256(encodeUtf8("bench log")));
const operator = nobleSigner(nodeSha256(encodeUtf8("bench operator")));

/** Item 0: the one entry that has to be real. */
async function policyItem(): Promise<Uint8Array> {
  const iss = "bench/operator";
  const operators = [{ iss, actsFor: "*", key: operator.key }];
  const payload = encodeItem({ kind: "policy", origin: ORIGIN, log: log.key, operators });
  const claims = { iss, sub: "registry", iat: 1_790_000_000, seq: 0, tq: 2, lvl: 1 } as const;
  return (await sealStatement(claims, { type: "registry", payload }, operator)).bytes;
}

/** Writes the public directory of a log of `size` entries and returns the trust policy for it. */
async function makeLog(folder: string, size: number): Promise<string> {
  const put = (path: string, bytes: Uint8Array | string): void => {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  };
  const item = await policyItem();
  put(registryPath(0, 1), encodeEntries([item]));
  const counter = new Uint8Array(8);
  const entryOf = (index: number): Uint8Array => {
    new DataView(counter.buffer).setUint32(0, index);
    return nodeSha256(index === 0 ? item : counter);
  };
  const levels = new Levels(nodeSha256, (level, index, { hashes }) => {
    put(tilePath(level, index, TILE_WIDTH), hashes);
    return Promise.resolve(hashes);
  });
  let last = { hashes: new Uint8Array(), width: 0 };
  for (let tile = 0; tile * TILE_WIDTH < size; tile++) {
    const width = tileWidth(0, tile, size);
    const entries = Array.from({ length: width }, (_, i) => entryOf(tile * TILE_WIDTH + i));
    const hashes = Buffer.concat(entries.map((entry) => hashLeaf(entry, nodeSha256)));
    put(entriesPath(tile, width), encodeEntries(entries));
    put(tilePath(0, tile, width), hashes);
    if (width === TILE_WIDTH) await levels.append(hashes);
    else last = { hashes: new Uint8Array(hashes), width };
  }
  for (const { level, index, tile } of levels.partial()) {
    put(tilePath(level, index, tile.width), tile.hashes.subarray(0, tile.width * 32));
  }
  const root = levels.root(last) ?? new Uint8Array(32);
  put("checkpoint", await signNote(formatCheckpoint({ origin: ORIGIN, size, root }), ORIGIN, log));
  return `log ${formatVkey(ORIGIN, log.key)}\nquorum none\noperator * ${formatVkey("bench/operator", operator.key)}\n`;
}

const size = Number(process.argv[2] ?? 1_000_000);
const folder = mkdtempSync(join(tmpdir(), "tally-bench-log-"));
try {
  const policy = parsePolicy(await makeLog(folder, size));
  let peakBytes = 0;
  const watch = setInterval(() => (peakBytes = Math.max(peakBytes, process.memoryUsage.rss())), 20);
  const start = performance.now();
  const { judgement } = await auditLog({
    place: openPlace(folder),
    policy,
    provider: createNodeProvider(),
    hash: nodeSha256,
    evidence: [],
    progress: noProgress,
  });
  const seconds = (performance.now() - start) / 1000;
  clearInterval(watch);
  if (judgement.verdict !== "restricted") throw new Error(`not verified: ${JSON.stringify(judgement)}`);
  const rate = Math.round(size / seconds).toLocaleString("en");
  console.log(`whole-log audit: ${rate} entries/s (${size} entries in ${seconds.toFixed(2)} s, one thread)`);
  console.log(
    `peak memory ${Math.round(peakBytes / 2 ** 20)} MiB; ${cpus()[0]?.model}, Node ${process.version}`,
  );
} finally {
  rmSync(folder, { recursive: true });
}
