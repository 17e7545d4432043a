/**
 * Proofs against a log, kept as files: two signed notes that can't both be true, and what shows it.
 *
 * @module
 */
import { join } from "node:path";
import { toBase64, toHex, type EvidenceCode } from "@tallystick/evidence";
import { nodeSha256, writeDurable } from "@tallystick/evidence/node";
import type { Beginning } from "../log/tree-reads.ts";
import type { AlertCode } from "./alert.ts";

/** A signed note, and where it was found. */
export type FoundNote = { readonly from: string; readonly note: string };

export type Proof = {
  readonly code: AlertCode & EvidenceCode;
  readonly origin: string;
  /** What was known before. */
  readonly known: FoundNote | { readonly from: string; readonly evidence: Uint8Array };
  /** What was shown then. */
  readonly shown: FoundNote;
  /** The tree of the known size out of which the shown one grew: another one than the known. */
  readonly beginning?: Beginning & { readonly size: number };
};

/** Proofs kept of one log: further ones of the same fork say nothing new. */
const MAX_PROOFS = 64;
const FOLDER = "evidence";

export class Proofs {
  readonly #folder: string;
  readonly #kept = new Set<string>();
  /** Of the log that is watched, once it is known. */
  origin = "";

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Writes a proof durably. Returns its name, relative to the state's folder; undefined where there are enough. The same proof has the same name. */
  async keep({ code, origin, known, shown, beginning }: Proof): Promise<string | undefined> {
    const earlier = "note" in known ? known : { from: known.from, evidence: toBase64(known.evidence) };
    const content = {
      v: 1,
      code,
      origin,
      known: earlier,
      shown,
      ...(beginning !== undefined && {
        beginning: {
          size: beginning.size,
          root: toHex(beginning.root),
          path: beginning.path.map((one) => toHex(one)),
        },
      }),
    };
    const text = `${JSON.stringify(content, null, 2)}\n`;
    const name = `${FOLDER}/${code}-${toHex(nodeSha256(Buffer.from(text)).subarray(0, 8))}.json`;
    if (this.#kept.has(name)) return name;
    if (this.#kept.size >= MAX_PROOFS) return undefined;
    await writeDurable(join(this.#folder, name), text, { mode: 0o600 });
    this.#kept.add(name);
    return name;
  }
}
