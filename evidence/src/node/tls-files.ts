/**
 * The certificate of a TLS server, from files that somebody else renews: read at the start, and again whenever they change, without a restart and without
 * ending a connection. What can't be read when it changes is told, and the certificate before goes on.
 *
 * @module
 */
import { readFileSync, statSync } from "node:fs";
import { createSecureContext, type SecureContextOptions, type Server } from "node:tls";
import { EvidenceError } from "../errors.ts";
import type { Timer } from "./timer.ts";
import { pinOf, type TlsPin } from "./tls-identity.ts";

/** Paths of PEM files: certificate chain, its private key, and the authorities of client certificates where those are asked for. */
export type TlsFiles = { readonly cert: string; readonly key: string; readonly clientCa?: string };

/** How often it is looked whether the files changed. */
const LOOK_MS = 1000;

export type TlsMaterial = {
  readonly options: SecureContextOptions & { readonly minVersion: "TLSv1.3" };
  /** What clients may pin. */
  readonly pin: TlsPin;
};

/**
 * Reads the files, and tries that they belong together.
 *
 * @throws EvidenceError `tls-malformed` that names the file; `key-file-mode` where others can read the private key
 */
export function readTls({ cert, key, clientCa }: TlsFiles): TlsMaterial {
  const mode = statOf(key).mode;
  if ((mode & 0o077) !== 0)
    throw new EvidenceError("key-file-mode", `${key}: others can read this key; run: chmod 600 ${key}`);
  const chain = read(cert);
  const options = {
    cert: chain,
    key: read(key),
    ...(clientCa !== undefined && { ca: read(clientCa) }),
    minVersion: "TLSv1.3",
  } as const;
  try {
    createSecureContext(options);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EvidenceError(
      "tls-malformed",
      `${cert}, ${key}: not a certificate and its private key in PEM: ${reason}`,
      {},
      cause,
    );
  }
  return { options, pin: pinOf(chain) };
}

/**
 * Watches the files of a server that was begun with {@link readTls}, and gives new connections the new certificate. Returns what ends the watch.
 *
 * @param told - called with the new pin, or with the error for which the certificate before goes on
 */
export function reloadTls(
  server: Pick<Server, "setSecureContext">,
  files: TlsFiles,
  timer: Timer,
  told: (outcome: TlsPin | EvidenceError) => void,
): () => void {
  let seen = stateOf(files);
  let cancel = (): void => {};
  const look = (): void => {
    cancel = timer.after(LOOK_MS, look);
    const now = stateOf(files);
    if (now === seen) return;
    seen = now;
    try {
      const { options, pin } = readTls(files);
      server.setSecureContext(options);
      told(pin);
    } catch (error) {
      if (!(error instanceof EvidenceError)) throw error;
      told(error);
    }
  };
  cancel = timer.after(LOOK_MS, look);
  return () => cancel();
}

/** Changes whenever one of the files does. */
const stateOf = (files: TlsFiles): string =>
  Object.values(files)
    .map((path) => {
      try {
        const { mtimeMs, ino, size } = statSync(path);
        return `${mtimeMs}/${ino}/${size}`;
      } catch {
        return "missing";
      }
    })
    .join(" ");

function statOf(path: string): { readonly mode: number } {
  try {
    return statSync(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

const unreadable = (path: string, cause: unknown): EvidenceError =>
  new EvidenceError(
    "tls-malformed",
    `${path}: can't read it: ${cause instanceof Error ? cause.message : String(cause)}`,
    {},
    cause,
  );
