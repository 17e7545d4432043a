/**
 * What can be set of the listener for everybody, and of enrolment.
 *
 * @module
 */
import { z } from "zod";
import { count, hostPort, path } from "../config-parts.ts";

/** A host that stands for every address of this machine: nobody can be sent there. */
const ANY_HOST = /^(?:0\.0\.0\.0|\[::\]):/;

const pin = z.string().regex(/^sha256:[0-9a-f]{64}$/, "give sha256: and 64 hexadecimal digits");

export const PublicSettings = z
  .strictObject({
    listen: hostPort("0.0.0.0:8443"),
    /** PEM files; read again whenever they change. */
    tls: z.strictObject({ cert: path, key: path }),
    /** As devices reach it: their invites say so. */
    url: z
      .string()
      .regex(/^https:\/\/[a-z0-9.[\]:-]+$/, "give https://host:port, in small letters and without a path")
      .optional(),
    maxConnections: count(8, 100_000).default(512),
    maxPerAddress: count(1, 100_000).default(64),
    /** How long a request may take to arrive, and a connection on which nothing moves stays. */
    requestMs: count(500, 600_000).default(15_000),
  })
  .refine(({ listen, url }) => url !== undefined || !ANY_HOST.test(listen), {
    path: ["url"],
    error: "give the address under which devices reach it, e.g. https://anchor.example:8443",
  });

export const EnrolmentSettings = z.strictObject({
  /** `auto`: signed at once where the operator's key is here; `ask`: every request waits for `tally-anchor approve`. */
  approve: z.enum(["auto", "ask"], "use auto or ask").default("auto"),
  /** How long an invite holds, seconds. */
  expiresS: count(60, 31_536_000).default(86_400),
  /** Invites that may wait to be used. */
  maxInvites: count(1, 1_000_000).default(10_000),
  /** Requests from one address in a minute; one that is refused counts for ten. */
  perAddressPerMinute: count(10, 1_000_000).default(120),
  /** The broker, as invites name it: its certificate by its pin, or by the PEM file itself; neither where an authority that devices know stands behind it. */
  broker: z
    .strictObject({
      url: z
        .string()
        .regex(/^mqtts?:\/\/[a-z0-9.[\]:-]+$/, "give the broker as devices reach it: mqtts://host:port"),
      pin: pin.optional(),
      cert: path.optional(),
    })
    .refine(({ pin: given, cert }) => given === undefined || cert === undefined, "give either pin or cert")
    .optional(),
});

export type PublicConfig = z.output<typeof PublicSettings>;
