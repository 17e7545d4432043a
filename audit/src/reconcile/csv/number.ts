/**
 * Numbers of an export, exactly: as they are written, or not at all.
 *
 * @module
 */

export type NumberStyle = { readonly decimal: "." | ","; readonly thousands?: string | undefined };

/** digits x 10^-places */
export type Exact = { readonly digits: bigint; readonly places: number };

/** Reads a number: `1.234,50`, `-3,5`, and `12,50-` as some programs write it. Undefined where it is none. */
export type NumberReader = (text: string) => Exact | undefined;

const MAX_DIGITS = 30;

/** Makes the reader of one style. */
export function numberReader({ decimal, thousands }: NumberStyle): NumberReader {
  const point = escaped(decimal);
  const whole =
    thousands === undefined ? String.raw`\d+` : String.raw`\d{1,3}(?:${escaped(thousands)}\d{3})+|\d+`;
  const pattern = new RegExp(String.raw`^([+-]?)(${whole})(?:${point}(\d+))?(-?)$`, "u");
  return (text) => {
    const match = text.length <= 2 * MAX_DIGITS ? pattern.exec(text) : null;
    if (match === null) return undefined;
    const [, before = "", wholeText = "", fraction = "", after = ""] = match;
    if (before !== "" && after !== "") return undefined;
    const digits = (thousands === undefined ? wholeText : wholeText.replaceAll(thousands, "")) + fraction;
    if (digits.length > MAX_DIGITS) return undefined;
    const magnitude = BigInt(digits);
    return { digits: before === "-" || after === "-" ? -magnitude : magnitude, places: fraction.length };
  };
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

/** Reads a decimal as maps and facts have it: `-0.50`. */
export const exactOf: NumberReader = numberReader({ decimal: "." });

/** The same value with `places` decimal places; undefined where it has more. */
export function atPlaces({ digits, places }: Exact, wanted: number): bigint | undefined {
  if (places <= wanted) return digits * 10n ** BigInt(wanted - places);
  const scale = 10n ** BigInt(places - wanted);
  return digits % scale === 0n ? digits / scale : undefined;
}

/** `1050` at two places is `10.50`. */
export function exactText(digits: bigint, places: number): string {
  const magnitude = (digits < 0n ? -digits : digits).toString().padStart(places + 1, "0");
  const cut = magnitude.length - places;
  const text = places === 0 ? magnitude : `${magnitude.slice(0, cut)}.${magnitude.slice(cut)}`;
  return digits < 0n ? `-${text}` : text;
}
