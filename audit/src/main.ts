#!/usr/bin/env node
/**
 * `tally-audit`: verifies evidence, collects it, and re-derives whole logs, without any code of the ledger's operator.
 *
 * @module
 */
import process from "node:process";
import { runCommand } from "@tallystick/evidence/node";
import manifest from "../package.json" with { type: "json" };
import { bundle } from "./commands/bundle.ts";
import { caseCommand } from "./commands/case.ts";
import { coverage } from "./commands/coverage.ts";
import { keyMake, keyPrint } from "./commands/key.ts";
import { log } from "./commands/log.ts";
import { reconcile } from "./commands/reconcile.ts";
import { report } from "./commands/report.ts";
import { sample } from "./commands/sample.ts";
import { countersign, sign } from "./commands/sign.ts";
import { verifyFiles } from "./commands/verify.ts";
import { watch } from "./commands/watch.ts";

const COMMANDS = {
  verify: verifyFiles,
  bundle,
  case: caseCommand,
  log,
  coverage,
  reconcile,
  report,
  sample,
  sign,
  countersign,
  watch,
  "key make": keyMake,
  "key print": keyPrint,
};

process.exitCode = await runCommand("tally-audit", manifest.version, COMMANDS, process.argv.slice(2));
