/**
 * An outbox as it is after months without a broker: statements sealed by the agent's own code, none with a receipt.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import process from "node:process";
import { decimal, encodePack } from "@tallystick/evidence";
import { loadSigner, nodeSha256 } from "@tallystick/evidence/node";
import { Chains } from "../agent/src/seal/chains.ts";
import { bindIdentity, markIn } from "../agent/src/storage/identity.ts";
import { Outbox } from "../agent/src/outbox/outbox.ts";
import { Sealer, type Order } from "../agent/src/seal/seal.ts";
import { SigningKeys } from "../agent/src/seal/signing-key.ts";
import { openStorage } from "../agent/src/storage/storage.ts";

const SUB = "meter/m-0";
const FIRST_UNIX_S = 1_790_000_000;
/** The agent's own bound is not what is measured here. */
const MAX_BYTES = 2 ** 34;

export type Fill = {
  readonly count: number;
  /** Statements in one transaction: an agent seals what is due at one moment. */
  readonly atOnce?: number;
  /** Readings in a statement. */
  readonly readings?: number;
};

/** Seals `count` statements with the device's key. Returns how long sealing itself took, fsyncs and all, and its processor time. */
export async function fillOutbox(
  folder: string,
  iss: string,
  { count, atOnce = 500, readings = 1 }: Fill,
): Promise<{ seconds: number; cpuS: number }> {
  const storage = openStorage(folder);
  try {
    const lost = await bindIdentity(storage, { mark: markIn(folder), iss, lost: undefined });
    const chains = new Chains(storage, lost, (length) => new Uint8Array(randomBytes(length)));
    const keepReceipted = { days: 7, maxBytes: 200_000_000 };
    const outbox = new Outbox(storage, { maxBytes: MAX_BYTES, whenFull: "stop", keepReceipted });
    const signing = new SigningKeys(loadSigner(join(folder, "device.key")));
    const sealer = new Sealer({
      iss,
      signing,
      hash: nodeSha256,
      storage,
      chains,
      outbox,
      seen: () => undefined,
    });
    const [cpu, startedMs] = [process.cpuUsage(), performance.now()];
    for (let seq = 0; seq < count; seq += atOnce) {
      const many = Math.min(atOnce, count - seq);
      const orders = Array.from({ length: many }, (_, i) => orderOf(iss, seq + i, readings));
      await sealer.seal(() => orders);
    }
    const used = process.cpuUsage(cpu);
    return { seconds: (performance.now() - startedMs) / 1000, cpuS: (used.user + used.system) / 1e6 };
  } finally {
    storage.close();
  }
}

/** The first one opens the chain. */
function orderOf(iss: string, seq: number, readings: number): Order {
  const time = { timeUnixMs: (FIRST_UNIX_S + 60 * seq) * 1000, tq: 2 } as const;
  if (seq === 0) {
    return { sub: SUB, time, content: { opens: { source: "p1", names: [], interval: decimal(60) } } };
  }
  const pack = Array.from({ length: readings }, (_, i) => ({
    name: `1-0:${i + 1}.8.0`,
    unit: "kWh",
    value: { v: decimal(1_581_123 + seq, -3) },
    time: decimal(FIRST_UNIX_S + 60 * seq),
    quality: [],
  }));
  return { sub: SUB, time, content: { type: "senml", payload: encodePack(`${iss}/${SUB}/`, pack) } };
}
