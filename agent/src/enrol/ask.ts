/**
 * Asking the anchor to be enrolled: one connection for each time it is asked. The anchor is known by the key of its certificate alone, so that a clock that stands in 1970 does no
 * harm; nothing is sent before that was looked at.
 *
 * @module
 */
import { request } from "node:http";
import { isIP } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import {
  EvidenceError,
  isEvidenceCode,
  isEvidenceError,
  sealEnrolRequest,
  type EvidenceCode,
  type Invite,
  type Signer,
} from "@tallystick/evidence";
import { exporterOf, peerPin } from "@tallystick/evidence/node";

/** Longest answer that is read, bytes. */
const MAX_ANSWER_BYTES = 4096;
/** For connecting, asking and being answered together. */
const TIMEOUT_MS = 15_000;
/** Longest text of the anchor's that is shown. */
const MAX_TEXT = 300;

/** `item`: number of the registry item; `index`: its index in the log; `again`: the device had a key before. */
export type Answer =
  | { readonly state: "waiting" }
  | {
      readonly state: "enrolled";
      readonly item: number;
      readonly index: number;
      readonly again?: true;
    };

/** Who asks. */
export type Asker = {
  readonly invite: Pick<Invite, "device" | "anchor" | "id" | "secret">;
  readonly signer: Signer;
  readonly machine: Uint8Array | undefined;
};

/**
 * Asks once.
 *
 * @throws EvidenceError `unreachable`, `http-answer`, `tls-pin`; or the code with which the anchor refuses
 */
export async function ask({ invite, signer, machine }: Asker, signal: AbortSignal): Promise<Answer> {
  const { anchor, device: iss, id, secret } = invite;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const socket = await dial(anchor.url, limit);
  try {
    const aud = peerPin(socket);
    if (aud !== anchor.pin)
      throw new EvidenceError(
        "tls-pin",
        `${anchor.url} shows another certificate than the invite's: somebody is in between, or the anchor has a new key; nothing was sent. Ask for a new invite`,
      );
    const claims = {
      iss,
      aud,
      exporter: exporterOf(socket),
      invite: id,
      secret,
      ...(machine && { machine }),
    };
    const body = await sealEnrolRequest(claims, signer);
    return answerOf(await post(new URL("/enrol", anchor.url), socket, body, limit));
  } catch (cause) {
    if (isEvidenceError(cause)) throw cause;
    throw unreachable(anchor.url, cause);
  } finally {
    socket.destroy();
  }
}

/** A connection by TLS 1.3; whose it is has not been looked at. */
function dial(url: string, signal: AbortSignal): Promise<TLSSocket> {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port: port === "" ? 443 : Number(port),
      ...(isIP(host) === 0 && { servername: host }),
      minVersion: "TLSv1.3",
      rejectUnauthorized: false, // the pin decides
      ALPNProtocols: ["http/1.1"],
    });
    const giveUp = (): void => void socket.destroy(new Error("no answer in time"));
    signal.addEventListener("abort", giveUp, { once: true });
    if (signal.aborted) giveUp();
    socket.once("secureConnect", () => resolve(socket));
    socket.on("error", (cause) => reject(unreachable(url, cause))); // stays: an error after the answer is nobody's
  });
}

type Response = { readonly status: number; readonly body: string };

function post(url: URL, socket: TLSSocket, body: Uint8Array, signal: AbortSignal): Promise<Response> {
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        createConnection: () => socket,
        host: url.hostname,
        path: url.pathname,
        method: "POST",
        headers: { "Content-Type": "application/cwt", "Content-Length": body.length, Connection: "close" },
        signal,
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
          if (text.length > MAX_ANSWER_BYTES) response.destroy(new Error("an answer that is too long"));
        });
        response.once("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
        response.once("error", reject);
        response.once("aborted", () => reject(new Error("the answer was cut off")));
      },
    );
    asked.once("error", reject);
    asked.end(body);
  });
}

function answerOf({ status, body }: Response): Answer {
  const answer = jsonOf(body);
  const { state, item, index, again, code, error } = answer;
  if (status === 202 && state === "waiting") return { state };
  if (status === 200 && state === "enrolled" && isCount(item) && isCount(index))
    return { state, item, index, ...(again === true && { again }) };
  if (status >= 400 && typeof code === "string" && isEvidenceCode(code))
    throw new EvidenceError(
      code satisfies EvidenceCode,
      `the anchor: ${shown(typeof error === "string" ? error : code)}`,
    );
  throw new EvidenceError("http-answer", `the anchor's answer is not the expected one (HTTP ${status})`);
}

function jsonOf(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

/** hostile: texts from the wire don't get to move the cursor. */
const shown = (text: string): string =>
  text.slice(0, MAX_TEXT).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\u{fffd}");

const unreachable = (url: string, cause: unknown): EvidenceError =>
  new EvidenceError(
    "unreachable",
    `${url}: ${cause instanceof Error ? cause.message : String(cause)}`,
    {},
    cause,
  );
