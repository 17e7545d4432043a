/**
 * Where the registry comes from, and whose it has to be, as the configuration says it.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { EvidenceError, isEvidenceError, parsePolicy, type TrustPolicy } from "@tallystick/evidence";
import { isUrl, parsePin } from "@tallystick/evidence/node";
import { folderSource } from "./folder-source.ts";
import { httpSource } from "./http-source.ts";
import type { RegistrySource } from "./source.ts";

const LOOPBACK = /^(?:127(?:\.[0-9]{1,3}){3}|localhost|\[::1\])$/;

export const RegistrySettings = z
  .strictObject({
    /** The anchor's address, `https://HOST[:PORT]` (`http://` on loopback), or the folder of its public files. */
    from: z.string().min(1, "the anchor's address, or the folder of its public files"),
    /** File of the trust policy that names the log and its operators. */
    policy: z.string().min(1, "the file of the trust policy"),
    /** Pin of the anchor's certificate: by its key, whatever authority and dates say. */
    pin: z
      .string()
      .regex(/^sha256:[0-9a-f]{64}$/, "sha256: and 64 hexadecimal digits")
      .optional(),
    /** File of the authority that signed the anchor's certificate; absent: the system's. */
    ca: z.string().min(1, "the file of an authority's certificate").optional(),
    pollMs: z.int().min(50, "at least 50").max(60_000, "at most 60000").default(500),
  })
  .refine(({ from }) => !isUrl(from) || addressFault(from) === undefined, {
    path: ["from"],
    error: ({ input }) => addressFault((input as { from: string }).from) ?? "",
  })
  .refine(({ from, pin, ca }) => (pin === undefined && ca === undefined) || /^https:/i.test(from), {
    path: ["from"],
    error: "a pin or an authority goes with https://",
  })
  .refine(({ pin, ca }) => pin === undefined || ca === undefined, {
    path: ["ca"],
    error: "a pin needs no authority: remove one of the two",
  });

export type RegistrySettings = z.output<typeof RegistrySettings>;

/** Over a network the registry's absence or age could be faked by anyone: so TLS, but for loopback. */
function addressFault(from: string): string | undefined {
  const url = URL.canParse(from) ? new URL(from) : undefined;
  if (
    url === undefined ||
    url.pathname !== "/" ||
    `${url.search}${url.hash}${url.username}${url.password}` !== ""
  )
    return "https://HOST[:PORT], nothing after it";
  return url.protocol === "https:" || LOOPBACK.test(url.hostname)
    ? undefined
    : "beyond loopback the anchor is asked by https://";
}

/** @throws EvidenceError `tls-malformed` where the authority's file can't be read */
export const openSource = ({
  from,
  pin,
  ca,
}: Pick<RegistrySettings, "from" | "pin" | "ca">): RegistrySource =>
  isUrl(from)
    ? httpSource(from, { ...(pin !== undefined && { pin: parsePin(pin) }), ...(ca !== undefined && { ca }) })
    : folderSource(from);

/**
 * Reads the trust policy that pins the log and the operators.
 *
 * @throws EvidenceError `policy-malformed`; `operators-not-pinned` where no operator is, for then anybody could write the registry
 */
export function readTrustPolicy(path: string): TrustPolicy {
  const policy = parsed(path);
  if (policy.operators.length === 0) {
    throw new EvidenceError(
      "operators-not-pinned",
      `${path}: add a line "operator * VKEY" (tally-anchor init printed it): without it anybody could enrol devices`,
    );
  }
  return policy;
}

function parsed(path: string): TrustPolicy {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EvidenceError("policy-malformed", `can't read the trust policy: ${reason}`, {}, cause);
  }
  try {
    return parsePolicy(text);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    throw new EvidenceError(error.code, `${path}: ${error.message}`, error.where, error);
  }
}
