/**
 * Who is silent, as JSON (docs/alarms.md).
 *
 * @module
 */
import type { SilenceState } from "./stage.ts";
import { iso } from "./store.ts";

export function silenceJson({ silent, ...state }: SilenceState): object {
  return {
    ...state,
    silent: silent.map(({ since, ...one }) => ({ ...one, since: since === null ? null : iso(since) })),
  };
}
