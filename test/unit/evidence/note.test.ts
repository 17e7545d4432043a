import {
  ed25519Key,
  encodeUtf8,
  formatNote,
  formatVkey,
  fromHex,
  isEvidenceError,
  isKeyName,
  MAX_NOTE_BYTES,
  nobleProvider,
  nobleSigner,
  parseNote,
  parseVkey,
  signNote,
  toHex,
  verifyNote,
  type Note,
  type NoteSignature,
} from "@tallystick/evidence";
import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { need } from "../../support/require.ts";
import { sharedJson } from "../../support/shared.ts";
import { codeOf } from "../../support/vectors.ts";

const haveShared = need("shared");

const TEXT = "example.com/log\n7\nroot\n";
const signerOf = (n: number): ReturnType<typeof nobleSigner> => nobleSigner(new Uint8Array(32).fill(n));
const [alice, bob, carol] = [signerOf(1), signerOf(2), signerOf(3)];
const aliceKey = parseVkey(formatVkey("alice.example", alice.key));
const bobKey = parseVkey(formatVkey("bob.example", bob.key));
const carolKey = parseVkey(formatVkey("carol.example", carol.key));
const byAlice = parseNote(await signNote(TEXT, "alice.example", alice));
const byBob = parseNote(await signNote(TEXT, "bob.example", bob));
const bothSigned: Note = { text: TEXT, signatures: [...byAlice.signatures, ...byBob.signatures] };
const [ofAlice, ofBob] = bothSigned.signatures as [NoteSignature, NoteSignature];
const bend = (bytes: Uint8Array): Uint8Array => bytes.with(9, (bytes[9] ?? 0) ^ 1);

describe.skipIf(!haveShared)("published notes", () => {
  type Vector = {
    readonly name: string;
    readonly text: string;
    readonly textSha256?: string;
    readonly note: string;
    readonly keyName?: string;
    readonly keyId: string;
    readonly signature: string;
    readonly vkey?: string;
    readonly seed?: string;
  };
  const vectors = haveShared
    ? (sharedJson("vectors/facts/facts.json") as { signedNote: { vectors: Vector[] } }).signedNote.vectors
    : [];

  test("there are three", () => expect(vectors).toHaveLength(3));

  test.for(vectors)("$name", async (v) => {
    const note = parseNote(v.note);
    expect(note.text).toBe(v.text);
    expect(formatNote(note)).toBe(v.note);
    expect(parseNote(encodeUtf8(v.note))).toEqual(note);
    expect(note.signatures.map(({ keyId }) => toHex(keyId))).toEqual([v.keyId]);
    expect(note.signatures.map(({ blob }) => toHex(blob))).toEqual([v.signature]);
    if (v.keyName !== undefined) expect(note.signatures[0]?.name).toBe(v.keyName);
    if (v.textSha256 !== undefined) {
      expect(createHash("sha256").update(note.text).digest("hex")).toBe(v.textSha256);
    }
    if (v.vkey !== undefined) {
      const vkey = parseVkey(v.vkey);
      expect(verifyNote(note, [vkey], nobleProvider)).toEqual([vkey.name]);
      const altered = { ...note, text: note.text.replace("i", "I") };
      expect(codeOf(() => verifyNote(altered, [vkey], nobleProvider))).toBe("note-signature");
      if (v.seed !== undefined)
        expect(await signNote(v.text, vkey.name, nobleSigner(fromHex(v.seed)))).toBe(v.note);
    }
  });
});

