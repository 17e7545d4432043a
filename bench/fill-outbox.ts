/**
 * An outbox as it is after months without a broker: statements sealed by the agent's own code, none with a receipt.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { decimal, encodePack } from "@tallystick/evidence";
import { loadSigner, nodeSha256 } from "@tallystick/evidence/node";
import { Chains } from "../agent/src/chains.ts";
import { bindIdentity, markIn } from "../agent/src/identity.ts";
import { Outbox } from "../agent/src/outbox.ts";
import { Sealer, type Order } from "../agent/src/seal.ts";
import { openStorage } from "../agent/src/storage.ts";

const SUB = "meter/m-0";
const FIRST_UNIX_S = 1_790_000_000;
/** Statements in one transaction. */
const AT_ONCE = 500;

export async function fillOutbox(folder: string, iss: string, count: number): Promise<void> {
  const storage = openStorage(folder);
  try {
    const lost = await bindIdentity(storage, { mark: markIn(folder), iss, lost: undefined });
    const chains = new Chains(storage, lost, (length) => new Uint8Array(randomBytes(length)));
    const keepReceipted = { days: 7, maxBytes: 200_000_000 };
    const outbox = new Outbox(storage, { maxBytes: 2 ** 30, whenFull: "stop", keepReceipted });
    const signer = loadSigner(join(folder, "device.key"));
    const sealer = new Sealer({
      iss,
      signer,
      hash: nodeSha256,
      storage,
      chains,
      outbox,
      seen: () => undefined,
    });
    const orderOf = (seq: number): Order => {
      const time = { timeUnixMs: (FIRST_UNIX_S + 60 * seq) * 1000, tq: 2 } as const;
      if (seq === 0)
        return { sub: SUB, time, content: { opens: { source: "p1", names: [], interval: decimal(60) } } };
      const value = { v: decimal(1_581_123 + seq, -3) };
      const reading = {
        name: "1-0:1.8.0",
        unit: "kWh",
        value,
        time: decimal(FIRST_UNIX_S + 60 * seq),
        quality: [],
      };
      return { sub: SUB, time, content: { type: "senml", payload: encodePack(`${iss}/${SUB}/`, [reading]) } };
    };
    for (let seq = 0; seq < count; seq += AT_ONCE) {
      const orders = Array.from({ length: Math.min(AT_ONCE, count - seq) }, (_, i) => orderOf(seq + i));
      await sealer.seal(() => orders);
    }
  } finally {
    storage.close();
  }
}
