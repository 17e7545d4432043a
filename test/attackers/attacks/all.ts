/**
 * Every attack, in the order in which they are run.
 *
 * @module
 */
import type { Attack } from "../attack.ts";
import { attempts, slowLoris } from "./connections.ts";
import { badSignatures, badStatements, duplicates, smallMessages } from "./floods.ts";
import { oldTls, passwords, takeover } from "./identity.ts";
import { mutated } from "./packets.ts";
import { publishing, subscribing, wills } from "./topics.ts";

export const ATTACKS: Readonly<Record<string, Attack>> = {
  "others' topics, retained too": publishing,
  "wildcards and $SYS": subscribing,
  "wills for others' topics": wills,
  "forged and replayed passwords": passwords,
  "client ids of others": takeover,
  "older TLS": oldTls,
  "mutated and oversized packets": mutated,
  "slow-loris": slowLoris,
  "connection attempts": attempts,
  "a flood of small messages": smallMessages,
  "duplicates that fetch receipts": duplicates,
  "512 bad statements a message": badStatements,
  "bad signatures": badSignatures,
};