describe("verifying", () => {
  const verify = (note: Note, ...keys: readonly (typeof aliceKey)[]): string[] =>
    verifyNote(note, keys, nobleProvider);

  test("says who signed, in the order asked, each once", () => {
    expect(verify(bothSigned, bobKey, aliceKey)).toEqual(["bob.example", "alice.example"]);
    expect(verify(bothSigned, carolKey, aliceKey, aliceKey)).toEqual(["alice.example"]);
    const twice = { text: TEXT, signatures: [ofAlice, ofAlice] };
    expect(verify(twice, aliceKey)).toEqual(["alice.example"]);
  });

  test("nobody known signed: note-signature", () => {
    expect(codeOf(() => verify(bothSigned, carolKey))).toBe("note-signature");
    expect(codeOf(() => verify(bothSigned))).toBe("note-signature");
  });

  test("a bad signature under a known name and id refuses the whole note", () => {
    const bad = { ...ofBob, blob: bend(ofBob.blob) };
    const note = { text: TEXT, signatures: [ofAlice, bad] };
    expect(codeOf(() => verify(note, aliceKey, bobKey))).toBe("note-signature");
    expect(verify(note, aliceKey)).toEqual(["alice.example"]); // bob is unknown here
    const both = { text: TEXT, signatures: [ofBob, bad] };
    expect(codeOf(() => verify(both, bobKey))).toBe("note-signature");
    for (const blob of [ofBob.blob.subarray(1), new Uint8Array(65), new Uint8Array(64)]) {
      expect(codeOf(() => verify({ text: TEXT, signatures: [{ ...ofBob, blob }] }, bobKey))).toBe(
        "note-signature",
      );
    }
  });

  test("a key that shares only the name, or only the id, is unknown", () => {
    const otherId = { ...ofBob, name: ofAlice.name };
    const otherName = { ...ofBob, keyId: ofAlice.keyId };
    expect(verify({ text: TEXT, signatures: [otherId, ofAlice, otherName] }, aliceKey)).toEqual([
      "alice.example",
    ]);
    expect(codeOf(() => verify({ text: TEXT, signatures: [otherId, otherName] }, aliceKey))).toBe(
      "note-signature",
    );
  });

  test("a good signature under another key's name and id is a bad one of that key", () => {
    const posing = { ...ofBob, name: ofAlice.name, keyId: ofAlice.keyId };
    expect(codeOf(() => verify({ text: TEXT, signatures: [posing] }, aliceKey))).toBe("note-signature");
  });
});

