/**
 * Whoever sees everything: what each disk committed, what the log's key signed, what went over the wire. After every step it holds what it saw against the invariants of
 * docs/faults.md that a single step can break; {@link judge} holds the whole against the rest when the world has come to rest.
 *
 * @module
 */
import type { SQLInputValue } from "node:sqlite";
import {
  decodeCbor,
  decodeDown,
  entriesPath,
  LIMITS,
  parseCheckpoint,
  parseReceipt,
  parseTopic,
  tilePath,
  tilesOfSize,
  toHex,
  type CborMap,
} from "@tallystick/evidence";
import type { Invariant } from "../support/finding.ts";
import type { Message } from "./broker.ts";
import type { Device } from "./device.ts";
import { PUBLIC, type LedgerNode } from "./ledger-node.ts";
import type { Life } from "./life.ts";
import type { Write } from "./sim-database.ts";

/** What a seed failed with. */
export type Violation = { readonly invariant: Invariant; readonly text: string; readonly cause?: unknown };

/** A number that a running agent took from a meter. */
export type Taken = {
  readonly number: number;
  readonly device: Device;
  readonly sub: string;
  readonly life: Life;
  readonly atMs: number;
  /** It has to be in the ledger, or in a gap. */
  isKept: boolean;
};

/** A sealed statement that an agent committed. */
export type SealedRow = { readonly device: Device; readonly hash: string; readonly bytes: Uint8Array };

/** How much later than `maxLossMs` the journal may be: whoever signs at that moment is waited for. */
const SLACK_MS = 1500;
/** What is sealed at once may overshoot the bound of the outbox by so much. */
const OUTBOX_SLACK_BYTES = 40_000;

export class Witness {
  violation: Violation | undefined;
  readonly readings: Taken[] = [];
  readonly sealed = new Map<string, SealedRow>();
  /** Hashes of entries by log index, as they were committed first. */
  readonly entries: string[] = [];
  readonly indexOf = new Map<string, number>();
  /** What the log's key has signed about each size. */
  readonly roots = new Map<number, string>();
  readonly receiptTexts = new Map<number, string>();
  readonly counts = { commits: 0, receipts: 0, dropped: 0, batches: 0, forks: 0, crashes: 0, ends: 0 };
  /** Faults that happened, by name. */
  readonly faults = new Map<string, number>();
  readonly #note: (text: string) => void;
  /** Of each database: sealed statements by row, and numbers spent by chain. */
  readonly #outboxes = new Map<
    Device,
    { hashes: Map<number, string>; spent: Set<string>; chains: Map<number, string> }
  >();
  /** Sizes of trees whose files are all there to stay. */
  #publishedSize = 0;

  constructor(note: (text: string) => void) {
    this.#note = note;
  }

  /** Takes in what the log holds before anything happens. */
  begin(node: LedgerNode): void {
    for (const row of node.store.db.prepare("SELECT hash FROM statements ORDER BY idx").all()) {
      const hash = toHex(row["hash"] as Uint8Array);
      this.indexOf.set(hash, this.entries.length);
      this.entries.push(hash);
    }
  }

  /** F8: no queue grows beyond its bound. */
  bounds(node: LedgerNode, devices: readonly Device[]): void {
    const { pool, config } = node;
    if (pool !== undefined && pool.items > config.pool.maxItems + LIMITS.maxUpItems)
      this.fail("F8", `${pool.items} statements wait in the anchor`);
    for (const { name, store, settings } of devices) {
      if (!store.hasTables) continue;
      const [row] = store.ask("SELECT sum(size) AS bytes FROM outbox WHERE state <> 1");
      const bytes = Number(row?.["bytes"] ?? 0);
      if (bytes > settings.outbox.maxBytes * 1.07 + OUTBOX_SLACK_BYTES)
        this.fail(
          "F8",
          `${name}: ${bytes} bytes wait in an outbox of ${Math.round(settings.outbox.maxBytes)}`,
        );
    }
  }

  /** Something that must not be. Only the first one counts: what follows may follow from it. */
  fail(invariant: Invariant, text: string, cause?: unknown): void {
    if (this.violation !== undefined) return;
    this.violation = { invariant, text, cause };
    this.#note(`VIOLATION of ${invariant}: ${text}`);
  }

