/**
 * Asks an anchor once to be enrolled, with the invite on standard input; a process of its own, so that its clock may be set.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { fromHex, type Invite } from "@tallystick/evidence";
import { ask } from "../../agent/src/enrol/ask.ts";
import { deviceSigner } from "./anchor-log.ts";

const given = JSON.parse(readFileSync(0, "utf8")) as Omit<Invite, "id" | "secret"> & {
  id: string;
  secret: string;
};
const invite = { ...given, id: fromHex(given.id), secret: fromHex(given.secret) };
const answer = await ask(
  { invite, signer: deviceSigner("gateway"), machine: undefined },
  AbortSignal.timeout(20_000),
);
process.stdout.write(JSON.stringify({ year: new Date().getUTCFullYear(), ...answer }));