describe("the form", () => {
  const line = formatNote(byAlice).slice(TEXT.length + 1);

  test.for([
    ["empty", ""],
    ["only a text", TEXT],
    ["no signature lines", `${TEXT}\n`],
    ["no empty line", `${TEXT}${line}`],
    ["no last newline", `${TEXT}\n${line.slice(0, -1)}`],
    ["another character for the last newline", `${TEXT}\n${line.slice(0, -1)}X`],
    ["one newline too many", `${TEXT}\n${line}\n`],
    ["a line that is no signature", `${TEXT}\n${line}hello\n`],
    ["a hyphen for the dash", `${TEXT}\n${line.replace("—", "-")}`],
    ["no space after the dash", `${TEXT}\n${line.replace("— ", "—")}`],
    ["two spaces", `${TEXT}\n${line.replace("— ", "—  ")}`],
    ["a space at the end", `${TEXT}\n${line.replace("\n", " \n")}`],
    ["no name", `${TEXT}\n${line.replace("alice.example", "")}`],
    ["a plus in the name", `${TEXT}\n${line.replace("alice", "ali+ce")}`],
    ["an ideographic space in the name", `${TEXT}\n${line.replace("alice", "ali\u3000ce")}`],
    ["base64 without padding", `${TEXT}\n— a AAAAAAA\n`],
    ["base64 with bits left over", `${TEXT}\n— a AAAAAAB=\n`],
    ["a key id and no signature", `${TEXT}\n— a AAAAAA==\n`],
    ["a tab in the text", `a\tb\n\n${line}`],
    ["a carriage return", `${TEXT.replaceAll("\n", "\r\n")}\n${line}`],
    ["a zero byte", `a\u0000b\n\n${line}`],
    ["half a surrogate pair", `a\ud800b\n\n${line}`],
    ["101 signatures", `${TEXT}\n${line.repeat(101)}`],
  ] as const)("%s: note-malformed", ([, note]) => {
    expect(codeOf(() => parseNote(note))).toBe("note-malformed");
    if (note.isWellFormed()) expect(codeOf(() => parseNote(encodeUtf8(note)))).toBe("note-malformed");
  });

  test("bytes that are not UTF-8: note-malformed; too many: too-large, before they are read", () => {
    const bytes = encodeUtf8(formatNote(byAlice));
    expect(codeOf(() => parseNote(bytes.with(3, 0xff)))).toBe("note-malformed");
    expect(codeOf(() => parseNote(new Uint8Array(MAX_NOTE_BYTES + 1).fill(0xff)))).toBe("too-large");
    expect(codeOf(() => parseNote("é".repeat(MAX_NOTE_BYTES / 2 + 1)))).toBe("too-large");
    const text = `${"a".repeat(MAX_NOTE_BYTES - bytes.length + TEXT.length - 1)}\n`;
    const largest = formatNote({ text, signatures: byAlice.signatures });
    expect(largest).toHaveLength(MAX_NOTE_BYTES - 2); // the dash has three bytes
    expect(parseNote(encodeUtf8(largest)).text).toBe(text);
    const tooLarge = { text: `a${text}`, signatures: byAlice.signatures };
    expect(codeOf(() => formatNote(tooLarge))).toBe("too-large");
  });

  test("100 signatures, of post-quantum size among them, and a text that starts and ends with empty lines", () => {
    const large = {
      name: "pq.example",
      keyId: Uint8Array.of(1, 2, 3, 4),
      blob: new Uint8Array(4_900).fill(7),
    };
    const sixteen = { text: TEXT, signatures: [...Array.from({ length: 15 }, () => large), ofAlice] };
    expect(verifyNote(parseNote(formatNote(sixteen)), [aliceKey], nobleProvider)).toEqual(["alice.example"]);
    expect(parseNote(`${TEXT}\n${line.repeat(100)}`).signatures).toHaveLength(100);
    for (const text of ["\n", "\n\n\n", `\n${TEXT}\n\n`])
      expect(parseNote(`${text}\n${line}`).text).toBe(text);
    expect(parseNote(`a\n\n— b AAAAAAAA\n\n${line}`)).toMatchObject({ text: "a\n\n— b AAAAAAAA\n" });
  });

  test("what no note can bear is not signed", async () => {
    const sign = async (text: string, name: string): Promise<string> =>
      signNote(text, name, alice).then(
        () => "signed",
        (error: unknown) => (isEvidenceError(error) ? error.code : "other"),
      );
    expect(await sign(TEXT, "alice.example")).toBe("signed");
    expect(await sign("no newline", "alice.example")).toBe("note-malformed");
    expect(await sign("", "alice.example")).toBe("note-malformed");
    expect(await sign("a\tb\n", "alice.example")).toBe("note-malformed");
    expect(await sign(TEXT, "")).toBe("note-malformed");
    expect(await sign(TEXT, "a b")).toBe("note-malformed");
    expect(await sign(TEXT, "a AAAAAAAA\n— b")).toBe("note-malformed"); // would be two signature lines
    expect(await sign(TEXT, "a AAAAAAAA\n\n— b")).toBe("note-malformed"); // would be another text
    expect(codeOf(() => formatNote({ text: TEXT, signatures: [] }))).toBe("note-malformed");
    const hardware = { ...alice, key: { ...ed25519Key(alice.key.x), alg: -9 as const } };
    await expect(signNote(TEXT, "a", hardware)).rejects.toMatchObject({ code: "cose-algorithm" });
  });

  const noteOf = fc.record({
    text: fc
      .array(fc.constantFrom("", "a", "— b AAAAAAAA", "é", "1 2 3"))
      .map((lines) => `${lines.join("\n")}\n`),
    signatures: fc.array(
      fc.record({
        name: fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 }).filter(isKeyName),
        keyId: fc.uint8Array({ minLength: 4, maxLength: 4 }),
        blob: fc.uint8Array({ minLength: 1, maxLength: 80 }),
      }),
      { minLength: 1, maxLength: 20 },
    ),
  });

  test("what is written is read as it was", () => {
    fc.assert(
      fc.property(noteOf, (note) => {
        expect(parseNote(formatNote(note))).toEqual(note);
      }),
    );
  });

  test("any text, and any bytes, are refused or written again as they were", () => {
    const bent = fc
      .tuple(
        noteOf,
        fc.nat(),
        fc.nat(2),
        fc.constantFrom("", "\n", "\n\n", " ", "— ", "=", "A", "+", "\u0000", "é"),
      )
      .map(([note, at, cut, put]) => {
        const text = formatNote(note);
        return text.slice(0, at % text.length) + put + text.slice((at % text.length) + cut);
      });
    const soup = fc.string({ unit: fc.constantFrom("\n", "— ", "a", " ", "AAAAAAAA", "=") });
    const holds = (source: string | Uint8Array): boolean => {
      try {
        const again = formatNote(parseNote(source));
        return typeof source === "string" ? again === source : toHex(encodeUtf8(again)) === toHex(source);
      } catch (error) {
        return isEvidenceError(error) && error.code === "note-malformed";
      }
    };
    fc.assert(fc.property(fc.oneof(bent, soup, fc.string({ unit: "binary" })), holds), { numRuns: 2000 });
    const bytes = fc
      .tuple(noteOf, fc.nat(), fc.nat(255))
      .map(([note, at, value]) =>
        encodeUtf8(formatNote(note)).map((byte, i, all) => (i === at % all.length ? value : byte)),
      );
    fc.assert(fc.property(fc.oneof(bytes, fc.uint8Array()), holds), { numRuns: 1000 });
  });
});
