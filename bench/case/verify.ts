/**
 * Verifies a case in a process of its own, whose memory holds nothing of how it was made:
 *
 *     node bench/case/verify.ts CASE POLICY CACHE THREADS PROVIDER
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { parsePolicy } from "@tallystick/evidence";
import { nodeSha256, noProgress } from "@tallystick/evidence/node";
import { providerOf } from "../../audit/src/provider.ts";
import { openFacts } from "../../audit/src/facts/open.ts";

const [place = "", policyFile = "", cache = "", threads = "0", name = "sodium"] = process.argv.slice(2);
const provider = providerOf(name);
const startMs = performance.now();
const facts = await openFacts(place, {
  policy: parsePolicy(readFileSync(policyFile, "utf8")),
  provider,
  hash: nodeSha256,
  progress: noProgress,
  threads: Number(threads),
  cache,
});
const seconds = (performance.now() - startMs) / 1000;
const { n } = facts.db.prepare("SELECT count(*) AS n FROM statements").get() as { n: number };
const { verdict, restrictions } = facts.judgement;
if (verdict !== "restricted" || restrictions.join() !== "no-witness")
  throw new Error(`the case is ${JSON.stringify(facts.judgement)}`);
facts.close();
const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
process.stdout.write(
  `${JSON.stringify({
    provider: provider.name,
    statements: n,
    seconds,
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
    peakMiB: Math.round(maxRSS / 1024),
  })}\n`,
);
