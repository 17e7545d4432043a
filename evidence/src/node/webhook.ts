/**
 * Messages to somebody else's server, signed with a secret that it shares: what an anchor tells of silent devices, and a watch of a log.
 *
 * @module
 */
import { createHmac } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import { EvidenceError } from "../errors.ts";

export type Hook = {
  readonly url: string;
  /** What the receiver knows the sender by. */
  readonly secret: string;
  /** PEM of the authority behind its certificate; the system's where it is left out. */
  readonly ca?: string;
};

/** Sends one body; resolves to the status of the answer. */
export type Post = (
  body: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<number>;

const LEAST_SECRET = 16;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** `t=UNIX,hmac-sha256=HEX`: HMAC-SHA-256 with the secret over `UNIX.BODY`. */
export const signatureOf = (secret: string, unixS: number, body: string): string =>
  `t=${unixS},hmac-sha256=${createHmac("sha256", secret).update(`${unixS}.${body}`).digest("hex")}`;

/** Headers of a signed JSON body. */
export const signedHeaders = (
  secret: string,
  unixS: number,
  body: string,
): Readonly<Record<string, string>> => ({
  "content-type": "application/json",
  "content-length": String(Buffer.byteLength(body)),
  "tallystick-signature": signatureOf(secret, unixS, body),
});

/** Over the network: no redirect is followed, and of the answer only its status counts. */
export const postTo =
  ({ url, ca }: Hook): Post =>
  (body, headers, signal) =>
    new Promise((resolve, reject) => {
      const options = { method: "POST", headers, signal, agent: false, ...(ca !== undefined && { ca }) };
      const send = url.startsWith("https:") ? requestTls : requestPlain;
      const request = send(url, options, (response) => {
        resolve(response.statusCode ?? 0);
        response.destroy();
      });
      request.on("error", reject);
      request.end(body);
    });

/** True of an address to which nothing is sent in the clear: `https:`, or `http:` on this machine. */
export function isHookUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === "https:" || (protocol === "http:" && LOOPBACK.test(hostname));
}

/**
 * The first line of a file that nobody else may read.
 *
 * @throws EvidenceError `key-file-unreadable`, `key-file-mode`
 */
export function readSecret(path: string): string {
  const secret = readText(path).split("\n")[0]?.trim() ?? "";
  if ((statSync(path).mode & 0o077) !== 0)
    throw new EvidenceError("key-file-mode", `${path}: others can read this secret; run: chmod 600 ${path}`);
  if (secret.length < LEAST_SECRET)
    throw new EvidenceError(
      "key-file-unreadable",
      `${path}: its first line has to be a secret of at least ${LEAST_SECRET} characters: (umask 077; openssl rand -hex 32 >${path})`,
    );
  return secret;
}

/** @throws EvidenceError `key-file-unreadable` */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EvidenceError("key-file-unreadable", `${path}: can't read it: ${reason}`, {}, cause);
  }
}
