/** The anchor's doctor: each fault that an operator meets is told with what to do, and looking changes nothing. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { exitOf, findingLines, type Finding } from "@tallystick/evidence/node";
import { openAnchor } from "../../../anchor/src/anchor.ts";
import { noteBackup } from "../../../anchor/src/backup/backup-note.ts";
import { placesOf, type Config } from "../../../anchor/src/config.ts";
import { examine } from "../../../anchor/src/doctor/doctor.ts";
import { TokenStore } from "../../../anchor/src/reads/tokens.ts";
import { openAlarms } from "../../../anchor/src/silence/store.ts";
import { ensureOwn } from "../../../anchor/src/trail/enrol-own.ts";
import { AnchorLog } from "../../support/anchor-log.ts";
import { selfSigned } from "../../support/tls-files.ts";
import { freePort } from "../../support/loopback.ts";
import { PlainBroker } from "../../support/plain-broker.ts";

let log: AnchorLog;
let broker: PlainBroker;
let config: Config;

beforeEach(async () => {
  log = await AnchorLog.create();
  log.clock.now = Math.floor(Date.now() / 1000) - 7200;
  const chain = (await log.enrol("city/gw-1")).chain();
  log.clock.now += 7200;
  await log.publish(log.sequence([], await chain.filled(30)));
  log.close();
  broker = await PlainBroker.start();
  config = {
    ...log.config,
    broker: { ...log.config.broker, url: broker.url, settleMs: 100 },
    http: { listen: `127.0.0.1:${await freePort()}` },
  };
});
afterEach(async () => {
  await broker.stop();
  log.remove();
});

const about = (findings: readonly Finding[], name: string): readonly Finding[] =>
  findings.filter((one) => one.about === name);
const faults = (findings: readonly Finding[]): readonly string[] =>
  findingLines(findings).filter((line) => /^(FAIL|\?)/.test(line));

/** Whatever is in a folder, but for the shared memory of a reader, which holds no data. */
const contents = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter(
      (name) =>
        !name.endsWith("-shm") &&
        statSync(join(folder, name)).isFile() &&
        statSync(join(folder, name)).size > 0,
    )
    .map((name) => `${name} ${readFileSync(join(folder, name)).toString("base64")}`);

test("an anchor where all is well has no FAIL, stopped or running; and nothing is changed", async () => {
  await noteBackup(config.data, { file: "/backups/log.backup", size: 20, timeUnixS: Date.now() / 1000 - 60 });
  const before = contents(config.data);
  const stopped = await examine(undefined, config);
  expect(faults(stopped)).toEqual([]);
  expect(about(stopped, "anchor")).toMatchObject([{ result: "warn" }]);
  expect(about(stopped, "broker entry")).toMatchObject([{ result: "ok", text: "anchor is let in" }]);
  expect(about(stopped, "disk")[0]?.text).toMatch(/grows by .* a day/);
  expect(about(stopped, "backup")).toMatchObject([
    { result: "ok", text: expect.stringContaining("12 entries behind") as string },
  ]);
  expect(about(stopped, "public")).toMatchObject([
    { result: "ok", text: expect.stringContaining("32 entries") as string },
  ]);
  expect(contents(config.data)).toEqual(before);

  const anchor = await openAnchor(config, pino({ level: "silent" }));
  const stop = new AbortController();
  const ended = anchor.run(stop.signal);
  try {
    await expect.poll(async () => (await fetch(`${anchor.url}/healthz`)).text()).toContain('"connected"');
    const running = await examine(undefined, config);
    expect(faults(running)).toEqual([]);
    expect(about(running, "anchor")).toMatchObject([
      { result: "ok", text: expect.stringContaining(`process ${process.pid}`) as string },
    ]);
    expect(about(running, "broker entry")).toMatchObject([
      { result: "ok", text: expect.stringContaining("subscribed") as string },
    ]);
    expect(about(running, "silence")).toMatchObject([{ result: "ok" }]);
  } finally {
    stop.abort();
    await ended;
  }
});

test("a broker that doesn't grant the subscription is told of by the running anchor", async () => {
  broker.refuseSubscriptions = true;
  const anchor = await openAnchor(config, pino({ level: "silent" }));
  const stop = new AbortController();
  const ended = anchor.run(stop.signal);
  try {
    await expect.poll(async () => (await fetch(`${anchor.url}/healthz`)).text()).toContain("does not grant");
    expect(about(await examine(undefined, config), "broker entry")).toMatchObject([
      { result: "fail", text: expect.stringContaining("does not grant the subscription") as string },
    ]);
  } finally {
    stop.abort();
    await ended;
  }
});

test("keys and files: another log's key, one that others read, a folder that everybody changes", async () => {
  const places = placesOf(config);
  chmodSync(places.logKey, 0o644);
  chmodSync(config.data, 0o777);
  const loose = await examine(undefined, config);
  expect(about(loose, "log key")).toMatchObject([
    { result: "fail", text: expect.stringContaining("chmod 600") as string },
  ]);
  expect(about(loose, "permissions").map(({ todo }) => todo)).toEqual([
    `chmod o-w ${config.data}`,
    `chmod 600 ${places.logKey}`,
  ]);
  chmodSync(config.data, 0o750);
  rmSync(places.logKey);
  cpSync(places.operatorKey, places.logKey);
  chmodSync(places.logKey, 0o600);
  const other = await examine(undefined, config);
  expect(about(other, "log key")).toMatchObject([
    { result: "fail", text: expect.stringContaining("is not the key of") as string },
  ]);
  expect(exitOf(other)).toBe(1);
});

