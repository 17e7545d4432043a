#!/usr/bin/env node
/**
 * `tally-anchor`: the ledger and its registry.
 *
 * @module
 */
import process from "node:process";
import { runCommand } from "@tallystick/evidence/node";
import manifest from "../package.json" with { type: "json" };
import { backup } from "./commands/backup.ts";
import { configCheck } from "./commands/config-check.ts";
import { enrol } from "./commands/enrol.ts";
import { init } from "./commands/init.ts";
import { missing } from "./commands/missing.ts";
import { restore } from "./commands/restore.ts";
import { run } from "./commands/run.ts";

const COMMANDS = { init, enrol, run, backup, restore, missing, "config check": configCheck };

process.exitCode = await runCommand("tally-anchor", manifest.version, COMMANDS, process.argv.slice(2));
