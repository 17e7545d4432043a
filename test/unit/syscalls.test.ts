/**
 * What the campaign over system calls makes of a trace: a fault that never came is no fault that was borne.
 *
 * @module
 */
import { describe, expect, test } from "vitest";
import { judge, type Case, type Told } from "../syscalls/story.ts";
import type { Call, Fault } from "../syscalls/strace.ts";

const call = (injected = false, pid = "1"): Call => ({
  syscall: "fsync",
  path: "/data/agent.db",
  pid,
  injected,
});
const told = (calls: readonly Call[], code: number | null = 0, words = "", killed = false): Told => ({
  exit: { code, signal: killed ? "SIGKILL" : null },
  words,
  trace: { calls, killed },
  pid: "1",
});
const failed = (nth: number, fault: Fault = "EIO"): Case => ({
  target: "agent",
  group: "database",
  syscall: "fsync",
  nth,
  fault,
});
const howOf = (one: Case, what: Told): string => judge(one, what, () => false).how;

describe("one call of a story is failed", () => {
  test("the story had fewer of its kind: absent", () => {
    expect(howOf(failed(3), told([call(), call()]))).toBe("absent");
    expect(howOf(failed(1, "SIGKILL"), told([]))).toBe("absent");
  });

  test("two threads' calls are not added up, as strace does not", () => {
    expect(howOf(failed(3), told([call(), call(), call(false, "2"), call(false, "2")]))).toBe("absent");
  });

  test("the story had it, and nothing came of it: told", () => {
    expect(howOf(failed(2), told([call(), call()]))).toBe("nothing injected");
    expect(howOf(failed(2, "SIGKILL"), told([call(), call()]))).toBe("nothing injected");
  });

  test("it ended, with a word or by the signal", () => {
    const ended = judge(failed(2), told([call(), call(true)], 1, "[storage-failed]"), () => false);
    expect(ended).toMatchObject({ how: "ended", findings: [] });
    const killed = judge(failed(2, "SIGKILL"), told([call(), call()], null, "", true), () => false);
    expect(killed).toMatchObject({ how: "ended", findings: [] });
  });

  test("it went on as if nothing were: a finding, unless that does no harm", () => {
    const what = told([call(), call(true)]);
    expect(judge(failed(2), what, () => false)).toMatchObject({
      how: "survived",
      findings: [{ invariant: "F7" }],
    });
    expect(judge(failed(2), what, () => true)).toMatchObject({ how: "survived", findings: [] });
  });

  test("it ended without a word of its storage: a finding", () => {
    const what = told([call(), call(true)], 1, "TypeError");
    expect(judge(failed(2), what, () => false).findings).toMatchObject([{ invariant: "F7" }]);
  });
});
