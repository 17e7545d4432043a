"""receipts.json: docs/formats.md section 8."""
from __future__ import annotations

from .cborw import enc
from .keys import ESP256, Key
from .ledger import proof, receipt, receipt_header
from .merkle import Tree, h
from .v_merkle import entries

ORIGIN, TIME = "log.example/2026", 1_790_000_500


def receipts() -> dict:
    log, other = Key("receipt log"), Key("receipt other")
    es = entries(300)
    tree = Tree(es)
    reg, keys_root = [7, h(b"last item")], h(b"key state")

    def head(size: int, **more) -> dict:
        return receipt_header(log, more.get("origin", ORIGIN), more.get("time", TIME), size, more.get("reg", reg), more.get("keys", keys_root))

    def of(i: int, size: int) -> bytes:
        return proof(size, i, tree.path(i, size))

    good, bad = [], []

    def ok(name: str, size: int, indexes: list[int]) -> None:
        data = receipt(log, head(size), tree.root(size), [of(i, size) for i in indexes])
        good.append({"name": name, "hex": data.hex(), "origin": ORIGIN, "time": TIME, "size": size, "root": tree.root(size).hex(),
                     "reg": [reg[0], reg[1].hex()], "keysRoot": keys_root.hex(), "hashes": [es[i].hex() for i in indexes], "indexes": indexes})

    ok("smallest", 2, [1])
    ok("one proof", 7, [3])
    ok("last leaf of an odd tree", 7, [6])
    for size in (255, 256, 257):
        ok(f"several, size {size}", size, [0, 100, 254, size - 1] if size > 255 else [0, 100, 254])
    ok("not in the order of the log", 13, [9, 2, 4])
    ok("one hash twice", 13, [4, 4])
    ok("512 proofs", 300, [i % 300 for i in range(90)])
    good[-1]["name"] = "90 proofs"

    size, i = 13, 4
    hd, root, hash_ = head(size), tree.root(size), es[i]

    def no(name: str, code: str, data: bytes, *, at: str = "verify", hashes=(hash_,)) -> None:
        bad.append({"name": name, "code": code, "at": at, "hex": data.hex(), "hashes": [x.hex() for x in hashes]})

    path = tree.path(i, size)
    changed = [h(b"x"), *path[1:]]
    no("proof of another size", "receipt-size", receipt(log, hd, root, [of(i, 12)]))
    no("proof relabelled to the signed size", "proof-length", receipt(log, hd, root, [proof(size, i, tree.path(12, 13))]))
    no("index relabelled", "signature-invalid", receipt(log, hd, root, [proof(size, i ^ 1, path)]))
    no("index relabelled, far away", "signature-invalid", receipt(log, hd, root, [proof(size, 3, path)]))
    no("index beyond the size", "proof-index", receipt(log, hd, root, [proof(size, size, path)]))
    no("path changed", "signature-invalid", receipt(log, hd, root, [proof(size, i, changed)]))
    no("path too short", "proof-length", receipt(log, hd, root, [proof(size, i, path[:-1])]))
    no("path too long", "proof-length", receipt(log, hd, root, [proof(size, i, [*path, h()])]))
    no("a hash of 31 bytes in the path", "member-range", receipt(log, hd, root, [proof(size, i, [path[0][:31], *path[1:]])]))
    no("another statement", "signature-invalid", receipt(log, hd, root, [of(i, size)]), hashes=[es[5]])
    no("two hashes, exchanged", "receipt-entry", receipt(log, hd, root, [of(4, size), of(5, size)]), hashes=[es[5], es[4]])
    no("fewer proofs than hashes", "receipt-entry", receipt(log, hd, root, [of(i, size)]), hashes=[es[4], es[5]])
    no("more proofs than hashes", "receipt-entry", receipt(log, hd, root, [of(4, size), of(5, size)]))
    no("proofs of two trees", "receipt-size", receipt(log, hd, root, [of(4, size), of(5, 12)]), hashes=[es[4], es[5]])
    no("signed over another root", "signature-invalid", receipt(log, hd, tree.root(14), [of(i, size)]))
    no("signed by another key under the log's kid", "signature-invalid", receipt(other, hd, root, [of(i, size)]))
    no("kid of another key", "receipt-key", receipt(other, head(size) | {4: other.kid}, root, [of(i, size)]))
    for name, more in (("time", dict(time=TIME + 1)), ("registry", dict(reg=[8, reg[1]])), ("key state", dict(keys=h())), ("origin", dict(origin="log.example/2027"))):
        signature = log.sign(enc(["Signature1", enc(hd), b"", root]))
        no(f"{name} changed after signing", "signature-invalid", receipt(log, head(size, **more), root, [of(i, size)], signature=signature))

    def shape(name: str, code: str, data: bytes) -> None:
        no(name, code, data, at="parse")

    good_proofs = [of(i, size)]
    mk = lambda header, **f: receipt(log, header, root, good_proofs, **f)  # noqa: E731
    cw = hd[15]
    shape("no tag", "cose-malformed", mk(hd, tag=None))
    shape("tag 998", "cbor-tag", mk(hd, tag=998))
    shape("payload carried", "receipt-malformed", mk(hd, payload=root))
    shape("payload empty", "receipt-malformed", mk(hd, payload=b""))
    shape("typ of a statement", "receipt-malformed", mk(hd | {16: 277}))
    shape("vds 2", "vds-unsupported", mk(hd | {395: 2}))
    shape("vds 3", "vds-unsupported", mk(hd | {395: 3}))
    shape("alg ESP256", "cose-algorithm", mk(hd | {1: -9}))
    shape("alg EdDSA", "cose-algorithm", mk(hd | {1: -8}))
    shape("unknown label", "unknown-member", mk(hd | {5: b""}))
    shape("unknown claim", "unknown-member", mk(hd | {15: cw | {"x": 1}}))
    shape("no kid", "member-missing", mk({k: v for k, v in hd.items() if k != 4}))
    for key in (1, 2, 6, "reg", "keys"):
        shape(f"no {key}", "member-missing", mk(hd | {15: {k: v for k, v in cw.items() if k != key}}))
    shape("iss and sub differ", "receipt-malformed", mk(hd | {15: cw | {2: "other"}}))
    shape("size 2^53", "member-range", mk(hd | {15: cw | {"size": 2**53}}))
    shape("size 1", "receipt-size", receipt(log, head(1), tree.root(1), [proof(1, 0, [])]))
    shape("key state of 31 bytes", "member-range", mk(hd | {15: cw | {"keys": bytes(31)}}))
    shape("registry of three", "member-range", mk(hd | {15: cw | {"reg": [7, bytes(32), 0]}}))
    shape("unprotected empty", "member-missing", mk(hd, unprotected={}))
    shape("a kid in the unprotected header", "unknown-member", mk(hd, unprotected={4: log.kid, 396: {-1: good_proofs}}))
    shape("no proofs", "member-range", receipt(log, hd, root, []))
    shape("consistency proof beside", "unknown-member", mk(hd, vdp={-1: good_proofs, -2: [b""]}))
    shape("proof not wrapped", "member-type", mk(hd, vdp={-1: [[size, i, path]]}))
    shape("proof with bytes after it", "cbor-trailing", receipt(log, hd, root, [of(i, size) + b"\x00"]))
    shape("proof of two", "member-range", receipt(log, hd, root, [enc([size, i])]))
    shape("proof with a negative index", "member-range", receipt(log, hd, root, [enc([size, -1, path])]))
    shape("protected header in another order", "cbor-order", mk(hd, protected=reordered(hd)))
    shape("signature of 63 bytes", "cose-malformed", mk(hd, signature=bytes(63)))
    shape("bytes after it", "cbor-trailing", mk(hd) + b"\x00")
    shape("over 65,536 bytes", "too-large", receipt(log, head(300), tree.root(300), [of(i % 300, 300) for i in range(260)]))

    cheat = [receipt(log, hd, root, good_proofs)]
    forged = Tree([*es[:4], h(b"other"), *es[5:13]])
    pairs = [
        {"name": "root", "hex": [cheat[0].hex(), receipt(log, hd, forged.root(13), [proof(13, 3, forged.path(3, 13))]).hex()], "hashes": [es[4].hex(), es[3].hex()]},
        {"name": "registry", "hex": [cheat[0].hex(), mk(head(size, reg=[8, reg[1]])).hex()], "hashes": [es[4].hex()] * 2},
        {"name": "key state", "hex": [cheat[0].hex(), mk(head(size, keys=h())).hex()], "hashes": [es[4].hex()] * 2},
    ]
    honest = [{"name": "another commit time", "hex": [cheat[0].hex(), mk(head(size, time=TIME + 9)).hex()], "hashes": [es[4].hex()] * 2}]
    foreign = {1: -19, 4: log.kid, 15: {1: ORIGIN, 2: ORIGIN}, 16: 278, 395: 1}
    return {"keys": [log.shown(), other.shown(), Key("receipt hardware", ESP256).shown()], "good": good, "bad": bad, "equivocation": pairs,
            "noEquivocation": honest, "foreign": {"name": "no size: included, at no proven place", "hex": mk(foreign).hex(), "hash": hash_.hex()}}


def reordered(header: dict) -> bytes:
    """The pairs of a header in the opposite order."""
    pairs = [enc(k) + enc(v) for k, v in header.items()]
    return bytes([0xA0 | len(pairs)]) + b"".join(sorted(pairs, reverse=True))
