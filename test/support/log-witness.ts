/**
 * A witness of a test's own: keeps whatever the log has ever said (each note at the broker and in the public folder, each receipt on its way to a
 * device) and lays all of it beside the log as it is in the end.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type MqttClient } from "mqtt";
import {
  CHECKPOINT_TOPIC,
  CompactRange,
  decodeDown,
  ed25519Key,
  equalBytes,
  hashLeaf,
  isEvidenceError,
  openCheckpoint,
  parseReceipt,
  parseTopic,
  parseVkey,
  toHex,
  verifyReceipt,
  type PublicKey,
  type VerifierKey,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { finding, type Finding } from "./finding.ts";

/** The broker's word for the witness: it reads everything that goes down, and writes nothing. */
export const WITNESS_SERVICE = { id: "witness", publish: [], subscribe: ["down", "checkpoint"] } as const;

const DOWN_TOPICS = "tally/v1/+/+/down";
/** How often the public folder is looked at. */
const LOOK_MS = 10;
const RECONNECT_MS = 100;

/** What was said of one tree. `reg` and `keys` are receipts' words; a note has none. */
type Tree = { readonly root: Uint8Array; readonly where: string; readonly claims?: string };

export class LogWitness {
  readonly findings: Finding[] = [];
  readonly #provider = createNodeProvider();
  readonly #vkey: VerifierKey;
  readonly #key: PublicKey;
  readonly #trees = new Map<number, Tree>();
  /** Index by hash of each statement that has a receipt. */
  readonly #receipted = new Map<string, number>();
  #receipts = 0;
  #notes = 0;
  #lastNote = "";
  #timer: NodeJS.Timeout | undefined;
  #client: MqttClient | undefined;

  constructor(vkey: string) {
    this.#vkey = parseVkey(vkey);
    this.#key = ed25519Key(this.#vkey.publicKey);
  }

  /** Begins to watch: the broker at `url`, however often it goes, and the folder. */
  watch(url: string, publicFolder: string): void {
    const file = join(publicFolder, "checkpoint");
    this.#timer = setInterval(() => this.#look(file), LOOK_MS);
    const client = connect(url, {
      clientId: WITNESS_SERVICE.id,
      protocolVersion: 4,
      reconnectPeriod: RECONNECT_MS,
      resubscribe: false,
    });
    this.#client = client;
    client.on("error", () => {});
    client.on("connect", () => {
      client.subscribe([DOWN_TOPICS, CHECKPOINT_TOPIC], { qos: 1 }, () => {});
    });
    client.on("message", (topic, payload) => {
      if (topic === CHECKPOINT_TOPIC) this.note(payload.toString(), "at the broker");
      else if (parseTopic(topic)?.kind === "down") this.#down(new Uint8Array(payload));
    });
  }

  /** What was seen so far. */
  get seen(): {
    readonly notes: number;
    readonly receipts: number;
    readonly receipted: number;
    readonly sizes: number;
  } {
    return {
      notes: this.#notes,
      receipts: this.#receipts,
      receipted: this.#receipted.size,
      sizes: this.#trees.size,
    };
  }

  /** Takes a signed note in. */
  note(note: string, where: string): void {
    if (note === this.#lastNote) return;
    this.#lastNote = note;
    this.#notes += 1;
    try {
      const { size, root } = openCheckpoint(note, this.#vkey, this.#provider);
      this.#tree(size, { root, where: `a note ${where}` });
    } catch (error) {
      this.#refuse(error, "F3", `a note ${where}`);
    }
  }

  /** Takes a receipt in, with the hashes that came with it. */
  receipt(bytes: Uint8Array, hashes: readonly Uint8Array[], where: string): void {
    this.#receipts += 1;
    try {
      const receipt = parseReceipt(bytes);
      const { root, indexes } = verifyReceipt(receipt, hashes, this.#key, this.#provider, nodeSha256);
      const { count, last } = receipt.registry;
      const claims = `${count} ${toHex(last)} ${toHex(receipt.keysRoot)}`;
      this.#tree(receipt.size, { root, where: `a receipt ${where}`, claims });
      for (const [i, hash] of hashes.entries()) this.#place(toHex(hash), indexes[i] ?? -1);
    } catch (error) {
      this.#refuse(error, "F4", `a receipt ${where}`);
    }
  }

  /**
   * Lays everything beside the entries of the log as it is now.
   *
   * @param entries - hashes by log index
   */
  compare(entries: readonly Uint8Array[]): readonly Finding[] {
    const findings = [...this.findings];
    for (const [hash, index] of this.#receipted) {
      const entry = entries[index];
      if (entry === undefined || toHex(entry) !== hash)
        findings.push(finding("F4", `there is a receipt for ${hash} at ${index}, and it is not there`));
    }
    const range = new CompactRange({ hash: nodeSha256 });
    for (const [i, entry] of entries.entries()) {
      range.append(hashLeaf(entry, nodeSha256));
      const tree = this.#trees.get(i + 1);
      if (tree !== undefined && !equalBytes(tree.root, range.root()))
        findings.push(
          finding(
            "F5",
            `${tree.where} of size ${i + 1} has another root than the log's first ${i + 1} entries`,
          ),
        );
    }
    for (const [size, { where }] of this.#trees)
      if (size > entries.length)
        findings.push(
          finding("F5", `${where} is of size ${size}, and the log has ${entries.length} entries`),
        );
    return findings;
  }

  end(): void {
    clearInterval(this.#timer);
    this.#client?.end(true);
  }

  #look(file: string): void {
    try {
      this.note(readFileSync(file, "utf8"), "in the public folder");
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    }
  }

  #down(payload: Uint8Array): void {
    try {
      for (const message of decodeDown(payload))
        if (message.kind === "receipt") this.receipt(message.receipt, message.hashes, "on its way down");
    } catch (error) {
      this.#refuse(error, "F4", "a message on its way down");
    }
  }

  #tree(size: number, said: Tree): void {
    const before = this.#trees.get(size);
    if (before === undefined) this.#trees.set(size, said);
    else if (!equalBytes(before.root, said.root))
      this.findings.push(
        finding("F5", `${before.where} and ${said.where}, both of size ${size}, differ in root`),
      );
    else if (before.claims === undefined) this.#trees.set(size, { ...before, ...said });
    else if (said.claims !== undefined && before.claims !== said.claims)
      this.findings.push(finding("F5", `two receipts of size ${size} differ in reg or keys`));
  }

  #place(hash: string, index: number): void {
    const before = this.#receipted.get(hash);
    if (before !== undefined && before !== index)
      this.findings.push(finding("F4", `receipts for ${hash} at ${before} and at ${index}`));
    this.#receipted.set(hash, index);
  }

  #refuse(error: unknown, invariant: "F3" | "F4", what: string): void {
    if (!isEvidenceError(error)) throw error;
    this.findings.push(finding(invariant, `${what} is refused: ${error.code}`));
  }
}
