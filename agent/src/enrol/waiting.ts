/**
 * Asking until there is an answer: again and again, less often the longer it takes, and through whatever passes by itself. What can't get better ends it.
 *
 * @module
 */
import { isEvidenceError, type EvidenceError } from "@tallystick/evidence";
import { sleep, type Timer } from "@tallystick/evidence/node";
import type { Answer } from "./ask.ts";

/** An enrolment by a key that is at hand takes about a second. */
const FIRST_MS = 500;
const MAX_MS = 10_000;
const SLOWER = 1.3;
/** With `once` it is asked so often all the same: an operator's key that is at hand, and the registry, take their second. */
const TIMES_ONCE = 4;

export type WaitParts = {
  readonly ask: (signal: AbortSignal) => Promise<Answer>;
  readonly timer: Timer;
  /** Told what is waited for, whenever that changes. */
  readonly tell: (state: "waiting" | EvidenceError) => void;
  /** True: asked once, and not again. */
  readonly once: boolean;
};

/**
 * Asks until the device is enrolled.
 *
 * @returns undefined where `signal` was aborted first, or an operator has to decide and nobody wants to wait for that
 * @throws EvidenceError the refusal; with `once` also what passes by itself
 */
export async function untilEnrolled(
  { ask, timer, tell, once }: WaitParts,
  signal: AbortSignal,
): Promise<Extract<Answer, { state: "enrolled" }> | undefined> {
  let told: string | undefined;
  for (let n = 1, waitMs = FIRST_MS; !signal.aborted; n++, waitMs = Math.min(MAX_MS, waitMs * SLOWER)) {
    const answer = await answerTo(ask, signal);
    if (signal.aborted) break;
    if (isEvidenceError(answer)) {
      if (answer.disposition !== "retry" || once) throw answer;
    } else if (answer.state === "enrolled") return answer;
    const state = isEvidenceError(answer) ? answer : answer.state;
    const name = isEvidenceError(state) ? state.code : state;
    // An operator's key that is at the anchor needs no word on the way.
    if (state !== "waiting" || n >= TIMES_ONCE) {
      if (name !== told) tell(state);
      told = name;
    }
    if (once && n === TIMES_ONCE) return undefined;
    await sleep(timer, waitMs, signal);
  }
  return undefined;
}

async function answerTo(ask: WaitParts["ask"], signal: AbortSignal): Promise<Answer | EvidenceError> {
  try {
    return await ask(signal);
  } catch (error) {
    if (isEvidenceError(error)) return error;
    throw error;
  }
}
