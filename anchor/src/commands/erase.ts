/**
 * `tally-anchor erase`: takes statements out of the archive by order. The ledger says so first.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { fromHex, toHex } from "@tallystick/evidence";
import { EXIT, required, UsageError, type Command } from "@tallystick/evidence/node";
import { placesOf } from "../config.ts";
import { isOrder, MAX_ORDER_BYTES, Orders } from "../erasure/orders.ts";
import { ensureOwn } from "../trail/enrol-own.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, nowUnixS } from "./config-option.ts";

const LOOK_MS = 100;

export const erase: Command = {
  summary: "Erase statements from the archive by order; entry and proof stay, and the ledger says so",
  usage: `HASH… --order TEXT [--wait] [--json] ${CONFIG_USAGE}`,
  details: `  HASH            of a statement: 64 hexadecimal digits
  --order TEXT    by whose order, for whoever meets the gap: 1 to ${MAX_ORDER_BYTES} bytes. It stays for ever: a reference, no personal data
  --wait          wait until the anchor has carried it out (exit 1 if it refused one)
  --json          with --wait, one JSON object a line: {"hash", "state", "code", "reason"}
${CONFIG_DETAILS}
The running anchor carries it out within a second, one that is stopped when it starts. Readings and events of devices can be erased, with the exceptions in docs/reads.md.
Backups made before still have it: see there.`,
  takes: Infinity,
  options: {
    ...CONFIG_OPTIONS,
    order: { type: "string" },
    wait: { type: "boolean" },
    json: { type: "boolean" },
  },
  async run(given) {
    const { values, positionals } = given;
    const config = configOf(given);
    const order = required(values, "order");
    if (!isOrder(order)) throw new UsageError(`--order: one line of 1 to ${MAX_ORDER_BYTES} bytes`);
    if (positionals.length === 0) throw new UsageError("name the statements by their hashes");
    for (const hash of positionals)
      if (!/^[0-9a-f]{64}$/.test(hash)) throw new UsageError(`${hash}: a hash is 64 hexadecimal digits`);
    await ensureOwn(config, nowUnixS);
    const orders = new Orders(placesOf(config).erasures);
    const hashes = positionals.map(fromHex);
    for (const hash of hashes) await orders.give({ hash, order });
    if (values["wait"] !== true) {
      process.stdout.write(`ordered: ${hashes.length} to be erased\n`);
      return EXIT.good;
    }
    let code: number = EXIT.good;
    for (const hash of hashes) {
      const fate = await settled(orders, hash);
      if (fate !== "done") code = EXIT.failed;
      const told = fate === "done" ? { state: "erased" } : { state: "refused", ...fate };
      process.stdout.write(
        values["json"] === true
          ? `${JSON.stringify({ hash: toHex(hash), ...told })}\n`
          : `${toHex(hash)} ${fate === "done" ? "erased" : `refused: ${fate.reason} [${fate.code}]`}\n`,
      );
    }
    return code;
  },
};

async function settled(orders: Orders, hash: Uint8Array) {
  for (;;) {
    const fate = orders.fateOf(hash);
    if (fate !== undefined) return fate;
    await delay(LOOK_MS);
  }
}
