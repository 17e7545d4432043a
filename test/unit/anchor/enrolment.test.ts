/** The desk for enrolment over real HTTPS: who gets in, once; and who doesn't, with the reason. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { connect as connectTcp, type Socket } from "node:net";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import {
  encodeCbor,
  sealEnrolRequest,
  toHex,
  type EnrolClaims,
  type Invite,
  type Signer,
} from "@tallystick/evidence";
import { exporterOf, peerPin, readTls } from "@tallystick/evidence/node";
import { placesOf } from "../../../anchor/src/config.ts";
import { deviceSigner } from "../../support/anchor-log.ts";
import { TestDesk, type DeskSettings } from "../../support/enrolment-desk.ts";
import { need } from "../../support/require.ts";
import { selfSigned } from "../../support/tls-files.ts";

const MACHINE = new Uint8Array(32).fill(7);
const OTHER_MACHINE = new Uint8Array(32).fill(8);
const [gateway, thief] = [deviceSigner("gateway"), deviceSigner("thief")];
let desk: TestDesk;
afterEach(() => desk.close());

const open = async (settings: DeskSettings = {}): Promise<TestDesk> => (desk = await TestDesk.open(settings));
const refusedWith = (code: string): unknown => expect.objectContaining({ code });

/** Enrols a device to the end. */
async function enrol(device = "city/gw-1", signer: Signer = gateway, machine = MACHINE): Promise<Invite> {
  const invite = await desk.invite(device);
  expect(await desk.ask(invite, signer, machine)).toEqual({ state: "waiting" });
  expect(await desk.sequence()).toBe(1);
  expect(await desk.ask(invite, signer, machine)).toMatchObject({ state: "enrolled" });
  return invite;
}

describe("a device with an invite", () => {
  test("is enrolled at once where the operator's key is here, as the invite says", async () => {
    await open();
    const invite = await desk.invite("city/gw-1", { streams: ["meter/*"], silenceS: 60 });
    expect(await desk.ask(invite, gateway, MACHINE)).toEqual({ state: "waiting" });
    await desk.sequence();
    expect(await desk.ask(invite, gateway, MACHINE)).toEqual({ state: "enrolled", item: 1, index: 1 });
    expect(desk.log.opened.keys.current("city/gw-1")).toMatchObject({
      kid: gateway.key.kid,
      streams: ["meter/*"],
      silenceS: 60,
      machine: MACHINE,
    });
  });

  test("may ask as often as it likes, and is enrolled once", async () => {
    await open();
    const invite = await desk.invite();
    const asked = Array.from({ length: 20 }, () => desk.ask(invite, gateway));
    for (const answer of await Promise.all(asked)) expect(answer).toEqual({ state: "waiting" });
    expect(await desk.sequence()).toBe(1);
    expect(await desk.ask(invite, gateway)).toMatchObject({ state: "enrolled" });
    expect(await desk.sequence()).toBe(0);
  });

  test("is one of many that ask at the same time", async () => {
    await open();
    const devices = Array.from({ length: 30 }, (_, i) => `city/gw-${i}`);
    const all = await Promise.all(
      devices.map(async (device) => ({ invite: await desk.invite(device), signer: deviceSigner(device) })),
    );
    await Promise.all(all.map(({ invite, signer }) => desk.ask(invite, signer)));
    expect(await desk.sequence()).toBe(30);
    const answers = await Promise.all(all.map(({ invite, signer }) => desk.ask(invite, signer)));
    expect(new Set(answers.map((one) => one.state))).toEqual(new Set(["enrolled"]));
  });

  test("waits for an operator where the policy says so, past the invite's time, and is told when it is refused", async () => {
    await open({ approve: "ask" });
    const invite = await desk.invite();
    expect(await desk.ask(invite, gateway, MACHINE)).toEqual({ state: "waiting" });
    desk.log.clock.now += 7200;
    expect(await desk.ask(invite, gateway, MACHINE)).toEqual({ state: "waiting" });
    expect(await desk.sequence()).toBe(0);
    const [listed] = desk.requests.list();
    expect(listed?.request).toMatchObject({ device: "city/gw-1", key: gateway.key, machine: MACHINE });
    await desk.requests.refused(listed?.name ?? "", "not ours");
    await expect(desk.ask(invite, gateway, MACHINE)).rejects.toThrow(/an operator refused it: not ours/);
  });

  test("with an invite to re-enrol gets a new key, and its old one won't do", async () => {
    await open();
    await enrol();
    const invite = await desk.invite("city/gw-1", { reEnrol: "disk lost" });
    await expect(desk.ask(invite, gateway, MACHINE)).rejects.toThrow(refusedWith("key-exists"));
    const fresh = deviceSigner("fresh");
    expect(await desk.ask(invite, fresh, MACHINE)).toEqual({ state: "waiting" });
    await desk.sequence();
    expect(await desk.ask(invite, fresh, MACHINE)).toMatchObject({ state: "enrolled", again: true });
    expect(desk.log.opened.keys.current("city/gw-1")).toMatchObject({ kid: fresh.key.kid, reEnrolled: true });
  });
});

