/**
 * Beginning a log: its key, its first operator, and entry 0, the registration policy that names both.
 *
 * @module
 */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import {
  encodeItem,
  EvidenceError,
  formatVkey,
  isKeyName,
  KeyState,
  parseIss,
  OPERATOR_DEVICE,
  checkOrg,
  sealStatement,
  type Signer,
} from "@tallystick/evidence";
import { createKeyFile, loadSigner, nodeSha256, syncDirectory } from "@tallystick/evidence/node";
import { placesOf, type Config } from "../config.ts";
import { createSodiumProvider } from "../admission/sodium.ts";
import { openStore, Sequencer } from "../sequence/sequence.ts";
import { createDatabase } from "../storage/database.ts";

export type Beginning = {
  readonly config: Config;
  /** The log's name, with the year it begins: `tally.example/2026`. */
  readonly origin: string;
  /** The founding operator, `org/operator`, and the org it may act for, or `*`. */
  readonly operatorIss: string;
  readonly actsFor: string;
  readonly nowUnixS: () => number;
};

/** The verifier keys that others pin. */
export type Founded = { readonly logVkey: string; readonly operatorVkey: string };

/**
 * Makes the keys (existing ones are used), the database and entry 0. The database takes its name last: what was interrupted can be begun again.
 *
 * @throws EvidenceError `storage-exists` where there is a log, `name-malformed`, `vkey-malformed`, a code of key files
 */
export async function createLog({
  config,
  origin,
  operatorIss,
  actsFor,
  nowUnixS,
}: Beginning): Promise<Founded> {
  const places = placesOf(config);
  if (existsSync(places.database)) {
    throw new EvidenceError(
      "storage-exists",
      `${places.database}: there is a ledger already; a log begins only once`,
    );
  }
  checkNames(origin, operatorIss, actsFor);
  mkdirSync(config.data, { recursive: true, mode: 0o750 });
  const log = keyIn(places.logKey);
  const operator = keyIn(places.operatorKey);
  const operators = [{ iss: operatorIss, actsFor, key: operator.key }];
  const policy = await sealStatement(
    { iss: operatorIss, sub: "registry", iat: nowUnixS(), seq: 0, tq: 1, lvl: 1 },
    { type: "registry", payload: encodeItem({ kind: "policy", origin, log: log.key, operators }) },
    operator,
  );
  const unfinished = `${places.database}.new`;
  for (const ending of ["", "-wal", "-shm"]) rmSync(unfinished + ending, { force: true });
  const db = createDatabase(unfinished);
  try {
    db.prepare("INSERT INTO log(id, origin, kid) VALUES (1, ?, ?)").run(origin, log.key.kid);
    const keys = new KeyState({ provider: createSodiumProvider(), hash: nodeSha256 });
    const { refused } = new Sequencer({ store: openStore(db), keys, nowUnixS, maxForks: 0 }).sequence(
      [policy],
      [],
    );
    for (const { code, text } of refused) throw new EvidenceError(code, text);
  } finally {
    db.close(); // brings the write-ahead log into the file
  }
  renameSync(unfinished, places.database);
  await syncDirectory(config.data);
  return { logVkey: formatVkey(origin, log.key), operatorVkey: formatVkey(operatorIss, operator.key) };
}

function checkNames(origin: string, operatorIss: string, actsFor: string): void {
  if (!isKeyName(origin))
    throw new EvidenceError(
      "name-malformed",
      `--origin: ${origin}: a name without spaces and +, e.g. tally.example/2026`,
    );
  if (parseIss(operatorIss).device !== OPERATOR_DEVICE) {
    throw new EvidenceError("name-malformed", `--operator-iss: ${operatorIss}: an operator is ORG/operator`);
  }
  if (actsFor !== "*") checkOrg(actsFor);
}

function keyIn(path: string): Signer {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (!existsSync(path)) createKeyFile(path);
  return loadSigner(path);
}
