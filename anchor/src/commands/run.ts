/**
 * `tally-anchor run`: the ledger.
 *
 * @module
 */
import process from "node:process";
import { pino } from "pino";
import {
  boundHeap,
  keepObjectsYoung,
  runStages,
  ServiceManager,
  type Command,
} from "@tallystick/evidence/node";
import { openAnchor } from "../anchor.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf } from "./config-option.ts";

/**
 * At full load a batch's garbage fills any young generation many times over. Measured with `npm run bench -- throughput memory`: 310 MiB where V8 by itself takes 390 to 410, and
 * that objects begin young spares 4 of 110 µs a statement.
 */
const HEAP = { youngBytes: 16 * 2 ** 20, oldGrowthPercent: 150 };

export const run: Command = {
  summary: "Run the ledger: take statements in, publish the log, send receipts, serve it over HTTP",
  usage: `${CONFIG_USAGE} [--json]`,
  details: `${CONFIG_DETAILS}
  --json          print the line that says it is ready as JSON
Prints one line when it serves; logs go to stderr. Stops clean on SIGINT and SIGTERM.`,
  options: { ...CONFIG_OPTIONS, json: { type: "boolean" } },
  async run(given) {
    boundHeap(HEAP);
    keepObjectsYoung();
    const config = configOf(given);
    const logger = pino({ name: "tally-anchor", level: config.log.level }, pino.destination(2));
    const anchor = await openAnchor(config, logger);
    const { url, publicUrl, origin } = anchor;
    const ready = {
      url,
      ...(publicUrl !== undefined && { public: publicUrl }),
      broker: config.broker.url,
      origin,
      size: anchor.size(),
    };
    process.stdout.write(
      given.values["json"] === true
        ? `${JSON.stringify(ready)}\n`
        : `serving ${ready.url}${publicUrl === undefined ? "" : ` and ${publicUrl}`}, broker ${ready.broker}, log ${ready.origin} at size ${ready.size}\n`,
    );
    const manager = ServiceManager.of(process.env, (message) => logger.warn(message));
    await manager.ready();
    const stages = [(signal: AbortSignal) => anchor.run(signal), manager.watch(async () => anchor.answer())];
    await runStages(stages, config.graceMs);
    logger.info({ size: anchor.size() }, "stopped");
  },
};
