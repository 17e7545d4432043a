/**
 * What grows with the number of registered keys: the key state, whose root each receipt signs.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { figuresOver, type Figure, type Row } from "../figures.ts";
import type { KeysMeasured, KeysOptions } from "../growth/keys.ts";
import { startOnce, type Start } from "../growth/start.ts";
import { ORIGIN } from "./load.ts";

const SCRIPT = join(import.meta.dirname, "..", "growth", "keys.ts");
const COUNTS = { full: [100, 1000, 10_000, 100_000], quick: [100, 1000, 10_000] };
const MIB = 2 ** 20;

type At = KeysMeasured & Start & { readonly keys: number };

export const registeredKeys: Row = {
  name: "keys",
  what: "the same registry with 10^2 to 10^5 registered keys",
  async run(context): Promise<readonly Figure[]> {
    const folder = join(context.folder, "keys");
    const data = join(folder, "data");
    const all: At[] = [];
    for (const keys of context.quick ? COUNTS.quick : COUNTS.full) {
      context.say(`enrolling devices until ${keys} are registered`);
      const options: KeysOptions = { data, origin: ORIGIN, keys };
      const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, JSON.stringify(options)]);
      all.push({ keys, ...(JSON.parse(stdout) as KeysMeasured), ...(await startOnce(folder, data)) });
    }
    const figure = figuresOver(all, ({ keys }) => ({
      key: `at${keys}`,
      name: String(keys),
      last: `${keys.toLocaleString("en-US")} keys`,
    }));
    return [
      figure(
        "one more enrolment: the new key-state root",
        "ms",
        (at) => at.rootMs,
        2,
        "within its batch's transaction",
      ),
      figure("one more enrolment: read, checked, applied", "ms", (at) => at.applyMs, 2),
      figure("proof of a key's state", "ms", (at) => at.proofMs, 3),
      figure(
        "anchor start",
        "ms",
        (at) => at.ms,
        0,
        "the registry is derived from its items at each start, without their signatures",
      ),
      figure("anchor RSS after start", "MiB", (at) => at.rss / MIB, 0),
    ];
  },
};
