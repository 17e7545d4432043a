/**
 * What stands at the other end of a network address, step by step: the name, the port, the certificate. Nothing is said there beyond a TLS handshake.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { lookup } from "node:dns/promises";
import { createConnection, isIP, type Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { fail, ok, warn, type Finding } from "./checkup.ts";
import { inTime } from "./process-facts.ts";
import { peerPin, type TlsPin } from "./tls-identity.ts";

type Endpoint = { readonly host: string; readonly port: number };

/** How the other end is known: by the pin of its key, or by authorities (the system's where `ca` is left out). */
export type Expected = Pick<ConnectionOptions, "ca" | "cert" | "key"> & {
  /** One, or several of which one is enough. */
  readonly pin?: TlsPin | readonly TlsPin[];
};

/** A step that takes longer has failed. */
const STEP_MS = 3000;

/** A certificate that is over within so long should be renewed by now. */
const RENEW_WITHIN_S = 14 * 86_400;

/** Whether the name leads to an address. */
async function probeName(about: string, { host }: Endpoint): Promise<Finding> {
  if (isIP(host) !== 0) return ok(about, `${host} is an address`);
  try {
    const { address } = await lookup(host);
    return ok(about, `${host} is ${address}`);
  } catch (cause) {
    return fail(
      about,
      `${host}: no address found (${codeOf(cause)})`,
      "check the name, the line and the DNS server",
    );
  }
}

/** Whether somebody listens. */
export async function probePort(
  about: string,
  { host, port }: Endpoint,
  signal: AbortSignal,
): Promise<Finding> {
  const startMs = performance.now();
  const socket = createConnection({ host, port });
  try {
    await settled(socket, "connect", signal);
    return ok(about, `${host}:${port} answers, ${Math.round(performance.now() - startMs)} ms`);
  } catch (cause) {
    const advice =
      codeOf(cause) === "ECONNREFUSED"
        ? "nothing listens there: start it, or check the port"
        : "check the line, the address, and firewalls in between";
    return fail(about, `${host}:${port}: ${codeOf(cause)}`, advice);
  } finally {
    socket.destroy();
  }
}

/** Version of TLS, and whether the certificate is the one expected and for how long. */
async function probeTls(
  about: string,
  { host, port }: Endpoint,
  { pin, ...options }: Expected,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const socket = connect({
    host,
    port,
    ...(isIP(host) === 0 && { servername: host }),
    ...options,
    rejectUnauthorized: false, // it is judged below, and nothing is sent
  });
  try {
    await settled(socket, "secureConnect", signal);
    return [
      versionOf(about, socket),
      pin === undefined ? chainOf(about, socket) : pinned(about, socket, [pin].flat()),
      expiryOf(about, socket, pin !== undefined),
    ];
  } catch (cause) {
    return [
      fail(
        about,
        `no TLS with ${host}:${port}: ${codeOf(cause)}`,
        "is this its TLS port, and a server of TLS 1.3?",
      ),
    ];
  } finally {
    socket.destroy();
  }
}

function versionOf(about: string, socket: TLSSocket): Finding {
  const version = socket.getProtocol() ?? "unknown";
  return version === "TLSv1.3"
    ? ok(about, version)
    : fail(about, `${version}: TLS 1.3 is asked for`, "bring the server up to date");
}

function pinned(about: string, socket: TLSSocket, pins: readonly TlsPin[]): Finding {
  const shown = peerPin(socket);
  return shown !== undefined && pins.includes(shown)
    ? ok(about, `the key is the one pinned, ${shown}`)
    : fail(
        about,
        `it shows ${shown ?? "no certificate"}, and ${pins.join(", ")} is pinned`,
        "if its operator changed the key, pin the new one; if not, somebody else answers there",
      );
}

function chainOf(about: string, socket: TLSSocket): Finding {
  if (socket.authorized) return ok(about, "the certificate is vouched for and is for this name");
  const reason = String(socket.authorizationError ?? "not vouched for");
  const advice = /EXPIRED|NOT_YET/.test(reason)
    ? "renew the certificate there, and see that this machine's clock is right"
    : "name the authority that vouches for it, or pin its key";
  return fail(about, `the certificate is refused: ${reason}`, advice);
}

function expiryOf(about: string, socket: TLSSocket, isPinned: boolean): Finding {
  const { raw } = socket.getPeerCertificate() as { readonly raw?: Uint8Array };
  if (raw === undefined) return fail(about, "it shows no certificate", "give the server one");
  return certificateExpiry(about, raw, isPinned);
}

/**
 * How long a certificate is good for.
 *
 * @param certificate - DER or PEM; of a chain in PEM, its first
 * @param isPinned - true where its key is what counts, and its date doesn't
 */
export function certificateExpiry(
  about: string,
  certificate: Uint8Array | string,
  isPinned = false,
): Finding {
  const { validTo } = new X509Certificate(certificate);
  const leftS = (Date.parse(validTo) - Date.now()) / 1000;
  if (leftS > RENEW_WITHIN_S) return ok(about, `the certificate is good until ${validTo}`);
  const text =
    leftS > 0 ? `the certificate is over in ${inTime(leftS)}` : `the certificate was over on ${validTo}`;
  if (isPinned)
    return warn(
      about,
      `${text}; its key is pinned, so that it is let through here`,
      "renew it for other clients",
    );
  return leftS > 0
    ? warn(about, text, "renew it")
    : fail(about, text, "renew it, and see that this machine's clock is right");
}

const DEFAULT_PORT: Readonly<Record<string, number>> = {
  "mqtt:": 1883,
  "mqtts:": 8883,
  "ws:": 80,
  "wss:": 443,
};

/**
 * The way to a broker, step by step; ends at the first step that fails, since those after it would say the same again.
 *
 * @param url - `mqtt://` or `mqtts://`
 * @param expected - asked only where there is TLS
 * @returns true where all of it is good
 */
export async function* probeBroker(
  url: string,
  expected: () => Expected,
  signal: AbortSignal,
): AsyncGenerator<Finding, boolean> {
  const { protocol, hostname, port } = new URL(url);
  const endpoint: Endpoint = {
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? (DEFAULT_PORT[protocol] ?? 0) : Number(port),
  };
  const isTls = protocol === "mqtts:" || protocol === "wss:";
  const steps = [
    async () => [await probeName("broker", endpoint)],
    async () => [await probePort("broker", endpoint, signal)],
    async () => (isTls ? probeTls("broker tls", endpoint, expected(), signal) : [withoutTls(endpoint)]),
  ];
  for (const step of steps) {
    const findings = await step();
    yield* findings;
    if (findings.some(({ result }) => result === "fail")) return false;
  }
  return true;
}

function withoutTls({ host }: Endpoint): Finding {
  const isLoopback = host === "localhost" || host === "::1" || host.startsWith("127.");
  return isLoopback
    ? ok("broker tls", "none, on this machine")
    : fail("broker tls", "none, and the broker is on another machine", "give broker.url as mqtts://");
}

/** Resolves at the event; rejects where the socket fails, or the time is over. */
function settled(socket: Socket, event: "connect" | "secureConnect", signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(STEP_MS)]);
    socket.once(event, () => resolve());
    socket.on("error", reject);
    limit.addEventListener("abort", () => reject(new Error("no answer")));
    if (limit.aborted) reject(new Error("no answer"));
  });
}

const codeOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause);
  return "code" in cause && typeof cause.code === "string" && cause.code !== "" ? cause.code : cause.message;
};
