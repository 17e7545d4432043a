/** The agent's doctor: each fault that an operator meets is told with what to do, and looking changes nothing. */
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:tls";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createPlain, type AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import {
  createKeyFile,
  exitOf,
  findingLines,
  loadSigner,
  readTls,
  type Finding,
} from "@tallystick/evidence/node";
import { examine } from "../../../agent/src/doctor/doctor.ts";
import { writePending } from "../../../agent/src/enrol/pending.ts";
import { Meta } from "../../../agent/src/storage/meta.ts";
import { sealingRate } from "../../../agent/src/outbox/rate.ts";
import { linesOf } from "../../../agent/src/commands/status.ts";
import { FakeAnchor } from "../../support/fake-anchor.ts";
import { ISS, NOW, observation, Rig, STREAM } from "../../support/agent-rig.ts";
import { PlainBroker } from "../../support/plain-broker.ts";
import { selfSigned } from "../../support/tls-files.ts";

/** A folder with key and configuration of the rig's device. */
function installed(folder: string, more: string, vkey = new FakeAnchor().vkey): string {
  const file = join(folder, "agent.yaml");
  const yaml = `version: 1\norg: city\ndevice: gw-1\ndata: ${folder}\nlog: ["${vkey}"]\n${more}\n`;
  writeFileSync(file, yaml, { mode: 0o644 });
  if (!existsSync(join(folder, "device.key"))) createKeyFile(join(folder, "device.key"));
  return file;
}

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tally-doctor-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const STREAMS = `streams: [{ name: ${STREAM}, source: { kind: host }, every: 0 }]`;
const NOWHERE = 'broker: { url: "mqtt://127.0.0.1:1" }';
const about = (findings: readonly Finding[], name: string): readonly Finding[] =>
  findings.filter((one) => one.about === name);

test("a gateway where all is well has no FAIL, while the agent runs and after it", async () => {
  const rig = new Rig();
  const broker = await PlainBroker.start();
  onTestFinished(() => broker.stop());
  const file = installed(
    rig.folder,
    `broker: { url: "${broker.url}" }\nclock: { trust: system }\n${STREAMS}`,
  );
  rig.connectAnchor();
  rig.anchor.timeUnixS = Math.floor(Date.now() / 1000);
  rig.system.set(Date.now());
  await rig.start();
  for (let i = 0; i < 12; i++) {
    rig.source.push(observation(i, rig.system.wallUnixMs()));
    await rig.time.advance(100_000);
  }
  const running = await examine(file, {});
  expect(findingLines(running).filter((line) => /^(FAIL|\?)/.test(line))).toEqual([]);
  expect(about(running, "agent")).toMatchObject([
    { result: "ok", text: expect.stringContaining(`process ${process.pid}`) as string },
  ]);
  expect(about(running, "broker entry")).toMatchObject([
    { result: "ok", text: expect.stringContaining("has been connected") as string },
  ]);
  expect(about(running, "offline")[0]?.text).toMatch(/^\d+ days without a line would fill/);
  await rig.stop();
  const stopped = await examine(file, {});
  expect(about(stopped, "agent")).toMatchObject([{ result: "warn" }]);
  expect(about(stopped, "broker entry")).toMatchObject([{ result: "ok", text: `${ISS} is let in` }]);
  expect(about(stopped, "log key")).toMatchObject([{ result: "ok" }]);
  expect(exitOf(stopped)).toBe(0);
});

test("it changes nothing: neither the files, nor the session that waits at the broker", async () => {
  const rig = new Rig();
  const broker = await PlainBroker.start();
  onTestFinished(() => broker.stop());
  const file = installed(rig.folder, `broker: { url: "${broker.url}" }\n${STREAMS}`);
  await rig.start();
  rig.source.push(observation(1));
  await rig.time.advance(100_000);
  await rig.stop();
  const before = contents(rig.folder);
  const mine = await broker.client("watcher");
  const heard: string[] = [];
  mine.on("message", (topic) => heard.push(topic));
  await mine.subscribeAsync("#");
  expect(about(await examine(file, {}), "broker entry")).toMatchObject([{ result: "ok" }]);
  expect(contents(rig.folder)).toEqual(before);
  expect(heard).toEqual([]);
});

