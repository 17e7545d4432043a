/**
 * Whether what is shown is the history that was shown before, and that others were shown. What can't be true together is kept as a proof.
 *
 * @module
 */
import type { Hash } from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";
import { AuthenticTiles } from "../log/authentic.ts";
import type { OpenLog } from "../log/note.ts";
import type { Findings } from "./alert.ts";
import { foundNote, otherBeginning, type OtherBeginning } from "./growth.ts";
import type { FoundNote, Proof, Proofs } from "./proof.ts";

/** A checkpoint that was seen, and where. */
export type Seen = { readonly name: string; readonly log: OpenLog };

/** Another place of the same log, and what it shows. */
export type Copy = Seen & { readonly place: Place };

export type HistoryParts = {
  readonly main: Place;
  readonly proofs: Proofs;
  readonly hash: Hash;
  /** The checkpoint, read again after a while. */
  readonly reread: () => Promise<OpenLog>;
};

/** Where the checkpoint was found that this watch kept. */
export const KEPT = "kept here";

export class History {
  readonly #parts: HistoryParts;

  constructor(parts: HistoryParts) {
    this.#parts = parts;
  }

  /** The checkpoint to go on with; undefined where the log shows less than was seen of it before it was asked, here or elsewhere. */
  async notRolledBack(
    shown: OpenLog,
    before: readonly Seen[],
    findings: Findings,
  ): Promise<OpenLog | undefined> {
    const { main, reread } = this.#parts;
    const [known] = before.toSorted((a, b) => b.log.size - a.log.size);
    if (known === undefined || shown.size >= known.log.size) return shown;
    const again = await reread(); // the first may have come out of a cache
    if (again.size >= known.log.size) return again;
    await this.#accuse(findings, main.name, {
      code: "log-rollback",
      known: foundNote(known.name, known.log),
      shown: foundNote(main.name, again),
      text: `shows ${again.size} entries, and had ${known.log.size} (${known.name}): entries were taken away`,
    });
    return undefined;
  }

  /** False where the log did not grow from what it had signed before. @param tiles - of `log` */
  async grew(before: Seen, log: OpenLog, tiles: AuthenticTiles, findings: Findings): Promise<boolean> {
    const { main, hash } = this.#parts;
    const other = await otherBeginning(before.log, log, tiles, hash);
    if (other === undefined) return true;
    await this.#accuse(findings, main.name, {
      code: "log-fork",
      known: foundNote(before.name, before.log),
      shown: foundNote(main.name, log),
      beginning: other,
      text: `its tree of ${log.size} entries did not grow from that of ${before.log.size} that it signed before (${before.name}): two histories`,
    });
    return false;
  }

  /** A receipt of the log for the very size of its checkpoint, and another tree. */
  async equivocated(log: OpenLog, receipt: Uint8Array, findings: Findings): Promise<void> {
    const { main } = this.#parts;
    await this.#accuse(findings, main.name, {
      code: "log-fork",
      known: { from: main.name, evidence: receipt },
      shown: foundNote(main.name, log),
      text: `its checkpoint and its receipt are of two different trees of ${log.size} entries: two histories`,
    });
  }

  /** Compares with a copy, whichever of the two is larger. @param tiles - of `log` */
  async compareCopy(copy: Copy, log: OpenLog, tiles: AuthenticTiles, findings: Findings): Promise<void> {
    const { main, hash } = this.#parts;
    const isBehind = copy.log.size <= log.size;
    const own = new AuthenticTiles(copy.place, copy.log.size, copy.log.root, hash);
    const other = isBehind
      ? await otherBeginning(copy.log, log, tiles, hash)
      : await otherBeginning(log, copy.log, own, hash);
    if (other === undefined) return;
    const [theirs, ours] = [foundNote(copy.name, copy.log), foundNote(main.name, log)];
    const [known, shown] = isBehind ? [theirs, ours] : [ours, theirs];
    await this.#accuse(findings, copy.name, {
      code: "log-fork",
      known,
      shown,
      beginning: other,
      text: `has a tree of ${copy.log.size} entries, ${main.name} one of ${log.size}, and neither is the beginning of the other: two histories`,
    });
  }

  async #accuse(findings: Findings, subject: string, { code, text, ...proof }: Accusation): Promise<void> {
    const { origin } = this.#parts.proofs;
    const evidence = await this.#parts.proofs.keep({ code, origin, ...proof });
    findings.add({ code, subject, because: code, text, ...(evidence !== undefined && { evidence }) });
  }
}

type Accusation = {
  readonly code: "log-fork" | "log-rollback";
  readonly text: string;
  readonly known: Proof["known"];
  readonly shown: FoundNote;
  readonly beginning?: OtherBeginning;
};
