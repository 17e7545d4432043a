/**
 * `tally-anchor registry`: whose keys there are, and what is said of each.
 *
 * @module
 */
import { existsSync } from "node:fs";
import process from "node:process";
import { KeyState, parseStatement, toHex, type KeyRecord } from "@tallystick/evidence";
import {
  EXIT,
  nodeSha256,
  publicKeyPem,
  UsageError,
  type Arguments,
  type Command,
} from "@tallystick/evidence/node";
import { placesOf } from "../config.ts";
import { PublishedRegistry } from "../registry/published-registry.ts";
import { Archive } from "../storage/archive.ts";
import { readDatabase } from "../storage/database.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, text } from "./config-option.ts";

export const registry: Command = {
  summary: "List the keys of the registry, and who the operators of each org are",
  usage: `[--device ORG/DEVICE] [--registry DIR] [--json | --pem] ${CONFIG_USAGE}`,
  details: `  --device NAME   only the keys of this device
  --registry DIR  a public folder; without it the data folder's database, which also knows the log indexes
  --json          one object: {"items", "operators": [{"for", "threshold", "count"}], "keys": [{"kid", "role", "iss", "streams", "silence", "state",
                  "item", "enrolled", "superseded", "suspect", "revoked", "by"}]}; indexes are null where they aren't known
  --pem           with --device: the id and public half of its current key, as tally-agent key print gives them, for whoever makes it a certificate
${CONFIG_DETAILS}`,
  options: {
    ...CONFIG_OPTIONS,
    device: { type: "string" },
    registry: { type: "string" },
    json: { type: "boolean" },
    pem: { type: "boolean" },
  },
  async run(given) {
    const device = text(given.values, "device");
    const asPem = given.values["pem"] === true;
    if (asPem && (device === undefined || given.values["json"] === true))
      throw new UsageError("--pem goes with --device, and without --json");
    const { state, indexed } = await known(given);
    if (asPem && device !== undefined) return printPem(state, device);
    const records = [...state.records()].filter(({ iss }) => device === undefined || iss === device);
    if (given.values["json"] === true) {
      const keys = records.map((record) => asJson(record, indexed));
      const rules = device === undefined ? { operators: rulesOf(state) } : {};
      process.stdout.write(`${JSON.stringify({ items: state.count, ...rules, keys })}\n`);
    } else {
      process.stdout.write(table(records, indexed));
      if (device === undefined)
        for (const one of rulesOf(state))
          process.stdout.write(`operators of ${one.for}: ${one.threshold} of ${one.count} change them\n`);
    }
    if (device === undefined || records.length > 0) return EXIT.good;
    process.stderr.write(`${device}: no device of this registry\n`);
    return EXIT.failed;
  },
};

function printPem(state: KeyState, device: string): number {
  const record = state.current(device);
  if (record === undefined || record.revoked !== null) {
    process.stderr.write(`${device}: no key of this registry counts for it\n`);
    return EXIT.failed;
  }
  process.stdout.write(`kid ${toHex(record.kid)}\n${publicKeyPem(record.key)}`);
  return EXIT.good;
}

type Known = {
  readonly state: KeyState;
  /** Whether indexes in it are those of the log. */ readonly indexed: boolean;
};

async function known(given: Arguments): Promise<Known> {
  const folder = text(given.values, "registry");
  if (folder !== undefined)
    return { state: (await PublishedRegistry.read(folder)).keyState(), indexed: false };
  const places = placesOf(configOf(given));
  if (!existsSync(places.database))
    return { state: (await PublishedRegistry.read(places.public)).keyState(), indexed: false };
  const db = readDatabase(places.database);
  try {
    // Each was checked before it was stored.
    const state = new KeyState({ hash: nodeSha256, provider: { name: "unchecked", verify: () => true } });
    for (const { bytes, index } of new Archive(db).items(0, Number.MAX_SAFE_INTEGER))
      state.apply(parseStatement(bytes, nodeSha256), index);
    return { state, indexed: true };
  } finally {
    db.close();
  }
}

const stateOf = ({ revoked, superseded, succession }: KeyRecord): string => {
  if (revoked !== null) return "revoked";
  if (superseded !== null) return succession?.by === "rotate" ? "rotated" : "replaced";
  return "current";
};

function asJson(record: KeyRecord, indexed: boolean): Readonly<Record<string, unknown>> {
  const { kid, role, iss, streams, silenceS, item, enrolled, superseded, suspect, revoked, by } = record;
  const indexes = { enrolled, superseded, suspect, revoked };
  const unknown = { enrolled: null, superseded: null, suspect: null, revoked: null };
  return {
    kid: toHex(kid),
    role,
    iss,
    streams,
    silence: silenceS,
    state: stateOf(record),
    item,
    ...(indexed ? indexes : unknown),
    by: by.map(toHex),
  };
}

const rulesOf = (state: KeyState): { for: string; threshold: number; count: number }[] =>
  [...new Set(state.records().flatMap(({ role, streams }) => (role === "operator" ? streams : [])))].map(
    (org) => {
      const { threshold, operators } = state.operatorRule(org);
      return { for: org, threshold, count: operators.length };
    },
  );

function table(records: readonly KeyRecord[], indexed: boolean): string {
  const head = ["NAME", "KEY", "STATE", "ITEM", "SINCE", "UNTIL", "STREAMS"];
  const rows = records.map((record) => {
    const { iss, kid, role, streams, item, enrolled, superseded, suspect, revoked } = record;
    const until = revoked ?? superseded;
    const doubt = suspect === null || suspect === revoked ? "" : `, suspect since ${suspect}`;
    const places = indexed
      ? [`${enrolled}`, until === null ? "" : `${until}${doubt}`]
      : ["?", until === null ? "" : "?"];
    const may = role === "operator" ? `operator for ${streams.join()}` : streams.join(",");
    return [iss, toHex(kid).slice(0, 16), stateOf(record), `${item}`, ...places, may];
  });
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => (row[column] ?? "").length)),
  );
  return [head, ...rows]
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}