describe("refused, with the reason", () => {
  test("a stolen invite, by another key, before and after the device used it: flagged", async () => {
    await open();
    const invite = await desk.invite();
    await desk.ask(invite, gateway, MACHINE);
    await expect(desk.ask(invite, thief)).rejects.toThrow(refusedWith("invite-used"));
    await desk.sequence();
    await desk.ask(invite, gateway, MACHINE);
    await expect(desk.ask(invite, thief)).rejects.toThrow(refusedWith("invite-used"));
    expect(desk.alarms()).toEqual(["invite-used", "invite-used"]);
    expect(desk.tally.of("invite-used")).toBe(2);
    expect(desk.log.opened.keys.get(thief.key.kid)).toBeUndefined();
  });

  test("two keys at the same moment: one of them", async () => {
    await open();
    const invite = await desk.invite();
    const signers = Array.from({ length: 12 }, (_, i) => deviceSigner(`racer ${i}`));
    const outcomes = await Promise.allSettled(signers.map((signer) => desk.ask(invite, signer)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await desk.sequence()).toBe(1);
  });

  test("after its time", async () => {
    await open();
    const invite = await desk.invite("city/gw-1", { expiresS: 60 });
    desk.log.clock.now += 60;
    await expect(desk.ask(invite, gateway)).rejects.toThrow(refusedWith("invite-expired"));
  });

  test("for another device", async () => {
    await open();
    const invite = await desk.invite("city/gw-1");
    await expect(desk.ask({ ...invite, device: "city/gw-2" }, gateway)).rejects.toThrow(
      refusedWith("invite-device"),
    );
  });

  test("withdrawn", async () => {
    await open();
    const invite = await desk.invite();
    await desk.invites.use(invite.id, { atUnixS: desk.log.clock.now });
    await expect(desk.ask(invite, gateway)).rejects.toThrow(/withdrawn/);
  });

  test("an id that nobody gave out, and a wrong secret: alike", async () => {
    await open();
    const invite = await desk.invite();
    const wrong = [
      { ...invite, id: new Uint8Array(16) },
      { ...invite, secret: new Uint8Array(16) },
    ];
    const messages = await Promise.all(
      wrong.map((one) =>
        desk.ask(one, gateway).then(String, (error: Error) => `${error.message} ${refusedCode(error)}`),
      ),
    );
    expect(messages[0]).toBe(messages[1]);
    expect(messages[0]).toContain("invite-unknown");
    expect(await desk.ask(invite, gateway)).toEqual({ state: "waiting" });
  });

  test("a copied image: the same key from two machines, with the same invite or another: flagged", async () => {
    await open({ approve: "ask" });
    const invite = await desk.invite();
    await desk.ask(invite, gateway, MACHINE);
    await expect(desk.ask(invite, gateway, OTHER_MACHINE)).rejects.toThrow(refusedWith("machine-mismatch"));
    const second = await desk.invite("city/gw-2");
    await expect(desk.ask(second, gateway, OTHER_MACHINE)).rejects.toThrow(refusedWith("key-exists"));
    expect(desk.alarms()).toEqual(["machine-mismatch", "key-exists"]);
  });

  test("a copied image of a device that is enrolled: flagged", async () => {
    await open();
    const invite = await enrol();
    await expect(desk.ask(invite, gateway, OTHER_MACHINE)).rejects.toThrow(refusedWith("machine-mismatch"));
    await expect(desk.ask(invite, gateway)).rejects.toThrow(refusedWith("machine-mismatch"));
    const second = await desk.invite("city/gw-2");
    await expect(desk.ask(second, gateway, OTHER_MACHINE)).rejects.toThrow(refusedWith("key-exists"));
    expect(desk.alarms()).toHaveLength(3);
  });

  test("a second key for a device that has one", async () => {
    await open();
    const [first, second] = [await desk.invite(), await desk.invite()];
    await desk.ask(first, gateway);
    await desk.sequence();
    await expect(desk.ask(second, thief)).rejects.toThrow(refusedWith("key-exists"));
    // Asked before the first was there: the registry decides, and its word comes back.
    expect(await desk.sequence()).toBe(0);
  });

  test("two invites of one device, used by two keys before the registry had either: one, and the other is told", async () => {
    await open();
    const [first, second] = [await desk.invite(), await desk.invite()];
    await desk.ask(first, gateway);
    await desk.ask(second, thief);
    expect(await desk.sequence()).toBe(1);
    expect(await desk.ask(first, gateway)).toMatchObject({ state: "enrolled" });
    await expect(desk.ask(second, thief)).rejects.toThrow(refusedWith("key-exists"));
  });

  test("an anchor that shows another certificate hears nothing", async () => {
    await open();
    const invite = await desk.invite();
    const wrong = { ...invite, anchor: { ...invite.anchor, pin: `sha256:${"0".repeat(64)}` } };
    await expect(desk.ask(wrong, gateway)).rejects.toThrow(refusedWith("tls-pin"));
    expect(desk.tally.of("invite-unknown") + desk.tally.of("enrol-waiting")).toBe(0);
  });

  test("nobody listens", async () => {
    await open();
    const invite = await desk.invite();
    const wrong = { ...invite, anchor: { ...invite.anchor, url: "https://127.0.0.1:1" } };
    await expect(desk.ask(wrong, gateway)).rejects.toThrow(refusedWith("unreachable"));
  });
});

const closing = async (socket: Socket): Promise<void> => {
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
};

const refusedCode = (error: Error): string => ("code" in error ? String(error.code) : "");

/** A connection of an attacker's own, and what the anchor answers on it. */
async function dial(): Promise<TLSSocket> {
  const { port } = new URL(desk.server.url);
  const socket = connect({ port: Number(port), host: "127.0.0.1", rejectUnauthorized: false });
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  return socket;
}

async function post(socket: TLSSocket, body: Uint8Array): Promise<{ status: number; code: string }> {
  const head = `POST /enrol HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`;
  socket.write(Buffer.concat([Buffer.from(head), body]));
  const text = await textOf(socket);
  return { status: Number(text.split(" ")[1]), code: /"code":"([a-z-]+)"/.exec(text)?.[1] ?? "" };
}

async function textOf(socket: TLSSocket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await closing(socket);
  return text;
}

const claimsFor = (
  socket: TLSSocket,
  { device, id, secret }: Invite,
  other: Partial<EnrolClaims> = {},
): EnrolClaims => ({
  iss: device,
  aud: peerPin(socket) ?? "",
  exporter: exporterOf(socket),
  invite: id,
  secret,
  ...other,
});

describe("on the wire", () => {
  test("a request that was overheard is worth nothing on another connection", async () => {
    await open();
    const invite = await desk.invite();
    const [first, second] = [await dial(), await dial()];
    const body = await sealEnrolRequest(claimsFor(first, invite), gateway);
    expect(await post(second, body)).toEqual({ status: 403, code: "token-binding" });
    expect(await post(first, body)).toMatchObject({ status: 202 });
  });

  test("nor is one for another anchor, nor one that another key signed, nor one that was altered", async () => {
    await open();
    const invite = await desk.invite();
    const other = readTls(selfSigned(desk.log.folder, "other")).pin;
    const elsewhere = await dial();
    const forAnother = await sealEnrolRequest(claimsFor(elsewhere, invite, { aud: other }), gateway);
    expect((await post(elsewhere, forAnother)).code).toBe("token-binding");
    const socket = await dial();
    const borrowed = { key: gateway.key, sign: (message: Uint8Array) => thief.sign(message) };
    const notItsOwn = await sealEnrolRequest(claimsFor(socket, invite), borrowed);
    expect((await post(socket, notItsOwn)).code).toBe("signature-invalid");
    const again = await dial();
    const altered = await sealEnrolRequest(claimsFor(again, invite), gateway);
    altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1;
    expect((await post(again, altered)).code).toBe("signature-invalid");
    expect(desk.invites.find(invite.id)?.use).toBeUndefined();
  });

  test("what is no request is told so; what is too large is not read", async () => {
    await open();
    expect(await post(await dial(), encodeCbor(new Map()))).toEqual({ status: 403, code: "token-malformed" });
    expect(await post(await dial(), new Uint8Array(0))).toEqual({ status: 403, code: "token-malformed" });
    expect(await post(await dial(), new Uint8Array(2049))).toEqual({ status: 413, code: "too-large" });
    const socket = await dial();
    socket.write("POST /enrol HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (let i = 0; i < 100 && socket.writable; i++) socket.write(`400\r\n${"a".repeat(1024)}\r\n`);
    expect(await textOf(socket)).toContain("413");
  });

  test("guesses of a secret end soon: an address may only try so often", async () => {
    await open({ perAddressPerMinute: 60 });
    const invite = await desk.invite();
    const codes: string[] = [];
    for (let i = 0; i < 12; i++) {
      const guess = { ...invite, secret: new Uint8Array(16).fill(i) };
      codes.push(
        await desk.ask(guess, thief).then(
          () => "in",
          (error: Error) => refusedCode(error),
        ),
      );
    }
    expect(codes.slice(0, 6)).toEqual(Array.from({ length: 6 }, () => "invite-unknown"));
    expect(codes.slice(6)).toEqual(Array.from({ length: 6 }, () => "rate-limited"));
  });

  test("a client that sends slowly is cut off, and others are served meanwhile", async () => {
    await open({ requestMs: 1500 });
    const invite = await desk.invite();
    const slow = await dial();
    slow.write("POST /enrol HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
    const trickle = setInterval(() => slow.writable && slow.write("a"), 500);
    const beganMs = performance.now();
    expect(await desk.ask(invite, gateway)).toEqual({ state: "waiting" });
    await textOf(slow);
    clearInterval(trickle);
    expect(performance.now() - beganMs).toBeLessThan(15_000);
  });

  test("one address has so many connections, and no more", async () => {
    await open({ maxPerAddress: 4 });
    const { port } = new URL(desk.server.url);
    const sockets = Array.from({ length: 12 }, () => {
      const socket = connectTcp(Number(port), "127.0.0.1");
      socket.on("error", () => undefined);
      return socket;
    });
    await Promise.all(sockets.slice(4).map((socket) => closing(socket)));
    expect(sockets.slice(0, 4).map(({ closed }) => closed)).toEqual([false, false, false, false]);
    for (const socket of sockets) socket.destroy();
    await Promise.all(sockets.slice(0, 4).map((socket) => closing(socket)));
    const invite = await desk.invite();
    await expect.poll(() => desk.ask(invite, gateway).catch(refusedCode)).toEqual({ state: "waiting" });
  });

  test("whoever connects over and over costs no more handshakes after a while, and the log not a line", async () => {
    await open();
    const { port } = new URL(desk.server.url);
    const before = desk.logged.length;
    let shaken = 0;
    for (let i = 0; i < 700; i += 20) {
      const sockets = Array.from({ length: 20 }, () =>
        connect({ port: Number(port), host: "127.0.0.1", rejectUnauthorized: false }),
      );
      for (const socket of sockets)
        socket.on("error", () => undefined).once("secureConnect", () => (shaken += 1) && socket.destroy());
      await Promise.all(sockets.map(closing));
    }
    expect(shaken).toBe(600);
    expect(desk.logged.length).toBe(before);
  });

  test("TLS 1.2 is not spoken", async () => {
    await open();
    const { port } = new URL(desk.server.url);
    const socket = connect({
      port: Number(port),
      host: "127.0.0.1",
      rejectUnauthorized: false,
      maxVersion: "TLSv1.2",
    });
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toMatch(/PROTOCOL_VERSION|ECONNRESET/);
  });

  test("a renewed certificate is shown to the next, and the invite still holds", async () => {
    await open();
    const invite = await desk.invite();
    selfSigned(desk.log.folder, "anchor", { key: desk.certificate.key });
    await expect
      .poll(() => desk.logged.some(({ message }) => message.includes("renewed")), { timeout: 5000 })
      .toBe(true);
    expect(await desk.ask(invite, gateway)).toEqual({ state: "waiting" });
  });

  test("strangers get the public directory and the items, and nothing else", async () => {
    await open();
    const statusOf = async (path: string): Promise<number> => {
      const asked = request(`${desk.server.url}${path}`, { rejectUnauthorized: false, agent: false });
      asked.end();
      const [response] = (await once(asked, "response")) as [{ statusCode: number; resume(): void }];
      response.resume();
      return response.statusCode;
    };
    const [shown, hidden] = [
      ["/checkpoint", "/registry/000.p/1", "/tile/0/000.p/1", "/items?from=0"],
      ["/statements/00", "/keys/00", "/streams", "/chains/00", "/healthz", "/metrics", "/enrol", "/"],
    ];
    expect(await Promise.all(shown.map(statusOf))).toEqual(shown.map(() => 200));
    expect(await Promise.all(hidden.map(statusOf))).toEqual(hidden.map(() => 404));
  });
});

test("the anchor keeps no secret", async () => {
  await open();
  const invite = await desk.invite();
  await desk.ask(invite, gateway);
  const { data } = desk.config;
  const secret = Buffer.from(invite.secret);
  for (const file of readdirSync(data, { recursive: true, encoding: "utf8" })) {
    let bytes: Buffer;
    try {
      bytes = readFileSync(join(data, file));
    } catch {
      continue; // a folder
    }
    expect(bytes.includes(secret) || bytes.includes(secret.toString("hex"))).toBe(false);
  }
  expect(JSON.stringify(desk.logged)).not.toContain(toHex(invite.secret));
});

test("whoever died after taking the invite goes on where he was", async () => {
  await open();
  const invite = await desk.invite();
  // The invite is used, and nothing else was done.
  await desk.invites.use(invite.id, { kid: gateway.key.kid, atUnixS: desk.log.clock.now });
  expect(await desk.ask(invite, gateway)).toEqual({ state: "waiting" });
  // The item is in the inbox, and nobody noted it.
  const [listed] = desk.requests.list();
  const { requests } = placesOf(desk.config);
  rmSync(join(requests, `${listed?.name}.approved`));
  expect(await desk.ask(invite, gateway)).toEqual({ state: "waiting" });
  expect(await desk.sequence()).toBe(1);
  expect(await desk.ask(invite, gateway)).toMatchObject({ state: "enrolled" });
  expect(desk.requests.list()).toEqual([]);
});

test.runIf(need("faketime"))("a device whose clock stands in 1970 enrols", async () => {
  await open();
  const invite = await desk.invite();
  const script = fileURLToPath(new URL("../../support/ask-once.ts", import.meta.url));
  const child = spawn("faketime", ["1970-01-02 00:00:00", process.execPath, script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(JSON.stringify({ ...invite, id: toHex(invite.id), secret: toHex(invite.secret) }));
  let told = "";
  child.stdout.on("data", (chunk: Buffer) => (told += chunk.toString()));
  await once(child, "close");
  expect(JSON.parse(told)).toEqual({ year: 1970, state: "waiting" });
});
