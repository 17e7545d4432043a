import {
  COSIGNATURE_ED25519,
  cosign,
  emptyRoot,
  encodeUtf8,
  formatCheckpoint,
  formatNote,
  formatVkey,
  fromHex,
  isEvidenceError,
  nobleProvider,
  nobleSigner,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  parseVkey,
  signNote,
  toHex,
  verifyCosignature,
  verifyCosignatures,
  verifyNote,
  type Note,
  type NoteSignature,
  type SignatureProvider,
} from "@tallystick/evidence";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { need } from "../../support/require.ts";
import { sharedJson } from "../../support/shared.ts";
import { codeOf } from "../../support/vectors.ts";

const haveShared = need("shared");

const ORIGIN = "log.example/2026";
const root = new Uint8Array(32).fill(5);
const checkpoint = { origin: ORIGIN, size: 20852163, root };
const text = formatCheckpoint(checkpoint);
const signerOf = (n: number): ReturnType<typeof nobleSigner> => nobleSigner(new Uint8Array(32).fill(n));
const log = signerOf(1);
const vkey = parseVkey(formatVkey(ORIGIN, log.key));
const signed = await signNote(text, ORIGIN, log);

type Published = {
  readonly text: string;
  readonly note: string;
  readonly origin: string;
  readonly size: number;
  readonly rootHash: string;
  readonly logKeyId: string;
  readonly logSignature: string;
};
type PublishedCosignature = {
  readonly note: string;
  readonly cosignerName: string;
  readonly keyId: string;
  readonly blobBytes: number;
  readonly timestamp: number;
  readonly timestampBigEndian: string;
  readonly signature: string;
  readonly signedMessage: string;
};
const facts = haveShared
  ? (sharedJson("vectors/facts/facts.json") as { checkpoint: Published; cosignature: PublishedCosignature })
  : undefined;