test("a database that is damaged, older than what is published, or not there", async () => {
  const places = placesOf(config);
  const older = join(log.folder, "older");
  cpSync(config.data, older, { recursive: true });
  log.opened = await log.openAgain();
  const chain = (await log.enrol("city/gw-2")).chain();
  await log.publish(log.sequence([], await chain.filled(5)));
  log.close();
  cpSync(places.public, join(older, "public"), { recursive: true });
  const behind = await examine(undefined, { ...config, data: older });
  expect(about(behind, "public")).toMatchObject([
    { result: "fail", text: expect.stringContaining("it is an older one") as string },
  ]);

  const bytes = readFileSync(places.database);
  bytes.fill(0xff, bytes.length - 8192, bytes.length - 4096);
  writeFileSync(places.database, bytes);
  expect(about(await examine(undefined, config), "database")).toMatchObject([{ result: "fail" }]);
  rmSync(places.database);
  expect(about(await examine(undefined, config), "database")).toMatchObject([
    { result: "fail", text: expect.stringContaining("no ledger here") as string },
  ]);
});

test("who is silent, alarms that nobody takes, backups that are old or unknown", async () => {
  const alarms = openAlarms(placesOf(config).alarms);
  const since = Math.floor(Date.now() / 1000) - 7200;
  const told = { since, allowedS: 900, last: 7 };
  alarms.change([{ code: "device-silent", iss: "city/gw-1", sub: null, told }], since, 10);
  alarms.close();
  const webhook = { ...config.alarms, webhook: "https://alarms.example/" };
  const findings = await examine(undefined, { ...config, alarms: webhook });
  expect(about(findings, "silence")).toMatchObject([
    { result: "warn", text: "city/gw-1 has said nothing for 2 h, 15 min are allowed" },
  ]);
  expect(about(findings, "alarms")).toMatchObject([
    { result: "warn", text: expect.stringContaining("1 wait") as string },
  ]);
  expect(about(findings, "backup")).toMatchObject([
    { result: "warn", text: expect.stringContaining("none is known") as string },
  ]);
  await noteBackup(config.data, { file: "/b", size: 3, timeUnixS: since - 10 * 86_400 });
  expect(about(await examine(undefined, config), "backup")).toMatchObject([{ result: "warn" }]);
  expect(existsSync(placesOf(config).alarms)).toBe(true);
});

test("where devices enrol: the certificate that they pin, its date, and who waits", async () => {
  const { requests } = placesOf(config);
  mkdirSync(requests, { recursive: true });
  for (const name of ["a.cbor", "b.cbor", "b.approved", "c.cbor", "c.refused"])
    writeFileSync(join(requests, name), "");
  const tls = selfSigned(log.folder, "over", { expired: true });
  const open = {
    tls,
    listen: "0.0.0.0:8443",
    url: "https://a.example:8443",
    maxConnections: 8,
    maxPerAddress: 8,
    requestMs: 1000,
  };
  expect(about(await examine(undefined, { ...config, public: open }), "enrolment")).toMatchObject([
    { result: "ok", text: expect.stringContaining("sha256:") as string },
    { result: "warn", text: expect.stringContaining("was over") as string },
    { result: "warn", text: "1 requests wait for an operator" },
  ]);
});

test("who may read, and an anchor that can't say so", async () => {
  const reads = async (): Promise<readonly string[]> =>
    findingLines(about(await examine(undefined, config), "reads"));
  expect(await reads()).toEqual([expect.stringMatching(/^OK .*nobody has a token/)]);
  const now = Math.floor(Date.now() / 1000);
  const token = { name: "audit-office", streams: ["*"], madeUnixS: now, expiresUnixS: now + 60 };
  await new TokenStore(placesOf(config).tokens).add({ ...token, hash: "0f".repeat(32) }, now);
  expect(await reads()).toContainEqual(expect.stringMatching(/^FAIL .*city\/anchor.*not enrolled/));
  const { key } = await ensureOwn(config, () => now);
  log.opened = await log.openAgain();
  const own = { kind: "enrol", device: "city/anchor", key, streams: ["access"], silenceS: 0 } as const;
  await log.publish(log.sequence([await log.item(own)], []));
  log.close();
  expect(await reads()).toContainEqual(expect.stringMatching(/^OK .*city\/anchor keeps the trail/));
  // Whoever looks changes nothing.
  const { erasures } = placesOf(config);
  mkdirSync(erasures, { recursive: true });
  writeFileSync(join(erasures, `${"0f".repeat(32)}.json`), "no order");
  expect(await reads()).toContainEqual(expect.stringMatching(/^WARN .*1 orders to erase wait/));
  expect(readdirSync(erasures)).toEqual([`${"0f".repeat(32)}.json`]);
  rmSync(placesOf(config).anchorKey);
  expect(await reads()).toContainEqual(expect.stringMatching(/^FAIL .*anchor\.pem/));
});
