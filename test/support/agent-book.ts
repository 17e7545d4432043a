/**
 * The agent's half of the tally, read from its database by a test: what is journalled, what is sealed, and the receipts. Also while the agent
 * runs, and after it was killed.
 *
 * @module
 */
import {
  decodePack,
  encodeReceipt,
  encodeTransparent,
  formatDecimal,
  isEvidenceError,
  parseReceipt,
  parseStatement,
  type Reading,
  type Statement,
} from "@tallystick/evidence";
import { readStorage, type Storage } from "../../agent/src/storage/storage.ts";
import { STATE } from "../../agent/src/outbox/outbox.ts";

export type BookEntry = {
  readonly statement: Statement;
  readonly isReceipted: boolean;
  /** The statement with the one proof of its receipt that is about it; undefined where it has none. */
  readonly transparent: Uint8Array | undefined;
};

/** Newest rows that are looked at for the newest reading: the last of a stream may be an event. */
const LAST_ROWS = 4;

export class AgentBook {
  readonly #folder: string;
  readonly #iss: string;

  /** @param folder - the agent's data folder */
  constructor(folder: string, iss: string) {
    this.#folder = folder;
    this.#iss = iss;
  }

  /** The newest device time, whole seconds, of readings of this stream that are on the disk: journalled or sealed. */
  newestSecond(sub: string): number | undefined {
    return this.#read(undefined, (storage) =>
      newest([...this.#journalled(storage, sub, LAST_ROWS), ...this.#sealed(storage, sub, "1", LAST_ROWS)]),
    );
  }

  /** The same of those that are journalled and not sealed yet. */
  newestJournalledSecond(sub: string): number | undefined {
    return this.#read(undefined, (storage) => newest(this.#journalled(storage, sub, LAST_ROWS)));
  }

  /** The same of those that have receipts. */
  newestReceiptedSecond(sub: string): number | undefined {
    return this.#read(undefined, (storage) =>
      newest(this.#sealed(storage, sub, `o.state = ${STATE.receipted}`, LAST_ROWS)),
    );
  }

  /** Every reading of this stream that is on the disk. */
  readings(sub: string): readonly Reading[] {
    return this.#read([], (storage) => [
      ...this.#sealed(storage, sub, "1", -1),
      ...this.#journalled(storage, sub, -1),
    ]);
  }

  /** Sealed statements without a receipt. */
  waiting(): number {
    return this.#read(
      0,
      (storage) =>
        storage
          .query<{ count: number }>(`SELECT count(*) AS count FROM outbox WHERE state <> ${STATE.receipted}`)
          .get()?.count ?? 0,
    );
  }

  /** Everything in the outbox, in the order of sealing. */
  entries(): readonly BookEntry[] {
    return this.#read([], (storage) =>
      storage
        .query<{ bytes: Uint8Array; state: number; receipt: Uint8Array | null; place: number | null }>(
          `SELECT s.bytes, o.state, r.bytes AS receipt, o.place FROM outbox o JOIN statement s ON s.id = o.id
             LEFT JOIN receipt r ON r.id = o.receipt ORDER BY o.id`,
        )
        .all()
        .map(({ bytes, state, receipt, place }) => {
          const statement = parseStatement(bytes);
          const own = receipt === null ? undefined : withOneProof(receipt, place ?? 0);
          return {
            statement,
            isReceipted: state === STATE.receipted,
            transparent: own === undefined ? undefined : encodeTransparent(statement.bytes, [own]),
          };
        }),
    );
  }

  #journalled(storage: Storage, sub: string, limit: number): readonly Reading[] {
    return storage
      .query<{ bytes: Uint8Array }>(
        "SELECT bytes FROM journal WHERE sub = ? AND kind = 0 ORDER BY id DESC LIMIT ?",
      )
      .all(sub, limit)
      .flatMap(({ bytes }) => decodePack(bytes, `${this.#iss}/${sub}/`));
  }

  #sealed(storage: Storage, sub: string, where: string, limit: number): readonly Reading[] {
    return storage
      .query<{ bytes: Uint8Array }>(
        `SELECT s.bytes FROM outbox o JOIN statement s ON s.id = o.id JOIN chain c ON c.id = o.chain
         WHERE c.sub = ? AND ${where} ORDER BY o.id DESC LIMIT ?`,
      )
      .all(sub, limit)
      .flatMap(({ bytes }) => readingsOf(parseStatement(bytes)));
  }

  /**
   * @param without - the answer while there is no database yet: the agent makes it a moment after its start; one that was killed while it did has left a
   *   journal that only a writer can bring back
   */
  #read<T>(without: T, read: (storage: Storage) => T): T {
    let storage: Storage;
    try {
      storage = readStorage(this.#folder);
    } catch (error) {
      if (isEvidenceError(error) && (error.code === "storage-missing" || isForWriter(error.cause)))
        return without;
      throw error;
    }
    try {
      return read(storage);
    } finally {
      storage.close();
    }
  }
}

/** Whether SQLite says that only a writer can go on: SQLITE_READONLY with any extension. */
const isForWriter = (cause: unknown): boolean =>
  cause instanceof Error && "errcode" in cause && (Number(cause.errcode) & 0xff) === 8;

/** What a statement of readings says; nothing for another. */
export function readingsOf({ claims, content }: Statement): readonly Reading[] {
  return content.type === "senml" ? decodePack(content.payload, `${claims.iss}/${claims.sub}/`) : [];
}

/** A moment that a device gave, in seconds; NaN where it gave none. */
export const secondOf = ({ time }: Reading): number =>
  time === null ? Number.NaN : Number(formatDecimal(time));

function newest(readings: readonly Reading[]): number | undefined {
  const seconds = readings.map(secondOf);
  return seconds.length === 0 ? undefined : Math.max(...seconds);
}

/** A receipt may hold proofs for many statements: this is the one for the statement at `place`, as signed. */
function withOneProof(bytes: Uint8Array, place: number): Uint8Array {
  const { sign1, size, proofs } = parseReceipt(bytes);
  const proof = proofs[place];
  if (proof === undefined) throw new Error(`a receipt has no proof ${place}`);
  return encodeReceipt({ protectedBytes: sign1.protectedBytes, signature: sign1.signature, size }, [proof]);
}
