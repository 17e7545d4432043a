/**
 * The anchor's own device: a name, a key and an enrolment like any other's. With it the anchor says what it did itself: who read what, and what was erased.
 *
 * @module
 */
import { OPERATOR_DEVICE, parseIss, type KeyState } from "@tallystick/evidence";
import type { TrailConfig } from "./settings.ts";

/** Its stream; beside it it has `sys`, as every device does. */
export const ACCESS_STREAM = "access";
/** Where nothing moves, its heads are told once a day; the enrolment allows three. */
export const QUIET_S = 86_400;
export const OWN_SILENCE_S = 3 * QUIET_S;

const OWN_DEVICE = "anchor";
/** Of a log that has no entry 0 yet. */
const NOBODY = `city/${OPERATOR_DEVICE}`;

/** Its name: the configuration's, or `anchor` of the org of the log's first operator. */
export const ownName = (
  { device }: Pick<TrailConfig, "device">,
  firstOperator: { readonly iss: string } | undefined,
): string => device ?? `${parseIss(firstOperator?.iss ?? NOBODY).org}/${OWN_DEVICE}`;

/** As {@link ownName}, of a log whose key state is at hand. */
export const ownNameOf = (
  settings: Pick<TrailConfig, "device">,
  { policy }: Pick<KeyState, "policy">,
): string => ownName(settings, policy?.operators[0]);
