import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Readable } from "node:stream";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { decimal, Float } from "@tallystick/evidence";
import { runCommand, type Command } from "@tallystick/evidence/node";
import { captureBytes } from "../../../agent/src/commands/capture.ts";
import { readingLine, runDecode } from "../../../agent/src/commands/decode.ts";
import { startState, telegram } from "../../../demo/meter.ts";

const GOOD = telegram(startState(1_750_000_000), 1_750_000_000);

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tallystick-decode-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** As main.ts has it, as far as it matters here. */
const DECODE: Command = {
  summary: "",
  usage: "",
  takes: 1,
  options: { kind: { type: "string" }, map: { type: "string" } },
  run: runDecode,
};

/** Runs the command as a shell would. */
async function run(...argv: string[]): Promise<{ exit: number; out: string; err: string }> {
  const written = { out: "", err: "" };
  const catchWrites = (stream: NodeJS.WriteStream, key: "out" | "err") =>
    vi.spyOn(stream, "write").mockImplementation((chunk, encoding, callback) => {
      written[key] += String(chunk);
      (typeof encoding === "function" ? encoding : callback)?.(null);
      return true;
    });
  const spies = [catchWrites(process.stdout, "out"), catchWrites(process.stderr, "err")];
  try {
    return {
      exit: await runCommand("tally-agent", "0", { decode: DECODE }, ["decode", ...argv]),
      ...written,
    };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

async function capture(content: string | Uint8Array): Promise<string> {
  const path = join(folder, "capture");
  await writeFile(path, content);
  return path;
}

describe("tally-agent decode", () => {
  test("prints one object a line, members in order", async () => {
    const { exit, out, err } = await run("--kind", "p1", await capture(GOOD));
    expect([exit, err]).toEqual([0, ""]);
    const lines = out.trimEnd().split("\n");
    expect(lines).toHaveLength(GOOD.toString("latin1").match(/^\d-\d:/gm)?.length ?? 0);
    expect(lines).toContain(`{"n":"1-0:1.8.1","u":"kWh","v":"4271.338","t":"2025-06-15T15:06:40Z","q":[]}`);
    expect(lines).toContain(`{"n":"0-0:96.7.21","v":"3","t":"2025-06-15T15:06:40Z","q":[]}`);
    expect(lines).toContain(`{"n":"0-0:96.14.0","vs":"0002","t":"2025-06-15T15:06:40Z","q":[]}`);
    expect(lines).toContain(`{"n":"0-1:24.2.1","u":"m3","v":"1904.417","t":"2025-06-15T15:00:00Z","q":[]}`);
  });

  test("reads hexadecimal text, in either case and with white space", async () => {
    const binary = await run("--kind", "p1", await capture(GOOD));
    const hex = GOOD.toString("hex").replace(/(.{64})/g, "$1\n");
    for (const text of [hex, hex.toUpperCase(), ` \n${hex}\n`]) {
      expect(await run("--kind", "p1", await capture(text))).toEqual(binary);
    }
  });

  test("a bad frame is exit 1 with its code and place; the good ones are printed all the same", async () => {
    const bad = Buffer.from(GOOD.toString("latin1").replace("4271.338", "4271.339"), "latin1");
    const path = await capture(Buffer.concat([GOOD, bad, GOOD]));
    const { exit, out, err } = await run("--kind", "p1", path);
    expect(exit).toBe(1);
    expect(out.match(/"1-0:1.8.1"/g)).toHaveLength(2);
    expect(err.trimEnd().split("\n")).toHaveLength(1);
    expect(err).toContain("[p1-crc]");
    expect(err).toContain(`${path}: `);
    expect(err).toContain(`byte ${GOOD.length}`);
  });

  test.for<[what: string, content: string, code: string]>([
    ["nothing", "", "p1-malformed"],
    ["no telegram", "hello\n", "p1-malformed"],
    ["half a telegram", GOOD.toString("latin1").slice(0, 100), "p1-malformed"],
    ["hexadecimal with another letter", `${GOOD.toString("hex")}${" ".repeat(70_000)}xyz`, "text-malformed"],
    ["half a byte of hexadecimal", `${GOOD.toString("hex")}a`, "text-malformed"],
  ])("%s is refused", async ([, content, code]) => {
    const { exit, err } = await run("--kind", "p1", await capture(content));
    expect(exit).toBe(1);
    expect(err).toContain(`[${code}]`);
  });

  test("a capture that isn't there is named", async () => {
    const { exit, err } = await run("--kind", "p1", join(folder, "absent"));
    expect(exit).toBe(1);
    expect(err).toContain("absent");
  });

  test.for<[argv: string[]]>([
    [[]],
    [["--kind", "dlms"]],
    [["--kind", "toString"]],
    [["--kind", "p1", "--map", "x"]],
    [["--kind", "p1", "a", "b"]],
    [["--kind", "p1", "--verbose"]],
  ])("%j is a usage error", async ([argv]) => {
    const { exit, err, out } = await run(...argv);
    expect([exit, out]).toEqual([2, ""]);
    if (argv[1] === "dlms") expect(err).toContain("there are: p1");
  });
});

describe("lines", () => {
  test("times have as many digits of a second as there are; floats and bytes are shown", () => {
    const base = { name: "x", quality: [] } as const;
    expect(
      readingLine({ ...base, value: { v: decimal(15, -1) }, time: decimal(1_750_000_000_250n, -3) }),
    ).toBe(`{"n":"x","v":"1.5","t":"2025-06-15T15:06:40.250Z","q":[]}\n`);
    expect(readingLine({ ...base, value: { v: new Float(0.5) }, time: null })).toBe(
      `{"n":"x","v":"0.5","t":null,"q":[]}\n`,
    );
    expect(readingLine({ ...base, value: { vd: Uint8Array.of(0xfb, 0xff) }, time: null })).toContain(
      `"vd":"-_8"`,
    );
    expect(readingLine({ ...base, value: { vb: true }, time: null })).toContain(`"vb":true`);
  });
});

describe("captures", () => {
  const collect = async (pieces: readonly Uint8Array[]): Promise<Buffer> => {
    const parts: Uint8Array[] = [];
    for await (const part of captureBytes(Readable.from(pieces))) parts.push(part);
    return Buffer.concat(parts);
  };
  const cut = (bytes: Uint8Array, size: number): Uint8Array[] =>
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
      bytes.subarray(n * size, (n + 1) * size),
    );

  test("hexadecimal text stands for its bytes wherever it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 100 }),
        fc.integer({ min: 1, max: 50 }),
        async (bytes, size) => {
          const text = Buffer.from(Buffer.from(bytes).toString("hex"), "latin1");
          expect(await collect(cut(text, size))).toEqual(Buffer.from(bytes));
        },
      ),
    );
  });

  test("a telegram is never taken for hexadecimal text", async () => {
    expect(await collect(cut(GOOD, 1))).toEqual(GOOD);
  });
});

