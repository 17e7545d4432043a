/**
 * Receipts as other log software makes them (RFC 9942 alone), by a log's own key.
 *
 * @module
 */
import {
  encodeCbor,
  encodeSign1,
  parseReceipt,
  toBeSigned,
  type CborKey,
  type CborValue,
  type Statement,
} from "@tallystick/evidence";
import type { Batch, World } from "../world.ts";

/** A good proof and signature, and no `size` among the claims. */
export async function foreignReceipt(
  world: World,
  statement: Statement,
  batch: Batch = world.newest,
): Promise<Uint8Array> {
  const { sign1 } = parseReceipt(world.receipt([statement], batch));
  const header = new Map<CborKey, CborValue>([
    [1, -19],
    [4, world.log.key.kid],
    [15, new Map<CborKey, CborValue>([[1, world.origin]])],
    [395, 1],
  ]);
  const protectedBytes = encodeCbor(header);
  const signature = await world.log.sign(toBeSigned(protectedBytes, batch.root));
  return encodeSign1({ protectedBytes, unprotected: sign1.unprotected, payload: null, signature });
}
