/**
 * Where a case is taken from: what an anchor is asked for, whichever of its interfaces answers. Nothing of it is believed; the case is verified before it
 * has a name.
 *
 * @module
 */
import type { Place } from "@tallystick/evidence/node";

/** A chain that the anchor has. `from` and `to`: the numbers that it hands over for the period; null where there are none. */
export type SourceChain = {
  readonly iss: string;
  readonly sub: string;
  readonly ch: Uint8Array;
  readonly first: number;
  readonly last: number;
  readonly from: number | null;
  readonly to: number | null;
};

/** A statement that was erased, and the hash of the one that says so. */
export type SourceErased = {
  readonly iss: string;
  readonly sub: string;
  readonly ch: Uint8Array;
  readonly seq: number;
  readonly by: Uint8Array;
};

export interface Source {
  /** Size of the tree at which everything is asked for. */
  readonly size: number;
  /** Hash of the access statement; null where none is left. */
  readonly access: Uint8Array | null;
  /** The log's public files. */
  readonly place: Place;
  /** The signed note of that size. */
  checkpoint(): Promise<Uint8Array>;
  chains(): AsyncIterable<SourceChain>;
  /** Transparent statements of a chain with these numbers, as they come. */
  statements(chain: SourceChain, from: number, to: number): AsyncIterable<Uint8Array>;
  /** Numbers of the chain that the log has. */
  numbers(chain: SourceChain, from: number, to: number): AsyncIterable<number>;
  /** Registry items of that tree, as transparent statements, from 0 on. */
  registry(): AsyncIterable<Uint8Array>;
  erased(): AsyncIterable<SourceErased>;
  /** One statement by its hash; undefined where it isn't handed over. */
  statement(hash: Uint8Array): Promise<Uint8Array | undefined>;
  /** Nothing more is asked. */
  end(): Promise<void>;
}