  /** A running agent has taken a number from a meter. */
  taken(device: Device, sub: string, number: number, life: Life, atMs: number): void {
    this.readings.push({ number, device, sub, life, atMs, isKept: false });
  }

  /** A life is over: what it took long enough ago has to be on the disk. */
  ended(device: Device, life: Life, nowMs: number, cleanly: boolean): void {
    const endMs = life.diskFailedMs ?? nowMs; // nothing was written after that
    this.counts[cleanly ? "ends" : "crashes"] += 1;
    for (let i = this.readings.length - 1; i >= 0; i--) {
      const one = this.readings[i] as Taken;
      if (one.life !== life) continue;
      one.isKept = cleanly || endMs - one.atMs > device.maxLossMs + SLACK_MS;
    }
  }

  /** Another content is on a device's disk. */
  replaced(device: Device): void {
    this.#outboxes.delete(device);
    for (const one of this.readings) if (one.device === device) one.isKept = false;
  }

  /** What a device's disk has committed. */
  agentCommitted(device: Device, writes: readonly Write[], life: Life): void {
    this.counts.commits += 1;
    const outbox = this.#outboxOf(device);
    for (const { sql, values } of writes) {
      if (sql.startsWith("INSERT INTO outbox ")) {
        const [id, chain, seq, hash] = values as [number, number, number, Uint8Array];
        const place = `${outbox.chains.get(chain) ?? chain}/${seq}`;
        if (outbox.spent.has(place) && !device.tainted)
          this.fail("F2", `${life.name} spends the number ${seq} of chain ${chain} once more`);
        outbox.spent.add(place);
        outbox.hashes.set(id, toHex(hash));
      } else if (sql.startsWith("INSERT INTO statement ")) {
        const [id, bytes] = values as [number, Uint8Array];
        const hash = outbox.hashes.get(id) ?? "";
        this.sealed.set(hash, { device, hash, bytes: bytes.slice() });
      } else if (sql.startsWith("UPDATE outbox SET state = 1")) {
        this.#receipted(outbox.hashes.get(values.at(-1) as number), life);
      } else if (sql.startsWith("INSERT INTO dropped ")) {
        this.counts.dropped += 1;
      }
    }
  }

  /** What the anchor's disk has committed. */
  anchorCommitted(node: LedgerNode, writes: readonly Write[], life: Life): void {
    this.counts.commits += 1;
    for (const { sql, values } of writes) {
      if (sql.startsWith("INSERT INTO statements(")) this.#entered(values, node, life);
      else if (sql.startsWith("INSERT INTO batches(")) {
        this.counts.batches += 1;
        const [size] = values as [number];
        if (size !== this.entries.length && !node.mustStop)
          this.fail("F3", `${life.name} commits a tree of ${size} with ${this.entries.length} entries`);
      } else if (sql.startsWith("INSERT INTO forks(")) this.counts.forks += 1;
    }
  }

  /** Called for each message that the log's key signs, at that moment. */
  signed(node: LedgerNode, message: Uint8Array): void {
    if (node.store.db.isTransaction) this.fail("F5", "the log's key signs while its transaction is open");
    const { size, root, rest } = readSigned(message);
    const [row] = node.store.ask("SELECT root FROM batches WHERE size = ?", size);
    if (row === undefined || toHex(row["root"] as Uint8Array) !== root)
      this.fail("F5", `the log's key signs a tree of ${size} that is not committed`);
    const before = this.roots.get(size);
    if (before !== undefined && before !== root) this.fail("F5", `two roots of size ${size} are signed`);
    this.roots.set(size, root);
    if (rest === undefined) return;
    const other = this.receiptTexts.get(size);
    if (other !== undefined && other !== rest)
      this.fail("F5", `two receipts of size ${size} differ in what they say`);
    this.receiptTexts.set(size, rest);
  }

