/**
 * Bytes that one reader takes and another one refuses, or that end one of them: both have to say the same of them, and something.
 *
 * @module
 */
import {
  decodeCbor,
  encodeBundle,
  encodeCbor,
  encodeSign1,
  encodeTransparent,
  formatNote,
  parseNote,
  parseSign1,
  type Bundle,
  type CborKey,
  type CborMap,
  type CborValue,
  type Sign1,
  type Statement,
} from "@tallystick/evidence";
import { invalid, notVerifiable, verified } from "./demands.ts";
import { foreignReceipt } from "./foreign.ts";
import { changed, inPayload, otherReceipt, remade } from "./forms.ts";
import { honest, itemsOf, policyOf, settled, type Attack, type Evidence, type Town } from "./town.ts";

const attacker = "bundler: holds no key, decides what is handed over";
const thief = "thief of a device's key, and a log that admits anything";
const log = "holder of the log's key";

/** Beyond what a number holds exactly. */
const HUGE = 2n ** 60n;

const otherNote = (bundle: Bundle, change: (checkpoint: string) => string): Bundle => ({
  ...bundle,
  logs: bundle.logs.map((one) => ({ ...one, checkpoint: change(one.checkpoint) })),
});

/** The note with one more signature, of a name that nobody knows. */
function signedBy(checkpoint: string, name: string): string {
  const { text, signatures } = parseNote(checkpoint);
  const stranger = { name, keyId: new Uint8Array(4), blob: new Uint8Array(8) };
  return formatNote({ text, signatures: [...signatures, stranger] });
}

/** A statement of the meter's alone, with a receipt of other log software whose header (or signature) was changed, and no longer signed. */
async function foreignly(
  town: Town,
  change: (header: CborMap) => CborMap,
  signatureBytes = 64,
): Promise<Evidence> {
  const { statement, sign1 } = await foreignParts(town);
  const protectedBytes = encodeCbor(change(sign1.header));
  const made = encodeSign1({ ...sign1, protectedBytes, signature: sign1.signature.slice(0, signatureBytes) });
  return {
    bytes: encodeTransparent(statement.bytes, [made]),
    policy: policyOf(town, { quorum: "none" }),
    items: itemsOf(town),
  };
}

async function foreignParts({ world, meter }: Town): Promise<{ statement: Statement; sign1: Sign1 }> {
  const statement = meter.statements[1] as Statement;
  const receipt = await foreignReceipt(world, statement);
  return { statement, sign1: parseSign1(receipt, 65_536, { deterministicHeader: false }) };
}

/** Without a label of the header. */
const without = (map: CborMap, key: CborKey): CborMap => new Map([...map].filter(([label]) => label !== key));

const claim = (header: CborMap, key: CborKey, value: CborValue): CborMap =>
  changed(header, 15, changed(header.get(15), key, value));

/** The heads of the last statement on `sys`, each with another name. */
async function headsNamed(town: Town, sub: string): Promise<Bundle> {
  const bundle = honest(town);
  return remade(
    bundle,
    "statements",
    bundle.statements.length - 1,
    town.gateway.signer,
    ({ payload, ...sign1 }) => {
      const event = decodeCbor(payload ?? new Uint8Array(), { maxBytes: 32_768 }) as CborMap;
      const heads = (event.get("heads") as readonly CborValue[]).map((head) =>
        (head as CborValue[]).with(0, sub),
      );
      return { header: sign1.header, payload: encodeCbor(changed(event, "heads", heads)) };
    },
  );
}

/** The bundle with the header of the meter's statement 1 changed. */
const otherHeader = (town: Town, change: (header: CborMap) => CborMap): Promise<Bundle> =>
  remade(honest(town), "statements", 1, town.gateway.signer, ({ header }) => ({ header: change(header) }));

