/**
 * The way back to devices, as the stages see it. Nothing here is relied upon: what is dropped costs one more sending.
 *
 * @module
 */

export interface Downlink {
  /**
   * Sends a message to a device, QoS 1.
   *
   * @returns false where it was dropped: no connection, or too many unacknowledged messages
   */
  send(topic: string, payload: Uint8Array): boolean;
}
