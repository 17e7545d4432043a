/** `tally-agent enrol` as a program, against an anchor's real desk: what it says, leaves and takes up again; and answers that no anchor would give. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { EvidenceError, formatInvite, isEvidenceError, toHex, type Invite } from "@tallystick/evidence";
import { createKeyFile, pinOf, readPublicKeyFile } from "@tallystick/evidence/node";
import { ask } from "../../../agent/src/enrol/ask.ts";
import { placesOf } from "../../../anchor/src/config.ts";
import { approve } from "../../../anchor/src/enrolment/approval.ts";
import type { Listed } from "../../../anchor/src/enrolment/requests.ts";
import { PublishedRegistry } from "../../../anchor/src/registry/published-registry.ts";
import { untilEnrolled } from "../../../agent/src/enrol/waiting.ts";
import { deviceSigner } from "../../support/anchor-log.ts";
import { TestDesk } from "../../support/enrolment-desk.ts";
import { FakeTime } from "../../support/fake-time.ts";
import { selfSigned } from "../../support/tls-files.ts";

const MAIN = join(import.meta.dirname, "..", "..", "..", "agent", "src", "main.ts");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tally-agent-enrol-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Outcome = { readonly code: number | null; readonly out: string; readonly err: string };
type Started = {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Outcome>;
  readonly said: () => string;
};

/** The command, with the device's things in the test's folder. */
function enrol(args: readonly string[], input = ""): Started {
  const where = ["--config", join(folder, "agent.yaml"), "--data", join(folder, "data")];
  const child = spawn(process.execPath, [MAIN, "enrol", ...args, ...where], {
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  child.stdin.end(input);
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const ended = new Promise<Outcome>((resolve) => child.on("close", (code) => resolve({ code, out, err })));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return { child, ended, said: () => err };
}

const run = (args: readonly string[], input = ""): Promise<Outcome> => enrol(args, input).ended;

describe("at a desk", () => {
  let desk: TestDesk;
  beforeEach(async () => {
    desk = await TestDesk.open({ approve: "ask" });
  });
  afterEach(() => desk.close());
  const line = async (device = "city/gw-1"): Promise<string> => formatInvite(await desk.invite(device));

  test("it asks, shows the key, waits, and leaves when it is told to; the next one goes on without the line", async () => {
    const first = enrol([], await line());
    await expect.poll(() => first.said(), { timeout: 20_000 }).toContain("waiting for an operator");
    const key = join(folder, "data", "device.key");
    const kid = toHex(readPublicKeyFile(key).kid);
    expect(statSync(key).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, "data", "agent.invite")).mode & 0o777).toBe(0o600);
    first.child.kill("SIGINT");
    const { code, err } = await first.ended;
    expect([code, err]).toEqual([3, expect.stringContaining(kid)]);
    expect(err).toContain("[enrol-waiting]");
    expect(existsSync(join(folder, "agent.yaml"))).toBe(false);

    const [listed] = desk.requests.list();
    expect(listed && toHex(listed.request.key.kid)).toBe(kid);
    const again = await run(["--no-wait"]);
    expect([again.code, again.err]).toEqual([
      3,
      expect.stringContaining("going on with the invite from before"),
    ]);
    expect(desk.requests.list()).toHaveLength(1);
  });

  test("what was edited while it waited stays as it was edited", async () => {
    const path = join(folder, "agent.yaml");
    const first = enrol([], await line());
    await expect.poll(() => first.said(), { timeout: 20_000 }).toContain("waiting for an operator");
    const edited = `# by hand\nversion: 1\norg: city\ndevice: gw-1\ndata: ${join(folder, "data")}\nclock: { trust: rtc }\n`;
    writeFileSync(path, edited);
    const { public: published, inbox } = placesOf(desk.config);
    const [listed] = desk.requests.list();
    await approve(listed as Listed, {
      signer: desk.log.operator,
      requests: desk.requests,
      read: () => PublishedRegistry.read(published),
      inbox,
      nowUnixS: () => desk.log.clock.now,
    });
    expect(await desk.sequence()).toBe(1);
    await expect.poll(() => first.said(), { timeout: 20_000 }).toContain("enrolled: registry item 1");
    first.child.kill("SIGINT");
    await first.ended;
    expect(readFileSync(path, "utf8")).toMatch(/^# by hand\n[^]*\nclock: \{ trust: rtc \}\n[^]*mqtt:/);
  });

  test("what an operator refused is told with his reason, and the line is forgotten", async () => {
    const invite = await line();
    expect((await run([invite, "--no-wait"])).code).toBe(3);
    await desk.requests.refused(desk.requests.list()[0]?.name ?? "", "not \u001b[2Jours");
    const { code, err } = await run(["--no-wait"]);
    expect([code, err]).toEqual([1, expect.stringMatching(/not .\[2Jours.*\[enrol-refused\]/)]);
    expect(err).not.toContain("\u001b");
    expect(existsSync(join(folder, "data", "agent.invite"))).toBe(false);
  });

  test("a key that is somebody else's is named, with what to do", async () => {
    const key = createKeyFile(join(folder, "key.pem"));
    writeFileSync(
      join(folder, "agent.yaml"),
      `version: 1\nkey: ${join(folder, "key.pem")}\ndata: ${join(folder, "data")}\n`,
    );
    const item = { kind: "enrol", device: "city/gw-9", key, streams: ["*"], silenceS: 900 } as const;
    await desk.log.publish(desk.log.sequence([await desk.log.item(item)], []));
    const { code, err } = await run([await line(), "--no-wait"]);
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/city\/gw-9's.*key\.pem: move it away.*\[key-exists\]/),
    ]);
  });

  test.for<[string, (line: string) => string, string]>([
    ["cut", (text) => text.slice(0, -5), "invite-malformed"],
    ["no invite", () => "tally-invite", "invite-malformed"],
    ["nothing", () => "", "no invite was given"],
  ])("a line that is %s is told before anything is made", async ([, change, told]) => {
    const { code, err } = await run([], change(await line()));
    expect(code).not.toBe(0);
    expect(err).toContain(told);
    expect(existsSync(join(folder, "data"))).toBe(false);
  });

  test("another device's configuration, or data, is told before anything is asked", async () => {
    writeFileSync(join(folder, "agent.yaml"), "version: 1\norg: city\ndevice: gw-2\n");
    const config = await run([await line(), "--no-wait"]);
    expect([config.code, config.err]).toEqual([1, expect.stringContaining("[invite-device]")]);
    expect(readFileSync(join(folder, "agent.yaml"), "utf8")).toBe("version: 1\norg: city\ndevice: gw-2\n");
    rmSync(join(folder, "agent.yaml"));
    await run([await line(), "--no-wait"]);
    writeFileSync(join(folder, "data", "agent.began"), "city/gw-2\n");
    const data = await run([await line(), "--no-wait"]);
    expect([data.code, data.err]).toEqual([1, expect.stringContaining("[storage-exists]")]);
    expect(desk.requests.list()).toHaveLength(1);
  });
});

