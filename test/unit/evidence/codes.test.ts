import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EVIDENCE_CODES, EvidenceError } from "@tallystick/evidence";
import { expect, test } from "vitest";

const page = readFileSync(join(import.meta.dirname, "..", "..", "..", "docs", "codes.md"), "utf8");
const rows = [...page.matchAll(/^\|\s+`([a-z0-9-]+)`\s+\|\s+(refuse|retry|stop)\s+\|/gm)].map(
  ([, code = "", todo = ""]) => ({ code, todo }),
);

test("docs/codes.md lists exactly the codes there are", () => {
  expect(rows.map(({ code }) => code).toSorted()).toEqual([...EVIDENCE_CODES].toSorted());
});

test.for(EVIDENCE_CODES)("%s says what to do, on the page as in the code", (code) => {
  expect(rows.find((row) => row.code === code)?.todo).toBe(new EvidenceError(code, "").disposition);
});
