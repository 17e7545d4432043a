/**
 * Many signatures in one buffer, which changes hands between threads without a copy and comes back with the verdicts in it:
 *
 *     uint32 count · 64 verdicts, one byte each · then for each signature:
 *     uint32 algorithm (0 Ed25519, 1 ESP256) · 64 bytes of key (x, y) · 64 bytes of signature · uint32 length and message
 *
 * @module
 */
import { ALG_ED25519, type PublicKey } from "@tallystick/evidence";

/** Most signatures in a job: enough to make the hand-over cheap, few enough to share the work between threads. */
export const JOB_SIGNATURES = 64;

const COUNT_BYTES = 4;
const HEADER_BYTES = COUNT_BYTES + JOB_SIGNATURES;
const FIXED_BYTES = 4 + 64 + 64 + 4;
const FIRST_BYTES = 65_536;

/** A job that is being filled. Its buffer grows as it must and is used again. */
export class SignatureJob {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #count = 0;
  #end = HEADER_BYTES;

  /** @param buffer - one that came back from a thread, to be used again */
  constructor(buffer: ArrayBuffer = new ArrayBuffer(FIRST_BYTES)) {
    this.#bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
  }

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count >= JOB_SIGNATURES;
  }

  /** Adds a signature over `message`. One of a wrong length becomes one of zeros, which is nobody's. */
  add({ alg, x, y }: PublicKey, message: Uint8Array, signature: Uint8Array): void {
    const at = this.#end;
    const end = at + FIXED_BYTES + message.length;
    if (end > this.#bytes.length) this.#grow(end);
    this.#view.setUint32(at, alg === ALG_ED25519 ? 0 : 1);
    this.#bytes.set(x, at + 4);
    if (y !== undefined) this.#bytes.set(y, at + 36);
    if (signature.length === 64) this.#bytes.set(signature, at + 68);
    else this.#bytes.fill(0, at + 68, at + 132);
    this.#view.setUint32(at + 132, message.length);
    this.#bytes.set(message, at + FIXED_BYTES);
    this.#end = end;
    this.#count++;
  }

  /** The filled buffer; the job is at its end. */
  take(): ArrayBuffer {
    this.#view.setUint32(0, this.#count);
    return this.#bytes.buffer;
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** The verdicts of a job that was run: one byte each, 1 for a good signature. A view on its buffer. */
export const verdictsOf = (buffer: ArrayBuffer): Uint8Array =>
  new Uint8Array(buffer, COUNT_BYTES, new DataView(buffer).getUint32(0));

/** Tells whether a signature is good. `y` is there for ESP256. */
export type VerifyOne = (
  x: Uint8Array,
  y: Uint8Array | undefined,
  message: Uint8Array,
  signature: Uint8Array,
) => boolean;

/**
 * Checks every signature of a job and writes the verdicts into it. Refers to nothing outside itself: threads get it as text.
 */
export function runJob(buffer: ArrayBuffer, verifyOne: VerifyOne): void {
  const view = new DataView(buffer);
  const count = view.getUint32(0);
  let at = 4 + 64;
  for (let i = 0; i < count; i++) {
    const part = (offset: number, length: number): Uint8Array => new Uint8Array(buffer, at + offset, length);
    const y = view.getUint32(at) === 0 ? undefined : part(36, 32);
    const length = view.getUint32(at + 132);
    view.setUint8(4 + i, verifyOne(part(4, 32), y, part(136, length), part(68, 64)) ? 1 : 0);
    at += 136 + length;
  }
}
