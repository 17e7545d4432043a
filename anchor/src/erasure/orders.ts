/**
 * Orders to erase, one file each, as `tally-anchor erase` leaves them: what was carried out goes to `done/`, what can't be to `refused/` with its code beside it.
 *
 * @module
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { fromHex, isEvidenceError, toHex, type EvidenceCode } from "@tallystick/evidence";
import { makeOnce, readIfThere } from "../make-once.ts";
import { Unreadable, type OnUnreadable } from "../registry/unreadable.ts";
import { isReason } from "../trail/reason.ts";

const ENDING = ".json";
const NAME = /^[0-9a-f]{64}\.json$/;
/** Orders looked at in one go. */
const MAX_ORDERS = 256;
export const MAX_ORDER_BYTES = 200;

const OrderFile = z.strictObject({
  version: z.literal(1),
  order: z.string().refine((text) => isOrder(text)),
});

/** Which statement, and by whose order. */
export type Order = { readonly hash: Uint8Array; readonly order: string };

/** Whether this can stand in the ledger as the reason. */
export const isOrder = (text: string): boolean => isReason(text, MAX_ORDER_BYTES);

/** What became of an order; undefined as long as it waits. */
export type OrderFate = "done" | { readonly code: string; readonly reason: string };

export class Orders {
  readonly #folder: string;
  readonly #unreadable: Unreadable;

  /** @param onUnreadable - told once of each file that can't be read: it is left where it is, and stands in nobody's way */
  constructor(folder: string, onUnreadable?: OnUnreadable) {
    this.#folder = folder;
    this.#unreadable = new Unreadable(onUnreadable);
    for (const name of ["done", "refused"]) mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
  }

  /** Leaves an order for the anchor; where one for this statement waits already, that one stands. */
  async give({ hash, order }: Order): Promise<void> {
    await makeOnce(join(this.#folder, nameOf(hash)), `${JSON.stringify({ version: 1, order })}\n`);
  }

  /** Orders that wait. A file that holds none is refused at once. @throws the error of the folder itself */
  async look(): Promise<readonly Order[]> {
    const orders: Order[] = [];
    for (const name of this.#unreadable.last(waitingIn(this.#folder)).slice(0, MAX_ORDERS)) {
      const hash = fromHex(name.slice(0, -ENDING.length));
      const bytes = this.#read(name);
      if (bytes === undefined) continue;
      const read = OrderFile.safeParse(json(bytes));
      if (read.success) orders.push({ hash, order: read.data.order });
      else await this.refuse(hash, "member-type", "not an order that tally-anchor erase made");
    }
    return orders;
  }

  /** Undefined where it can't be read; nothing where there is far too much of it. */
  #read(name: string): Uint8Array | undefined {
    const path = join(this.#folder, name);
    try {
      const bytes = readIfThere(path);
      if (bytes === undefined) throw new Error(`${path} is not there`); // a link into nowhere
      return bytes;
    } catch (error) {
      if (isEvidenceError(error)) return new Uint8Array();
      this.#unreadable.add(name, error);
      return undefined;
    }
  }

  /** Of an earlier order for the same statement, which came to another end, nothing is left to be told. */
  async done(hash: Uint8Array): Promise<void> {
    const refused = join(this.#folder, "refused", nameOf(hash));
    for (const file of [`${refused}.code`, refused]) await rm(file, { force: true });
    await rename(join(this.#folder, nameOf(hash)), join(this.#folder, "done", nameOf(hash)));
  }

  async refuse(hash: Uint8Array, code: EvidenceCode, reason: string): Promise<void> {
    const name = join(this.#folder, "refused", nameOf(hash));
    await rm(join(this.#folder, "done", nameOf(hash)), { force: true }); // as above
    await writeFile(`${name}.code`, `${code}\n${reason}\n`);
    await rename(join(this.#folder, nameOf(hash)), name);
  }

  fateOf(hash: Uint8Array): OrderFate | undefined {
    if (existsSync(join(this.#folder, nameOf(hash)))) return undefined;
    if (existsSync(join(this.#folder, "done", nameOf(hash)))) return "done";
    const refused = join(this.#folder, "refused", `${nameOf(hash)}.code`);
    if (!existsSync(refused)) return undefined;
    const [code = "", reason = ""] = readFileSync(refused, "utf8").split("\n");
    return { code, reason };
  }
}

/** Names of the files in which orders wait; nothing of them is read. */
export const waitingIn = (folder: string): readonly string[] =>
  readdirSync(folder).filter((name) => NAME.test(name));

const nameOf = (hash: Uint8Array): string => `${toHex(hash)}${ENDING}`;

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}
