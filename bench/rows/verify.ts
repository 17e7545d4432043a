/**
 * Verifying a bundle of 20 statements of one device, as a stranger would: the whole file, nothing remembered but compiled code.
 *
 * @module
 */
import {
  createNobleProvider,
  encodeBundle,
  parsePolicy,
  sha256,
  verify,
  type Hash,
  type SignatureProvider,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { World } from "../../test/support/world.ts";
import { chromiumVersion, verifyInBrowser } from "../browser.ts";
import { median, percentile, type Context, type Figure, type Row } from "../figures.ts";

/** Statements of the chain; one `heads` that attests its tail makes them 20. */
const IN_CHAIN = 19;
/** Entries of others before, between and after: paths are as long as in a log of that size. */
const OTHERS = { full: 1_000_000, quick: 100_000 };

/** A device in a log among many: its statements came one a batch, as they do when they are sealed once a minute. */
async function makeBundle(context: Context): Promise<{ bundle: Uint8Array; policy: string; size: number }> {
  const others = context.quick ? OTHERS.quick : OTHERS.full;
  context.say(`making a log of ${others} entries for the bundle`);
  const world = await World.create();
  const device = await world.enrol("city/gw-1");
  const fill = (count: number): void => {
    for (let i = 0; i < count; i++) {
      const hash = nodeSha256(Buffer.from(`other ${world.entries.length}`));
      world.admit({ hash } as Statement); // of a statement the log keeps no more than this
    }
  };
  fill(others / 2);
  const chain = device.chain("meter/m-1");
  await world.commit();
  await chain.open();
  await world.commit();
  for (let i = 1; i < IN_CHAIN; i++) {
    fill(Math.floor(others / 40));
    await chain.readings(10);
    await world.commit();
  }
  const heads = await device.heads([chain]);
  fill(Math.floor(others / 40));
  await world.commit();
  return {
    bundle: encodeBundle(world.bundle([{ chain }], [heads])),
    policy: world.policy(),
    size: world.entries.length,
  };
}

export const verifyRow: Row = {
  name: "verify",
  what: "a bundle of 20 statements of one device",
  async run(context): Promise<readonly Figure[]> {
    const { bundle, policy, size } = await makeBundle(context);
    const trust = parsePolicy(policy);
    const measure = (createProvider: () => SignatureProvider, hash: Hash, rounds: number): number[] => {
      const times: number[] = [];
      for (let round = -Math.ceil(rounds / 5); round < rounds; round++) {
        const startMs = performance.now();
        const { verdict, restrictions } = verify(bundle, { policy: trust, provider: createProvider(), hash });
        const ms = performance.now() - startMs;
        check([verdict, ...restrictions].join(" "));
        if (round >= 0) times.push(ms);
      }
      return times;
    };
    const rounds = context.quick ? 50 : 200;
    const figure = (
      what: string,
      times: readonly number[],
      budget?: { readonly atMost: number },
      ...more: readonly string[]
    ): Figure => {
      const sorted = Float64Array.from(times).toSorted();
      const spread = `${ms(sorted[0])} to ${ms(sorted.at(-1))}, p90 ${ms(percentile(sorted, 0.9))}`;
      const note = `median of ${times.length} (${spread}); ${bundle.length} bytes, log of ${size} entries`;
      return {
        what,
        value: median(times),
        unit: "ms",
        ...(budget && { budget }),
        notes: [note, ...more],
      };
    };
    context.say("verifying the bundle");
    const node = measure(createNodeProvider, nodeSha256, rounds);
    const noble = measure(createNobleProvider, sha256, Math.ceil(rounds / 5));
    const figures = [
      figure("verify a bundle of 20 statements: node:crypto", node, { atMost: 10 }),
      figure("verify a bundle of 20 statements: portable (noble), in Node", noble),
    ];
    const browser = chromiumVersion();
    if (browser === undefined) {
      context.say("no chromium here (apt-get install chromium): not verified in a browser");
      return figures;
    }
    context.say(`verifying it in ${browser}`);
    const shown = await verifyInBrowser(context.folder, {
      bundle,
      policy,
      browsers: context.quick ? 1 : 5,
      rounds: Math.ceil(rounds / 5),
    });
    for (const one of shown.said) check(one);
    const budget = { atMost: 100 };
    return [
      ...figures,
      figure(
        `… ${browser}, the first time`,
        shown.firstMs,
        budget,
        "of code that never ran, as on a page that one bundle is dropped on",
        `a script of ${shown.scriptBytes} bytes`,
      ),
      figure(`… ${browser}, again and again`, shown.againMs, budget),
    ];
  },
};

/** The bundle has no witness; all else about it is good. */
function check(said: string): void {
  if (said !== "restricted no-witness") throw new Error(`the bundle is ${said}`);
}

const ms = (value: number | undefined): string => `${(value ?? Number.NaN).toFixed(1)} ms`;
