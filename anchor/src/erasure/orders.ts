/**
 * Orders to erase, one file each, as `tally-anchor erase` leaves them: what was carried out goes to `done/`, what can't be to `refused/` with its code beside it.
 *
 * @module
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { fromHex, toHex, type EvidenceCode } from "@tallystick/evidence";
import { makeOnce, readIfThere } from "../make-once.ts";
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

  constructor(folder: string) {
    this.#folder = folder;
    for (const name of ["done", "refused"]) mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
  }

  /** Leaves an order for the anchor; where one for this statement waits already, that one stands. */
  async give({ hash, order }: Order): Promise<void> {
    await makeOnce(join(this.#folder, nameOf(hash)), `${JSON.stringify({ version: 1, order })}\n`);
  }

  /** Orders that wait. One that can't be read is refused at once. */
  async look(): Promise<readonly Order[]> {
    const names = readdirSync(this.#folder).filter((name) => NAME.test(name));
    const orders: Order[] = [];
    for (const name of names.toSorted().slice(0, MAX_ORDERS)) {
      const hash = fromHex(name.slice(0, -ENDING.length));
      const read = OrderFile.safeParse(json(readIfThere(join(this.#folder, name))));
      if (read.success) orders.push({ hash, order: read.data.order });
      else await this.refuse(hash, "member-type", "not an order that tally-anchor erase made");
    }
    return orders;
  }

  async done(hash: Uint8Array): Promise<void> {
    await rename(join(this.#folder, nameOf(hash)), join(this.#folder, "done", nameOf(hash)));
  }

  async refuse(hash: Uint8Array, code: EvidenceCode, reason: string): Promise<void> {
    const name = join(this.#folder, "refused", nameOf(hash));
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

const nameOf = (hash: Uint8Array): string => `${toHex(hash)}${ENDING}`;

function json(bytes: Uint8Array | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(bytes ?? []).toString("utf8"));
  } catch {
    return undefined;
  }
}
