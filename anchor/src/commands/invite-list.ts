/**
 * `tally-anchor invite list` and `invite withdraw`.
 *
 * @module
 */
import process from "node:process";
import { EvidenceError, toHex } from "@tallystick/evidence";
import { EXIT, UsageError, type Arguments, type Command } from "@tallystick/evidence/node";
import { placesOf } from "../config.ts";
import { InviteStore, type ListedInvite } from "../enrolment/invites.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, nowUnixS } from "./config-option.ts";

type State = "open" | "used" | "withdrawn" | "expired";

const stateOf = ({ use, expiresUnixS }: ListedInvite): State => {
  if (use !== undefined) return use.kid === undefined ? "withdrawn" : "used";
  return nowUnixS() >= expiresUnixS ? "expired" : "open";
};

export const inviteList: Command = {
  summary: "List invites: open, used, withdrawn, expired",
  usage: `[--json] ${CONFIG_USAGE}`,
  details: `  --json          one JSON object a line: {"id", "device", "state", "expires", "kid"}
${CONFIG_DETAILS}
Where the file of one is damaged, that is told on stderr, and the exit code is 1.
An invite is remembered for 30 days after it ended. Its line can't be shown again: only a hash of its secret is kept.`,
  options: { ...CONFIG_OPTIONS, json: { type: "boolean" } },
  run(given) {
    let code: number = EXIT.good;
    const onDamaged = (what: string): void => {
      process.stderr.write(`${what}\n`);
      code = EXIT.failed;
    };
    for (const one of storeOf(given).list(onDamaged)) {
      const [id, kid] = [toHex(one.id), one.use?.kid === undefined ? null : toHex(one.use.kid)];
      const expires = new Date(one.expiresUnixS * 1000).toISOString();
      const state = stateOf(one);
      process.stdout.write(
        given.values["json"] === true
          ? `${JSON.stringify({ id, device: one.device, state, expires, kid })}\n`
          : `${id}  ${state.padEnd(9)}  ${expires.slice(0, 16)}Z  ${one.device}${kid === null ? "" : `  by key ${kid.slice(0, 16)}…`}\n`,
      );
    }
    return Promise.resolve(code);
  },
};

export const inviteWithdraw: Command = {
  summary: "Withdraw invites that were not used yet",
  usage: `ID|ORG/DEVICE… ${CONFIG_USAGE}`,
  details: `${CONFIG_DETAILS}
What was used already is refused with tally-anchor approve --refuse, as long as it waits; after that the key is to be revoked.`,
  takes: Infinity,
  options: CONFIG_OPTIONS,
  async run(given) {
    if (given.positionals.length === 0) throw new UsageError("name an invite by its id, or a device");
    const store = storeOf(given);
    const all = store.list();
    for (const name of given.positionals) {
      const meant = all.filter(
        (one) => one.device === name || (name.length >= 8 && toHex(one.id).startsWith(name)),
      );
      const open = meant.filter((one) => one.use === undefined);
      if (open.length === 0) throw none(name, meant);
      for (const { id, device } of open) {
        const { kid } = await store.use(id, { atUnixS: nowUnixS() });
        if (kid !== undefined) throw used(name);
        process.stdout.write(`withdrawn: ${toHex(id)} ${device}\n`);
      }
    }
    return EXIT.good;
  },
};

function storeOf(given: Arguments): InviteStore {
  const config = configOf(given);
  return new InviteStore(placesOf(config).invites, { maxOpen: config.enrolment.maxInvites, nowUnixS });
}

function none(name: string, meant: readonly ListedInvite[]): EvidenceError {
  if (meant.some((one) => one.use?.kid !== undefined)) return used(name);
  const what = meant.length > 0 ? "withdrawn already" : "no such invite: see tally-anchor invite list";
  return new EvidenceError("invite-unknown", `${name}: ${what}`);
}

const used = (name: string): EvidenceError =>
  new EvidenceError(
    "invite-used",
    `${name}: a key used it: refuse its request (tally-anchor approve --refuse), or revoke the key`,
  );
