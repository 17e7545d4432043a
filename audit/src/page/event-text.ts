/**
 * An event in a line: its members as they are, bytes in hexadecimal, lists of many counted.
 *
 * @module
 */
import { Decimal, formatDecimal, toHex, type Event } from "@tallystick/evidence";

/** Members of a list that are shown. */
const MAX_LISTED = 3;

/** `reason: power cut; count: 12`. */
export const eventText = (event: Event): string =>
  Object.entries(event)
    .filter(([name]) => name !== "kind")
    .map(([name, value]) => `${name}: ${valueText(value)}`)
    .join("; ");

function valueText(value: unknown): string {
  if (value instanceof Uint8Array) return toHex(value);
  if (value instanceof Decimal) return formatDecimal(value);
  if (Array.isArray(value)) {
    const shown = value.slice(0, MAX_LISTED).map(valueText).join(", ");
    return value.length > MAX_LISTED ? `${shown}, … (${value.length})` : shown === "" ? "–" : shown;
  }
  if (typeof value === "object" && value !== null) {
    return `(${Object.entries(value)
      .map(([name, one]) => `${name} ${valueText(one)}`)
      .join(", ")})`;
  }
  return String(value);
}
