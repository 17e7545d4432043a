/**
 * An anchor that does what a test says: a real tree, really signed receipts, and on request wrong ones, late ones or none.
 *
 * @module
 */
import {
  encodeDown,
  encodeReceipt,
  formatVkey,
  hashLeaf,
  hashNode,
  inclusionPath,
  nobleSigner,
  parseStatement,
  signBatch,
  splitUp,
  toHex,
  treeRoot,
  type BatchClaims,
  type DownMessage,
  type EvidenceCode,
  type HashReader,
  type Signer,
  type Statement,
} from "@tallystick/evidence";

const ORIGIN = "tally.example/2026";

/** What to do with one statement. */
export type Verdict = "receipt" | "silence" | { readonly reject: EvidenceCode };

export class FakeAnchor {
  readonly signer: Signer;
  readonly vkey: string;
  /** Every statement that arrived, in order, repeats included. */
  readonly arrived: Statement[] = [];
  /** Items of each message. */
  readonly messages: number[] = [];
  /** Receipts that were sent up, each with the statement beside it, which doesn't count as having arrived. */
  readonly shown: { readonly receipt: Uint8Array; readonly statement: Uint8Array | undefined }[] = [];
  judge: (statement: Statement) => Verdict = () => "receipt";
  /** Seconds; the commit time of what is receipted from now on. */
  timeUnixS = 1_795_000_000;
  readonly #leaves: Uint8Array[] = [];
  readonly #indexes = new Map<string, number>();

  constructor(seed = 7, origin = ORIGIN) {
    this.signer = nobleSigner(new Uint8Array(32).fill(seed));
    this.vkey = formatVkey(origin, this.signer.key);
    this.#leaves.push(hashLeaf(new Uint8Array(32).fill(1))); // entry 0: no receipt is given at size 1
  }

  get size(): number {
    return this.#leaves.length;
  }

  get root(): Uint8Array {
    return treeRoot(this.size, this.#read);
  }

  /** True where it is in the tree. */
  isEntered(hash: Uint8Array): boolean {
    return this.#indexes.has(toHex(hash));
  }

  /** Takes in an `up` message and gives back what goes down, one message each. */
  async take(payload: Uint8Array): Promise<readonly Uint8Array[]> {
    const { items, rest } = splitUp(payload);
    if (rest !== undefined) throw rest.error;
    const [first, second] = items;
    if (first?.kind === "receipt") {
      this.shown.push({
        receipt: new Uint8Array(first.bytes),
        statement: second && new Uint8Array(second.bytes),
      });
      return [];
    }
    this.messages.push(items.length);
    const statements = items.map(({ bytes }) => parseStatement(new Uint8Array(bytes)));
    this.arrived.push(...statements);
    const answers: Uint8Array[] = [];
    const receipted: Uint8Array[] = [];
    for (const statement of statements) {
      const verdict = this.judge(statement);
      if (verdict === "receipt") receipted.push(statement.hash);
      else if (verdict !== "silence") {
        answers.push(
          encodeDown({
            kind: "rejected",
            hash: statement.hash,
            code: verdict.reject,
            text: "as the test says",
          }),
        );
      }
    }
    if (receipted.length > 0) answers.push(encodeDown(await this.receipt(receipted)));
    return answers;
  }

  /** Enters what is new, and makes one receipt for all of these hashes. */
  async receipt(
    hashes: readonly Uint8Array[],
    changes: Partial<BatchClaims> & { signer?: Signer } = {},
  ): Promise<Extract<DownMessage, { kind: "receipt" }>> {
    for (const hash of hashes) {
      if (this.#indexes.has(toHex(hash))) continue;
      this.#indexes.set(toHex(hash), this.size);
      this.#leaves.push(hashLeaf(hash));
    }
    const proofs = hashes.map((hash) => {
      const index = this.#indexes.get(toHex(hash)) ?? -1;
      return { index, path: inclusionPath(index, this.size, this.#read) };
    });
    const { signer = this.signer, ...claims } = changes;
    const batch = await signBatch(
      {
        origin: ORIGIN,
        timeUnixS: this.timeUnixS,
        size: this.size,
        registry: { count: 1, last: new Uint8Array(32).fill(2) },
        keysRoot: new Uint8Array(32).fill(3),
        ...claims,
      },
      this.root,
      signer,
    );
    return { kind: "receipt", hashes, receipt: encodeReceipt(batch, proofs) };
  }

  readonly #read: HashReader = (level, index) => {
    if (level === 0) return this.#leaves[index] ?? new Uint8Array(32);
    return hashNode(this.#read(level - 1, index * 2), this.#read(level - 1, index * 2 + 1));
  };
}
