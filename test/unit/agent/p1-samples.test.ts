/**
 * Telegrams of real meters give the values that `../shared/samples/README.md` states. Those values were read from the bytes
 * by other code than ours.
 */
import { describe, expect, test } from "vitest";
import { readingLine } from "../../../agent/src/commands/decode.ts";
import { decodeP1 } from "../../../agent/src/sources/p1/decode.ts";
import { need } from "../../support/require.ts";
import { sharedBytes } from "../../support/shared.ts";

const haveShared = need("shared");

type Line = { n: string; u?: string; v?: string; vs?: string; t: string | null; q: string[] };

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function decode(bytes: Uint8Array, chunkBytes = 4096): Promise<{ lines: Line[]; codes: string[] }> {
  const lines: Line[] = [];
  const codes: string[] = [];
  for await (const frame of decodeP1(inChunks(bytes, chunkBytes))) {
    if ("error" in frame) codes.push(frame.error.code);
    else lines.push(...frame.readings.map((reading) => JSON.parse(readingLine(reading)) as Line));
  }
  return { lines, codes };
}

const sample = (name: string): Uint8Array => sharedBytes(`samples/p1/${name}.txt`);

/** Name, value with unit, and time where it is not the telegram's. */
type Expected = readonly [name: string, value: string, time?: string | null];

const SAMPLES: Readonly<
  Record<string, { time: string | null; quality: readonly string[]; values: readonly Expected[] }>
