import {
  concatBytes,
  COSIGNATURE_ED25519,
  ed25519Key,
  encodeUtf8,
  esp256Key,
  formatVkey,
  fromHex,
  isEvidenceError,
  isKeyName,
  nobleSigner,
  NOTE_ED25519,
  parseVkey,
  sha256,
  toBase64,
  toHex,
} from "@tallystick/evidence";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { need } from "../../support/require.ts";
import { sharedJson } from "../../support/shared.ts";
import { codeOf } from "../../support/vectors.ts";

const haveShared = need("shared");
const key = ed25519Key(new Uint8Array(32).fill(3));
const good = formatVkey("example.com/log", key);

test.skipIf(!haveShared)("the published verifier keys, and the key of the published seed", () => {
  type Vector = { vkey?: string; publicKey: string; keyId: string; seed?: string };
  const { signedNote } = sharedJson("vectors/facts/facts.json") as { signedNote: { vectors: Vector[] } };
  const withKey = signedNote.vectors.filter(({ vkey }) => vkey !== undefined);
  expect(withKey).toHaveLength(2);
  for (const { vkey = "", publicKey, keyId, seed } of withKey) {
    const parsed = parseVkey(vkey);
    expect(toHex(parsed.publicKey)).toBe(publicKey);
    expect(toHex(parsed.keyId)).toBe(keyId);
    expect(parsed).toMatchObject({ type: NOTE_ED25519, text: vkey });
    expect(formatVkey(parsed.name, ed25519Key(parsed.publicKey))).toBe(vkey);
    if (seed !== undefined) expect(formatVkey(parsed.name, nobleSigner(fromHex(seed)).key)).toBe(vkey);
  }
});

describe("verifier keys", () => {
  test("both types, each with a key id of its own", () => {
    const witness = parseVkey(formatVkey("w.example", key, COSIGNATURE_ED25519));
    const log = parseVkey(formatVkey("w.example", key));
    expect(witness.type).toBe(COSIGNATURE_ED25519);
    expect(log.type).toBe(NOTE_ED25519);
    expect(toHex(witness.publicKey)).toBe(toHex(log.publicKey));
    expect(toHex(witness.keyId)).not.toBe(toHex(log.keyId));
  });

  test("a base64 that has pluses", () => {
    const vkey = formatVkey("plus", ed25519Key(new Uint8Array(32).fill(0xfb)));
    expect(vkey.split("+").length).toBeGreaterThan(3);
    expect(parseVkey(vkey).text).toBe(vkey);
  });

  const [name = "", id = "", encoded = ""] = good.split(/\+(.*?)\+(.*)/);
  test.for([
    ["empty", ""],
    ["no name", `+${id}+${encoded}`],
    ["another name", `example.com/lag+${id}+${encoded}`],
    ["a name with a space", `example.com /log+${id}+${encoded}`],
    ["a name with a no-break space", `example.com\u00a0log+${id}+${encoded}`],
    ["a name with a newline", `example.com\nlog+${id}+${encoded}`],
    ["a name with half a surrogate pair", `example.com\ud800+${id}+${encoded}`],
    ["a short id", `${name}+${id.slice(1)}+${encoded}`],
    ["an id in capitals", `${name}+${id.toUpperCase()}+${encoded}`],
    ["another id", `${name}+00000000+${encoded}`],
    ["no key", `${name}+${id}+`],
    ["no padding", `${name}+${id}+${encoded.slice(0, -2)}`],
    ["base64 for URLs", `${name}+${id}+${encoded.slice(0, -4)}-_A=`],
    ["a short key", `${name}+${id}+${toBase64(Uint8Array.of(1, 2, 3))}`],
    ["a type that is not known", `${name}+${id}+${toBase64(new Uint8Array(33).fill(2))}`],
    ["no type at all", `${name}+${id}+AA`],
    ["space around", ` ${good}`],
    ["a line", `${good}\n`],
    ["very long", `${"a".repeat(2000)}+${id}+${encoded}`],
  ] as const)("%s: vkey-malformed", ([, text]) => {
    expect(good.replace(/[+].*/, "")).toBe(name);
    expect(codeOf(() => parseVkey(text))).toBe("vkey-malformed");
  });

  test("a key of another length, though its id follows from it", () => {
    for (const bytes of [31, 33, 1312]) {
      const material = new Uint8Array(1 + bytes).fill(1);
      const keyId = sha256(concatBytes(encodeUtf8("a\n"), material)).slice(0, 4);
      expect(codeOf(() => parseVkey(`a+${toHex(keyId)}+${toBase64(material)}`))).toBe("vkey-malformed");
    }
  });

  test("a name of the longest that is read is also the longest that is written", () => {
    const spare = 1024 - formatVkey("a", key).length + 1;
    expect(parseVkey(formatVkey("a".repeat(spare), key)).name).toHaveLength(spare);
    expect(codeOf(() => formatVkey("a".repeat(spare + 1), key))).toBe("vkey-malformed");
    const longer = sha256(
      concatBytes(encodeUtf8(`${"a".repeat(spare + 1)}\n`), Uint8Array.of(1), key.x),
    ).slice(0, 4);
    const text = `${"a".repeat(spare + 1)}+${toHex(longer)}+${encoded}`;
    expect(codeOf(() => parseVkey(text))).toBe("vkey-malformed");
  });

  test("only what a note can bear is written", () => {
    for (const bad of ["", "a b", "a+b", "a\nb", "a\u2003b", "a\u0085b", "\ud800", "a\u0000"]) {
      expect(isKeyName(bad)).toBe(false);
      expect(codeOf(() => formatVkey(bad, key))).toBe("vkey-malformed");
    }
    const p256 = esp256Key(new Uint8Array(32), new Uint8Array(32));
    expect(codeOf(() => formatVkey("a", p256))).toBe("vkey-malformed");
  });

  const vkeys = fc
    .tuple(
      fc.string({ unit: "grapheme", minLength: 1 }).filter(isKeyName),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.constantFrom(NOTE_ED25519, COSIGNATURE_ED25519),
    )
    .map(([keyName, x, type]) => formatVkey(keyName, ed25519Key(x), type));

  test("each is read to what writes it", () => {
    fc.assert(
      fc.property(vkeys, (text) => {
        const { name: keyName, publicKey, type } = parseVkey(text);
        return formatVkey(keyName, ed25519Key(publicKey), type) === text;
      }),
    );
  });

  test("no changed character is accepted, and any text is refused or written again as it was", () => {
    const bent = fc
      .tuple(vkeys, fc.nat(), fc.string({ unit: "binary", minLength: 1, maxLength: 1 }))
      .map(([text, at, put]) => text.slice(0, at % text.length) + put + text.slice((at % text.length) + 1));
    fc.assert(
      fc.property(fc.oneof(bent, fc.string(), fc.string({ unit: "binary" })), (text) => {
        try {
          const { name: keyName, publicKey, type } = parseVkey(text);
          return formatVkey(keyName, ed25519Key(publicKey), type) === text;
        } catch (error) {
          return isEvidenceError(error) && error.code === "vkey-malformed";
        }
      }),
      { numRuns: 2000 },
    );
  });
});
