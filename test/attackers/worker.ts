/**
 * The attackers' thread: runs the attacks that it is told to, one after the other, so that those who measure are not slowed by those who attack.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import type { AttackOptions, Attempt, Parties } from "./attack.ts";
import { ATTACKS } from "./attacks/all.ts";

const parties = workerData as Parties;

parentPort?.on("message", ({ name, options }: { name: string; options: AttackOptions }) => {
  const attempt: Attempt = { tried: 0, breaches: [] };
  const attack = ATTACKS[name];
  if (attack === undefined) throw new Error(`no such attack: ${name}`);
  void attack(parties, options, attempt)
    .catch((error: unknown) => attempt.breaches.push(`the attack failed: ${String(error)}`))
    .then(() => parentPort?.postMessage(attempt, []));
});
