/**
 * An invite as a picture: for a terminal, two rows of it in one line of text; for paper, as SVG.
 *
 * @module
 */
import { encode, renderSVG } from "uqr";

/** Light around it, in modules: the standard asks for four; readers are content with two, and a terminal has little room. */
const BORDER = 2;
const PAPER_BORDER = 4;
const BLACK_ON_WHITE = "\u001b[30;107m";
const RESET = "\u001b[0m";

/**
 * The picture as lines of text.
 *
 * @param colours - true where a terminal shows it: black on white whatever its own colours are; else the dark modules are blanks, for a dark page
 */
export function qrText(text: string, colours: boolean): string {
  const { data, size } = encode(text, { ecc: "L", border: BORDER });
  const isInk = (row: number, column: number): boolean => (data[row]?.[column] ?? false) === colours;
  const lines = Array.from({ length: Math.ceil(size / 2) }, (_, i) => {
    const top = 2 * i;
    // below the last row of an odd size there is nothing, which is light
    const below = (column: number): boolean => (top + 1 < size ? isInk(top + 1, column) : !colours);
    const line = Array.from(
      { length: size },
      (__, column) => BLOCK[Number(isInk(top, column)) + 2 * Number(below(column))],
    ).join("");
    return colours ? `${BLACK_ON_WHITE}${line}${RESET}` : line;
  });
  return `${lines.join("\n")}\n`;
}

/** By upper and lower half: none, upper, lower, both. */
const BLOCK = [" ", "\u2580", "\u2584", "\u2588"] as const;

export const qrSvg = (text: string): string => renderSVG(text, { ecc: "L", border: PAPER_BORDER });
