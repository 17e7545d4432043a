import { expect, test } from "vitest";
import { Retained } from "../../../broker/src/messages/retained.ts";
import { Sessions, type Stored } from "../../../broker/src/messages/sessions.ts";

const BOUNDS = { maxMessages: 10, maxBytes: 100_000 };

let counter = 0;
const message = (topic: string, text: string): Stored =>
  ({
    cmd: "publish",
    topic,
    payload: Buffer.from(text),
    qos: 1,
    retain: false,
    dup: false,
    brokerId: "b",
    brokerCounter: ++counter,
  }) as unknown as Stored;

function opened(options: Partial<ConstructorParameters<typeof Sessions>[0]> = {}) {
  const dropped: string[] = [];
  const acknowledged: number[] = [];
  const sessions = new Sessions({
    max: 10,
    maxBytes: 1 << 20,
    expireMs: 1000,
    boundsOf: () => BOUNDS,
    dropped: (client) => dropped.push(client),
    acknowledged: (_, brokerCounter) => acknowledged.push(brokerCounter),
    ...options,
  });
  return { sessions, dropped, acknowledged };
}

test("a message is kept once for a client whose filters overlap, until it is acknowledged", () => {
  const { sessions, acknowledged } = opened();
  sessions.open("a", 0);
  sessions.subscribe("a", [
    { topic: "t/+", qos: 1 },
    { topic: "t/x", qos: 1 },
    { topic: "t/zero", qos: 0 },
  ]);
  expect(sessions.clientsFor("t/x")).toEqual(["a"]);
  expect(sessions.clientsFor("u/x")).toEqual([]);
  const kept = message("t/x", "1");
  expect(sessions.isKept("a", kept.brokerCounter)).toBe(false);
  sessions.keep("a", kept);
  expect(sessions.isKept("a", kept.brokerCounter)).toBe(true);
  expect(sessions.isKept("b", kept.brokerCounter)).toBe(false);
  sessions.identify("a", kept.brokerCounter, 77);
  expect(sessions.acknowledge("a", 78)).toBeUndefined();
  expect(sessions.waiting("a").map(({ dup, messageId }) => [dup, messageId])).toEqual([[true, 77]]);
  expect(sessions.acknowledge("a", 77)?.payload.toString()).toBe("1");
  expect(sessions.acknowledge("a", 77)).toBeUndefined();
  expect(acknowledged).toEqual([kept.brokerCounter]);
  expect(sessions.bytes).toBe(0);
});

test.each([6, 20_000])(
  "of %i bytes that are kept no others are kept alive, and one copy does for all",
  (length) => {
    const { sessions } = opened();
    const retained = new Retained(10, () => {});
    const read = Buffer.from(new ArrayBuffer(65_536));
    const packet = { ...message("t", ""), payload: read.subarray(100, 100 + length) };
    retained.store(packet);
    for (const id of ["a", "b"]) {
      sessions.open(id, 0);
      sessions.keep(id, packet);
    }
    const kept = [...retained.matching(["t"]), ...["a", "b"].flatMap((id) => sessions.waiting(id))];
    const buffers = kept.map(({ payload }) => (payload as Buffer).buffer);
    expect(buffers[0]?.byteLength).toBe(length);
    expect(new Set(buffers).size).toBe(1);
  },
);

test("the bounds hold for one client, over all, in messages and bytes", () => {
  const { sessions, dropped } = opened({ maxBytes: 5000 });
  for (const id of ["a", "b"]) sessions.open(id, 0);
  for (let n = 0; n < 12; n++) sessions.keep("a", message("t", "x"));
  expect(dropped).toEqual(["a", "a"]);
  expect(sessions.waiting("a").map(({ brokerCounter }) => brokerCounter)).toEqual(
    sessions
      .waiting("a")
      .map(({ brokerCounter }) => brokerCounter)
      .toSorted((x, y) => x - y),
  );
  sessions.keep("b", message("t", "y".repeat(4000)));
  expect(dropped).toEqual(["a", "a", "b"]);
  sessions.forget("a");
  sessions.keep("b", message("t", "y".repeat(4000)));
  expect(dropped.length).toBe(3);
  sessions.forget("b");
  expect(sessions.bytes).toBe(0);
});

