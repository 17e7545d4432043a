"""notes.json and keys.json: vkeys, notes, checkpoints, cosignatures (C2SP), COSE keys and thumbprints (RFC 9679)."""
from __future__ import annotations

from .cborw import enc
from .keys import ESP256, Key, P, b64, cosign, key_id, note_line, sign_note, vkey
from .ledger import checkpoint_text
from .v_merkle import entries
from .merkle import Tree

ORIGIN = "log.example/2026"


def notes() -> dict:
    log, other, w1, w2 = Key("note log"), Key("note other"), Key("note w1"), Key("note w2")
    tree = Tree(entries(20))
    text = checkpoint_text(ORIGIN, 20, tree.root(20))
    good = sign_note(text, [(ORIGIN, log)])
    time = 1_790_000_123
    cosigned = cosign(cosign(good, "witness.example/w1", w1, time), "witness.example/w2", w2, time + 1)
    wide = "water.example\n\nUnicode: \u6c34 \u2014 dash\nlast line\n"
    wv1, wv2 = vkey("witness.example/w1", w1, 4), vkey("witness.example/w2", w2, 4)
    line = good.split("\n\n")[1]
    blob = lambda name, key, body: note_line(name, key_id(name, 1, key.x), key.sign(body.encode()))  # noqa: E731
    return {
        "keys": [k.shown() for k in (log, other, w1, w2)],
        "vkeys": [{"name": ORIGIN, "type": 1, "keyId": key_id(ORIGIN, 1, log.x).hex(), "publicKey": log.x.hex(), "text": vkey(ORIGIN, log)},
                  {"name": "water/operator", "type": 1, "keyId": key_id("water/operator", 1, other.x).hex(), "publicKey": other.x.hex(), "text": vkey("water/operator", other)},
                  {"name": "witness.example/w1", "type": 4, "keyId": key_id("witness.example/w1", 4, w1.x).hex(), "publicKey": w1.x.hex(), "text": wv1}],
        "refusedVkeys": [
            {"name": "nothing", "text": ""},
            {"name": "two parts", "text": f"{ORIGIN}+" + key_id(ORIGIN, 1, log.x).hex()},
            {"name": "key id of another name", "text": vkey(ORIGIN, log).replace(ORIGIN, "log.example/2027")},
            {"name": "key id in capitals", "text": f"{ORIGIN}+{key_id(ORIGIN, 1, log.x).hex().upper()}+{b64(bytes([1]) + log.x)}"},
            {"name": "key id of 7 digits", "text": vkey(ORIGIN, log).replace("+" + key_id(ORIGIN, 1, log.x).hex(), "+" + key_id(ORIGIN, 1, log.x).hex()[:7])},
            {"name": "key of 31 bytes", "text": f"n+{key_id('n', 1, log.x[:31]).hex()}+{b64(bytes([1]) + log.x[:31])}"},
            {"name": "space in the name", "text": f"a b+{key_id('a b', 1, log.x).hex()}+{b64(bytes([1]) + log.x)}"},
            {"name": "empty name", "text": f"+{key_id('', 1, log.x).hex()}+{b64(bytes([1]) + log.x)}"},
            {"name": "base64 that is not", "text": vkey(ORIGIN, log)[:-1] + "!"},
            {"name": "newline at the end", "text": vkey(ORIGIN, log) + "\n"},
        ],
        "notes": [
            {"name": "checkpoint", "text": text, "note": good, "signatures": [signature(line)]},
            {"name": "empty line and letters beyond ASCII in the text", "text": wide, "note": sign_note(wide, [("n.example", other)]),
             "signatures": [signature(x) for x in sign_note(wide, [("n.example", other)]).split("\n\n")[-1].splitlines()]},
            {"name": "two signers", "text": text, "note": sign_note(text, [(ORIGIN, log), ("other.example", other)]),
             "signatures": [signature(x) for x in sign_note(text, [(ORIGIN, log), ("other.example", other)]).split("\n\n")[1].splitlines()]},
        ],
        "refusedNotes": [
            {"name": "nothing", "note": ""},
            {"name": "no signature", "note": text + "\n"},
            {"name": "no blank line", "note": text + line},
            {"name": "no newline at the end", "note": good[:-1]},
            {"name": "text after the signatures", "note": good + "more\n"},
            {"name": "hyphen in place of the dash", "note": good.replace("\u2014", "-")},
            {"name": "control character", "note": good.replace("log.example", "log\x07example", 1)},
            {"name": "carriage return", "note": good.replace("\n", "\r\n")},
            {"name": "signature of 3 bytes", "note": text + "\n" + f"\u2014 {ORIGIN} AAAA\n"},
            {"name": "signature is not base64", "note": text + "\n" + f"\u2014 {ORIGIN} ????????\n"},
            {"name": "two spaces", "note": good.replace("\u2014 ", "\u2014  ")},
            {"name": "no name", "note": text + "\n" + "\u2014 " + line.split(" ")[2]},
        ],
        "checkpoint": {"origin": ORIGIN, "size": 20, "root": tree.root(20).hex(), "text": text, "note": good, "vkey": vkey(ORIGIN, log)},
        "refusedCheckpointTexts": [
            {"name": "leading zero in the size", "text": text.replace("\n20\n", "\n020\n")},
            {"name": "sign in the size", "text": text.replace("\n20\n", "\n+20\n")},
            {"name": "size not a number", "text": text.replace("\n20\n", "\ntwenty\n")},
            {"name": "size 2^53", "text": text.replace("\n20\n", f"\n{2**53}\n")},
            {"name": "no size", "text": text.replace("\n20\n", "\n\n")},
            {"name": "root of 31 bytes", "text": checkpoint_text(ORIGIN, 20, tree.root(20)[:31])},
            {"name": "root not base64", "text": f"{ORIGIN}\n20\n{'?' * 44}\n"},
            {"name": "root with other spare bits", "text": spare(text)},
            {"name": "no origin", "text": text.replace(ORIGIN, "", 1)},
            {"name": "two lines", "text": f"{ORIGIN}\n20\n"},
            {"name": "no newline at the end", "text": text[:-1]},
            {"name": "an extension line", "text": text + "extension\n"},
        ],
        "refusedOpen": [
            {"name": "signature of another key under the log's id", "code": "note-signature", "vkey": vkey(ORIGIN, log),
             "note": text + "\n" + note_line(ORIGIN, key_id(ORIGIN, 1, log.x), other.sign(text.encode()))},
            {"name": "signed by nobody known", "code": "note-signature", "vkey": vkey(ORIGIN, log), "note": sign_note(text, [("x.example", other)])},
            {"name": "text changed", "code": "note-signature", "vkey": vkey(ORIGIN, log), "note": good.replace("\n20\n", "\n21\n")},
            {"name": "another origin under the log's key", "code": "checkpoint-origin", "vkey": vkey(ORIGIN, log),
             "note": (t := text.replace(ORIGIN, "other.example")) + "\n" + blob(ORIGIN, log, t)},
        ],
        "cosigned": {"note": cosigned, "witnesses": [{"vkey": wv1, "time": time}, {"vkey": wv2, "time": time + 1}]},
        "notCosigned": [
            {"name": "no line of this witness", "note": good, "vkey": wv1},
            {"name": "time changed", "note": good + retimed(good, "witness.example/w1", w1, time), "vkey": wv1, "code": "note-signature"},
        ],
    }


