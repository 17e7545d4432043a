#!/usr/bin/env node
/**
 * `tally-anchor`: the ledger and its registry.
 *
 * @module
 */
import process from "node:process";
import { EXIT, runCommand } from "@tallystick/evidence/node";
import manifest from "../package.json" with { type: "json" };
import { approve } from "./commands/approve.ts";
import { backup } from "./commands/backup.ts";
import { configCheck } from "./commands/config-check.ts";
import { doctor } from "./commands/doctor.ts";
import { enrol } from "./commands/enrol.ts";
import { erase } from "./commands/erase.ts";
import { inviteList, inviteWithdraw } from "./commands/invite-list.ts";
import { invite } from "./commands/invite.ts";
import { init } from "./commands/init.ts";
import { missing } from "./commands/missing.ts";
import { operatorAdd, operatorChange, operatorConsent, operatorPropose } from "./commands/operator.ts";
import { reEnrol } from "./commands/re-enrol.ts";
import { registry } from "./commands/registry.ts";
import { restore } from "./commands/restore.ts";
import { revoke } from "./commands/revoke.ts";
import { rotate } from "./commands/rotate.ts";
import { run } from "./commands/run.ts";
import { successor } from "./commands/successor.ts";
import { tokenAdd, tokenList, tokenRevoke } from "./commands/token.ts";
import { trail } from "./commands/trail.ts";

const COMMANDS = {
  init,
  invite,
  "invite list": inviteList,
  "invite withdraw": inviteWithdraw,
  approve,
  enrol,
  "re-enrol": reEnrol,
  rotate,
  revoke,
  registry,
  "operator add": operatorAdd,
  "operator propose": operatorPropose,
  "operator consent": operatorConsent,
  "operator change": operatorChange,
  run,
  trail,
  "token add": tokenAdd,
  "token list": tokenList,
  "token revoke": tokenRevoke,
  erase,
  backup,
  restore,
  missing,
  doctor,
  successor,
  "config check": configCheck,
};

const code = await runCommand("tally-anchor", manifest.version, COMMANDS, process.argv.slice(2));
// At once: on an ordinary way out Node closes what is still open, and a database that the disk refused must not be touched again.
if (code === EXIT.failed) process.exit(code);
process.exitCode = code;
