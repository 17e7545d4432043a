/**
 * Verification in a real browser: Debian's Chromium, without a window, and a page that holds the verifier and one bundle.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { rolldown } from "rolldown";
import { toHex } from "@tallystick/evidence";
import { Chromium } from "../test/support/chromium.ts";
import type { measure } from "./page/measure.ts";

const ROOT = join(import.meta.dirname, "..");

/** A browser that was just started is busy with itself: what is measured then is that. */
const SETTLE_MS = 3000;

export type InBrowser = {
  /** Milliseconds of the first verification of each browser: of code that never ran. */
  readonly firstMs: readonly number[];
  /** Milliseconds of the others. */
  readonly againMs: readonly number[];
  /** What each verification said. */
  readonly said: readonly string[];
  /** Bytes of the page's script. */
  readonly scriptBytes: number;
};

export type ToVerify = {
  readonly bundle: Uint8Array;
  readonly policy: string;
  /** Browsers that are started for it, one after the other, and verifications in each. */
  readonly browsers: number;
  readonly rounds: number;
};

/** What `chromium --version` says; undefined where there is none. */
export function chromiumVersion(): string | undefined {
  const { status, stdout } = spawnSync("chromium", ["--version"], { encoding: "utf8" });
  return status === 0 ? stdout.split(" ").slice(0, 2).join(" ") : undefined;
}

/** Verifies the bundle in a page that was just loaded, from a file in `folder`. */
export async function verifyInBrowser(
  folder: string,
  { bundle, policy, browsers, rounds }: ToVerify,
): Promise<InBrowser> {
  const script = await verifierScript();
  const file = join(folder, "verify.html");
  writeFileSync(file, `<!doctype html><meta charset="utf-8"><title>verify</title><script>${script}</script>`);
  const given = [toHex(bundle), policy, rounds].map((one) => JSON.stringify(one)).join(", ");
  const found = { firstMs: [] as number[], againMs: [] as number[], said: [] as string[] };
  for (let i = 0; i < browsers; i++) {
    const { times, said } = await measureIn(file, given);
    found.firstMs.push(...times.slice(0, 1));
    found.againMs.push(...times.slice(1));
    found.said.push(...said);
  }
  return { ...found, scriptBytes: Buffer.byteLength(script) };
}

async function measureIn(file: string, given: string): Promise<ReturnType<typeof measure>> {
  const browser = Chromium.start();
  try {
    const page = await browser.open(file, { width: 800, height: 600, scheme: "light" });
    if (page.complaints.length > 0) throw new Error(`the page complains: ${page.complaints.join("; ")}`);
    await delay(SETTLE_MS);
    return await page.value(`page.measure(${given})`);
  } finally {
    await browser.close();
  }
}

/** The verifier as one script. Its default provider and hash are the portable ones: a browser has no other. */
async function verifierScript(): Promise<string> {
  const built = await rolldown({
    cwd: ROOT,
    input: join(ROOT, "bench", "page", "measure.ts"),
    platform: "browser",
    logLevel: "warn",
  });
  const { output } = await built.generate({ format: "iife", name: "page", minify: true });
  await built.close();
  const [chunk] = output;
  return chunk.code.replaceAll("</script", String.raw`<\/script`);
}
