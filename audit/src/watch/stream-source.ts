/**
 * Where the newest statements of watched streams come from: the archive of an anchor on its own machine, or its reads, for whoever has a token. Nothing of it is believed.
 *
 * @module
 */
import { EvidenceError, parseReceipt, parseTransparent, toHex } from "@tallystick/evidence";
import type { HttpLimits, Place } from "@tallystick/evidence/node";
import type { StreamName } from "../bundle/period.ts";
import { ReadApi, type ChainInfo } from "../bundle/read-api.ts";
import { ReadSource } from "../case/take/reads.ts";
import type { SourceChain } from "../case/take/source.ts";

/** A transparent statement, the newest of a stream, and what opened its chain. */
type NewestOfStream = {
  readonly bytes: Uint8Array;
  readonly opening: Uint8Array | undefined;
};

export interface StreamSource {
  /** Undefined where the source has nothing of it. @param size - of the checkpoint: later statements don't count where the source can tell */
  newest(stream: StreamName, size: number): Promise<NewestOfStream | undefined>;
  /** Nothing more is asked at this look. */
  end(): Promise<void>;
}

/** Chains of one stream that are looked at. */
const MAX_CHAINS = 64;
/** Of each, statements that are looked at: the last may be newer than the checkpoint. */
const LAST = 900;

/** What the anchor has on its own machine. */
export function archiveStreams(place: Place): StreamSource {
  const api = new ReadApi(place);
  return {
    async newest({ iss, sub }, size) {
      const chains = (await api.chains(iss)).filter((chain) => chain.sub === sub).slice(-MAX_CHAINS);
      let newest: { chain: ChainInfo; hash: Uint8Array; index: number } | undefined;
      for (const chain of chains) {
        for await (const { index, hash } of api.rows(
          chain,
          Math.max(chain.first, chain.last - LAST),
          chain.last,
        ))
          if (index < size && (newest === undefined || newest.index < index)) newest = { chain, hash, index };
      }
      const bytes = newest && (await api.statement(newest.hash, size));
      if (newest === undefined || bytes === undefined) return undefined;
      const row = await api.rowAt(newest.chain, 0);
      const opening = row?.seq === 0 ? await api.statement(row.hash, size) : undefined;
      return { bytes, opening };
    },
    end: () => Promise.resolve(),
  };
}

export type ReadAccess = {
  readonly address: string;
  readonly token: string;
  /** It stands in the ledger. */
  readonly purpose: string;
  readonly limits: HttpLimits;
  /** For how long one look may ask. */
  readonly leftMs: () => number;
};

/** Begins a read of these streams, which is told in the ledger. @throws EvidenceError what the anchor refuses it with; `http-answer`, `unreachable` */
export async function readStreams(
  { address, token, purpose, limits, leftMs }: ReadAccess,
  streams: readonly StreamName[],
): Promise<StreamSource> {
  const wanted = { purpose, streams, from: undefined, to: undefined, size: undefined };
  const read = await ReadSource.begin(address, token, wanted, limits);
  const byStream = new Map<string, SourceChain[]>();
  const names = new Set(streams.map(({ iss, sub }) => `${iss} ${sub}`));
  for await (const chain of read.chains()) {
    inTime(leftMs);
    const name = `${chain.iss} ${chain.sub}`;
    if (names.has(name)) byStream.set(name, [...(byStream.get(name) ?? []).slice(1 - MAX_CHAINS), chain]);
  }
  return {
    async newest({ iss, sub }) {
      let newest: { chain: SourceChain; bytes: Uint8Array; index: number } | undefined;
      for (const chain of byStream.get(`${iss} ${sub}`) ?? []) {
        inTime(leftMs);
        const bytes = chain.to === null ? undefined : await one(read, chain, chain.to);
        const receipt = bytes && parseTransparent(bytes).receipts[0];
        const index = receipt && parseReceipt(receipt).proofs[0]?.index;
        if (bytes !== undefined && index !== undefined && (newest === undefined || newest.index < index))
          newest = { chain, bytes, index };
      }
      return newest && { bytes: newest.bytes, opening: await one(read, newest.chain, 0) };
    },
    end: () => read.end(),
  };
}

async function one(read: ReadSource, chain: SourceChain, seq: number): Promise<Uint8Array | undefined> {
  for await (const bytes of read.statements(chain, seq, seq)) {
    const { claims } = parseTransparent(bytes).statement;
    if (claims.seq === seq && claims.ch !== undefined && toHex(claims.ch) === toHex(chain.ch)) return bytes;
    throw new EvidenceError("http-answer", "the anchor gives another statement than it was asked for");
  }
  return undefined;
}

function inTime(leftMs: () => number): void {
  if (leftMs() <= 0) throw new EvidenceError("unreachable", "the time for this look is over");
}
