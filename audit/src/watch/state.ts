/**
 * What a watch keeps from look to look, and over restarts: the last checkpoint that it proved, how far it derived the log, which alerts are open and which
 * were not delivered yet. One file, written durably before anything is told.
 *
 * @module
 */
import { join } from "node:path";
import { z } from "zod";
import { decodeUtf8, EvidenceError, isEvidenceCode, type EvidenceCode } from "@tallystick/evidence";
import { readBounded, writeDurable } from "@tallystick/evidence/node";
import { ALERTS, type AlertCode } from "./alert.ts";

const FILE = "state.json";
/** 100,000 registry items and 10,000 alerts are a tenth of it. */
const MAX_STATE_BYTES = 64 << 20;

const count = z.int().min(0);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const alertCode = z.enum(Object.keys(ALERTS) as [AlertCode, ...AlertCode[]]);
const evidenceCode = z.custom<EvidenceCode>((value) => typeof value === "string" && isEvidenceCode(value));

const AlertShape = z.strictObject({
  id: z.string(),
  code: alertCode,
  subject: z.string(),
  because: evidenceCode.exactOptional(),
  text: z.string(),
  evidence: z.string().exactOptional(),
  since: z.string(),
});

const StateShape = z.strictObject({
  v: z.literal(1),
  origin: z.string(),
  /** The last checkpoint that was proven to have grown from all before it; null before the first. */
  note: z.string().nullable(),
  /** Signed notes that were seen and could not be compared yet: they are, sooner or later, part of the log or proof against it. */
  pending: z.array(z.strictObject({ from: z.string(), note: z.string() })),
  /** Its size when this state began: what was registered below it is no news. */
  began: count,
  /** When the present size was first seen here, seconds. */
  seenAt: count,
  /** The newest commit time known, seconds, and the size of its tree. */
  commit: z.strictObject({ time: count, size: count }).nullable(),
  /** Entries that were derived, from 0 on. */
  derived: count,
  /** Log index of each registry item among them, and the hash of the last. */
  items: z.strictObject({ indexes: z.array(count), last: hash.nullable() }),
  /** When a read was begun last, seconds: each stands in the ledger. */
  readAt: count,
  /** By name, the newest statement known of each watched stream: its hash, log index and commit time, the log when it was first shown, and what it means for a silence. */
  streams: z.record(
    z.string(),
    z.strictObject({
      hash,
      index: count,
      time: count,
      tree: z.strictObject({ size: count, time: count }).default({ size: 0, time: 0 }),
      isClosed: z.boolean().default(false),
      intervalS: z.number().nullable().default(null),
    }),
  ),
  open: z.array(AlertShape),
  outgoing: z.array(
    z.strictObject({ ...AlertShape.shape, state: z.enum(["begins", "ends", "once"]), at: z.string() }),
  ),
  /** Alerts let go because too many waited to be sent. */
  dropped: count,
});

export type WatchState = z.output<typeof StateShape>;

const freshState = (): WatchState => ({
  v: 1,
  origin: "",
  note: null,
  pending: [],
  began: 0,
  seenAt: 0,
  commit: null,
  derived: 0,
  items: { indexes: [], last: null },
  readAt: 0,
  streams: {},
  open: [],
  outgoing: [],
  dropped: 0,
});

/**
 * Reads the state of a folder; a fresh one where there is none.
 *
 * @throws EvidenceError `storage-failed` where the file is no state: it may hold the proof of a fork, so nothing begins anew by itself
 */
export async function readState(folder: string): Promise<WatchState> {
  const file = join(folder, FILE);
  const bytes = await readBounded(file, MAX_STATE_BYTES, file);
  if (bytes === undefined) return freshState();
  const parsed = StateShape.safeParse(json(bytes));
  if (parsed.success) return parsed.data;
  throw new EvidenceError(
    "storage-failed",
    `${file}: not the state of a watch: move the folder away to begin anew, and keep it`,
  );
}

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decodeUtf8(bytes)) as unknown;
  } catch {
    return undefined;
  }
}

/** @throws the system's error */
export const writeState = (folder: string, state: WatchState): Promise<void> =>
  writeDurable(join(folder, FILE), `${JSON.stringify(state)}\n`, { mode: 0o600 });
