import {
  decimal,
  examineStreams,
  HeadIndex,
  missingNumbers,
  sha256,
  toHex,
  type Before,
  type ChainFinding,
  type Event,
  type Link,
} from "@tallystick/evidence";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

const chainId = (n: number): Uint8Array => new Uint8Array(8).fill(n);
const hashOf = (name: string): Uint8Array => sha256(new TextEncoder().encode(name));
const KID = new Uint8Array(32).fill(1);

const opened = (before: Before): Event => ({
  kind: "stream-opened",
  before,
  source: "p1",
  interval: decimal(10),
  names: [],
});

type Told = {
  name: string;
  ch?: number;
  seq: number;
  prev?: string;
  event?: Event;
  iss?: string;
  sub?: string;
};
/** A statement as the chain rules see it; its hash is that of its name. */
const link = ({ name, ch = 1, seq, prev, event, iss = "city/gw-1", sub = "meter/a" }: Told): Link => ({
  hash: hashOf(name),
  kid: KID,
  claims: {
    iss,
    sub,
    ch: chainId(ch),
    seq,
    tq: 0,
    lvl: 1,
    ...(prev !== undefined && { prev: hashOf(prev) }),
  },
  ...(event !== undefined && { event }),
});

/** An honest chain `a0`, `a1`, ... of so many statements. */
const chain = (letter: string, length: number, ch: number, before: Before = "none"): Link[] =>
  Array.from({ length }, (_, seq) =>
    link({
      name: `${letter}${seq}`,
      ch,
      seq,
      ...(seq > 0 && { prev: `${letter}${seq - 1}` }),
      ...(seq === 0 && { event: opened(before) }),
    }),
  );
const headOf = (letter: string, seq: number, ch: number): Before => ({
  ch: chainId(ch),
  seq,
  hash: hashOf(`${letter}${seq}`),
});

const findingsOf = (links: readonly Link[]): readonly ChainFinding[] =>
  examineStreams(links).flatMap(({ findings }) => findings);
/** Findings in short: `fork number 1/3`, `hole 2..4`. */
const told = (links: readonly Link[]): string[] =>
  findingsOf(links).map((one) => {
    if (one.code === "hole") return `hole ${one.from}..${one.to}${one.signed ? " signed" : ""}`;
    if (one.code === "fork") return `fork ${one.reason} ${one.ch[0]}/${one.seq}`;
    return `${one.code} ${one.ch[0]}/${one.seq}`;
  });
const gap = (first: number, last: number): Event => ({
  kind: "gap",
  reason: "full",
  count: 1,
  seq: { first, last },
});

describe("an honest stream", () => {
  test("says nothing, whatever the order of arrival, and however often", () => {
    const links = [...chain("a", 5, 1), ...chain("b", 3, 2, headOf("a", 4, 1))];
    fc.assert(
      fc.property(fc.shuffledSubarray([...links, ...links], { minLength: 10 }), (arrived) => {
        const distinct = new Set(arrived.map(({ hash }) => toHex(hash)));
        const forks = findingsOf(arrived).filter(({ code }) => code === "fork");
        expect(forks).toEqual([]);
        const [stream] = examineStreams(arrived);
        expect(stream?.chains.reduce((sum, { statements }) => sum + statements.length, 0)).toBe(
          distinct.size,
        );
      }),
    );
    expect(told(links)).toEqual([]);
    const [stream] = examineStreams(links.toReversed());
    expect(stream).toMatchObject({ iss: "city/gw-1", sub: "meter/a" });
    expect(
      stream?.chains.map(({ ch, statements }) => [ch[0], statements.map(({ claims }) => claims.seq)]),
    ).toEqual([
      [2, [0, 1, 2]],
      [1, [0, 1, 2, 3, 4]],
    ]);
  });

  test("streams and devices are told apart, registry items left out", () => {
    const { ch: _, ...claims } = link({ name: "item", seq: 0 }).claims;
    const links = [
      ...chain("a", 2, 1),
      link({ name: "x0", seq: 0, iss: "city/gw-2", event: opened("none") }),
      link({ name: "y0", seq: 0, sub: "meter/b", event: opened("none") }),
      { hash: hashOf("item"), kid: KID, claims },
    ];
    expect(told(links)).toEqual([]);
    expect(examineStreams(links).map(({ iss, sub }) => `${iss} ${sub}`)).toEqual([
      "city/gw-1 meter/a",
      "city/gw-2 meter/a",
      "city/gw-1 meter/b",
    ]);
  });

  test("a chain of which only the middle is held says nothing of its ends", () => {
    const links = chain("a", 9, 1).slice(3, 6);
    expect(told(links)).toEqual([]);
    expect(examineStreams(links)[0]?.chains[0]?.opened).toBeUndefined();
  });
});

