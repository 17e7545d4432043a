/**
 * Who may speak, over Mosquitto: an invite, a device that enrols and waits for its certificate, its first receipt; it runs, its key is revoked: the live connection ends, and what it signs is refused,
 * whoever brings it; enrolled anew, it speaks again. The device, Mosquitto, its follower and the anchor are the real programs.
 *
 * @module
 */
import { cpSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { concatBytes, decodeDown, toHex, upTopic, type Statement } from "@tallystick/evidence";
import { readPublicKeyFile } from "@tallystick/evidence/node";
import { tryBroker } from "../../agent/src/uplink/uplink.ts";
import type { Report } from "../../agent/src/commands/report.ts";
import type { Program } from "../../demo/program.ts";
import { AgentBook } from "../support/agent-book.ts";
import { MosquittoTown } from "../support/mosquitto-town.ts";
import { need } from "../support/require.ts";
import { selfSigned } from "../support/tls-files.ts";
import { ISS } from "../support/town.ts";

/** The follower looks every 200 ms, and ends a connection within two seconds; on a busy machine it takes a little longer. */
const DROPPED_WITHIN_MS = 4000;
const REVOKED = 'outcomes_total{outcome="key-revoked"}';

describe.skipIf(!need("mosquitto") || !need("mosquitto_rr"))("enrolled over Mosquitto", () => {
  let place: MosquittoTown;
  let agent: Program;
  let bridge: MqttClient | undefined;

  beforeAll(async () => {
    place = await MosquittoTown.begin({ invites: true });
    await place.town.tell(async () => {
      place.town.launch("anchor");
      await place.makeFiles();
      await place.start();
      await place.town.ready("anchor");
      await place.follow();
    });
  });
  afterAll(async () => {
    bridge?.end(true);
    await place.end();
  });

  const home = (...names: readonly string[]): string => place.town.path("gw-1", ...names);
  const config = (): readonly string[] => ["--config", place.town.path("gw-1.yaml")];
  const certificate = (): string => place.town.path("gw-1.pem");
  const said = (label: string): string => readFileSync(place.town.path("log", `${label}.log`), "utf8");

  async function invite(...more: readonly string[]): Promise<string> {
    return (await place.anchor("invite", "--org", "city", "--device", "gw-1", "--no-qr", ...more)).trim();
  }

  function enrolling(label: string, ...more: readonly string[]): Program {
    const args = ["enrol", ...more, "--json", ...config(), "--data", home()];
    return place.town.programs.start("agent", args, {}, { label });
  }

  /** The authority's part: the key as it stands in the registry, and its certificate brought to the device, whole. */
  async function certified(name: string): Promise<void> {
    const shown = await place.anchor("registry", "--device", ISS, "--pem");
    expect(shown).toContain(`kid ${toHex(readPublicKeyFile(home("device.key")).kid)}\n`);
    cpSync(place.certify(name, shown), `${certificate()}.new`);
    renameSync(`${certificate()}.new`, certificate());
  }

  /** The device's statements, with or without a receipt. */
  const outbox = (isReceipted: boolean): readonly Statement[] =>
    new AgentBook(home(), ISS)
      .entries()
      .filter((one) => one.isReceipted === isReceipted)
      .map(({ statement }) => statement);

  /** Starts the agent; resolves when some of what it says has receipts. */
  async function run(label: string): Promise<void> {
    const before = outbox(true).length;
    agent = place.town.programs.start("agent", ["run", ...config()], {}, { label });
    await place.town.until("readings have their receipts", () => outbox(true).length > before + 5);
  }

  test("invited, a device enrols, waits for its certificate, goes on where it was, and has its first receipt", () =>
    place.town.tell(async () => {
      const first = enrolling("enrol", await invite(), "--cert", certificate());
      await place.town.until("it waits", () => said("enrol").includes(`waiting for ${certificate()}`));
      expect(said("enrol")).toContain(`registry --device ${ISS} --pem`);
      await first.stop();
      expect([first.exit?.code, said("enrol")]).toEqual([
        3,
        expect.stringContaining("tally-agent enrol goes on"),
      ]);

      const again = enrolling("enrol-again"); // without the line
      await certified("gw-1");
      const told = JSON.parse(await again.ready()) as object;
      expect(told).toMatchObject({ device: ISS, item: 1, receipt: { origin: "tally.example/2026" } });
      await again.ended;
      expect(again.exit?.code).toBe(0);
      const yaml = readFileSync(place.town.path("gw-1.yaml"), "utf8");
      expect(yaml).toMatch(/pin: sha256:[0-9a-f]{64}\n *cert: .*gw-1\.pem\n *key: .*device\.key\n/);
    }));

  test("without a certificate, or with one of another authority, it is told what is wrong", async () => {
    const { ca } = place.issue("somebody");
    const another = selfSigned(place.town.root, "another");
    const halved = { cert: another.cert, key: home("device.key") };
    for (const [tls, code, words] of [
      [{ ca }, "tls-handshake", /without a client certificate.*set broker\.tls\.cert/],
      [{ ca, ...another }, "tls-handshake", /does not take this device's certificate/],
      [{ ca, ...halved }, "tls-malformed", /another one than the certificate's/],
    ] as const) {
      const line = { iss: ISS, broker: { url: place.url, tls }, metered: false };
      await expect(tryBroker(line, () => [], new AbortController().signal)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(words) as string,
      });
    }
  });

  test("it runs; revoked, its live connection ends, and the anchor refuses what it signs, whoever brings it", () =>
    place.town.tell(async () => {
      const path = place.town.path("gw-1.yaml");
      const streams =
        "streams: [{ name: host/self, source: { kind: host }, every: 0.2, seal: { maxWaitMs: 100 } }]";
      const quick = "clock: { trust: system }\nuplink: { retry: { firstMs: 300, maxMs: 2000 } }";
      writeFileSync(path, readFileSync(path, "utf8").replace("streams: []", `${quick}\n${streams}`));
      await run("run");

      const dropped = place.town
        .until("the connection is dropped", () =>
          said("run").includes("the connection to the broker was lost"),
        )
        .then(() => performance.now());
      const [at] = await Promise.all([place.nextItem(), place.anchor("revoke", "--device", ISS, "--wait")]);
      expect((await dropped) - at).toBeLessThan(DROPPED_WITHIN_MS);
      const receipted = outbox(true).length;
      const before = new Set(outbox(false).map(({ hash }) => toHex(hash))); // the log may have taken some of them
      const signedSince = (): readonly Statement[] =>
        outbox(false).filter(({ hash }) => !before.has(toHex(hash)));
      const size = await place.town.metric("log_size");
      await place.town.until("what it signs waits", () => signedSince().length > 2);
      expect(outbox(true)).toHaveLength(receipted);
      await agent.stop();
      expect(await place.town.metric("log_size")).toBe(size);

      // Mosquitto is trusted with nothing: brought by somebody whom it lets through, the anchor refuses each of them.
      const handed = signedSince();
      const [refused, refusals] = [new Map<string, string>(), await place.town.metric(REVOKED)];
      bridge = await place.client(place.issue("bridge"));
      bridge.on("message", (_topic, payload) => {
        for (const one of decodeDown(payload))
          if (one.kind === "rejected") refused.set(toHex(one.hash), one.code);
          else refused.set("a surprise", one.kind);
      });
      await bridge.subscribeAsync("tally/v1/+/+/down", { qos: 1 });
      const bytes = Buffer.from(concatBytes(...handed.map((one) => one.bytes)));
      await bridge.publishAsync(upTopic(ISS), bytes, { qos: 1 });
      await place.town.until("each has its answer", () => refused.size >= handed.length);
      expect(Object.fromEntries(refused)).toEqual(
        Object.fromEntries(handed.map(({ hash }) => [toHex(hash), "key-revoked"])),
      );
      expect((await place.town.metric(REVOKED)) - refusals).toBe(handed.length);
      expect(await place.town.metric("log_size")).toBe(size);
    }));

  test("enrolled anew, with another key and its certificate, it is heard again", () =>
    place.town.tell(async () => {
      renameSync(home(), place.town.path("gw-1.old"));
      const enrol = enrolling("re-enrol", await invite("--re-enrol", "--reason", "key revoked"));
      await place.town.until("the old key's certificate is told of", () =>
        said("re-enrol").includes("waiting for another"),
      );
      await certified("gw-1-anew");
      expect(JSON.parse(await enrol.ready())).toMatchObject({ device: ISS, item: 3 });
      await enrol.ended;
      await run("run-again");
      await agent.stop();
      const { rejections } = JSON.parse(
        await place.town.programs.must("agent", ["status", "--json", ...config()]),
      ) as Report;
      expect(rejections, "chains that say they are the first would be forks").toEqual([]);
      const { publicFolder, policyFile } = place.town;
      const audited = await place.town.run("audit", "log", publicFolder, "--policy", policyFile, "--json");
      const { verdict } = JSON.parse(audited.stdout) as { verdict: string };
      expect([audited.code, verdict]).toEqual([0, "restricted"]); // no witness
    }));
});