> = {
  "dsmr-v2.2-iskra-mt382": {
    time: null,
    quality: ["no-checksum"],
    values: [
      ["1-0:1.8.1", "1.001 kWh"],
      ["1-0:1.8.2", "1.001 kWh"],
      ["1-0:2.8.1", "1.001 kWh"],
      ["1-0:2.8.2", "1.001 kWh"],
      ["1-0:1.7.0", "1.01 kW"],
      ["1-0:2.7.0", "0.00 kW"],
      ["0-0:17.0.0", "999.00 kW"],
      ["0-1:24.2.1", "1.001 m3", null],
      ["0-0:96.1.1", "'00000000000000'"],
      ["0-0:96.14.0", "'0001'"],
      ["0-0:96.3.10", "'1'"],
      ["0-0:96.13.0", "''"],
      ["0-1:24.1.0", "'3'"],
      ["0-1:24.4.0", "'1'"],
    ],
  },
  "dsmr-v3-iskra-mt382": {
    time: null,
    quality: ["no-checksum"],
    values: [
      ["1-0:1.8.1", "12345.678 kWh"],
      ["1-0:2.8.2", "12345.678 kWh"],
      ["1-0:1.7.0", "1.19 kW"],
      ["0-0:17.0.0", "16 A"],
      ["0-1:24.2.1", "1.001 m3", null],
    ],
  },
  "dsmr-v4.2-kaifa": {
    time: "2016-11-13T19:57:57Z",
    quality: [],
    values: [
      ["1-0:1.8.1", "1581.123 kWh"],
      ["1-0:1.8.2", "1435.706 kWh"],
      ["1-0:2.8.1", "0.000 kWh"],
      ["1-0:1.7.0", "2.027 kW"],
      ["1-0:21.7.0", "0.170 kW"],
      ["1-0:41.7.0", "1.247 kW"],
      ["1-0:61.7.0", "0.209 kW"],
      ["1-0:51.7.0", "6 A"],
      ["0-0:96.14.0", "'0002'"],
      ["0-0:96.7.21", "15"],
      ["0-0:96.7.9", "7"],
      ["1-0:32.32.0", "0"],
      [
        "1-0:99.97.0",
        "'(3)(0-0:96.7.19)(000104180320W)(0000237126*s)(000101000001W)(2147583646*s)(000102000003W)(2317482647*s)'",
      ],
      ["0-1:24.1.0", "'003'"],
      ["0-1:96.1.0", "'4819243993373755377509728609491464'"],
      ["0-1:24.2.1", "981.443 m3", "2016-11-29T19:00:00Z"],
    ],
  },
  "dsmr-v5-spec-like": {
    time: "2017-01-02T18:20:02Z",
    quality: [],
    values: [
      ["1-0:1.8.1", "4.426 kWh"],
      ["1-0:1.8.2", "2.399 kWh"],
      ["1-0:2.8.1", "2.444 kWh"],
      ["1-0:2.8.2", "0.000 kWh"],
      ["1-0:1.7.0", "0.244 kW"],
      ["1-0:32.7.0", "230.0 V"],
      ["1-0:52.7.0", "230.0 V"],
      ["1-0:72.7.0", "229.0 V"],
      ["1-0:31.7.0", "0.48 A"],
      ["1-0:99.97.0", "'(0)(0-0:96.7.19)'"],
      ["0-1:24.2.1", "0.107 m3", "2017-01-02T15:10:05Z"],
    ],
  },
  "fluvius-be-v1.7.1": {
    time: "2020-05-12T11:54:09Z",
    quality: [],
    values: [
      ["0-0:96.1.4", "'50217'"],
      ["1-0:1.8.1", "0.034 kWh"],
      ["1-0:1.8.2", "15.758 kWh"],
      ["1-0:2.8.1", "0.000 kWh"],
      ["1-0:2.8.2", "0.011 kWh"],
      ["1-0:1.4.0", "2.351 kW"],
      ["1-0:1.6.0", "2.589 kW", "2020-05-09T11:45:58Z"],
      [
        "0-0:98.1.0",
        "'(3)(1-0:1.6.0)(1-0:1.6.0)(200501000000S)(200423192538S)(03.695*kW)(200401000000S)(200305122139S)(05.980*kW)(200301000000S)(200210035421W)(04.318*kW)'",
      ],
      ["0-0:17.0.0", "999.9 kW"],
      ["1-0:31.4.0", "999 A"],
      ["0-1:24.1.0", "'003'"],
      ["0-1:24.2.3", "112.384 m3", "2020-05-12T11:45:58Z"],
      ["0-2:24.1.0", "'007'"],
      ["0-2:24.2.1", "872.234 m3", "2020-05-12T11:45:58Z"],
    ],
  },
  "se-landisgyr-e360-a": {
    time: "2021-02-22T15:19:00Z",
    quality: [],
    values: [
      ["1-0:1.8.0", "896.020 kWh"],
      ["1-0:2.8.0", "48.792 kWh"],
      ["1-0:3.8.0", "518.309 kvarh"],
      ["1-0:2.7.0", "0.020 kW"],
      ["1-0:4.7.0", "0.308 kvar"],
      ["1-0:32.7.0", "230.1 V"],
      ["1-0:52.7.0", "232.2 V"],
      ["1-0:72.7.0", "230.4 V"],
    ],
  },
  "se-aidon-ell5": {
    time: "2020-10-20T07:52:22Z", // W in October: +01:00, not the summer time of Stockholm
    quality: [],
    values: [
      ["1-0:1.8.0", "1605.055 kWh"],
      ["1-0:2.8.0", "0.131 kWh"],
      ["1-0:1.7.0", "6.000 kW"],
      ["1-0:3.7.0", "0.200 kvar"],
      ["1-0:32.7.0", "234.4 V"],
      ["1-0:52.7.0", "233.3 V"],
      ["1-0:72.7.0", "235.1 V"],
    ],
  },
  "nl-xmx-no-crc": {
    time: "2018-09-24T11:21:32Z",
    quality: ["no-checksum"],
    values: [
      ["1-0:1.8.1", "11522.839 kWh"],
      ["1-0:1.8.2", "10310.991 kWh"],
      ["1-0:1.7.0", "0.503 kW"],
      ["0-1:24.2.1", "4890.857 m3", "2018-09-24T11:00:00Z"],
    ],
  },
};

const shown = (line: Line | undefined): string | undefined =>
  line?.vs === undefined
    ? line && [line.v, line.u].filter((part) => part !== undefined).join(" ")
    : `'${line.vs}'`;

