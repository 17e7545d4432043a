/**
 * Registry items from an anchor: `GET /items?from=N` (formats.md section 13). Each request ends within a fixed time and number of bytes,
 * whatever the server does: hangs, drips, never ends, redirects.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { Agent as HttpAgent, get as httpGet, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, get as httpsGet } from "node:https";
import { TLSSocket } from "node:tls";
import { asBytes, decodeCbor, EvidenceError, isEvidenceError, splitSequence } from "@tallystick/evidence";
import { peerPin, type TlsPin } from "@tallystick/evidence/node";
import { MAX_ITEM_BYTES, type RegistrySource } from "./source.ts";

/** Items in one answer, and the head of a CBOR byte string of their size. */
const MAX_ITEMS = 256;
const MAX_HEAD_BYTES = 3;
const MAX_ANSWER_BYTES = MAX_ITEMS * (MAX_HEAD_BYTES + MAX_ITEM_BYTES);

/** From the request to the last byte of its answer. */
const TIMEOUT_MS = 10_000;

export type Trusted = {
  /** Only the server with this key is spoken with, whatever names and dates its certificate has. */
  readonly pin?: TlsPin;
  /** File of an authority; absent, and without a pin, the system's authorities count. */
  readonly ca?: string;
};

type Request = (url: URL, signal: AbortSignal) => ReturnType<typeof httpGet>;

/** @throws EvidenceError `tls-malformed` where the authority's file can't be read */
export function httpSource(address: string, { pin, ca }: Trusted, timeoutMs = TIMEOUT_MS): RegistrySource {
  const request = address.toLowerCase().startsWith("https:") ? overTls(pin, ca) : plain();
  return {
    name: address,
    async items(from, signal) {
      const late = AbortSignal.timeout(timeoutMs);
      try {
        const url = new URL(`/items?from=${from}`, address);
        const answer = await responseTo(request(url, AbortSignal.any([signal, late])));
        check(answer, pin);
        return split(await collect(answer));
      } catch (error) {
        if (isEvidenceError(error)) throw error;
        const reason = late.aborted ? `no whole answer within ${timeoutMs} ms` : reasonOf(error);
        throw new EvidenceError("unreachable", `${address}: ${reason}`, {}, error);
      }
    },
  };
}

function plain(): Request {
  const agent = new HttpAgent({ keepAlive: true, maxSockets: 1 });
  return (url, signal) => httpGet(url, { agent, signal });
}

function overTls(pin: TlsPin | undefined, ca: string | undefined): Request {
  const agent = new HttpsAgent({
    keepAlive: true,
    maxSockets: 1,
    // a resumed session shows no certificate, and each connection's is compared with the pin
    maxCachedSessions: 0,
    minVersion: "TLSv1.3",
    ...(pin !== undefined && { rejectUnauthorized: false }),
    ...(ca !== undefined && { ca: authority(ca) }),
  });
  return (url, signal) => httpsGet(url, { agent, signal });
}

function authority(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new EvidenceError("tls-malformed", `${path}: can't read the authority's certificate`, {}, cause);
  }
}

const responseTo = (request: ReturnType<typeof httpGet>): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    request.once("response", resolve).on("error", reject);
  });

/** Before anything of the body is read. The request itself held no secret. */
function check(answer: IncomingMessage, pin: TlsPin | undefined): void {
  const { socket, statusCode } = answer;
  if (pin !== undefined && !(socket instanceof TLSSocket && peerPin(socket) === pin)) {
    answer.destroy();
    throw new EvidenceError("tls-pin", "the registry's server has another key than the pinned one");
  }
  if (statusCode !== 200) {
    answer.destroy();
    throw new EvidenceError("http-answer", `the registry's server answers ${statusCode}`, {
      status: statusCode ?? 0,
    });
  }
}

async function collect(answer: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let length = 0;
  // hostile: a stated length is a promise, so the bytes are counted; leaving the loop ends the connection
  for await (const part of answer as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > MAX_ANSWER_BYTES)
      throw new EvidenceError("too-large", `the registry's server sends more than ${MAX_ANSWER_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts, length);
}

function split(bytes: Uint8Array): readonly Uint8Array[] {
  const maxItemBytes = MAX_HEAD_BYTES + MAX_ITEM_BYTES;
  const { items, rest } = splitSequence(bytes, {
    maxBytes: MAX_ANSWER_BYTES,
    maxItems: MAX_ITEMS,
    maxItemBytes,
  });
  if (rest !== undefined) throw rest.error;
  return items.map((item) =>
    asBytes(decodeCbor(item, { maxBytes: maxItemBytes }), undefined, "registry item"),
  );
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "no answer";
  const code = "code" in error && typeof error.code === "string" ? error.code : error.message;
  return `no answer: ${code.replace(/[^\x20-\x7e]/g, "?").slice(0, 200)}`;
}