/** Whatever is in a folder, but for the shared memory of a reader, which holds no data. */
const contents = (folder: string): readonly string[] =>
  readdirSync(folder)
    .filter((name) => !name.endsWith("-shm") && statSync(join(folder, name)).size > 0)
    .map((name) => `${name} ${readFileSync(join(folder, name)).toString("base64")}`);

test("a configuration with faults is told with their lines, and nothing else is looked at", async () => {
  const file = installed(emptyFolder(), "metred: true");
  const findings = await examine(file, {});
  expect(findings).toMatchObject([
    {
      about: "configuration",
      result: "fail",
      text: expect.stringContaining("agent.yaml:6: metred") as string,
    },
  ]);
});

test("a key that others read, a folder that others write, no broker, a port that isn't there", async () => {
  const folder = emptyFolder();
  const file = installed(
    folder,
    `${NOWHERE}\nstreams: [{ name: ${STREAM}, source: { kind: p1, serial: { path: ${folder}/ttyUSB9 } } }]`,
  );
  chmodSync(join(folder, "device.key"), 0o644);
  chmodSync(folder, 0o777);
  const findings = await examine(file, {});
  expect(about(findings, "key")).toMatchObject([
    { result: "fail", text: expect.stringContaining("chmod 600") as string },
  ]);
  expect(about(findings, "permissions")).toMatchObject([{ result: "fail", todo: `chmod o-w ${folder}` }]);
  expect(about(findings, "broker").at(-1)).toMatchObject({
    result: "fail",
    todo: expect.stringContaining("nothing listens") as string,
  });
  expect(about(findings, "broker entry")).toEqual([]);
  expect(about(findings, `source ${STREAM}`)).toMatchObject([
    { result: "fail", text: expect.stringContaining("isn't there") as string },
  ]);
  expect(exitOf(findings)).toBe(1);
});

test("a program that isn't there, one that may not be run, and one whose lines are bad", async () => {
  const rig = new Rig("streams: []\nprograms: [{ name: office, command: [/bin/true], streams: [x/*] }]");
  const programs = ["/bin/nothing", rig.folder, "/bin/true"].map(
    (command, i) => `{ name: p${i}, command: [${command}], streams: [s/${i}] }`,
  );
  const file = installed(rig.folder, `${NOWHERE}\nprograms: [${programs.join(", ")}]`);
  const findings = await examine(file, {});
  expect(about(findings, "sources")).toEqual([]);
  expect(about(findings, "program p0")).toMatchObject([{ result: "fail" }]);
  expect(about(findings, "program p1")).toMatchObject([{ result: "fail" }]);
  expect(about(findings, "program p2")).toMatchObject([{ result: "ok" }]);
  const script = join(rig.folder, "office.py");
  writeFileSync(script, "", { mode: 0o755 });
  chmodSync(script, 0o757);
  installed(rig.folder, `${NOWHERE}\nprograms: [{ name: p, command: [/bin/true, ${script}], streams: [x] }]`);
  expect(about(await examine(file, {}), "permissions")).toMatchObject([
    { result: "fail", todo: `chmod o-w ${script}` },
  ]);
  await rig.start();
  rig.program.print("hello", { id: "1", stream: "x/1", name: "n", v: 1 });
  await rig.time.advance(100_000);
  await rig.stop();
  installed(rig.folder, `${NOWHERE}\nprograms: [{ name: office, command: [/bin/true], streams: [x/*] }]`);
  expect(about(await examine(file, {}), "program office")).toMatchObject([
    { result: "warn", text: "1 lines taken, 1 refused, 0 times ended badly" },
  ]);
  const status = linesOf(rig.report()).join("");
  expect(status).toContain("program   office: frames-bad-line-malformed 1, frames-good 1");
});

