/**
 * The one error type of this package, and what each of its codes means for the caller. `docs/codes.md` says each in words;
 * a test holds the two together.
 *
 * @module
 */

/** What the caller should do: refuse the input, try again later, or stop the process. */
export type Disposition = "refuse" | "retry" | "stop";

const DISPOSITION = {
  // bytes and CBOR
  "text-malformed": "refuse",
  "too-large": "refuse",
  "cbor-malformed": "refuse",
  "cbor-duplicate-key": "refuse",
  "cbor-order": "refuse",
  "cbor-depth": "refuse",
  "cbor-tag": "refuse",
  "cbor-trailing": "refuse",
  "cbor-decimal": "refuse",
  // closed shapes
  "unknown-member": "refuse",
  "member-missing": "refuse",
  "member-type": "refuse",
  "member-range": "refuse",
  // COSE and keys
  "cose-malformed": "refuse",
  "cose-algorithm": "refuse",
  "cose-unprotected": "refuse",
  "key-malformed": "refuse",
  "key-mismatch": "refuse",
  "signature-invalid": "refuse",
  "key-file-unreadable": "stop",
  "key-file-mode": "stop",
  "key-file-exists": "stop",
  // names, topics, statements
  "name-malformed": "refuse",
  "topic-malformed": "refuse",
  "topic-owner": "refuse",
  "statement-malformed": "refuse",
  "statement-claims": "refuse",
  "senml-malformed": "refuse",
  "senml-unit": "refuse",
  "senml-time": "refuse",
  "event-malformed": "refuse",
  // chains
  fork: "refuse",
  hole: "refuse",
  // the tree
  "proof-index": "refuse",
  "proof-length": "refuse",
  "proof-root": "refuse",
  "tile-coordinates": "refuse",
  "tile-malformed": "refuse",
  "tile-missing": "refuse",
  "tile-mismatch": "refuse",
  "note-malformed": "refuse",
  "note-signature": "refuse",
  "vkey-malformed": "refuse",
  "checkpoint-malformed": "refuse",
  "checkpoint-origin": "refuse",
  "policy-malformed": "refuse",
  // receipts and logs
  "receipt-malformed": "refuse",
  "receipt-size": "refuse",
  "receipt-entry": "refuse",
  "receipt-index": "refuse",
  "receipt-root": "refuse",
  "receipt-key": "refuse",
  "receipt-missing": "refuse",
  "vds-unsupported": "refuse",
  "log-unknown": "refuse",
  "log-key": "refuse",
  "log-fork": "stop",
  "log-rollback": "stop",
  "log-equivocation": "stop",
  "checkpoint-ahead": "stop",
  "log-behind": "retry",
  "log-restoring": "retry",
  "log-ended": "refuse",
  // registry and trust
  "registry-malformed": "refuse",
  "registry-order": "refuse",
  "registry-mismatch": "refuse",
  "registry-missing": "refuse",
  "entry-zero": "refuse",
  "key-unknown": "refuse",
  "key-issuer": "refuse",
  "key-stream": "refuse",
  "key-not-enrolled": "refuse",
  "key-revoked": "refuse",
  "key-superseded": "refuse",
  "key-exists": "refuse",
  "key-state": "refuse",
  "operator-org": "refuse",
  "operator-foreign": "refuse",
  "operator-unpinned": "refuse",
  "quorum-unmet": "refuse",
  "bundle-malformed": "refuse",
  "bundle-scope": "refuse",
  "content-mismatch": "refuse",
  "operator-quorum": "refuse",
  // cases
  "case-malformed": "refuse",
  "case-mismatch": "refuse",
  // enrolment
  "invite-malformed": "refuse",
  "invite-unknown": "refuse",
  "invite-device": "refuse",
  "invite-expired": "refuse",
  "invite-used": "refuse",
  "enrol-waiting": "retry",
  "enrol-refused": "refuse",
  "machine-mismatch": "stop",
  // tokens and connections
  "token-malformed": "refuse",
  "token-binding": "refuse",
  "token-unknown": "refuse",
  "token-expired": "refuse",
  "token-revoked": "refuse",
  "credentials-missing": "refuse",
  "tls-malformed": "stop",
  "tls-pin": "refuse",
  "tls-handshake": "refuse",
  "tls-required": "stop",
  // reads of an anchor
  "read-scope": "refuse",
  "read-unknown": "refuse",
  "read-expired": "refuse",
  erased: "refuse",
  // keys in hardware
  "hardware-key": "stop",
  // restrictions: the verdict stands, but only so far
  "declared-suspect-later": "refuse",
  "tail-not-attested": "refuse",
  discontinuity: "refuse",
  gap: "refuse",
  "operators-not-pinned": "refuse",
  "no-witness": "refuse",
  "index-not-attested": "refuse",
  "time-reversed": "refuse",
  // results and working papers
  "result-malformed": "refuse",
  "papers-mismatch": "refuse",
  "auditor-missing": "refuse",
  // devices' frames
  "p1-crc": "refuse",
  "p1-malformed": "refuse",
  "p1-too-long": "refuse",
  // lines of programs
  "line-malformed": "refuse",
  "line-stream": "refuse",
  "line-conflict": "refuse",
  "line-unknown": "refuse",
  // the processes
  "rate-limited": "retry",
  "pool-full": "retry",
  "storage-full": "stop",
  "storage-failed": "stop",
  "storage-newer": "stop",
  "storage-missing": "stop",
  "storage-exists": "stop",
  "storage-in-use": "stop",
  "backup-malformed": "refuse",
  "address-in-use": "stop",
  "address-not-loopback": "stop",
  unreachable: "retry",
  "http-answer": "retry",
  // the broker
  "packet-malformed": "refuse",
  "packet-trickled": "refuse",
  "mqtt-version": "refuse",
  "client-unknown": "refuse",
  "keepalive-range": "refuse",
  "keepalive-timeout": "retry",
  "connect-timeout": "retry",
  "connection-limit": "retry",
  "qos-unsupported": "refuse",
  "retain-refused": "refuse",
  "retained-full": "refuse",
  "subscription-limit": "refuse",
  "queue-full": "retry",
  "session-full": "retry",
  "reader-stalled": "retry",
  "address-limit": "retry",
  "client-replaced": "retry",
  "websocket-malformed": "refuse",
} as const satisfies Record<string, Disposition>;

/** Stable across releases: rejections, reports, metrics labels and exit codes quote it. */
export type EvidenceCode = keyof typeof DISPOSITION;

/** What the caller of something that was refused with this code should do. */
export const dispositionOf = (code: EvidenceCode): Disposition => DISPOSITION[code];

/** Every code there is, in the order of the table above. */
export const EVIDENCE_CODES = Object.keys(DISPOSITION) as readonly EvidenceCode[];

/** Where in the input, e.g. `{ index: 7, tile: "tile/0/x001/067" }`. Coordinates only, never payload or keys. */
export type Where = Readonly<Record<string, string | number>>;

export class EvidenceError extends Error {
  override readonly name = "EvidenceError";
  readonly code: EvidenceCode;
  readonly where: Where;

  constructor(code: EvidenceCode, message: string, where: Where = {}, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
    this.where = where;
  }

  get disposition(): Disposition {
    return dispositionOf(this.code);
  }
}

export const isEvidenceError = (error: unknown): error is EvidenceError => error instanceof EvidenceError;

/** True where `text` is one of the codes above: codes that come from the wire are checked before they are shown. */
export const isEvidenceCode = (text: string): text is EvidenceCode => Object.hasOwn(DISPOSITION, text);
