/**
 * The anchor's own stages without MQTT: admit, check signatures, sequence, publish, answer; with fsync, on the disk of the folder for temporary files.
 *
 *     node bench/anchor-stages.ts [--statements 60000] [--devices 400] [--per-message 30] [--readings 1] [--threads 2]
 *
 * @module
 */
import { cpus, tmpdir } from "node:os";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import {
  concatBytes,
  decimal,
  encodeEvent,
  encodeItem,
  encodePack,
  encodeUtf8,
  sealStatement,
  sha256,
  type Claims,
  type Reading,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { createKeyFile, loadSigner, nodeSha256 } from "@tallystick/evidence/node";
import { Admission } from "../anchor/src/admission/admit.ts";
import { defaultConfig, placesOf } from "../anchor/src/config.ts";
import { createLog } from "../anchor/src/log/create-log.ts";
import { handleBatch, runLedger, type LedgerParts, type Work } from "../anchor/src/ledger.ts";
import { openLog } from "../anchor/src/log/open-log.ts";
import { Places } from "../anchor/src/sequence/place.ts";
import { Pool } from "../anchor/src/intake/pool.ts";
import { Ready } from "../anchor/src/sequence/ready.ts";
import { Receipts } from "../anchor/src/receipts/receipts.ts";
import { Refusals } from "../anchor/src/receipts/refusals.ts";
import { SignatureThreads } from "../anchor/src/admission/signature-threads.ts";
import { createSodiumProvider } from "../anchor/src/admission/sodium.ts";
import { Tally } from "../anchor/src/tally.ts";
import { machineTime } from "../anchor/src/time.ts";

const { values } = parseArgs({
  options: {
    statements: { type: "string", default: "60000" },
    devices: { type: "string", default: "400" },
    "per-message": { type: "string", default: "30" },
    readings: { type: "string", default: "1" },
    threads: { type: "string", default: "2" },
    "max-items": { type: "string", default: "4096" },
    "max-wait": { type: "string", default: "100" },
  },
});
const wanted = Number(values.statements);
const deviceCount = Number(values.devices);
const perMessage = Number(values["per-message"]);
const perDevice = Math.ceil(wanted / deviceCount);

type Device = { readonly iss: string; readonly signer: Signer; readonly statements: Statement[] };

/** An Ed25519 signer by OpenSSL: noble takes ten times as long, and it is not what is measured. */
function fastSigner(folder: string, i: number): Signer {
  const path = join(folder, `device-${i}.pem`);
  createKeyFile(path);
  return loadSigner(path);
}

async function fill(device: Device): Promise<void> {
  const { iss, signer, statements } = device;
  const sub = "meter/m-1";
  const ch = sha256(encodeUtf8(iss)).slice(0, 8);
  for (let seq = 0; seq < perDevice; seq++) {
    const previous = statements.at(-1);
    const claims: Claims = {
      iss,
      sub,
      ch,
      seq,
      iat: 1_790_000_000 + seq,
      tq: 2,
      lvl: 1,
      ...(previous === undefined ? {} : { prev: previous.hash }),
    };
    const payload =
      seq === 0
        ? encodeEvent({
            kind: "stream-opened",
            before: "none",
            source: "bench",
            interval: decimal(60),
            names: [],
          })
        : encodePack(`${iss}/${sub}/`, readings(seq));
    statements.push(
      await sealStatement(claims, { type: seq === 0 ? "event" : "senml", payload }, signer, nodeSha256),
    );
  }
}

const readings = (seq: number): Reading[] =>
  Array.from({ length: Number(values.readings) }, (_, i) => ({
    name: "1-0:1.8.0",
    unit: "kWh",
    value: { v: decimal(1_581_123 + seq, -3) },
    time: decimal(1_790_000_000 + seq * 60 + i),
    quality: [],
  }));

const folder = mkdtempSync(join(tmpdir(), "tally-bench-"));
try {
  const config = defaultConfig(join(folder, "data"));
  const nowUnixS = (): number => Math.floor(Date.now() / 1000);
  await createLog({
    config,
    origin: "bench.example/2026",
    operatorIss: "city/operator",
    actsFor: "*",
    nowUnixS,
  });
  const provider = createSodiumProvider();
  const opened = await openLog({ config, provider, nowUnixS });
  const operator = loadSigner(placesOf(config).operatorKey);
  const devices: Device[] = Array.from({ length: deviceCount }, (_, i) => {
    return { iss: `city/gw-${i}`, signer: fastSigner(folder, i), statements: [] };
  });
  console.log(`sealing ${perDevice * deviceCount} statements of ${deviceCount} devices`);
  for (const device of devices) await fill(device);
  const bytes = devices[0]?.statements[1]?.bytes.length;

  const tally = new Tally();
  const pool = new Pool(config.pool);
  const threads = new SignatureThreads(Number(values.threads), (error) => {
    throw error;
  });
  const ready = new Ready<Work>({
    maxItems: Number(values["max-items"]),
    maxWaitMs: Number(values["max-wait"]),
  });
  let sentBytes = 0;
  let messages = 0;
  const downlink = {
    send: (_topic: string, payload: Uint8Array): boolean => {
      sentBytes += payload.length;
      messages++;
      return true;
    },
  };
  const { log, store, keys, history, sequencer, publisher } = opened;
  const fail = (error: unknown): void => {
    throw error;
  };
  const receipts = new Receipts({
    store,
    log,
    downlink,
    limits: config.receipts,
    tally,
    time: machineTime,
    halted: () => false,
    onFault: fail,
  });
  const nowMs = (): number => performance.now();
  const refusals = new Refusals(downlink, config.refusals, nowMs, (code) => tally.count(code));
  const parts: LedgerParts = {
    log,
    ready,
    sequencer,
    publisher,
    receipts,
    refusals,
    pool,
    tally,
    nowMs,
    inbox: { done: () => Promise.resolve(), refuse: () => Promise.resolve() },
    onPublished: () => undefined,
    onFilled: () => undefined,
    onRotated: () => {},
    onFault: fail,
    halted: () => false,
  };
  const admission = new Admission({
    origin: log.origin,
    ownIss: "city/anchor",
    keys,
    history,
    threads,
    pool,
    receipts,
    refusals,
    tally,
    time: machineTime,
    recovery: sequencer.recovery,
    wanted: { turnedUp: () => undefined, named: () => undefined },
    onReceipt: () => undefined,
    places: new Places(store.archive, store.chains),
    size: () => sequencer.size,
    publishedSize: () => publisher.size,
    accept: (candidate) => ready.push(candidate),
    onFault: fail,
  });

  let prev = keys.last;
  const enrolments: Work[] = [];
  for (const [i, device] of devices.entries()) {
    const item = {
      kind: "enrol",
      device: device.iss,
      key: device.signer.key,
      streams: ["*"],
      silenceS: 900,
    } as const;
    const statement = await sealStatement(
      { iss: "city/operator", sub: "registry", iat: 1, seq: i + 1, prev, tq: 2, lvl: 1 },
      { type: "registry", payload: encodeItem(item) },
      operator,
      nodeSha256,
    );
    prev = statement.hash;
    enrolments.push({ statement, charge: 0, file: "enrolment" });
  }
  await handleBatch(enrolments, parts);
  tally.commitMs = tally.publishMs = tally.commits = 0;

  const uplinks: { iss: string; payload: Uint8Array }[] = [];
  for (let at = 0; at < perDevice; at += perMessage) {
    for (const { iss, statements } of devices) {
      uplinks.push({
        iss,
        payload: concatBytes(...statements.slice(at, at + perMessage).map((one) => one.bytes)),
      });
    }
  }
  const cpuBefore = process.cpuUsage();
  const mainBefore = process.threadCpuUsage();
  const started = performance.now();
  const running = runLedger(parts);
  let receiveMs = 0;
  for (const { iss, payload } of uplinks) {
    const at = performance.now();
    admission.receive(iss, payload);
    receiveMs += performance.now() - at;
    await new Promise<void>((resolve) => pool.whenRoom(resolve));
    await new Promise(setImmediate);
  }
  admission.flush();
  await threads.idle();
  ready.close();
  await running;
  const seconds = (performance.now() - started) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  const main = process.threadCpuUsage(mainBefore);
  await threads.close();
  opened.close();

  const done = tally.of("admitted");
  const per = (ms: number): string => `${((ms * 1000) / done).toFixed(1)} us`;
  console.log(
    `${cpus()[0]?.model ?? "?"}, ${cpus().length} cores, Node ${process.version}, ${values.threads} signature threads`,
  );
  console.log(
    `${done} statements of ${bytes} bytes admitted, ${tally.of("receipt-sent")} receipted in ${seconds.toFixed(2)} s`,
  );
  console.log(
    `  ${Math.round(done / seconds)} statements/s; CPU ${((cpu.user + cpu.system) / 1e6 / seconds).toFixed(2)} cores, ${per((cpu.user + cpu.system) / 1000)} a statement, ${per((main.user + main.system) / 1000)} of them on the main thread`,
  );
  console.log(
    `  per statement on the main thread: receive ${per(receiveMs)}, commit ${per(tally.commitMs)}; publish takes ${per(tally.publishMs)} of waiting`,
  );
  console.log(
    `  ${tally.commits} batches, ${(tally.commitMs / tally.commits).toFixed(1)} ms commit and ${(tally.publishMs / tally.commits).toFixed(1)} ms publish each`,
  );
  console.log(
    `  ${messages} messages down, ${Math.round(sentBytes / done)} bytes a statement; RSS ${process.memoryUsage().rss >> 20} MiB`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
