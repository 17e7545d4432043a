/**
 * What the follower reads registry items from. A source is believed nothing: what it gives is bounded by the source, and judged by the follower.
 *
 * @module
 */

/** Longest item: a statement. */
export const MAX_ITEM_BYTES = 32_768;

export type RegistrySource = {
  /** As messages call it. */
  readonly name: string;
  /**
   * Items from number `from` on, in their order, at most 512; none where the source has no more.
   *
   * @throws EvidenceError `unreachable`, `http-answer`, `tls-pin`, `too-large`, `tile-malformed` or a code of CBOR
   */
  items(from: number, signal: AbortSignal): Promise<readonly Uint8Array[]>;
};