/** A server that answers each request so, and an invite to it. */
async function answering(status: number, body: string): Promise<Invite> {
  const files = selfSigned(folder, "server");
  const server = createServer(
    { cert: readFileSync(files.cert), key: readFileSync(files.key) },
    (asked, answer) => {
      asked.resume();
      answer.writeHead(status).end(body);
    },
  );
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onTestFinished(() => void server.close());
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const id = new Uint8Array(16);
  return {
    device: "city/gw-1",
    anchor: { url, pin: pinOf(readFileSync(files.cert)) },
    logs: [],
    broker: { url: "mqtt://127.0.0.1:1" },
    id,
    secret: id,
    expiresUnixS: 0,
    streams: [],
    silenceS: 0,
  };
}

test.for<[string, number, string, string]>([
  ["something else", 200, "<html>", "http-answer"],
  ["half an answer", 200, '{"state":"enrolled","item":1}', "http-answer"],
  ["a number that is none", 200, '{"state":"enrolled","item":-1,"index":1e99}', "http-answer"],
  ["another status", 500, '{"state":"waiting"}', "http-answer"],
  ["a code that nobody knows", 403, '{"code":"__proto__","error":"x"}', "http-answer"],
  ["a redirect", 301, "", "http-answer"],
  ["far too much", 200, "x".repeat(100_000), "unreachable"],
  ["a refusal", 403, '{"code":"invite-used","error":"x"}', "invite-used"],
  ["later", 429, '{"code":"rate-limited","error":"x"}', "rate-limited"],
])("an anchor that answers %s", async ([, status, body, code]) => {
  const invite = await answering(status, body);
  const asked = ask(
    { invite, signer: deviceSigner("gateway"), machine: undefined },
    AbortSignal.timeout(20_000),
  );
  await expect(asked).rejects.toThrow(expect.objectContaining({ code }));
});

describe("waiting", () => {
  const ENROLLED = { state: "enrolled", item: 1, index: 1 } as const;

  /** Asks with these answers, one after the other; the last one for ever. */
  async function wait(
    answers: readonly (string | typeof ENROLLED)[],
    { once = false, stopAfterMs = Infinity } = {},
  ) {
    const time = new FakeTime();
    const told: string[] = [];
    let asked = 0;
    const stop = new AbortController();
    if (stopAfterMs !== Infinity) time.after(stopAfterMs, () => stop.abort());
    const done = untilEnrolled(
      {
        ask: () => {
          const answer = answers[Math.min(asked++, answers.length - 1)] ?? "";
          if (typeof answer !== "string") return Promise.resolve(answer);
          if (answer === "waiting") return Promise.resolve({ state: answer } as const);
          return Promise.reject(new EvidenceError(answer as "unreachable", "x"));
        },
        timer: time,
        tell: (state) => told.push(isEvidenceError(state) ? state.code : state),
        once,
      },
      stop.signal,
    );
    const outcome = done.then(
      (answer) => answer?.state ?? "stopped",
      (error: unknown) => (isEvidenceError(error) ? error.code : String(error)),
    );
    await time.advance(7_200_000);
    return { outcome: await outcome, asked, told };
  }

  test("goes through what passes by itself, and tells each once", async () => {
    const answers = [
      "waiting",
      "unreachable",
      "unreachable",
      "waiting",
      "waiting",
      "rate-limited",
      "waiting",
      ENROLLED,
    ];
    expect(await wait(answers)).toEqual({
      outcome: "enrolled",
      asked: 8,
      told: ["unreachable", "waiting", "rate-limited", "waiting"],
    });
  });

  test("ends with a refusal", async () => {
    expect(await wait(["waiting", "invite-used"])).toMatchObject({ outcome: "invite-used", asked: 2 });
  });

  test("asks less and less often, and ends when it is told to", async () => {
    const { outcome, asked } = await wait(["waiting"], { stopAfterMs: 3_600_000 });
    expect(outcome).toBe("stopped");
    expect(asked).toBeGreaterThan(300);
    expect(asked).toBeLessThan(400);
  });

  test("waits for no operator where it is told so, and not for a line that is down", async () => {
    expect(await wait(["waiting"], { once: true })).toMatchObject({ outcome: "stopped", asked: 4 });
    expect(await wait(["unreachable"], { once: true })).toMatchObject({ outcome: "unreachable", asked: 1 });
  });
});
