/** The build date is what a device without a clock believes: too old and it dates statements before the release, too new and it believes no clock. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BUILD_UNIX_MS, VERSION } from "../../../agent/src/self/version.ts";

const changelog = readFileSync(join(import.meta.dirname, "..", "..", "..", "CHANGELOG.md"), "utf8");
/** `## 0.2.0, 2027-01-31`: releases, newest first. */
const releases = [...changelog.matchAll(/^## v?(\d+\.\d+\.\d+\S*)\D+(\d{4}-\d{2}-\d{2})/gm)].map(
  ([, version, date]) => ({ version, unixMs: Date.parse(`${date}T00:00:00Z`) }),
);

test("is not older than the newest release, and not in the future", () => {
  for (const { version, unixMs } of releases)
    expect(BUILD_UNIX_MS, `move BUILD_UNIX_MS forward: ${version} is newer`).toBeGreaterThanOrEqual(unixMs);
  expect(BUILD_UNIX_MS).toBeLessThanOrEqual(Date.now());
});

test("a version that the changelog knows was released with its heading dated", () => {
  const heading = changelog.split("\n").find((line) => line.startsWith(`## ${VERSION}`));
  expect(heading === undefined || /\d{4}-\d{2}-\d{2}/.test(heading), heading).toBe(true);
});