test("a broker's TLS: one that is vouched for, one that nobody vouches for, and none", async () => {
  const folder = emptyFolder();
  const good = selfSigned(folder, "good");
  const serve = async (files: { cert: string; key: string }): Promise<number> => {
    const server = createServer(readTls(files).options, (socket) =>
      socket.once("data", () => socket.end()),
    ).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  };
  const tlsOf = async (port: number, ca: string | undefined): Promise<readonly Finding[]> => {
    const tls = ca === undefined ? "" : `, tls: { ca: ${ca} }`;
    return about(
      await examine(installed(folder, `broker: { url: "mqtts://127.0.0.1:${port}"${tls} }`), {}),
      "broker tls",
    );
  };
  const port = await serve(good);
  expect((await tlsOf(port, good.cert)).map(({ result }) => result)).toEqual(["ok", "ok", "ok"]);
  expect((await tlsOf(port, undefined))[1]).toMatchObject({
    result: "fail",
    text: expect.stringContaining("DEPTH_ZERO_SELF_SIGNED_CERT") as string,
  });
  const plain = await PlainBroker.start();
  onTestFinished(() => plain.stop());
  expect(await tlsOf(plain.port, good.cert)).toMatchObject([
    { result: "fail", text: expect.stringContaining("no TLS") as string },
  ]);
});

test("the line's fault, refusals and alarms of a running agent are told", async () => {
  const rig = new Rig();
  const broker = await PlainBroker.start();
  onTestFinished(() => broker.stop());
  const file = installed(
    rig.folder,
    `broker: { url: "${broker.url}" }\nclock: { trust: system }\n${STREAMS}`,
  );
  rig.connectAnchor();
  rig.anchor.judge = () => ({ reject: "key-unknown" });
  await rig.start();
  rig.source.push(observation(1));
  await rig.time.advance(120_000);
  rig.disconnect("the cable was pulled");
  await rig.time.advance(0);
  rig.storage.transaction(() =>
    rig.storage
      .prepare("INSERT INTO alarm (code, at, text) VALUES (?, ?, ?)")
      .run("log-fork", NOW, "two \u001b[2Jroots"),
  );
  const findings = await examine(file, {});
  expect(about(findings, "refused")).toMatchObject([
    {
      result: "warn",
      text: expect.stringContaining("key-unknown") as string,
      todo: expect.stringContaining("enrol") as string,
    },
  ]);
  expect(about(findings, "alarm")).toMatchObject([{ result: "fail" }]);
  expect(findingLines(findings).join("")).not.toContain("\u001b");
});

test("how long the outbox lasts is measured, and not guessed from a minute", async () => {
  const rig = new Rig();
  await rig.start();
  for (let i = 0; i < 30; i++) {
    rig.source.push(observation(i, NOW + i * 100_000));
    await rig.time.advance(100_000);
    if (i === 1) expect(sealingRate(rig.storage)).toBeUndefined();
  }
  const rate = sealingRate(rig.storage);
  const bytes = rig.sealed().reduce((sum, one) => sum + one.bytes.length, 0);
  expect(rate?.bytesPerDay).toBeGreaterThan((bytes / (30 * 100)) * 86_400 * 0.9);
  expect(rate?.bytesPerDay).toBeLessThan((bytes / (30 * 100)) * 86_400 * 1.2);
});

test("the key that it names is the device's", async () => {
  const folder = emptyFolder();
  const findings = await examine(installed(folder, NOWHERE), {});
  const { kid } = loadSigner(join(folder, "device.key")).key;
  expect(about(findings, "key")[0]?.text).toContain(Buffer.from(kid).toString("hex"));
});

test("an enrolment that was begun, and a rotation under way", async () => {
  const rig = new Rig();
  const file = installed(rig.folder, NOWHERE);
  await writePending(rig.folder, "tally-invite:1:not-looked-at");
  await rig.start();
  const meta = new Meta(rig.storage);
  rig.storage.transaction(() => {
    meta.set("rotation-old", new Uint8Array(32).fill(1));
    meta.set("rotation-next", new Uint8Array(32).fill(2));
    meta.set("rotation-item", 1);
  });
  const findings = await examine(file, {});
  expect(about(findings, "enrolment")).toMatchObject([{ result: "warn" }]);
  expect(about(findings, "rotation")).toMatchObject([
    { result: "ok", text: expect.stringContaining("from 0101010101010101… to 0202020202020202…") as string },
  ]);
});

test("a broker that accepts and says nothing is a fault within seconds", async () => {
  const folder = emptyFolder();
  const server = createPlain().listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const findings = await examine(installed(folder, `broker: { url: "mqtts://127.0.0.1:${port}" }`), {});
  expect(about(findings, "broker tls")).toMatchObject([
    { result: "fail", text: expect.stringContaining("no answer") as string },
  ]);
  expect(about(findings, "broker entry")).toEqual([]);
});
