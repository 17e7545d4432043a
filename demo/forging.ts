/**
 * The cheapest forgery there is: one bit of a signed reading, so that it is still well-formed and says another number.
 *
 * @module
 */
import {
  Decimal,
  decodePack,
  formatDecimal,
  isEvidenceError,
  type Reading,
  type Statement,
} from "@tallystick/evidence";
import { formatReading } from "./passing.ts";

export type Forgery = {
  readonly altered: Buffer;
  /** What it makes of what. */
  readonly what: string;
};

/**
 * Changes the lowest bit of the first byte of `file` that makes one number of `statement` another one and nothing else.
 *
 * @param file - holds the statement's payload as it is
 * @returns undefined where the statement holds no number
 */
export function forge(file: Buffer, statement: Statement): Forgery | undefined {
  const { content, claims } = statement;
  if (content.type !== "senml") return undefined;
  const base = `${claims.iss}/${claims.sub}/`;
  const honest = decodePack(content.payload, base);
  const start = file.indexOf(content.payload);
  const payload = Uint8Array.from(content.payload);
  for (let at = 0; at < payload.length; at++) {
    payload[at] = (payload[at] ?? 0) ^ 1;
    const changed = changedNumber(honest, readingsOf(payload, base));
    if (changed !== undefined) {
      const altered = Buffer.from(file);
      altered[start + at] = payload[at] ?? 0;
      return { altered, what: `bit 0 of byte ${start + at} of ${file.length}: ${changed}` };
    }
    payload[at] = (payload[at] ?? 0) ^ 1;
  }
  return undefined;
}

function readingsOf(payload: Uint8Array, base: string): readonly Reading[] {
  try {
    return decodePack(payload, base);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    return [];
  }
}

/** Tells of the one number with a unit that differs; undefined where it is another kind of change. */
function changedNumber(honest: readonly Reading[], altered: readonly Reading[]): string | undefined {
  if (honest.length !== altered.length) return undefined;
  const different = honest.flatMap((reading, i) => {
    const other = altered[i];
    return other !== undefined && fullText(reading) !== fullText(other) ? [{ reading, other }] : [];
  });
  const [only] = different;
  if (only === undefined || different.length > 1) return undefined;
  const { reading, other } = only;
  const isNumber = "v" in reading.value && "v" in other.value && reading.unit !== undefined;
  const sameElse =
    reading.name === other.name && reading.unit === other.unit && timeOf(reading) === timeOf(other);
  return isNumber && sameElse ? `${formatReading(reading)} made ${formatReading(other)}` : undefined;
}

const timeOf = ({ time, received }: Reading): string =>
  [time, received].map((one) => (one instanceof Decimal ? formatDecimal(one) : "")).join(" ");

const fullText = (reading: Reading): string =>
  `${formatReading(reading)} ${timeOf(reading)} ${reading.quality.join(" ")}`;
