/**
 * Shapes of what the anchor answers as JSON, and of the names in its paths and queries (docs/formats.md section 13).
 *
 * @module
 */
import { z } from "zod";
import { EVIDENCE_CODES } from "@tallystick/evidence";

export const count = z.int().min(0);
export const hash = z.string().regex(/^[0-9a-f]{64}$/);
export const chainId = z.string().regex(/^[0-9a-f]{16}$/);
/** Commit times and the like, seconds since 1970. */
const seconds = count;
const time = z.iso.datetime();

/** Why something is refused. */
export const Fault = z.strictObject({
  code: z.enum(EVIDENCE_CODES as [string, ...string[]]),
  error: z.string(),
  /** Where a statement was erased: the hash of the statement that says so. */
  erased: hash.optional(),
});

export const NotFound = z.strictObject({ error: z.literal("not found") });

export const Streams = z.array(
  z.strictObject({ iss: z.string(), sub: z.string(), ch: chainId, first: count, last: count, count }),
);

export const ChainRows = z.array(
  z.strictObject({
    seq: count,
    index: count,
    hash,
    kid: hash.nullable(),
    iat: seconds.nullable(),
    time: seconds,
    kind: z.string().nullable(),
    erased: hash.optional(),
  }),
);

export const Silent = z.strictObject({
  watching: z.boolean(),
  devices: count,
  streams: count,
  unwatchedStreams: count,
  silentDevices: count,
  silentStreams: count,
  alarms: z.strictObject({ waiting: count, dropped: count, sent: count, failures: count }),
  silent: z.array(
    z.strictObject({
      iss: z.string(),
      sub: z.string().nullable(),
      since: time.nullable(),
      allowedS: count,
      last: count.nullable(),
    }),
  ),
});

export const HealthAnswer = z.strictObject({
  status: z.enum(["ok", "degraded"]),
  origin: z.string(),
  size: count,
  lastCommitAgeS: count,
  broker: z.enum(["connected", "lost"]),
  brokerFault: z.string().optional(),
  archive: z.enum(["ok", "failed"]),
  missing: count,
});

export const Enrolled = z.strictObject({
  state: z.literal("enrolled"),
  item: count,
  index: count,
  again: z.literal(true).optional(),
});

export const Waiting = z.strictObject({ state: z.literal("waiting") });