export const READERS: readonly Attack[] = [
  {
    name: "a stranger's signature under the checkpoint, with U+007F in its name",
    attacker,
    make: async (town) => otherNote(honest(town), (note) => signedBy(note, "stranger\u007f.example")),
    demands: verified,
  },
  {
    name: "a checkpoint whose size has 5,000 digits",
    attacker,
    make: async (town) =>
      encodeBundle(otherNote(honest(town), (note) => note.replace(/\n\d+\n/, `\n${"9".repeat(5000)}\n`))),
    demands: { ...invalid("checkpoint-malformed"), check: "log" },
  },
  {
    name: "a receipt whose data structure is `true`",
    attacker: log,
    make: (town) => otherReceipt(town, (header) => changed(header, 395, true)),
    demands: { ...invalid("member-type"), check: "receipts" },
  },
  {
    name: "a receipt whose data structure is a text",
    attacker: log,
    make: (town) => otherReceipt(town, (header) => changed(header, 395, "RFC9162_SHA256")),
    demands: { ...invalid("member-type"), check: "receipts" },
  },
  {
    name: "a receipt of another data structure",
    attacker: log,
    make: (town) => otherReceipt(town, (header) => changed(header, 395, 2)),
    demands: { ...invalid("vds-unsupported"), check: "receipts" },
  },
  {
    name: "alone: a receipt of other log software whose data structure is `true`",
    attacker,
    make: (town) => foreignly(town, (header) => changed(header, 395, true)),
    demands: { ...invalid("vds-unsupported"), check: "receipts" },
  },
  {
    name: "alone: a receipt of other log software that names its log by a list",
    attacker,
    make: (town) => foreignly(town, (header) => claim(header, 1, [1])),
    demands: { ...notVerifiable("log-unknown"), check: "receipts" },
  },
  {
    name: "alone: a receipt of other log software, of an algorithm that no log here has",
    attacker,
    make: (town) => foreignly(town, (header) => changed(header, 1, -9)),
    demands: { ...invalid("key-mismatch"), check: "receipts" },
  },
  {
    name: "alone: a receipt of other log software, of such an algorithm and of a log that nobody knows",
    attacker,
    make: (town) => foreignly(town, (header) => claim(changed(header, 1, -7), 1, "log.other.example/2026")),
    demands: { ...notVerifiable("log-unknown"), check: "receipts" },
  },
  {
    name: "alone: a receipt of other log software without an algorithm",
    attacker,
    make: (town) => foreignly(town, (header) => without(header, 1)),
    demands: { ...invalid("cose-algorithm"), check: "receipts" },
  },
  {
    name: "alone: a receipt of other log software with a signature cut short",
    attacker,
    make: (town) => foreignly(town, (header) => claim(header, 1, "log.other.example/2026"), 63),
    demands: { ...invalid("cose-malformed"), check: "receipts" },
  },
  {
    name: "a receipt of other log software and of another data structure, in a bundle",
    attacker,
    make: async (town) => {
      const { statement, sign1 } = await foreignParts(town);
      const made = encodeSign1({ ...sign1, protectedBytes: encodeCbor(changed(sign1.header, 395, 2)) });
      const bundle = honest(town);
      const both = encodeTransparent(statement.bytes, [made, made]);
      return { ...bundle, statements: bundle.statements.with(1, both) };
    },
    demands: { ...invalid("receipt-malformed"), check: "receipts" },
  },
  {
    name: "heads of a stream that can't be: no name",
    attacker: thief,
    make: (town) => headsNamed(town, "Meter 1"),
    demands: { ...invalid("name-malformed"), check: "format" },
  },
  {
    name: "heads of a stream that can't be: too long for any text",
    attacker: thief,
    make: (town) => headsNamed(town, "m".repeat(300)),
    demands: { ...invalid("name-malformed"), check: "format" },
  },
  {
    name: "a stream of a name that is too long for any text",
    attacker: thief,
    make: (town) => otherHeader(town, (header) => claim(header, 2, "m".repeat(300))),
    demands: { ...invalid("name-malformed"), check: "format" },
  },
  {
    name: "a device of a name that is too long for any text",
    attacker: thief,
    make: (town) => otherHeader(town, (header) => claim(header, 1, `water/${"g".repeat(300)}`)),
    demands: { ...invalid("name-malformed"), check: "format" },
  },
  {
    name: "an amount beyond what a number holds exactly",
    attacker: thief,
    make: async (town) => {
      const reason = "rounded";
      const amount = { minor: 1, currency: "EUR", tariff: "t" };
      await town.meter.event({ kind: "toll-adjustment", ref: new Uint8Array(32), reason, amount });
      const bundle = await settled(town);
      const { seq } = town.meter.head();
      const huge = new Map<string, CborValue>([...Object.entries(amount), ["minor", HUGE]]);
      return remade(bundle, "statements", seq, town.gateway.signer, inPayload("amount", huge));
    },
    demands: { ...invalid("member-range"), check: "format" },
  },
  {
    name: "a statement of an algorithm beyond what a number holds exactly",
    attacker: thief,
    make: (town) => otherHeader(town, (header) => changed(header, 1, -HUGE)),
    demands: { ...invalid("member-range"), check: "format" },
  },
  {
    name: "a statement of a negative type",
    attacker: thief,
    make: (town) => otherHeader(town, (header) => changed(header, 16, -1)),
    demands: { ...invalid("statement-malformed"), check: "format" },
  },
];
