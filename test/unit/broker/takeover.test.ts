/**
 * Connections of one client id that come and go at the same moment: whoever closes is gone, and the newest one stays.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { Dice } from "../../support/dice.ts";
import { closed, connected, eventually, startBroker, type Running, connectPacket } from "./start.ts";

/** A device leaves a will, which goes out where its connection breaks. */
const greeting = (clientId: string, clean: boolean): Buffer =>
  connectPacket(clientId, {
    clean,
    ...(clientId.startsWith("acme/") && {
      will: { topic: `tally/v1/${clientId}/state`, payload: Buffer.from("{}"), qos: 1, retain: true },
    }),
  });

/** A connection on which nothing was said. */
async function silent({ port }: Running): Promise<Socket> {
  const socket = connect(port, "127.0.0.1").on("error", () => undefined);
  socket.resume();
  onTestFinished(() => void socket.destroy());
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  return socket;
}

/** A connection that has sent CONNECT, and whatever becomes of it. */
async function opened(broker: Running, clientId: string, clean: boolean): Promise<Socket> {
  const socket = await silent(broker);
  socket.write(greeting(clientId, clean));
  return socket;
}

test("of many that come under few ids and go at any moment, none is counted when all are gone", async () => {
  const broker = await startBroker();
  const dice = new Dice(7);
  for (let round = 0; round < 60; round++) {
    const sockets = await Promise.all(
      Array.from({ length: 12 }, () => opened(broker, `acme/gw-${dice.whole(0, 2)}`, dice.whole(0, 1) === 0)),
    );
    await Promise.all(
      sockets.map(async (socket) => {
        if (dice.whole(0, 1) === 0) await delay(dice.whole(0, 3));
        if (dice.whole(0, 1) === 0) socket.resetAndDestroy();
        else socket.destroy();
      }),
    );
  }
  await eventually(async () => (await broker.metric("connections")) === 0);
});

/** So many subscriptions take a moment to end, in which a newcomer has the place already and waits. */
const FILTERS = Array.from({ length: 16 }, (_, i) => `tally/v1/acme/gw-${i}/up`);

const SERVICES = Array.from({ length: 60 }, (_, i) => ({
  id: `reader-${i}`,
  publish: [],
  subscribe: ["up" as const],
  whenSlow: "drop" as const,
}));

test("one that hangs up while it waits for its predecessor's end was never there, nor is that one any more", async () => {
  const broker = await startBroker({ services: SERVICES });
  for (const [round, { id }] of SERVICES.entries()) {
    const before = await connected(broker, id);
    await before.subscribeAsync(FILTERS, { qos: 1 });
    if (round % 3 === 0) before.end(true);
    const newcomer = await opened(broker, id, round % 2 === 0);
    await delay((round % 12) / 4);
    newcomer.resetAndDestroy();
    before.end(true);
  }
  await eventually(async () => (await broker.metric("connections")) === 0, 2000);
  const replaced = broker.codes.filter((code) => code === "client-replaced").length;
  expect(replaced).toBeGreaterThan(0);
  for (const { id } of SERVICES) await (await connected(broker, id)).endAsync();
  expect(broker.codes.filter((code) => code === "client-replaced")).toHaveLength(replaced);
});

test("of several that come at once under one id, one stays, and a later one takes its place", async () => {
  const broker = await startBroker();
  for (let round = 0; round < 40; round++) {
    const id = `acme/gw-${round}`;
    const before = await connected(broker, id);
    await before.subscribeAsync(`tally/v1/${id}/down`, { qos: 1 });
    const sockets = await Promise.all(Array.from({ length: 5 }, () => opened(broker, id, round % 2 === 0)));
    await eventually(() => sockets.filter((socket) => !socket.destroyed).length === 1);
    const [left] = sockets.filter((socket) => !socket.destroyed);
    const next = await connected(broker, id);
    await closed(left as Socket);
    expect(await broker.metric("connections")).toBe(1);
    await next.endAsync();
    await eventually(async () => (await broker.metric("connections")) === 0);
  }
});

test("of several whose CONNECT comes in the same moment one stays, and can be told from those before", async () => {
  const broker = await startBroker();
  const id = "acme/gw-1";
  const before = await connected(broker, id, { clean: false });
  await before.subscribeAsync(`tally/v1/${id}/down`, { qos: 1 });
  const all: Socket[] = [];
  for (let burst = 0; burst < 3; burst++) {
    const sockets = await Promise.all(Array.from({ length: 20 }, () => silent(broker)));
    await delay(20); // the broker has taken all of them: what comes now comes in one turn
    for (const socket of sockets) socket.write(greeting(id, false));
    all.push(...sockets);
    await eventually(() => all.filter((socket) => !socket.destroyed).length === 1, 3000);
    expect(before.connected).toBe(false);
  }
  expect(await broker.metric("connections")).toBe(1);
  const next = await connected(broker, id, { clean: false });
  await eventually(() => all.every((socket) => socket.destroyed));
  await next.endAsync();
  await eventually(async () => (await broker.metric("connections")) === 0);
});
