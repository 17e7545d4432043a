/**
 * How fast `tally-audit log` re-derives a whole log: makes a log directory of so many entries in a temporary folder, audits it as the command
 * does, and prints entries per second and memory. Budget: 300,000 entries/s.
 *
 *     node bench/audit-log.ts [ENTRIES]
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
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
import { createNodeProvider, nodeSha256, openPlace, noProgress } from "@tallystick/evidence/node";
import { auditLog } from "../audit/src/log/audit.ts";
import { Levels } from "../audit/src/log/levels.ts";

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

/** The audit, in a process of its own: its memory holds nothing of how the log was made. */
async function audit(folder: string, size: number): Promise<void> {
  const policy = parsePolicy(readFileSync(join(folder, "policy.txt"), "utf8"));
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
  if (judgement.verdict !== "restricted") throw new Error(`not verified: ${JSON.stringify(judgement)}`);
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const rate = Math.round(size / seconds).toLocaleString("en");
  const cpuSeconds = ((userCPUTime + systemCPUTime) / 1e6).toFixed(2);
  console.log(
    `whole-log audit: ${rate} entries/s (${size} entries in ${seconds.toFixed(2)} s; CPU ${cpuSeconds} s with start-up)`,
  );
  console.log(
    `peak memory ${Math.round(maxRSS / 1024)} MiB; ${cpus()[0]?.model}, load ${loadavg()[0]?.toFixed(1)}, Node ${process.version}`,
  );
}

const [first = "1000000", ...rest] = process.argv.slice(2);
if (first === "--audit") await audit(rest[0] ?? ".", Number(rest[1]));
else {
  const folder = mkdtempSync(join(tmpdir(), "tally-bench-log-"));
  try {
    writeFileSync(join(folder, "policy.txt"), await makeLog(folder, Number(first)));
    const { status } = spawnSync(process.execPath, [import.meta.filename, "--audit", folder, first], {
      stdio: "inherit",
    });
    process.exitCode = status ?? 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
