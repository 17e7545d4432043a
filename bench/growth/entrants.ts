/**
 * Statements for a log that is to become large fast: as the sequencer gets them from admission, in unbroken chains of the load's devices, but
 * each with the bytes of one and the same opening, and a signature of its own that nobody made: they can be read, as the anchor does at its start, not verified.
 *
 * @module
 */
import type { Entrant } from "../../anchor/src/sequence/place.ts";
import type { Store } from "../../anchor/src/sequence/sequence.ts";
import { decimal, encodeEvent, sealStatement } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { issOf, signerOf } from "../load/keys.ts";

const SUB = "meter/grown";
/** So long that the statement has as many bytes as one of one reading, 325. */
const SOURCE = "bench".padEnd(56, ".");
const SIGNATURE_BYTES = 64;

type Chain = {
  readonly iss: string;
  readonly kid: Uint8Array;
  readonly ch: Uint8Array;
  seq: number;
  prev: Uint8Array | undefined;
};

/** The next statements of each device in turn, from wherever its chain stands in the store. */
export class Entrants {
  readonly #opening: Uint8Array;
  readonly #chains: readonly Chain[];
  #turn = 0;

  static async of(devices: number, store: Store): Promise<Entrants> {
    return new Entrants(await sealedOpening(), devices, store);
  }

  private constructor(opening: Uint8Array, devices: number, store: Store) {
    this.#opening = opening;
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
      return nextOf(chain, this.#opening);
    });
  }
}

async function sealedOpening(): Promise<Uint8Array> {
  const payload = encodeEvent({
    kind: "stream-opened",
    before: "none",
    source: SOURCE,
    interval: decimal(60),
    names: [],
  });
  const claims = { iss: issOf(0), sub: SUB, ch: new Uint8Array(8), seq: 0, tq: 0, lvl: 1 } as const;
  return (await sealStatement(claims, { type: "event", payload }, signerOf(0), nodeSha256)).bytes;
}

function nextOf(chain: Chain, opening: Uint8Array): Entrant {
  const { iss, ch, kid, prev } = chain;
  const seq = chain.seq++;
  const bytes = opening.slice();
  bytes.set(ch, bytes.length - SIGNATURE_BYTES);
  new DataView(bytes.buffer).setFloat64(bytes.length - SIGNATURE_BYTES + ch.length, seq);
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
