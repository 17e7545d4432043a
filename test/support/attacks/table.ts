/**
 * The whole attack table, by who attacks.
 *
 * @module
 */
import { ALONE } from "./alone.ts";
import { BUNDLER_PROOFS } from "./bundler-proofs.ts";
import { BUNDLER } from "./bundler.ts";
import { DEVICE } from "./device.ts";
import { FORMS } from "./forms.ts";
import { LIFE } from "./life.ts";
import { LOG } from "./log.ts";
import { OPERATOR } from "./operator.ts";
import { ORDER } from "./order.ts";
import { OVERLOOKED } from "./overlooked.ts";
import { QUORUM } from "./quorum.ts";
import { READERS } from "./readers.ts";
import { SUSPECTS } from "./suspects.ts";
import type { Attack } from "./town.ts";

export const TABLE: readonly { readonly who: string; readonly rows: readonly Attack[] }[] = [
  { who: "bundlers", rows: [...BUNDLER, ...BUNDLER_PROOFS] },
  { who: "devices", rows: DEVICE },
  { who: "logs", rows: LOG },
  { who: "operators and witnesses", rows: OPERATOR },
  { who: "operators who change by consent", rows: QUORUM },
  { who: "thieves of operators' keys", rows: SUSPECTS },
  { who: "ten years", rows: LIFE },
  { who: "what comes before what", rows: ORDER },
  { who: "forms", rows: FORMS },
  { who: "what two readers could read in two ways", rows: READERS },
  { who: "statements alone", rows: ALONE },
  { who: "what is easily overlooked", rows: OVERLOOKED },
];
