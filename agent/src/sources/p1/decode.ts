/**
 * Telegrams in a capture: their readings, without a clock and without a device.
 *
 * @module
 */
import { EvidenceError, isEvidenceError, type Reading } from "@tallystick/evidence";
import { P1Framer, type Frame } from "./frame.ts";
import { readingsOf } from "./readings.ts";
import { readTelegram } from "./telegram.ts";

/** The readings of a telegram, or why it is refused and where in the capture it begins. */
export type DecodedFrame = { readonly readings: readonly Reading[] } | { readonly error: EvidenceError };

/** Goes through a capture of any length; what lies between telegrams is passed over. */
export async function* decodeP1(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<DecodedFrame, void, undefined> {
  const framer = new P1Framer();
  let found = false;
  for await (const chunk of chunks) {
    for (const result of framer.push(chunk)) {
      found = true;
      yield "error" in result ? result : decodeFrame(result.frame);
    }
  }
  for (const result of framer.end()) {
    found = true;
    yield "error" in result ? result : decodeFrame(result.frame);
  }
  if (!found)
    yield { error: new EvidenceError("p1-malformed", "no telegram: nothing that begins with / is here") };
}

function decodeFrame(frame: Frame): DecodedFrame {
  try {
    return { readings: readingsOf(readTelegram(frame)) };
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    return {
      error: new EvidenceError(error.code, error.message, { byte: frame.offset, ...error.where }, error),
    };
  }
}
