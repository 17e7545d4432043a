/** What the agent says it consists of: the same that anybody finds with two commands. */
import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { decodeEat, encodeEat, toHex } from "@tallystick/evidence";
import { hashFiles, lookAtSelf } from "../../../agent/src/self/self.ts";
import { BOOT_EVIDENCE } from "../../support/statements.ts";

/** As docs/formats.md has it. */
const LIST = `find . \\( -name node_modules -o -name bin \\) -prune -o -type f -print | LC_ALL=C sort | xargs -d '\\n' sha256sum`;

test("the hash of the files is the one that find and sha256sum give", () => {
  const folder = mkdtempSync(join(tmpdir(), "tally-self-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "chunks"));
  mkdirSync(join(folder, "node_modules"));
  mkdirSync(join(folder, "bin"));
  for (const name of [
    "bin/node",
    "tally-agent.js",
    "chunks/b.js",
    "chunks-a.js",
    "node_modules/x.js",
    "ü Z.js",
  ])
    writeFileSync(join(folder, name), name);
  const printed = execFileSync("bash", ["-c", LIST], { cwd: folder });
  expect(printed.toString().split("\n")).toHaveLength(5);
  const { count, hash: found } = hashFiles(folder);
  expect(count).toBe(4);
  expect(toHex(found)).toBe(hash("sha256", printed));
});

test("this very agent says something that boot evidence can hold", () => {
  const self = lookAtSelf(undefined);
  expect(self.files.count).toBeGreaterThan(80);
  expect(self.layers.node?.version).toMatch(/^\d+\./);
  const evidence = { ...BOOT_EVIDENCE, ...self };
  expect(decodeEat(encodeEat(evidence))).toEqual(evidence);
});
