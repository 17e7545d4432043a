/**
 * All rows, in the order of the table.
 *
 * @module
 */
import type { Row } from "./figures.ts";
import { audit } from "./rows/audit.ts";
import { anchorMemory, latency, readings, throughput } from "./rows/load.ts";
import { raw } from "./rows/raw.ts";
import { verifyRow } from "./rows/verify.ts";

export const ROWS: readonly Row[] = [raw, throughput, readings, latency, anchorMemory, verifyRow, audit];
