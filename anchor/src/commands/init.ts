/**
 * `tally-anchor init`: begins a log.
 *
 * @module
 */
import process from "node:process";
import { pino } from "pino";
import { UsageError, type Command } from "@tallystick/evidence/node";
import { placesOf } from "../config.ts";
import { createLog } from "../log/create-log.ts";
import { openLog } from "../log/open-log.ts";
import { createSodiumProvider } from "../admission/sodium.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, nowUnixS, text } from "./config-option.ts";

const DEFAULT_OPERATOR = "city/operator";

export const init: Command = {
  summary: "Begin a log: its keys, its database, and entry 0",
  usage: `--origin NAME/YEAR ${CONFIG_USAGE} [--operator-iss ORG/operator] [--for ORG|*]`,
  details: `  --origin NAME   the log's name for ever, with the year it begins: tally.example/2026
  --operator-iss  the founding operator (default ${DEFAULT_OPERATOR})
  --for ORG       the org that it may enrol devices for (default *: any)
${CONFIG_DETAILS}
Prints the trust policy that verifiers pin. Keys that are in their places already are used.`,
  options: {
    ...CONFIG_OPTIONS,
    origin: { type: "string" },
    "operator-iss": { type: "string" },
    for: { type: "string" },
  },
  async run(given) {
    const config = configOf(given);
    const origin = text(given.values, "origin") ?? config.origin;
    if (origin === undefined)
      throw new UsageError("--origin is missing: name the log, e.g. --origin tally.example/2026");
    const operatorIss = text(given.values, "operator-iss") ?? DEFAULT_OPERATOR;
    const actsFor = text(given.values, "for") ?? "*";
    const { logVkey, operatorVkey } = await createLog({ config, origin, operatorIss, actsFor, nowUnixS });
    // The same code as at every start publishes entry 0.
    (await openLog({ config: { ...config, origin }, provider: createSodiumProvider(), nowUnixS })).close();
    const places = placesOf(config);
    process.stdout.write(
      `# Trust policy of ${origin}: whom a verifier believes. Hand it over on a way that you trust.\n` +
        `log ${logVkey}\noperator ${actsFor} ${operatorVkey}\nquorum none\n`,
    );
    pino({ name: "tally-anchor" }, pino.destination(2)).info(
      { origin, data: config.data, logKey: places.logKey, operatorKey: places.operatorKey },
      "the log has begun; keep a copy of both keys where nobody else can read it",
    );
  },
};
