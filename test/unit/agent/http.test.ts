/** The agent's health and metrics: on loopback, from memory, and true. */
import { request } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { parseSettings } from "../../../agent/src/config/config.ts";
import { watching } from "../../../agent/src/http/serve.ts";
import type { Health } from "../../../agent/src/http/figures.ts";
import { FakeAnchor } from "../../support/fake-anchor.ts";
import { ISS, observation, Rig, STREAM } from "../../support/agent-rig.ts";
import { freePort } from "../../support/loopback.ts";

type Answer = { readonly status: number; readonly body: string };

function get(port: number, path: string, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, method, agent: false }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    asked.on("error", reject).end();
  });
}

const QUIET = { info: () => {}, warn: () => {}, error: () => {} };

async function watched(yaml = ""): Promise<{ rig: Rig; port: number }> {
  const rig = new Rig(yaml);
  const port = await freePort();
  const watch = await watching(`127.0.0.1:${port}`, QUIET);
  const over = new AbortController();
  onTestFinished(() => over.abort());
  rig.connectAnchor();
  await rig.start({ watch, written: () => 4096 });
  return { rig, port };
}

const health = async (port: number): Promise<Health & { status: string }> =>
  JSON.parse((await get(port, "/healthz")).body) as Health;

test("says what is connected, waits, was read and was receipted", async () => {
  const { rig, port } = await watched();
  rig.source.push(observation(1));
  rig.source.counters.framesGood = 3;
  rig.source.counters.framesBad.set("p1-crc", 2);
  await rig.time.advance(120_000);
  expect(await health(port)).toMatchObject({
    status: "ok",
    iss: ISS,
    tq: 2,
    line: { state: "up" },
    waiting: { count: 0 },
    faults: [],
  });
  const { body } = await get(port, "/metrics");
  const metrics = new Map(
    body
      .split("\n")
      .flatMap((line) => (line.startsWith("#") ? [] : [line.split(/ (?=\S+$)/) as [string, string]])),
  );
  expect(metrics.get("tally_agent_broker_connected")).toBe("1");
  expect(metrics.get("tally_agent_outbox_waiting_statements")).toBe("0");
  expect(metrics.get("tally_agent_clock_quality")).toBe("2");
  expect(metrics.get("tally_agent_flash_bytes_total")).toBe("4096");
  expect(metrics.get(`tally_agent_source_total{stream="${STREAM}",what="frames-good"}`)).toBe("3");
  expect(metrics.get(`tally_agent_source_total{stream="${STREAM}",what="frames-bad-p1-crc"}`)).toBe("2");
  expect(Number(metrics.get('tally_agent_uplink_total{what="statements-sent"}'))).toBeGreaterThan(0);
  expect(Number(metrics.get("tally_agent_resident_bytes"))).toBeGreaterThan(1e6);
  expect(Number(metrics.get("tally_agent_last_receipt_unix_seconds"))).toBe(rig.anchor.timeUnixS);
});

test("refusals are counted by code, and a lost line is no fault", async () => {
  const { rig, port } = await watched();
  rig.anchor.judge = () => ({ reject: "key-unknown" });
  rig.source.push(observation(1));
  await rig.time.advance(120_000);
  expect((await get(port, "/metrics")).body).toMatch(
    /tally_agent_uplink_total\{what="[a-z-]*key-unknown"\} [1-9]/,
  );
  rig.disconnect("the cable was pulled");
  await rig.time.advance(0);
  const { status, body } = await get(port, "/healthz");
  expect(status).toBe(200);
  expect(JSON.parse(body)).toMatchObject({
    status: "offline",
    line: { state: "down", reason: "the cable was pulled" },
  });
});

test("an outbox that is full is 503", async () => {
  const { rig, port } = await watched("outbox: { maxBytes: 1048576 }");
  rig.anchor.judge = () => "silence";
  rig.settings = { ...rig.settings, outbox: { ...rig.settings.outbox, maxBytes: 4096 } };
  await rig.stop();
  const again = await freePort();
  await rig.start({ watch: await watching(`127.0.0.1:${again}`, QUIET) });
  for (let i = 0; i < 40; i++) {
    rig.source.push(observation(i));
    await rig.time.advance(61_000);
  }
  const { status, body } = await get(again, "/healthz");
  expect(status).toBe(503);
  expect(JSON.parse(body)).toMatchObject({ status: "failing", faults: ["outbox-full"] });
  expect(port).not.toBe(again);
});

test("answers nothing else, and only on loopback", async () => {
  const { port } = await watched();
  expect((await get(port, "/")).status).toBe(404);
  expect((await get(port, "/metrics", "POST")).status).toBe(405);
  await expect(watching(`127.0.0.1:${port}`, QUIET)).rejects.toThrow("is taken");
  const yaml = (listen: string): string =>
    `version: 1\norg: city\ndevice: gw-1\nlog: ["${new FakeAnchor().vkey}"]\nhttp: { listen: "${listen}" }\n`;
  expect(parseSettings(yaml("[::1]:8082"), "agent.yaml", {}).http).toEqual({ listen: "[::1]:8082" });
  for (const listen of [
    "0.0.0.0:8082",
    "192.0.2.1:8082",
    "[::]:8082",
    "127.0.0.1",
    "localhost:99999",
    "127.0.0.1.example:1",
  ])
    expect(() => parseSettings(yaml(listen), "agent.yaml", {})).toThrow("http.listen");
});