test("absent clients are forgotten in time, present ones never, those that never got in like absent ones", () => {
  const { sessions } = opened({ expireMs: 10_000 });
  for (const id of ["away", "here", "empty", "lost"]) {
    sessions.open(id, 0);
    if (id !== "lost") sessions.here(id);
    if (id !== "empty") sessions.subscribe(id, [{ topic: "t/+", qos: 1 }]);
  }
  sessions.left("away", 100);
  sessions.left("empty", 100);
  sessions.expire(5099);
  expect(sessions.clients()).toEqual(["away", "here", "empty", "lost"]);
  sessions.expire(5100);
  expect(sessions.clients()).toEqual(["away", "here", "lost"]);
  sessions.expire(10_000);
  expect(sessions.clients()).toEqual(["away", "here"]);
  // It tries again, and gets no further: from then on it ages anew.
  sessions.open("away", 10_099);
  sessions.expire(20_098);
  expect(sessions.clients()).toEqual(["away", "here"]);
  sessions.expire(20_099);
  expect(sessions.clientsFor("t/x")).toEqual(["here"]);
});

test("for a filter that the client wants at QoS 0 from now on nothing more is kept", () => {
  const { sessions } = opened();
  sessions.open("a", 0);
  sessions.subscribe("a", [{ topic: "t/+", qos: 1 }]);
  sessions.subscribe("a", [{ topic: "t/+", qos: 0 }]);
  expect(sessions.clientsFor("t/x")).toEqual([]);
  expect(sessions.subscriptionsOf("a")).toEqual([{ topic: "t/+", qos: 0 }]);
});

test("identifiers of a new connection begin behind those on their way; what was kept is no retained message", () => {
  const { sessions } = opened();
  sessions.open("a", 0);
  sessions.subscribe("a", [{ topic: "t/x", qos: 1 }]);
  expect(sessions.identifierFor("a")).toBeUndefined();
  for (const [i, id] of [65_534, 65_535].entries()) {
    const one = Object.assign(message("t/x", String(i)), { retain: true });
    sessions.keep("a", one);
    sessions.identify("a", one.brokerCounter, id);
  }
  expect(sessions.identifierFor("a")).toBe(1);
  expect(sessions.waiting("a").map(({ retain }) => retain)).toEqual([false, false]);
  sessions.acknowledge("a", 65_535);
  expect(sessions.identifierFor("a")).toBe(65_535);
});

test("no more sessions than the bound, but those there are go on", () => {
  const { sessions } = opened({ max: 1 });
  expect([sessions.open("a", 0), sessions.open("b", 0), sessions.open("a", 0)]).toEqual([true, false, true]);
  sessions.subscribe("b", [{ topic: "t", qos: 1 }]);
  expect(sessions.clientsFor("t")).toEqual([]);
});

test("retained: the newest of each topic, found by filter, taken away by an empty one", () => {
  let refused = 0;
  const retained = new Retained(3, () => refused++);
  const put = (topic: string, text: string): void => retained.store(message(topic, text));
  for (const topic of ["s/a", "s/b", "c"]) put(topic, "old");
  put("s/a", "new");
  put("s/c", "too many");
  expect(refused).toBe(1);
  const found = (...filters: string[]): string[] =>
    [...retained.matching(filters)].map(({ topic, payload }) => `${topic}=${payload.toString()}`);
  expect(found("s/+")).toEqual(["s/a=new", "s/b=old"]);
  expect(found("c", "s/x", "+")).toEqual(["c=old", "c=old"]);
  put("c", "");
  expect(found("c")).toEqual([]);
  expect(retained.size).toBe(2);
});
