/**
 * Signs a device's statements beforehand, and lays them out as the MQTT packets in which they will go.
 *
 * @module
 */
import {
  decimal,
  encodeEvent,
  encodePack,
  fromHex,
  LIMITS,
  sealStatement,
  upTopic,
  type Claims,
  type Reading,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { issOf, signerOf } from "./keys.ts";
import type { LoadOptions } from "./options.ts";
import { publishHead } from "./packets.ts";

/** Everything that one device will send. */
export type Presigned = {
  readonly device: number;
  /** PUBLISH packets, one after the other. */
  readonly packets: Uint8Array<ArrayBuffer>;
  /** Of each packet: where it begins. One more than there are packets. */
  readonly offsets: Uint32Array<ArrayBuffer>;
  /** Of each packet: its first statement. One more than there are packets. */
  readonly firsts: Uint32Array<ArrayBuffer>;
  /** Hashes of the statements, one after the other. */
  readonly hashes: Uint8Array<ArrayBuffer>;
};

export type PresignJob = Pick<LoadOptions, "stream" | "readings" | "perMessage" | "seen"> & {
  readonly device: number;
  readonly count: number;
};

const HASH_BYTES = 32;
const FIRST_UNIX_S = 1_790_000_000;

/** Registers of a meter, as many as a statement shall have readings. */
function readings(count: number, seq: number): Reading[] {
  return Array.from({ length: count }, (_, i): Reading => {
    const value = decimal(1_581_123 + 7 * seq + 1009 * i, -3);
    return {
      name: `1-0:${i + 1}.8.0`,
      unit: "kWh",
      value: { v: value },
      time: decimal(FIRST_UNIX_S + 60 * seq),
      quality: [],
    };
  });
}

export async function presign({ device, count, stream, seen, ...job }: PresignJob): Promise<Presigned> {
  const iss = issOf(device);
  const signer = signerOf(device);
  const ch = nodeSha256(Buffer.from(`${iss} ${stream}`)).slice(0, 8);
  const hashes = new Uint8Array(count * HASH_BYTES);
  const statements: Uint8Array[] = [];
  for (let seq = 0; seq < count; seq++) {
    const claims: Claims = {
      iss,
      sub: stream,
      ch,
      seq,
      iat: FIRST_UNIX_S + 60 * seq,
      tq: 2,
      lvl: 1,
      seen: { ...seen, root: fromHex(seen.root) },
      ...(seq > 0 && { prev: hashes.slice((seq - 1) * HASH_BYTES, seq * HASH_BYTES) }),
    };
    const payload =
      seq === 0
        ? encodeEvent({
            kind: "stream-opened",
            before: "none",
            source: "bench",
            interval: decimal(60),
            names: [],
          })
        : encodePack(`${iss}/${stream}/`, readings(job.readings, seq));
    const type = seq === 0 ? "event" : "senml";
    const statement = await sealStatement(claims, { type, payload }, signer, nodeSha256);
    statements.push(statement.bytes);
    hashes.set(statement.hash, seq * HASH_BYTES);
  }
  return { device, hashes, ...packed(upTopic(iss), statements, job.perMessage) };
}

function packed(
  topic: string,
  statements: readonly Uint8Array[],
  perMessage: number,
): Pick<Presigned, "packets" | "offsets" | "firsts"> {
  const firsts = [0];
  const parts: Uint8Array[] = [];
  const offsets = [0];
  let total = 0;
  for (let first = 0; first < statements.length;) {
    let bytes = 0;
    let end = first;
    for (; end < statements.length && end - first < perMessage; end++) {
      const length = statements[end]?.length ?? 0;
      if (bytes + length > LIMITS.maxUpBytes) break;
      bytes += length;
    }
    const head = publishHead(topic, (firsts.length % 65_535) + 1, bytes);
    parts.push(head, ...statements.slice(first, end));
    total += head.length + bytes;
    offsets.push(total);
    firsts.push(end);
    first = end;
  }
  const packets = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    packets.set(part, at);
    at += part.length;
  }
  return { packets, offsets: Uint32Array.from(offsets), firsts: Uint32Array.from(firsts) };
}
