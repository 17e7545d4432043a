/**
 * Tries to use every invite of a folder, with a key of its own, as a process of its own: prints the id of each that it got, a line each.
 *
 * @module
 */
import process from "node:process";
import { sha256, toHex, encodeUtf8 } from "@tallystick/evidence";
import { InviteStore } from "../../anchor/src/enrolment/invites.ts";

const [folder = "", name = ""] = process.argv.slice(2);
const kid = sha256(encodeUtf8(name));
const store = new InviteStore(folder, { maxOpen: 10_000, nowUnixS: () => 0 });
process.stdout.write("ready\n");
process.stdin.once("data", () => void race());

async function race(): Promise<void> {
  for (const { id } of store.list()) {
    const stands = await store.use(id, { kid, atUnixS: 0 });
    if (stands.kid !== undefined && toHex(stands.kid) === toHex(kid)) process.stdout.write(`${toHex(id)}\n`);
  }
  process.exit();
}
