import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CAUSES } from "../../../audit/src/coverage/body.ts";
import { FINDING_CLASSES, weightOf } from "../../../audit/src/coverage/classes.ts";

const page = readFileSync(join(import.meta.dirname, "..", "..", "..", "docs", "coverage.md"), "utf8");

test("the page names every class of findings once, with its weight, and every cause in its order", () => {
  const rows = page.split("\n").flatMap((line) => {
    const [, names = "", weight = ""] = /^\| (`.*?`) +\| (fault|told) +\|/.exec(line) ?? [];
    return [...names.matchAll(/`([a-z-]+)`/g)].map(([, name = ""]) => `${name} ${weight}`);
  });
  const classes = FINDING_CLASSES.map((name) => `${name} ${weightOf(name)}`);
  expect(rows.toSorted()).toEqual(classes.toSorted());
  const causes = [...page.matchAll(/^\| `([a-z-]+)` +\| (?!fault|told)[a-zA-Z]/gm)].map(([, name]) => name);
  expect(causes).toEqual(CAUSES);
});
