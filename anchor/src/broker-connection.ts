/**
 * How to reach the broker: the configuration with its files read.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { EvidenceError } from "@tallystick/evidence";
import type { Config } from "./config.ts";
import type { Connection } from "./intake.ts";

/** @throws EvidenceError `key-file-unreadable` where a named file can't be read */
export function connectionOf(broker: Config["broker"]): Connection {
  const { url, clientId, settleMs, maxUnacknowledged, maxUnacknowledgedBytes, username, passwordFile, tls } =
    broker;
  return {
    url,
    clientId,
    settleMs,
    maxUnacknowledged,
    maxUnacknowledgedBytes,
    ...(username !== undefined && { username }),
    ...(passwordFile !== undefined && { password: firstLine(read(passwordFile)) }),
    ...(tls.ca !== undefined && { ca: read(tls.ca) }),
    ...(tls.cert !== undefined && { cert: read(tls.cert) }),
    ...(tls.key !== undefined && { key: read(tls.key) }),
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EvidenceError("key-file-unreadable", `${path}: can't read it: ${reason}`, {}, cause);
  }
}

const firstLine = (text: string): string => text.split("\n")[0] ?? "";
