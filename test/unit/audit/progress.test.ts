import { describe, expect, test } from "vitest";
import { terminalProgress } from "@tallystick/evidence/node";

/** A terminal that keeps what is written to it. */
function terminal(isTTY: boolean): { stream: NodeJS.WriteStream; written: string[] } {
  const written: string[] = [];
  const write = (text: string): boolean => written.push(text) > 0;
  return { stream: { isTTY, write } as unknown as NodeJS.WriteStream, written };
}

describe("progress", () => {
  test("is shown on a terminal after two seconds, at most five times a second, and wiped at the end", () => {
    const { stream, written } = terminal(true);
    let now = 1000;
    const progress = terminalProgress("log", stream, () => now);
    for (let i = 0; i < 300; i++, now += 10) progress.update(i, 300, "entries");
    expect(written).toHaveLength(5);
    expect(written[0]).toContain("log: 200 of 300 entries (66 %), 100/s");
    progress.done();
    expect(written.at(-1)).toBe("\r\u001b[K");
  });

  test("writes nothing into pipes, nor for what is quick", () => {
    const pipe = terminal(false);
    let now = 0;
    const piped = terminalProgress("log", pipe.stream, () => now);
    now = 10_000;
    piped.update(1, 2, "entries");
    piped.done();
    expect(pipe.written).toEqual([]);
    const quick = terminal(true);
    const progress = terminalProgress("log", quick.stream, () => 1);
    progress.update(1, 2, "entries");
    progress.done();
    expect(quick.written).toEqual([]);
  });
});
