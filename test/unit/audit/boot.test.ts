/** Boot evidence in the auditor's words: what it claims, that it is a claim, and no control characters of a device's on a terminal. */
import { expect, test } from "vitest";
import { encodeEat, toHex } from "@tallystick/evidence";
import { textReport } from "../../../audit/src/report.ts";
import { summarize } from "../../../audit/src/verify/summary.ts";
import { BOOT_EVIDENCE, HASH, seal, signer } from "../../support/statements.ts";

test("a start is told with key, machine, files and what it ran on", async () => {
  const evil = { ...BOOT_EVIDENCE, software: { name: "tally-agent", version: "1\u001b[2J" } };
  const { bytes } = await seal({ sub: "sys" }, { type: "eat", payload: encodeEat(evil) });
  const says = summarize(bytes);
  const text = textReport("x", { verdict: "restricted", restrictions: [], checks: [] }, says);
  expect(text).toContain("start 17, as the device itself claims; nothing beneath it vouches for that");
  expect(text).toContain(`37 files with the hash ${toHex(HASH)}`);
  expect(text).toContain(`on Debian GNU/Linux 12, node 24.21.0; machine ${toHex(HASH)}`);
  expect(text).toContain(`key ${toHex(signer.key.kid)}, in a token that calls itself ST33HTPHAHD4`);
  expect(text).not.toContain("\u001b");
});