describe("forks", () => {
  test("two statements of one number; the one given first is kept", () => {
    const rival = link({ name: "rival", seq: 2, prev: "a1" });
    const links = [...chain("a", 4, 1), rival];
    expect(findingsOf(links)).toEqual([
      { code: "fork", reason: "number", ch: chainId(1), seq: 2, hashes: [hashOf("a2"), hashOf("rival")] },
    ]);
    expect(examineStreams(links)[0]?.chains[0]?.statements[2]?.hash).toEqual(hashOf("a2"));
    expect(examineStreams([rival, ...links])[0]?.chains[0]?.statements[2]?.hash).toEqual(hashOf("rival"));
  });

  test("a predecessor that is not the one held, on either side", () => {
    const links = chain("a", 5, 1).with(2, link({ name: "other", seq: 2, prev: "elsewhere" }));
    expect(told(links)).toEqual(["fork prev 1/2", "fork prev 1/3"]);
    expect(findingsOf(links)[0]).toMatchObject({ hashes: [hashOf("a1"), hashOf("other")] });
  });

  test("a chain that does not begin with stream-opened", () => {
    expect(told([link({ name: "x", seq: 0 })])).toEqual(["fork opening 1/0"]);
    expect(told([link({ name: "x", seq: 0, event: gap(0, 1) })])).toEqual(["gap 1/0", "fork opening 1/0"]);
  });

  test("two beginnings", () => {
    expect(told([...chain("a", 1, 1), ...chain("b", 1, 2)])).toEqual(["fork beginnings 2/0"]);
  });

  test("two successors of one head", () => {
    const links = [
      ...chain("a", 3, 1),
      ...chain("b", 1, 2, headOf("a", 2, 1)),
      ...chain("c", 1, 3, headOf("a", 2, 1)),
    ];
    expect(told(links)).toEqual(["fork successors 1/2"]);
  });

  test("two successors of a head that is not held", () => {
    expect(told([...chain("b", 1, 2, headOf("a", 2, 1)), ...chain("c", 1, 3, headOf("a", 2, 1))])).toEqual([
      "fork successors 1/2",
    ]);
  });

  test("two successors of one chain, behind two of its heads, be it held or not", () => {
    const after = [...chain("b", 1, 2, headOf("a", 1, 1)), ...chain("c", 1, 3, headOf("a", 3, 1))];
    expect(told(after)).toEqual(["fork successors 1/3"]);
    expect(told([...chain("a", 4, 1), ...after])).toEqual(["fork successors 1/1", "fork successors 1/3"]);
  });

  test("many openings behind one chain, and many rivals of two numbers, cost no more than there are of them", () => {
    const many = 20_000;
    const openings = Array.from({ length: many }, (_, n) => {
      const before: Before = { ch: chainId(1), seq: n + 1, hash: hashOf("x") };
      const opening = link({ name: `o${n}`, seq: 0, event: opened(before) });
      const ch = new Uint8Array(8);
      new DataView(ch.buffer).setUint32(0, n + 1);
      return { ...opening, claims: { ...opening.claims, ch } };
    });
    const rivals = [5, 6].flatMap((seq) =>
      Array.from({ length: many / 4 }, (_, n) => link({ name: `r${seq} ${n}`, seq, prev: `p${n}` })),
    );
    const started = performance.now();
    expect(findingsOf([...openings, ...chain("a", many, 1)]).length).toBeGreaterThan(many);
    expect(told(rivals)).toEqual(["fork number 1/5", "fork number 1/6", "fork prev 1/6"]);
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test("a chain that went on after its successor opened", () => {
    const links = [...chain("a", 5, 1), ...chain("b", 1, 2, headOf("a", 2, 1))];
    expect(told(links)).toEqual(["fork successors 1/2"]);
  });

  test("an opening that names another head than the one held", () => {
    const links = [...chain("a", 3, 1), ...chain("b", 1, 2, headOf("x", 2, 1))];
    expect(told(links)).toEqual(["fork head 1/2"]);
  });

  test("a later stream-opened inside a chain is an event like any other", () => {
    const links = [...chain("a", 2, 1), link({ name: "a2", seq: 2, prev: "a1", event: opened("none") })];
    expect(told(links)).toEqual([]);
  });
});

describe("holes, gaps, discontinuities", () => {
  test("what is missing between those held", () => {
    expect(told(chain("a", 10, 1).filter(({ claims }) => ![2, 5, 6].includes(claims.seq)))).toEqual([
      "hole 2..2",
      "hole 5..6",
    ]);
  });

  test("signed gaps explain holes, each as far as it reaches", () => {
    const held = chain("a", 12, 1).filter(({ claims }) => claims.seq < 3 || claims.seq > 8);
    const links = [...held, link({ name: "a12", seq: 12, prev: "a11", event: gap(4, 5) })];
    expect(told(links)).toEqual(["hole 3..3", "hole 4..5 signed", "hole 6..8", "gap 1/12"]);
    const wide = [...held, link({ name: "a12", seq: 12, prev: "a11", event: gap(0, 99) })];
    expect(told(wide)).toEqual(["hole 3..8 signed", "gap 1/12"]);
  });

  test("a gap in time is told and explains no hole", () => {
    const event: Event = { kind: "gap", reason: "off", count: 9, time: { from: decimal(1), to: decimal(2) } };
    const links = [...chain("a", 3, 1).slice(0, 1), link({ name: "a2", seq: 2, prev: "a1", event })];
    expect(told(links)).toEqual(["hole 1..1", "gap 1/2"]);
    expect(findingsOf(links)[1]).toEqual({ code: "gap", ch: chainId(1), seq: 2, gap: event });
  });

  test("a chain after a lost one", () => {
    const links = chain("b", 2, 2, { lost: "disk replaced" });
    expect(findingsOf(links)).toEqual([
      { code: "discontinuity", ch: chainId(2), seq: 0, kid: KID, reason: "disk replaced" },
    ]);
  });

  test("the numbers missing of a range", () => {
    const [stream] = examineStreams(
      chain("a", 10, 1).filter(({ claims }) => ![0, 4, 9].includes(claims.seq)),
    );
    const held = stream?.chains[0];
    if (held === undefined) throw new Error("no chain");
    expect(missingNumbers(held, { from: 0, to: 12 })).toEqual([
      { from: 0, to: 0 },
      { from: 4, to: 4 },
      { from: 9, to: 12 },
    ]);
    expect(missingNumbers(held, { from: 5, to: 8 })).toEqual([]);
    expect(missingNumbers(held, { from: 20, to: 21 })).toEqual([{ from: 20, to: 21 }]);
    expect(missingNumbers(held, { from: 4, to: 4 })).toEqual([{ from: 4, to: 4 }]);
  });

  test("a wide range costs no more than what is held", () => {
    const links = [link({ name: "x", seq: 5 }), link({ name: "y", seq: Number.MAX_SAFE_INTEGER - 1 })];
    expect(told(links)).toEqual([`hole 6..${Number.MAX_SAFE_INTEGER - 2}`]);
  });
});

describe("heads", () => {
  const head = (
    seq: number,
    name: string,
    ch = 1,
  ): { sub: string; ch: Uint8Array; seq: number; hash: Uint8Array } => ({
    sub: "meter/a",
    ch: chainId(ch),
    seq,
    hash: hashOf(name),
  });
  const saying = (name: string, heads: ReturnType<typeof head>[], more: Partial<Told> = {}): Link =>
    link({ name, seq: 1, sub: "sys", ch: 9, event: { kind: "heads", all: false, heads }, ...more });

  test("name exactly one statement of the same device", () => {
    const index = new HeadIndex([
      saying("h1", [head(4, "a4")]),
      saying("h2", [head(7, "a7"), head(1, "b1", 2)]),
    ]);
    expect(index.attests("city/gw-1", head(4, "a4"))?.hash).toEqual(hashOf("h1"));
    expect(index.attests("city/gw-1", head(7, "a7"))?.hash).toEqual(hashOf("h2"));
    expect(index.attests("city/gw-1", head(5, "a5"))).toBeUndefined();
    expect(index.attests("city/gw-2", head(4, "a4"))).toBeUndefined();
    expect(index.attests("city/gw-1", head(4, "a4", 2))).toBeUndefined();
    expect(index.attests("city/gw-1", { ...head(4, "a4"), sub: "meter/b" })).toBeUndefined();
    expect(index.newest("city/gw-1", "meter/a", chainId(1))?.head.seq).toBe(7);
    expect(index.newest("city/gw-1", "meter/a", chainId(2))?.head.seq).toBe(1);
    expect(index.newest("city/gw-1", "meter/b", chainId(1))).toBeUndefined();
  });

  test("another hash at the same number contradicts", () => {
    const index = new HeadIndex([
      saying("h1", [head(4, "a4")]),
      saying("h2", [head(4, "x4")]),
      saying("h3", [head(4, "a4")]),
    ]);
    expect(index.attests("city/gw-1", head(4, "a4"))?.hash).toEqual(hashOf("h1"));
    expect(index.attests("city/gw-1", head(4, "x4"))?.hash).toEqual(hashOf("h2"));
    expect(index.contradicts("city/gw-1", head(4, "a4"))?.by.hash).toEqual(hashOf("h2"));
    expect(index.contradicts("city/gw-1", head(4, "x4"))?.by.hash).toEqual(hashOf("h1"));
    expect(index.contradicts("city/gw-1", head(5, "a5"))).toBeUndefined();
  });

  test("only heads on sys count", () => {
    const index = new HeadIndex([
      saying("h1", [head(4, "a4")], { sub: "meter/a" }),
      link({ name: "g", seq: 2, sub: "sys", event: gap(4, 4) }),
    ]);
    expect(index.attests("city/gw-1", head(4, "a4"))).toBeUndefined();
  });
});
