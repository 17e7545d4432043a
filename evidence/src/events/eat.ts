/**
 * Boot evidence: what a device says of itself at each start, as an unprotected claims set of EAT (RFC 9711 section 6) that the statement around it signs. The
 * profile is closed, and named by its `eat_profile`; docs/formats.md section 5 has it in CDDL, and says what it proves.
 *
 * It proves that whoever holds the key said this. A device that was taken over says what it likes: nothing here was measured by anything beneath the agent.
 *
 * @module
 */
import { decodeCbor, encodeCbor, type CborKey, type CborValue } from "../cbor.ts";
import { EvidenceError } from "../errors.ts";
import { HASH_BYTES } from "../sha256.ts";
import { asBytes, asText, asUint, Fields, tuple } from "../shape.ts";

/** Claims (RFC 8747 section 3.1, RFC 9711 section 4), and the COSE Key Thumbprint in `cnf` (RFC 9679 section 5.6). */
const CNF = 8;
const CKT = 5;
const UEID = 256;
const UPTIME = 261;
const EAT_PROFILE = 265;
const SUBMODS = 266;
const BOOT_COUNT = 267;
const BOOT_SEED = 268;
const SW_NAME = 270;
const SW_VERSION = 271;
const MEASUREMENTS = 273;

/** The one profile: a full one (RFC 9711 section 6.2), described in docs/formats.md. */
export const EAT_PROFILE_URI = "tag:tallystick.example,2026:boot/1";

/** A ueid of type RAND with 256 bits (RFC 9711 section 4.2.1.1): made by a hash over identifiers. */
const UEID_RAND = 0x01;
const UEID_BYTES = 1 + HASH_BYTES;
const BOOT_SEED_BYTES = 16;
/** CoAP Content-Format of application/cbor. */
const CBOR_FORMAT = 60;
/** Longest claims set, bytes: three programs with the longest names and versions. */
const MAX_EAT_BYTES = 4096;

/** A program by its name and version. */
export type Software = { readonly name: string; readonly version: string };

/** What the agent runs on. */
const LAYERS = ["os", "kernel", "node"] as const;
type Layer = (typeof LAYERS)[number];

export type BootEvidence = {
  /** Thumbprint of the key that signs the statement. */
  readonly kid: Uint8Array;
  /** SHA-256 of the machine's id, as the enrolment has it; absent where the machine has none. */
  readonly machine?: Uint8Array;
  /** Of the machine, seconds. */
  readonly uptimeS: number;
  /** Starts of the agent since its database was made, this one included. */
  readonly bootCount: number;
  /** Random id of this start, 16 bytes: that of the `boot` event. */
  readonly bootSeed: Uint8Array;
  readonly software: Software;
  readonly layers: Readonly<Partial<Record<Layer, Software>>>;
  /** The files that the program consists of: how many, and the SHA-256 of their list as `sha256sum` prints it. */
  readonly files: { readonly count: number; readonly hash: Uint8Array };
  /** Model of the token that holds the key and says that it never gives it out; absent where the key is a file. */
  readonly token?: string;
};

export function encodeEat(evidence: BootEvidence): Uint8Array {
  const { kid, machine, uptimeS, bootCount, bootSeed, software, layers, files, token } = evidence;
  const named = LAYERS.flatMap((layer): [CborKey, CborValue][] => {
    const found = layers[layer];
    return found === undefined ? [] : [[layer, new Map(writeSoftware(found))]];
  });
  return encodeCbor(
    new Map<CborKey, CborValue>([
      [CNF, new Map([[CKT, kid]])],
      ...(machine === undefined ? [] : ([[UEID, Uint8Array.of(UEID_RAND, ...machine)]] as const)),
      [UPTIME, uptimeS],
      [EAT_PROFILE, EAT_PROFILE_URI],
      [SUBMODS, new Map(named)],
      [BOOT_COUNT, bootCount],
      [BOOT_SEED, bootSeed],
      ...writeSoftware(software),
      [MEASUREMENTS, [[CBOR_FORMAT, encodeCbor([files.count, files.hash])]]],
      ...(token === undefined ? [] : ([["token", token]] as const)),
    ]),
  );
}

/** @throws EvidenceError `too-large`, a code of a closed shape or of CBOR */
export function decodeEat(payload: Uint8Array): BootEvidence {
  const fields = new Fields(
    decodeCbor(payload, { maxBytes: MAX_EAT_BYTES, deterministic: true }),
    "boot evidence",
  );
  fields.literal(EAT_PROFILE, [EAT_PROFILE_URI]);
  const machine = fields.optional(UEID, () => readUeid(fields.bytes(UEID, UEID_BYTES)));
  const token = fields.optional("token", (name) => fields.text(name));
  const evidence: BootEvidence = {
    kid: readCnf(fields.value(CNF)),
    uptimeS: fields.uint(UPTIME),
    bootCount: fields.uint(BOOT_COUNT),
    bootSeed: fields.bytes(BOOT_SEED, BOOT_SEED_BYTES),
    software: readSoftware(fields),
    layers: readLayers(fields.value(SUBMODS)),
    files: readMeasurements(fields.list(MEASUREMENTS)),
    ...(machine !== undefined && { machine }),
    ...(token !== undefined && { token }),
  };
  fields.end();
  if (evidence.bootCount === 0) throw new EvidenceError("member-range", "the first start has the number 1");
  return evidence;
}

function readUeid(ueid: Uint8Array): Uint8Array {
  if (ueid[0] === UEID_RAND) return ueid.subarray(1);
  throw new EvidenceError("member-range", "ueid is of type RAND");
}

function readCnf(value: CborValue): Uint8Array {
  const fields = new Fields(value, "cnf");
  const kid = fields.bytes(CKT, HASH_BYTES);
  fields.end();
  return kid;
}

const writeSoftware = ({ name, version }: Software): [CborKey, CborValue][] => [
  [SW_NAME, name],
  [SW_VERSION, [version]],
];

function readSoftware(fields: Fields): Software {
  const [version] = tuple(fields.value(SW_VERSION), 1, "swversion");
  const name = fields.text(SW_NAME);
  return { name, version: asText(version ?? null, "swversion") };
}

function readLayers(value: CborValue): BootEvidence["layers"] {
  const fields = new Fields(value, "submods");
  const found = LAYERS.flatMap((layer) => {
    const software = fields.optional(layer, () => {
      const inner = new Fields(fields.value(layer), layer);
      const read = readSoftware(inner);
      inner.end();
      return read;
    });
    return software === undefined ? [] : [[layer, software] as const];
  });
  fields.end();
  return Object.fromEntries(found);
}

/** One measurement, in our own form: CoSWID (RFC 9393) would need as many bytes as there are files. */
function readMeasurements(values: readonly CborValue[]): BootEvidence["files"] {
  const [measurement] = tuple([...values], 1, "measurements");
  const [format, bytes] = tuple(measurement ?? null, 2, "measurement");
  if (asUint(format, "measurement.format") !== CBOR_FORMAT)
    throw new EvidenceError("member-range", "a measurement is in CBOR");
  const inner = decodeCbor(asBytes(bytes, undefined, "measurement"), {
    maxBytes: MAX_EAT_BYTES,
    deterministic: true,
  });
  const [count, hash] = tuple(inner, 2, "files");
  return { count: asUint(count, "files.count"), hash: asBytes(hash, HASH_BYTES, "files.hash") };
}
