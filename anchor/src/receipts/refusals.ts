/**
 * Refusals: an advisory word to the device, so that a person learns why there is no receipt. Limited per device, since whoever can make a
 * device be refused must not be able to flood it.
 *
 * And patience: a refusal costs the ledger as much as a statement, and gives it nothing. A device of which very much was refused is heard again only after a
 * while, so that one which sends nothing good does not take up the time of all others. What it sends meanwhile has no receipt, and comes again.
 *
 * @module
 */
import { dispositionOf, downTopic, encodeDown, type EvidenceCode } from "@tallystick/evidence";
import { Buckets } from "@tallystick/evidence/node";
import type { Downlink } from "./downlink.ts";

export type RefusalLimits = {
  /** Refusals sent to one device in a minute; further ones are only counted. */
  readonly perDevicePerMinute: number;
  /** Refusals of one device that the ledger puts up with in a second. */
  readonly perDevicePerS: number;
};

/** Seconds' worth that may come at once, and that a device may be made to wait for. */
const PATIENCE_S = 10;

const WINDOW_MS = 60_000;
/** Devices whose count is remembered within one window. */
const MAX_DEVICES = 10_000;
/** Longest text beside a code. */
const MAX_TEXT = 200;

export class Refusals {
  readonly #downlink: Downlink;
  readonly #limits: RefusalLimits;
  readonly #nowMs: () => number;
  readonly #onRefused: (code: EvidenceCode) => void;
  readonly #patience: Buckets;
  #sent = new Map<string, number>();
  #windowEndsMs = 0;

  /** @param nowMs - a monotonic clock */
  constructor(
    downlink: Downlink,
    limits: RefusalLimits,
    nowMs: () => number,
    onRefused: (code: EvidenceCode) => void,
  ) {
    this.#downlink = downlink;
    this.#limits = limits;
    this.#nowMs = nowMs;
    this.#onRefused = onRefused;
    const most = PATIENCE_S * limits.perDevicePerS;
    this.#patience = new Buckets(limits.perDevicePerS, MAX_DEVICES, { capacity: most, maxDebt: most });
  }

  /** True where so much of this device was refused that it has to wait. */
  isOutOfPatience(iss: string): boolean {
    return this.#patience.waitMs(iss, this.#nowMs()) > 0;
  }

  /** Tells the owner of the topic that what has this hash was refused. */
  send(iss: string, hash: Uint8Array, code: EvidenceCode, text: string): void {
    this.#onRefused(code);
    // what is to be tried again is no fault of the device
    if (dispositionOf(code) !== "retry") this.#patience.spend(iss, 1, this.#nowMs());
    if (!this.#mayStill(iss)) return;
    const message = encodeDown({ kind: "rejected", hash, code, text: text.slice(0, MAX_TEXT) });
    this.#downlink.send(downTopic(iss), message);
  }

  #mayStill(iss: string): boolean {
    const now = this.#nowMs();
    if (now >= this.#windowEndsMs) {
      this.#windowEndsMs = now + WINDOW_MS;
      this.#sent = new Map();
    }
    const sent = this.#sent.get(iss) ?? 0;
    if (sent >= this.#limits.perDevicePerMinute) return false;
    if (sent === 0 && this.#sent.size >= MAX_DEVICES) return false;
    this.#sent.set(iss, sent + 1);
    return true;
  }
}