  /** A file of the anchor's came under its name. */
  renamed(node: LedgerNode, path: string, bytes: Uint8Array): void {
    if (path !== `${PUBLIC}/checkpoint`) return;
    const { size } = parseCheckpoint(`${new TextDecoder().decode(bytes).split("\n\n")[0]}\n`);
    for (const { level, index, width } of tilesOfSize(size)) {
      const paths = [tilePath(level, index, width)];
      if (level === 0) paths.push(entriesPath(index, width));
      for (const name of paths) {
        if (!node.files.isDurable(`${PUBLIC}/${name}`))
          this.fail("F3", `the checkpoint of ${size} is out before ${name} is there to stay`);
      }
    }
  }

  /** What the anchor or a device has given to the broker. */
  sent({ topic, payload }: Message): void {
    if (parseTopic(topic)?.kind !== "down") return;
    for (const message of decodeDown(payload)) {
      if (message.kind !== "receipt") continue;
      this.counts.receipts += 1;
      const receipt = parseReceipt(message.receipt);
      if (receipt.size > this.#publishedSize)
        this.fail("F3", `a receipt at size ${receipt.size} leaves before its tree is published`);
      for (const [i, hash] of message.hashes.entries()) {
        const index = receipt.proofs[i]?.index;
        if (this.indexOf.get(toHex(hash)) !== index)
          this.fail(
            "F4",
            `a receipt says that ${toHex(hash).slice(0, 16)} is entry ${index}, and it is ${this.indexOf.get(toHex(hash))}`,
          );
      }
    }
  }

  /** The names of a folder of the anchor's are there to stay. */
  synced(node: LedgerNode, folder: string): void {
    if (folder !== PUBLIC) return;
    const path = `${PUBLIC}/checkpoint`;
    const bytes = node.files.read(path);
    if (bytes === undefined || !node.files.isDurable(path)) return;
    const size = Number(new TextDecoder().decode(bytes).split("\n")[1]);
    this.#publishedSize = Math.max(this.#publishedSize, size);
  }

  #receipted(hash: string | undefined, life: Life): void {
    if (hash === undefined || !this.indexOf.has(hash))
      this.fail("F6", `${life.name} takes ${hash?.slice(0, 16)} for receipted, which is not in the log`);
  }

  #entered(values: readonly SQLInputValue[], node: LedgerNode, life: Life): void {
    const [index, bytes] = values as [number, Uint8Array];
    const hash = toHex(bytes);
    const known = this.entries[index];
    if (known === undefined && index === this.entries.length) {
      if (this.indexOf.has(hash)) this.fail("F1", `${life.name} enters ${hash.slice(0, 16)} a second time`);
      this.entries.push(hash);
      this.indexOf.set(hash, index);
    } else if (known !== hash) {
      this.fail(node.mustStop ? "F5" : "F3", `${life.name} gives the index ${index} to another statement`);
    }
  }

  #outboxOf(device: Device) {
    let found = this.#outboxes.get(device);
    if (found === undefined) {
      found = { hashes: new Map(), spent: new Set(), chains: new Map() };
      for (const row of tableRows(device)) found.hashes.set(row.id, toHex(row.hash));
      this.#outboxes.set(device, found);
    }
    return found;
  }
}

function tableRows(device: Device): readonly { id: number; hash: Uint8Array }[] {
  const exists = device.store.db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'outbox'").get();
  if (exists === undefined) return [];
  return device.store.db.prepare("SELECT id, hash FROM outbox").all() as { id: number; hash: Uint8Array }[];
}

/** What a message says that the log's key signs: a note, or the claims and root of a receipt. */
function readSigned(message: Uint8Array): { size: number; root: string; rest?: string } {
  if (message[0] !== 0x84) {
    const { size, root } = parseCheckpoint(new TextDecoder().decode(message));
    return { size, root: toHex(root) };
  }
  const [, protectedBytes, , root] = decodeCbor(message, SMALL) as [
    string,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const header = decodeCbor(protectedBytes, SMALL) as CborMap;
  const claims = header.get(CLAIMS) as CborMap;
  return { size: Number(claims.get("size")), root: toHex(root), rest: toHex(protectedBytes) };
}

const CLAIMS = 15;
const SMALL = { maxBytes: 4096 } as const;