describe("checkpoints", () => {
  test.skipIf(!haveShared)("the published one: its fields; its key is not published", () => {
    const published = facts?.checkpoint ?? expect.unreachable();
    const note = parseNote(published.note);
    expect(note.text).toBe(published.text);
    const parsed = parseCheckpoint(note.text);
    expect(parsed).toMatchObject({ origin: published.origin, size: published.size });
    expect(toHex(parsed.root)).toBe(published.rootHash);
    expect(formatCheckpoint(parsed)).toBe(published.text);
    expect(note.signatures.map(({ name }) => name)).toEqual([published.origin]);
    expect(toHex(note.signatures[0]?.keyId ?? root)).toBe(published.logKeyId);
    expect(toHex(note.signatures[0]?.blob ?? root)).toBe(published.logSignature);
  });

  test("opened: signed by the log, of this origin", () => {
    const opened = openCheckpoint(signed, vkey, nobleProvider);
    expect(opened).toMatchObject(checkpoint);
    expect(formatNote(opened.note)).toBe(signed);
    expect(openCheckpoint(encodeUtf8(signed), vkey, nobleProvider)).toEqual(opened);
  });

  test("not opened: another key, another log, a changed text, another type of key", async () => {
    const open = (note: string, key = vkey): string => codeOf(() => openCheckpoint(note, key, nobleProvider));
    expect(open(signed, parseVkey(formatVkey(ORIGIN, signerOf(2).key)))).toBe("note-signature");
    expect(open(signed, parseVkey(formatVkey("log.example/2027", log.key)))).toBe("checkpoint-origin");
    expect(open(await signNote(text, "log.example/2027", log))).toBe("note-signature"); // signed under another name
    expect(open(signed.replace("20852163", "20852164"))).toBe("note-signature");
    expect(open(signed, parseVkey(formatVkey(ORIGIN, log.key, COSIGNATURE_ED25519)))).toBe("vkey-malformed");
    expect(open(await signNote("hello\n", ORIGIN, log))).toBe("checkpoint-malformed");
    expect(open(text)).toBe("note-malformed");
    expect(open("x".repeat(300_000))).toBe("too-large");
  });

  const base64 = text.split("\n")[2] ?? "";
  test.for([
    ["empty", ""],
    ["two lines", `${ORIGIN}\n7\n`],
    ["no last newline", text.slice(0, -1)],
    ["an extension line", `${text}more\n`],
    ["an empty line after", `${text}\n`],
    ["no origin", `\n7\n${base64}\n`],
    ["a tab in the origin", `a\tb\n7\n${base64}\n`],
    ["half a surrogate pair", `\ud800\n7\n${base64}\n`],
    ["a size with a zero in front", `${ORIGIN}\n07\n${base64}\n`],
    ["a size with a sign", `${ORIGIN}\n+7\n${base64}\n`],
    ["a negative size", `${ORIGIN}\n-7\n${base64}\n`],
    ["a size with a space", `${ORIGIN}\n7 \n${base64}\n`],
    ["a size in hexadecimal", `${ORIGIN}\n0x7\n${base64}\n`],
    ["a size with an exponent", `${ORIGIN}\n1e3\n${base64}\n`],
    ["no size", `${ORIGIN}\n\n${base64}\n`],
    ["a size of 2^53", `${ORIGIN}\n9007199254740992\n${base64}\n`],
    ["a size of 2^64 - 1", `${ORIGIN}\n18446744073709551615\n${base64}\n`],
    ["a root of 31 bytes", `${ORIGIN}\n7\n${"A".repeat(42)}==\n`],
    ["a root of 33 bytes", `${ORIGIN}\n7\n${"A".repeat(44)}\n`],
    ["a root without padding", `${ORIGIN}\n7\n${base64.slice(0, -1)}\n`],
    ["a root with bits left over", `${ORIGIN}\n7\n${base64.slice(0, -2)}B=\n`],
    ["carriage returns", text.replaceAll("\n", "\r\n")],
  ] as const)("%s: checkpoint-malformed", ([, malformed]) => {
    expect(codeOf(() => parseCheckpoint(malformed))).toBe("checkpoint-malformed");
  });

  test("the largest and the smallest size", () => {
    for (const size of [0, 1, Number.MAX_SAFE_INTEGER]) {
      const small = { origin: "a b + c", size, root: emptyRoot() };
      expect(parseCheckpoint(formatCheckpoint(small))).toEqual(small);
    }
    for (const size of [-1, 0.5, 2 ** 53, Number.NaN]) {
      expect(codeOf(() => formatCheckpoint({ ...checkpoint, size }))).toBe("checkpoint-malformed");
    }
    expect(codeOf(() => formatCheckpoint({ ...checkpoint, root: new Uint8Array(31) }))).toBe(
      "checkpoint-malformed",
    );
    expect(codeOf(() => formatCheckpoint({ ...checkpoint, origin: "a\nb" }))).toBe("checkpoint-malformed");
  });

  test("any text is refused, or written again as it was", () => {
    const valid = fc
      .record({
        origin: fc.string({ minLength: 1 }),
        size: fc.maxSafeNat(),
        root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      })
      .map(formatCheckpoint);
    const bent = fc
      .tuple(valid, fc.nat(), fc.nat(2), fc.constantFrom("", "0", "\n", "=", "A", " ", "+", "\r"))
      .map(
        ([whole, at, cut, put]) =>
          whole.slice(0, at % whole.length) + put + whole.slice((at % whole.length) + cut),
      );
    fc.assert(
      fc.property(fc.oneof(valid, bent, fc.string(), fc.string({ unit: "binary" })), (any) => {
        try {
          return formatCheckpoint(parseCheckpoint(any)) === any;
        } catch (error) {
          return isEvidenceError(error) && error.code === "checkpoint-malformed";
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("cosignatures", () => {
  const witness = signerOf(7);
  const witnessKey = parseVkey(formatVkey("w.example", witness.key, COSIGNATURE_ED25519));
  const note = parseNote(signed);
  const withLines = (...more: readonly NoteSignature[]): Note => ({
    text: note.text,
    signatures: [...note.signatures, ...more],
  });
  const verify = (cosigned: Note): { timeUnixS: number } | undefined =>
    verifyCosignature(cosigned, witnessKey, nobleProvider);

  test.skipIf(!haveShared)(
    "the published one: its parts and the message that was signed; its key is not published",
    () => {
      const v = facts?.cosignature ?? expect.unreachable();
      const published = parseNote(v.note);
      const line = published.signatures.find(({ name }) => name === v.cosignerName) ?? expect.unreachable();
      expect(toHex(line.keyId)).toBe(v.keyId);
      expect(line.keyId.length + line.blob.length).toBe(v.blobBytes);
      expect(toHex(line.blob)).toBe(v.timestampBigEndian + v.signature);
      // A provider that is asked, and a key that stands in for the unknown one: what reaches it is the message of the specification.
      const asked: string[] = [];
      const provider: SignatureProvider = {
        name: "asked",
        verify: (_key, message, signature) => {
          asked.push(new TextDecoder().decode(message), toHex(signature));
          return true;
        },
      };
      const standIn = { ...witnessKey, name: v.cosignerName, keyId: fromHex(v.keyId) };
      expect(verifyCosignature(published, standIn, provider)).toEqual({ timeUnixS: v.timestamp });
      expect(asked).toEqual([v.signedMessage, v.signature]);
    },
  );

  test("made and verified, in a note that was written and read", async () => {
    const cosigned = withLines(await cosign(note.text, "w.example", 1_679_315_147, witness));
    const read = parseNote(formatNote(cosigned));
    expect(verify(read)).toEqual({ timeUnixS: 1_679_315_147 });
    expect(verifyNote(read, [vkey, witnessKey], nobleProvider)).toEqual([ORIGIN, "w.example"]);
    expect(openCheckpoint(formatNote(cosigned), vkey, nobleProvider).size).toBe(checkpoint.size);
    expect(verify(note)).toBeUndefined();
  });

  test("the earliest of several counts; one that is bad refuses all", async () => {
    const [late, early] = [
      await cosign(note.text, "w.example", 200, witness),
      await cosign(note.text, "w.example", 100, witness),
    ];
    expect(verify(withLines(late, early))).toEqual({ timeUnixS: 100 });
    expect(verify(withLines(early, late))).toEqual({ timeUnixS: 100 });
    const bad = { ...early, blob: early.blob.with(7, 99) }; // 99 s, signed as 100
    expect(codeOf(() => verify(withLines(late, bad)))).toBe("note-signature");
  });

  test("no bit of time, signature or text may change", async () => {
    const line = await cosign(note.text, "w.example", 1_679_315_147, witness);
    for (let bit = 0; bit < line.blob.length * 8; bit += 7) {
      const blob = line.blob.with(bit >> 3, (line.blob[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
      expect(codeOf(() => verify(withLines({ ...line, blob })))).toBe("note-signature");
    }
    const other = { ...withLines(line), text: formatCheckpoint({ ...checkpoint, size: 1 }) };
    expect(codeOf(() => verify(other))).toBe("note-signature");
    for (const bytes of [1, 64, 71, 73, 2428]) {
      const blob = new Uint8Array(bytes).fill(1);
      expect(codeOf(() => verify(withLines({ ...line, blob })))).toBe("note-signature");
    }
  });

  test("a note signature is no cosignature, and the other way round, even of one key", async () => {
    const asNote = parseVkey(formatVkey("w.example", witness.key));
    const plain = parseNote(await signNote(note.text, "w.example", witness)).signatures;
    expect(verify(withLines(...plain))).toBeUndefined();
    expect(codeOf(() => verifyCosignature(note, asNote, nobleProvider))).toBe("vkey-malformed");
    const posing = plain.map((line) => ({ ...line, keyId: witnessKey.keyId }));
    expect(codeOf(() => verify(withLines(...posing)))).toBe("note-signature");
    const cosignature = await cosign(note.text, "w.example", 1, witness);
    const stripped = { ...cosignature, keyId: asNote.keyId, blob: cosignature.blob.subarray(8) };
    expect(codeOf(() => verifyNote(withLines(stripped), [asNote], nobleProvider))).toBe("note-signature");
  });

  test("a time beyond 2^53 is no witness's", async () => {
    const line = await cosign(note.text, "w.example", Number.MAX_SAFE_INTEGER, witness);
    expect(verify(withLines(line))).toEqual({ timeUnixS: Number.MAX_SAFE_INTEGER });
    const beyond = await cosign(note.text, "w.example", 2 ** 53, witness); // a good signature
    expect(codeOf(() => verify(withLines(beyond)))).toBe("note-signature");
  });

  test("who of a policy's witnesses cosigned, under the policy's names", async () => {
    const second = parseVkey(formatVkey("w.example", signerOf(8).key, COSIGNATURE_ED25519)); // same name, another key
    const witnesses = new Map([
      ["first", { vkey: witnessKey }],
      ["second", { vkey: second }],
    ]);
    const cosigned = withLines(await cosign(note.text, "w.example", 5, witness));
    expect([...verifyCosignatures(cosigned, witnesses, nobleProvider)]).toEqual([
      ["first", { timeUnixS: 5 }],
    ]);
    expect(verifyCosignatures(note, witnesses, nobleProvider).size).toBe(0);
  });
});
