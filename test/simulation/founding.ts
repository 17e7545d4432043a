/**
 * Logs for worlds to begin with: entry 0 alone, or one that stands shortly before the edge of its first tile.
 *
 * @module
 */
import {
  encodeItem,
  encodePack,
  decimal,
  KeyState,
  sealStatement,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { openStore, Sequencer } from "../../anchor/src/sequence/sequence.ts";
import { createDatabase } from "../../anchor/src/storage/database.ts";
import { openingOf } from "../support/anchor-log.ts";
import { keyPair, Signatures, type KeyPair } from "./keys.ts";
import { contentOf } from "./sim-database.ts";
import { LOG_KEY, ORIGIN } from "./world.ts";

export const OPERATOR = "city/operator";
export const OPERATOR_KEY = keyPair(OPERATOR);
/** The device that filled the longer log. */
export const PAST_DEVICE = "city/past";

const FOUNDED_UNIX_S = 1_790_000_000;
const PAST_SUB = "meter/past";
/** Entries of the longer log: two registry items and statements. */
const PAST_ENTRIES = 240;

const signerOf = (pair: KeyPair): Signer => ({
  key: pair.key,
  sign: (message) => Promise.resolve(pair.sign(message)),
});

let founded: Promise<{ readonly young: Uint8Array; readonly old: Uint8Array }> | undefined;

/** Databases of logs, made once. */
export function foundedLogs(): Promise<{ readonly young: Uint8Array; readonly old: Uint8Array }> {
  return (founded ??= found());
}

async function found(): Promise<{ readonly young: Uint8Array; readonly old: Uint8Array }> {
  const db = createDatabase(":memory:");
  db.prepare("INSERT INTO log(id, origin, kid) VALUES (1, ?, ?)").run(ORIGIN, LOG_KEY.key.kid);
  const keys = new KeyState({ provider: new Signatures().provider, hash: nodeSha256 });
  const sequencer = new Sequencer({
    store: openStore(db),
    keys,
    nowUnixS: () => FOUNDED_UNIX_S,
    maxForks: 0,
  });
  const operators = [{ iss: OPERATOR, actsFor: "*", key: OPERATOR_KEY.key }];
  const policy = await item(0, undefined, {
    kind: "policy",
    origin: ORIGIN,
    log: LOG_KEY.key,
    operators,
  });
  sequencer.sequence([policy], []);
  const young = contentOf(db);
  const enrolment = await item(1, policy.hash, {
    kind: "enrol",
    device: PAST_DEVICE,
    key: keyPair(PAST_DEVICE).key,
    streams: ["*"],
    silenceS: 900,
  });
  sequencer.sequence([enrolment], []);
  sequencer.sequence([], await past());
  const old = contentOf(db);
  db.close();
  return { young, old };
}

const item = (
  seq: number,
  prev: Uint8Array | undefined,
  content: Parameters<typeof encodeItem>[0],
): Promise<Statement> =>
  sealStatement(
    {
      iss: OPERATOR,
      sub: "registry",
      iat: FOUNDED_UNIX_S,
      seq,
      tq: 1,
      lvl: 1,
      ...(prev !== undefined && { prev }),
    },
    { type: "registry", payload: encodeItem(content) },
    signerOf(OPERATOR_KEY),
    nodeSha256,
  );

async function past(): Promise<readonly Statement[]> {
  const statements: Statement[] = [];
  const signer = signerOf(keyPair(PAST_DEVICE));
  const ch = new Uint8Array(8).fill(7);
  for (let seq = 0; seq < PAST_ENTRIES - 2; seq++) {
    const prev = statements.at(-1)?.hash;
    const reading = {
      name: "1-0:1.8.0",
      unit: "kWh",
      value: { v: decimal(BigInt(seq), -3) },
      time: decimal(BigInt(FOUNDED_UNIX_S + seq)),
      quality: [],
    };
    const content =
      seq === 0
        ? openingOf("none")
        : ({ type: "senml", payload: encodePack(`${PAST_DEVICE}/${PAST_SUB}/`, [reading]) } as const);
    const claims = {
      iss: PAST_DEVICE,
      sub: PAST_SUB,
      ch,
      iat: FOUNDED_UNIX_S + seq,
      tq: 2,
      lvl: 1,
      seq,
    } as const;
    statements.push(
      await sealStatement({ ...claims, ...(prev !== undefined && { prev }) }, content, signer, nodeSha256),
    );
  }
  return statements;
}
