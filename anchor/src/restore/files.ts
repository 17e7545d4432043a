/**
 * Where a copy of the public directory is read from: a folder, or a web server. Hostile or merely broken: each read states the most it may give, ends in
 * bounded time, and what comes back is believed only after it was hashed.
 *
 * @module
 */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { EvidenceError, isEvidenceError } from "@tallystick/evidence";

export type Files = {
  /** As the operator wrote it. */
  readonly name: string;
  /**
   * The file at `path` (with `/`, relative), undefined where there is none.
   *
   * @throws EvidenceError `too-large` beyond `maxBytes`; `unreachable`, `http-answer` where nothing can be said
   */
  read(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
};

/** From the request to the last byte of its answer. */
const TIMEOUT_MS = 30_000;
const ATTEMPTS = 3;
const RETRY_MS = 250;

export const isUrl = (text: string): boolean => /^https?:\/\//i.test(text);

export const folderFiles = (folder: string): Files => ({
  name: folder,
  async read(path, maxBytes) {
    try {
      await using file = await open(join(folder, path), "r");
      const status = await file.stat();
      if (!status.isFile()) throw new EvidenceError("unreachable", `${folder}: ${path} is no file`);
      if (status.size > maxBytes) throw tooLarge(folder, path, maxBytes);
      return new Uint8Array(await file.readFile());
    } catch (error) {
      if (isEvidenceError(error)) throw error;
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw new EvidenceError("unreachable", `${folder}: ${path} can't be read: ${String(code)}`, {}, error);
    }
  },
});

/** @throws EvidenceError `text-malformed` for an address that is none */
export function httpFiles(address: string): Files {
  const base = URL.canParse(address) ? new URL(address) : undefined;
  if (base === undefined || base.search !== "" || base.hash !== "" || base.username !== "") {
    throw new EvidenceError("text-malformed", `${address}: give http://host[:port]/ or https://host/`);
  }
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  return {
    name: address,
    async read(path, maxBytes) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await request(new URL(path, base), maxBytes);
        } catch (error) {
          const curable = isEvidenceError(error) && error.disposition === "retry";
          if (!curable || attempt === ATTEMPTS) throw error;
          await delay(RETRY_MS * 4 ** (attempt - 1));
        }
      }
    },
  };
}

async function request(url: URL, maxBytes: number): Promise<Uint8Array | undefined> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await fetch(url, { signal, redirect: "manual" });
    if (response.status === 404 || response.status === 410) {
      await response.body?.cancel();
      return undefined;
    }
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new EvidenceError("http-answer", `${url.href}: the server answers ${response.status}`);
    }
    return await collected(response, url, maxBytes);
  } catch (error) {
    if (isEvidenceError(error)) throw error;
    const cause =
      error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    const reason = signal.aborted ? `no whole answer within ${TIMEOUT_MS / 1000} s` : cause;
    throw new EvidenceError("unreachable", `${url.href}: ${reason.slice(0, 200)}`, {}, error);
  }
}

/** Counts what comes: a length that a server states is a promise, not a bound. */
async function collected(response: Response, url: URL, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    const bytes = part as Uint8Array;
    length += bytes.length;
    if (length > maxBytes) throw tooLarge(url.host, url.pathname, maxBytes);
    parts.push(bytes);
  }
  return new Uint8Array(Buffer.concat(parts));
}

const tooLarge = (where: string, path: string, maxBytes: number): EvidenceError =>
  new EvidenceError("too-large", `${where}: ${path} has more than ${maxBytes} bytes`);