describe.runIf(haveShared)("P1 samples", () => {
  test.for(Object.entries(SAMPLES))("%s gives its values", async ([name, { time, quality, values }]) => {
    const { lines, codes } = await decode(sample(name));
    expect(codes).toEqual([]);
    for (const [object, value, own] of values) {
      const line = lines.find(({ n }) => n === object);
      expect([object, shown(line), line?.t]).toEqual([object, value, own === undefined ? time : own]);
    }
    const zoneless = name.startsWith("dsmr-v2") || name.startsWith("dsmr-v3");
    for (const line of lines) {
      const gas = zoneless && line.n === "0-1:24.2.1";
      expect([line.n, line.q]).toEqual([line.n, gas ? [...quality, "no-zone"] : quality]);
    }
  });

  test.for(Object.keys(SAMPLES))("%s gives the same in chunks of any size", async (name) => {
    const whole = await decode(sample(name));
    for (const size of [1, 2, 3, 7, 64, 1000]) expect(await decode(sample(name), size)).toEqual(whole);
  });

  test.for(Object.keys(SAMPLES))("each object of %s is a line", async (name) => {
    const { lines } = await decode(sample(name));
    const text = Buffer.from(sample(name)).toString("latin1");
    const objects = text.match(/^\d-\d:[^(\r\n]+/gm)?.map((object) => object.replace("24.3.0", "24.2.1"));
    expect(lines.map(({ n }) => n)).toEqual(objects);
    for (const line of lines) expect(Object.keys(line).join()).toMatch(/^n,(u,v|v|vs),t,q$/);
  });

  // A reader that skips the checksum passes every good telegram: change each digit once.
  test("one changed digit is refused where there is a checksum", async () => {
    for (const name of Object.keys(SAMPLES).filter((key) => SAMPLES[key]?.quality.length === 0)) {
      const bytes = sample(name);
      const end = bytes.lastIndexOf(0x21);
      for (let at = 0; at < end; at++) {
        const byte = bytes[at] ?? 0;
        if (byte < 0x30 || byte > 0x39) continue;
        const changed = bytes.with(at, byte === 0x39 ? 0x30 : byte + 1);
        const { lines, codes } = await decode(changed);
        expect([name, at, codes, lines]).toEqual([name, at, ["p1-crc"], []]);
      }
    }
  });

  test("one changed digit reads no-checksum where there is none", async () => {
    const text = Buffer.from(sample("nl-xmx-no-crc")).toString("latin1");
    const { lines, codes } = await decode(Buffer.from(text.replace("011522.839", "911522.839"), "latin1"));
    expect(codes).toEqual([]);
    expect(lines.find(({ n }) => n === "1-0:1.8.1")).toMatchObject({ v: "911522.839", q: ["no-checksum"] });
  });

  test("any change of one byte before the checksum is refused, unless the byte is noise to begin with", async () => {
    const bytes = sample("dsmr-v4.2-kaifa");
    const end = bytes.lastIndexOf(0x21);
    for (let at = 0; at <= end + 4; at++) {
      for (const value of [0x00, 0x0a, 0x0d, 0x21, 0x2f, 0x41, 0xff]) {
        if (bytes[at] === value) continue;
        const { lines, codes } = await decode(bytes.with(at, value));
        expect([at, value, lines]).toEqual([at, value, []]);
        expect(codes.length).toBeGreaterThan(0);
      }
    }
  });

  test("a capture that lost its carriage returns is still checked", async () => {
    for (const name of Object.keys(SAMPLES)) {
      const text = Buffer.from(sample(name)).toString("latin1").replaceAll("\r", "");
      expect(await decode(Buffer.from(text, "latin1"))).toEqual(await decode(sample(name)));
    }
    const text = Buffer.from(sample("dsmr-v4.2-kaifa")).toString("latin1").replaceAll("\r", "");
    const { codes } = await decode(Buffer.from(text.replace("1581.123", "1581.124"), "latin1"));
    expect(codes).toEqual(["p1-crc"]);
  });

  test("all samples one after the other, with noise between, are all found", async () => {
    const names = Object.keys(SAMPLES);
    const noise = Buffer.from("\0\xffkW)\r\n(00.1!12\r\n", "latin1");
    const stream = Buffer.concat(names.flatMap((name) => [noise, sample(name), noise]));
    const expected = await Promise.all(names.map((name) => decode(sample(name))));
    for (const size of [1, 13, 500, 100_000]) {
      const { lines, codes } = await decode(stream, size);
      expect(codes).toEqual([]);
      expect(lines).toEqual(expected.flatMap((one) => one.lines));
    }
  });
});
