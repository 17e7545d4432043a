/**
 * P1 telegrams: a line that says anything. Whatever comes is a telegram as it came, or a refusal with a code, however it is cut into pieces.
 *
 * @module
 */
import { equalBytes } from "@tallystick/evidence";
import { crc16 } from "../../../agent/src/sources/p1/crc.ts";
import { MAX_TELEGRAM_BYTES, P1Framer, type FrameResult } from "../../../agent/src/sources/p1/frame.ts";
import { readingsOf } from "../../../agent/src/sources/p1/readings.ts";
import { readTelegram } from "../../../agent/src/sources/p1/telegram.ts";
import type { Corpus } from "../corpus.ts";
import { editText } from "../mutate/text.ts";
import { must, refusal, type Target } from "../target.ts";

const BANG = 0x21;

/** The telegram with the checksum that its bytes have: a meter that says odd things, and says them clearly. */
function withChecksum(bytes: Uint8Array): Uint8Array {
  const end = bytes.lastIndexOf(BANG) + 1;
  const body = Buffer.from(end === 0 ? bytes : bytes.subarray(0, end));
  const digits = crc16(body).toString(16).toUpperCase().padStart(4, "0");
  return new Uint8Array(Buffer.concat([body, Buffer.from(`${digits}\r\n`)]));
}

function framesOf(bytes: Uint8Array, cuts: readonly number[]): FrameResult[] {
  const framer = new P1Framer();
  const found: FrameResult[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    found.push(...framer.push(bytes.subarray(from, Math.max(from, cut))));
    from = Math.max(from, cut);
  }
  return [...found, ...framer.end()];
}

const shown = (results: readonly FrameResult[]): string =>
  results
    .map((one) =>
      "error" in one ? one.error.code : `${one.frame.offset} ${Buffer.from(one.frame.raw).toString("hex")}`,
    )
    .join("\n");

export const telegramTargets = ({ telegrams }: Corpus): readonly Target[] => [
  {
    name: "telegram",
    nature: "text",
    weight: 12,
    seeds: telegrams.map((one) => ({ ...one, about: undefined })),
    resign: (bytes, other, random) => withChecksum(editText(bytes, other, random)),
    run: (bytes, _, anew, random) => {
      const whole = framesOf(bytes, []);
      const cuts = Array.from({ length: random.below(5) }, () => random.below(bytes.length)).sort(
        (a, b) => a - b,
      );
      must(
        shown(framesOf(bytes, cuts)) === shown(whole),
        "other telegrams when the bytes come in other pieces",
      );
      let outcome = whole.length === 0 ? "nothing that begins with /" : "";
      for (const one of whole) {
        if ("error" in one) {
          outcome ||= one.error.code;
          continue;
        }
        const { frame } = one;
        must(frame.raw.length <= MAX_TELEGRAM_BYTES, "a telegram that is too long");
        must(
          equalBytes(frame.raw, bytes.subarray(frame.offset, frame.offset + frame.raw.length)),
          "a telegram that never came",
        );
        const read = refusal(() => {
          const readings = readingsOf(readTelegram(frame));
          must(
            readings.every(({ name }) => name.length > 0),
            "a reading without a name",
          );
          if (!frame.checked) return "read, no checksum";
          return anew ? "read, checksum made anew" : "read";
        });
        outcome = read;
      }
      return outcome;
    },
    expected: [
      "p1-crc",
      "p1-malformed",
      "p1-too-long",
      "read",
      "read, no checksum",
      "read, checksum made anew",
      "nothing that begins with /",
    ],
  },
];
