/**
 * The files in test/vectors are what test/interop/make_vectors.py writes, byte for byte: nobody has edited a vector to please the code.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findPython } from "../support/python.ts";

const python = findPython();
const script = join(import.meta.dirname, "..", "interop", "make_vectors.py");

test.skipIf(python === undefined)("the vectors are what the Python writes", () => {
  const { status, stdout, stderr } = spawnSync(python ?? "", [script, "--check"], { encoding: "utf8" });
  expect(`${stdout}${stderr}`).toMatch(/^11 files, as they should be\n$/);
  expect(status).toBe(0);
});
