/**
 * `tally-anchor token add`, `token list` and `token revoke`: who may read, and what.
 *
 * @module
 */
import process from "node:process";
import { isEvidenceError } from "@tallystick/evidence";
import { EXIT, required, UsageError, type Arguments, type Command } from "@tallystick/evidence/node";
import { placesOf } from "../config.ts";
import { checkScope } from "../reads/scope.ts";
import { MAX_SCOPE, newToken, stateOf, TOKEN_NAME, TokenStore, type ReadToken } from "../reads/tokens.ts";
import { ensureOwn } from "../trail/enrol-own.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, nowUnixS } from "./config-option.ts";
import { durationS } from "./duration.ts";
import { shownOwn } from "./trail.ts";

/** The year 10,000: the ledger and people write four digits. */
const TOO_LATE_UNIX_S = 253_402_300_800;
const DATE = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}Z)?$/;

export const tokenAdd: Command = {
  summary: "Let somebody read: a token for some streams, until a day",
  usage: `--name NAME --stream PATTERN [--stream …] --expires DATE|TIME [--json] ${CONFIG_USAGE}`,
  details: `  --name NAME     whom the ledger names for each read: 1 to 64 of a-z, 0-9 and -; an office or a task, never a person
  --stream P      streams that it is for, by their full names: ORG/DEVICE/STREAM, ORG/DEVICE/*, ORG/DEVICE/PREFIX/*, ORG/*, or *
  --expires X     2027-01-01 (its beginning, UTC), 2027-01-01T12:00:00Z, or a number and s, m, h or d from now
  --json          one line: {"name", "streams", "expires", "token"}
${CONFIG_DETAILS}
The token is printed this once; only its hash is kept. Every read says what it is for, and is in the ledger before it is answered (docs/reads.md).`,
  options: {
    ...CONFIG_OPTIONS,
    name: { type: "string" },
    stream: { type: "string", multiple: true },
    expires: { type: "string" },
    json: { type: "boolean" },
  },
  async run(given) {
    const { values } = given;
    const config = configOf(given);
    const name = required(values, "name");
    if (!TOKEN_NAME.test(name))
      throw new UsageError("--name: 1 to 64 of a-z, 0-9 and -, not beginning with -");
    const streams = scopeOf(values);
    const expiresUnixS = expiryOf(required(values, "expires"));
    // First: a token that nothing can be read with would be found out by whoever gets it.
    const own = await ensureOwn(config, nowUnixS);
    const { token, hash } = newToken();
    const stored: ReadToken = { hash, name, streams, madeUnixS: nowUnixS(), expiresUnixS };
    await new TokenStore(placesOf(config).tokens).add(stored, nowUnixS());
    const expires = isoTime(expiresUnixS);
    if (values["json"] === true) {
      process.stdout.write(`${JSON.stringify({ name, streams, expires, token })}\n`);
      return EXIT.good;
    }
    process.stdout.write(`${token}\n`);
    process.stderr.write(
      `${name} may read ${streams.join(", ")} until ${expires}; carry the token as you would a password\n${shownOwn(own)}\n`,
    );
    return EXIT.good;
  },
};

export const tokenList: Command = {
  summary: "List tokens for reading: good, expired, revoked",
  usage: `[--json] ${CONFIG_USAGE}`,
  details: `  --json          one JSON object a line: {"name", "state", "streams", "made", "expires", "revoked"}
${CONFIG_DETAILS}`,
  options: { ...CONFIG_OPTIONS, json: { type: "boolean" } },
  run(given) {
    for (const one of storeOf(given).list()) {
      const { name, streams, madeUnixS, expiresUnixS, revokedUnixS } = one;
      const state = stateOf(one, nowUnixS());
      const [made, expires] = [isoTime(madeUnixS), isoTime(expiresUnixS)];
      const revoked = revokedUnixS === undefined ? null : isoTime(revokedUnixS);
      process.stdout.write(
        given.values["json"] === true
          ? `${JSON.stringify({ name, state, streams, made, expires, revoked })}\n`
          : `${state.padEnd(7)}  ${expires}  ${name}  ${streams.join(", ")}\n`,
      );
    }
    return Promise.resolve(EXIT.good);
  },
};

export const tokenRevoke: Command = {
  summary: "Withdraw a token: from now on nothing more is read with it",
  usage: `NAME… ${CONFIG_USAGE}`,
  details: CONFIG_DETAILS,
  takes: Infinity,
  options: CONFIG_OPTIONS,
  async run(given) {
    if (given.positionals.length === 0) throw new UsageError("name a token: see tally-anchor token list");
    const store = storeOf(given);
    let code: number = EXIT.good;
    for (const name of given.positionals) {
      const count = await store.revoke(name, nowUnixS());
      if (count > 0) process.stdout.write(`revoked: ${name}\n`);
      else {
        process.stderr.write(`${name}: no good token of this name: see tally-anchor token list\n`);
        code = EXIT.failed;
      }
    }
    return code;
  },
};

const storeOf = (given: Arguments): TokenStore => new TokenStore(placesOf(configOf(given)).tokens);

function scopeOf(values: Arguments["values"]): readonly string[] {
  const streams = [values["stream"] ?? []].flat().filter((one) => typeof one === "string");
  if (streams.length === 0 || streams.length > MAX_SCOPE)
    throw new UsageError(`--stream: name 1 to ${MAX_SCOPE} patterns, e.g. --stream 'water/*'`);
  for (const pattern of streams) {
    try {
      checkScope(pattern);
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      throw new UsageError(
        `--stream: ${pattern}: ORG/DEVICE/STREAM, ORG/DEVICE/*, ORG/DEVICE/PREFIX/*, ORG/* or *`,
      );
    }
  }
  return streams;
}

function expiryOf(given: string): number {
  const now = nowUnixS();
  const at = DATE.test(given) ? Math.floor(Date.parse(given) / 1000) : now + durationS(given, "--expires");
  if (!Number.isSafeInteger(at) || at >= TOO_LATE_UNIX_S)
    throw new UsageError(`--expires: ${given}: no such day`);
  if (at <= now) throw new UsageError(`--expires: ${given}: that is over already`);
  return at;
}

const isoTime = (unixS: number): string => new Date(unixS * 1000).toISOString().replace(".000", "");
