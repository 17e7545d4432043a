/**
 * Enrols devices by the anchor's own sequencer until the registry has so many, and measures what one more costs. A process of its own.
 *
 *     node bench/growth/keys.ts '{"data": DIR, "origin": …, "keys": N}'
 *
 * @module
 */
import { existsSync } from "node:fs";
import process from "node:process";
import { loadSigner } from "@tallystick/evidence/node";
import { defaultConfig, placesOf } from "../../anchor/src/config.ts";
import { createLog } from "../../anchor/src/log/create-log.ts";
import { openLog } from "../../anchor/src/log/open-log.ts";
import { createSodiumProvider } from "../../anchor/src/admission/sodium.ts";
import { median } from "../figures.ts";
import { issOf, signerOf } from "../load/keys.ts";
import { enrolments, OPERATOR } from "./enrolments.ts";

export type KeysOptions = { readonly data: string; readonly origin: string; readonly keys: number };

/** Milliseconds, medians. */
export type KeysMeasured = { readonly applyMs: number; readonly rootMs: number; readonly proofMs: number };

const AT_ONCE = 1000;
const MEASURED = 50;

const { data, origin, keys } = JSON.parse(process.argv[2] ?? "") as KeysOptions;
const config = defaultConfig(data);
const nowUnixS = (): number => Math.floor(Date.now() / 1000);
if (!existsSync(placesOf(config).database))
  await createLog({ config, origin, operatorIss: OPERATOR, actsFor: "*", nowUnixS });
const opened = await openLog({ config, provider: createSodiumProvider(), nowUnixS });
const operator = loadSigner(placesOf(config).operatorKey);
const devices = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => ({ iss: issOf(from + i), key: signerOf(from + i).key }));

// Item 0 is the policy: the registry has a key of the operator, and one of each device.
for (let from = opened.keys.count - 1; from < keys; from = opened.keys.count - 1) {
  const items = await enrolments(devices(from, Math.min(keys, from + AT_ONCE)), opened.keys, operator);
  const { batch, refused } = opened.sequencer.sequence(items, []);
  if (batch === undefined || refused.length > 0) throw new Error("the log refused an enrolment");
  await opened.publisher.publish({ ...batch, signature: null });
}

// These are not stored: the process ends with them.
const more = await enrolments(devices(keys, keys + MEASURED), opened.keys, operator);
const times = { apply: [] as number[], root: [] as number[], proof: [] as number[] };
const timed = (list: number[], work: () => void): void => {
  const startedMs = performance.now();
  work();
  list.push(performance.now() - startedMs);
};
for (const [i, item] of more.entries()) {
  timed(times.apply, () => opened.keys.apply(item, opened.sequencer.size + i));
  timed(times.root, () => opened.keys.root());
  const { kid } = signerOf(i).key;
  timed(times.proof, () => opened.keys.proof(kid));
}
opened.close();
const measured: KeysMeasured = {
  applyMs: median(times.apply),
  rootMs: median(times.root),
  proofMs: median(times.proof),
};
process.stdout.write(`${JSON.stringify(measured)}\n`);
