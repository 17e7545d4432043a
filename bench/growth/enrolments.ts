/**
 * Enrolments as an operator signs them, one item after the other.
 *
 * @module
 */
import {
  encodeItem,
  sealStatement,
  type KeyState,
  type PublicKey,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";

export const OPERATOR = "city/operator";
const FIRST_UNIX_S = 1_790_000_000;

/** The next items of the registry, each for one device. */
export async function enrolments(
  devices: readonly { readonly iss: string; readonly key: PublicKey }[],
  after: Pick<KeyState, "count" | "last">,
  operator: Signer,
): Promise<Statement[]> {
  const items: Statement[] = [];
  let prev = after.last;
  for (const [i, { iss, key }] of devices.entries()) {
    const seq = after.count + i;
    const claims = { iss: OPERATOR, sub: "registry", iat: FIRST_UNIX_S, seq, prev, tq: 2, lvl: 1 } as const;
    const payload = encodeItem({ kind: "enrol", device: iss, key, streams: ["*"], silenceS: 900 });
    const item = await sealStatement(claims, { type: "registry", payload }, operator, nodeSha256);
    items.push(item);
    prev = item.hash;
  }
  return items;
}
