/**
 * Statements for a log that is to become large fast: as the sequencer gets them from admission, in unbroken chains of the load's devices, but
 * with bytes that nobody has signed and nobody will read again.
 *
 * @module
 */
import type { Entrant } from "../../anchor/src/place.ts";
import type { Store } from "../../anchor/src/sequence.ts";
import { nodeSha256 } from "@tallystick/evidence/node";
import { issOf, signerOf } from "../load/keys.ts";

const SUB = "meter/grown";
/** What a statement of one reading has. */
const STATEMENT_BYTES = 325;

type Chain = {
  readonly iss: string;
  readonly kid: Uint8Array;
  readonly ch: Uint8Array;
  seq: number;
  prev: Uint8Array | undefined;
};

/** The next statements of each device in turn, from wherever its chain stands in the store. */
export class Entrants {
  readonly #chains: readonly Chain[];
  #turn = 0;

  constructor(devices: number, store: Store) {
    this.#chains = Array.from({ length: devices }, (_, i) => {
      const iss = issOf(i);
      const ch = nodeSha256(Buffer.from(`grown ${iss}`)).slice(0, 8);
      const held = store.chains.find(iss, SUB, ch);
      const seq = held === undefined ? 0 : held.last + 1;
      return { iss, ch, seq, kid: signerOf(i).key.kid, prev: held?.lastHash };
    });
  }

  /** At most as many as there are devices follow one another without a repeated device. */
  next(count: number): Entrant[] {
    return Array.from({ length: count }, () => {
      const chain = this.#chains[this.#turn++ % this.#chains.length];
      if (chain === undefined) throw new Error("no devices");
      return nextOf(chain);
    });
  }
}

function nextOf(chain: Chain): Entrant {
  const { iss, ch, kid, prev } = chain;
  const seq = chain.seq++;
  const bytes = new Uint8Array(STATEMENT_BYTES);
  bytes.set(ch);
  new DataView(bytes.buffer).setFloat64(8, seq);
  const hash = nodeSha256(bytes);
  chain.prev = hash;
  const event = { kind: "stream-opened", before: "none", source: "bench", names: [] } as unknown;
  return {
    bytes,
    hash,
    kid,
    claims: { iss, sub: SUB, ch, seq, ...(prev !== undefined && { prev }) },
    ...(seq === 0 && { event: event as NonNullable<Entrant["event"]> }),
  };
}