def spare(text: str) -> str:
    """The root with other bits in the last base64 digit, which stand for nothing: the same 32 bytes, not the same text."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    cut = text.rstrip("\n")
    assert cut.endswith("=") and alphabet.index(cut[-2]) % 4 == 0
    return cut[:-2] + alphabet[alphabet.index(cut[-2]) + 1] + "=\n"


def retimed(note: str, name: str, key: Key, time: int) -> str:
    text = note.split("\n\n")[0] + "\n"
    made = key.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
    return note_line(name, key_id(name, 4, key.x), (time + 1).to_bytes(8, "big") + made)


def signature(line: str) -> dict:
    import base64

    _, name, blob = line.rstrip("\n").split(" ")
    data = base64.b64decode(blob)
    return {"name": name, "keyId": data[:4].hex(), "blob": data[4:].hex()}


def keys() -> dict:
    good = [Key("key ed 1"), Key("key ed 2"), Key("key p256 1", ESP256), Key("key p256 2", ESP256)]
    ed, ec = good[0], good[2]
    message = b"what was signed"
    bad = [
        ("curve X25519", {1: 1, -1: 4, -2: ed.x}, None), ("kty text", {1: "OKP", -1: 6, -2: ed.x}, None), ("kty 4", {1: 4, -1: b"k"}, None),
        ("x of 31 bytes", {1: 1, -1: 6, -2: ed.x[:31]}, None), ("no x", {1: 1, -1: 6}, None),
        ("private part beside", {1: 1, -1: 6, -2: ed.x, -4: ed.seed}, None), ("alg beside", {1: 1, 3: -19, -1: 6, -2: ed.x}, None),
        ("P-256 without y", {1: 2, -1: 1, -2: ec.x}, None), ("y as a bool", {1: 2, -1: 1, -2: ec.x, -3: True}, None),
        ("P-384", {1: 2, -1: 2, -2: ec.x, -3: ec.y}, None), ("an array", [1, 6, ed.x], None),
    ]
    return {
        "keys": [k.shown() for k in good],
        "signatures": [{"key": k.name, "message": message.hex(), "signature": k.sign(message).hex(), "valid": True} for k in good]
        + [{"key": k.name, "message": message.hex(), "signature": k.sign(message, low=False).hex(), "valid": False, "why": "s in the upper half"} for k in good[2:]]
        + [{"key": k.name, "message": (message + b"!").hex(), "signature": k.sign(message).hex(), "valid": False, "why": "another message"} for k in good],
        "refused": [{"name": n, "hex": enc(v).hex()} for n, v, _ in bad],
        "noPoint": [{"name": "not on the curve", "hex": enc({1: 2, -1: 1, -2: ec.x, -3: ec.x}).hex()},
                    {"name": "x not below the prime", "hex": enc({1: 2, -1: 1, -2: P.to_bytes(32, "big"), -3: ec.y}).hex()},
                    {"name": "Ed25519 point of order 4", "hex": enc({1: 1, -1: 6, -2: bytes(32)}).hex()},
                    {"name": "Ed25519, no point", "hex": enc({1: 1, -1: 6, -2: b"\x02" + bytes(31)}).hex()}],
    }
