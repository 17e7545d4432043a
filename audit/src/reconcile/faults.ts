/**
 * What is wrong with an export or a table: one line a fault, `FILE:LINE: column "NAME": what is wrong; what to do`. Several are told at once, since a
 * wrong setting shows in every line.
 *
 * @module
 */
import { ConfigError } from "@tallystick/evidence/node";

/** More than these say nothing new. */
const MAX_FAULTS = 10;
/** Longest piece of an export that a message shows. */
const SHOWN = 40;

export class Faults {
  readonly #file: string;
  readonly #found: string[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  /** @throws ConfigError when there are many */
  add(line: number, column: string | undefined, what: string): void {
    const where = column === undefined ? "" : ` column "${column}":`;
    this.#found.push(`${this.#file}:${line}:${where} ${what}`);
    if (this.#found.length >= MAX_FAULTS) this.end("there may be more");
  }

  /** @throws ConfigError with what follows at once: nothing after it can be read */
  stop(line: number, column: string | undefined, what: string): never {
    this.add(line, column, what);
    throw new ConfigError(this.#found);
  }

  /** @throws ConfigError where there are any */
  end(more?: string): void {
    if (this.#found.length === 0) return;
    throw new ConfigError(more === undefined ? this.#found : [...this.#found, `${this.#file}: ${more}`]);
  }
}

/** A piece of an export as a message may show it: short, in one line, nothing that a terminal obeys. */
export function shown(text: string): string {
  const plain = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
  return `"${plain.length > SHOWN ? `${plain.slice(0, SHOWN)}…` : plain}"`;
}
