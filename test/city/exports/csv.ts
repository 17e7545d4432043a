/**
 * Exports as the city's offices write them: semicolons, a decimal comma, local time.
 *
 * @module
 */
import { localTime } from "../calendar.ts";

/** `line` as an editor counts them, the heading being 1. */
export type ExpectedLine = { readonly line: number; readonly class: string };

/** Rows that know what they are found to be. */
export class Sheet {
  readonly #rows: string[];
  readonly lines: ExpectedLine[] = [];
  /** Keys of proven events that no line is about. */
  readonly unbilled: string[] = [];

  constructor(heading: readonly string[]) {
    this.#rows = [heading.join(";")];
  }

  add(cells: readonly string[], found: string): void {
    this.#rows.push(cells.map(quoted).join(";"));
    this.lines.push({ line: this.#rows.length, class: found });
  }

  /** With CRLF, as offices have it. */
  get text(): string {
    return `${this.#rows.join("\r\n")}\r\n`;
  }
}

const quoted = (cell: string): string => (/[;"\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

/** `25.10.2026 02:15:00`. */
export function localText(unixS: number): string {
  const { year, month, day, hour, minute, second } = localTime(unixS);
  return `${day}.${month}.${year} ${hour}:${minute}:${second}`;
}

/** `1.234,50`: a whole number of the last place. */
export function commaText(units: number, places: number): string {
  const digits = String(Math.abs(units)).padStart(places + 1, "0");
  const whole = digits.slice(0, -places).replace(/\B(?=(\d{3})+$)/g, ".");
  return `${units < 0 ? "-" : ""}${whole},${digits.slice(-places)}`;
}

/** What windows-1252 has beyond Latin-1, as far as it occurs here. */
const BEYOND_LATIN_1 = new Map([["€", 0x80]]);

/** @throws RangeError for a character that it doesn't have */
export function windows1252(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => {
    const code = BEYOND_LATIN_1.get(character) ?? character.charCodeAt(0);
    if (code > 0xff) throw new RangeError(`${character}: not in windows-1252`);
    return code;
  });
}
