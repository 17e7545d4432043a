/**
 * All rows, in the order of the table.
 *
 * @module
 */
import type { Row } from "./figures.ts";
import { agentRow, outboxRow } from "./rows/agent.ts";
import { busyAgent, drain, seal } from "./rows/agent-load.ts";
import { audit } from "./rows/audit.ts";
import { caseRow } from "./rows/case.ts";
import { air, flash } from "./rows/day.ts";
import { growth } from "./rows/growth.ts";
import { registeredKeys } from "./rows/keys.ts";
import { anchorMemory, latency, readings, throughput } from "./rows/load.ts";
import { mosquitto, tessera } from "./rows/peers.ts";
import { raw } from "./rows/raw.ts";
import { readsRow } from "./rows/reads.ts";
import { reconcileRow } from "./rows/reconcile.ts";
import { verifyRow } from "./rows/verify.ts";

export const ROWS: readonly Row[] = [
  raw,
  throughput,
  readings,
  latency,
  anchorMemory,
  mosquitto,
  tessera,
  agentRow,
  outboxRow,
  seal,
  busyAgent,
  drain,
  flash,
  air,
  verifyRow,
  audit,
  readsRow,
  reconcileRow,
  caseRow,
  growth,
  registeredKeys,
];