describe("lines of a program", () => {
  const hash = "0a".repeat(32);

  test("readings and events, as an agent would take them", async () => {
    const lines = [
      {
        id: "1",
        name: "1-0:1.8.0",
        unit: "kWh",
        v: "001581.120",
        t: "2026-11-20T13:00:00+01:00",
        q: ["estimated"],
      },
      { id: "2", name: "state", vs: "open" },
      {
        id: "3",
        event: { kind: "ref", id: "I-1", type: "invoice", t: 1_795_000_000, hash, refs: [{ line: "1" }] },
      },
    ];
    const text = lines.map((line) => JSON.stringify(line)).join("\n");
    const { exit, out } = await run("--kind", "exec", await capture(`${text}\n`));
    expect(exit).toBe(0);
    expect(
      out
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { n: "1-0:1.8.0", u: "kWh", v: "1581.120", t: "2026-11-20T12:00:00Z", q: ["estimated"] },
      { n: "state", vs: "open", t: null, q: [] },
      { kind: "ref", id: "I-1", type: "invoice", t: "1795000000", hash, refs: ["00".repeat(32)] },
    ]);
  });

  test("a bad one is told with its number and code, and the good ones are shown", async () => {
    const bad = '{"id":"1","name":"n","unit":"furlong","v":1}';
    const { exit, out, err } = await run(
      "--kind",
      "exec",
      await capture(`{"id":"0","name":"n","v":1}\n${bad}\n{"id":"2"`),
    );
    expect(exit).toBe(1);
    expect(out).toContain('"v":"1"');
    expect(err).toContain("senml-unit");
    expect(err).toContain("line-malformed");
    expect(err).toMatch(/line.{0,4}2/);
  });

  test("a time that no calendar has is refused as its line, and the lines after it are shown", async () => {
    const far = (t: string): string => `{"id":"1","name":"n","v":1,"t":${t}}`;
    const lines = [far("99999999999999999999"), far('"8640000000000.001"'), far("8640000000000")];
    const { exit, out, err } = await run("--kind", "exec", await capture(`${lines.join("\n")}\n`));
    expect(exit).toBe(1);
    expect(err.match(/member-range/g)).toHaveLength(2);
    expect(out).toContain('"t":"+275760-09-13T00:00:00Z"');
  });

  test("nothing is no line", async () => {
    const { exit, err } = await run("--kind", "exec", await capture("\n"));
    expect(exit).toBe(1);
    expect(err).toContain("line-malformed");
  });
});
