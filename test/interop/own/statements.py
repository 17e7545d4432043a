"""Statements and what they hold: docs/formats.md sections 3 to 5."""
from __future__ import annotations

from hashlib import sha256

from .cborw import Tag, enc
from .keys import Key

SENML = 112
EVENT = "application/vnd.tallystick.event+cbor"
REGISTRY = "application/vnd.tallystick.registry+cbor"
EAT = "application/eat-ucs+cbor"
STATEMENT, RECEIPT = 277, 278


def to_sign(protected: bytes, payload: bytes) -> bytes:
    """RFC 9052 section 4.4, without external data."""
    return enc(["Signature1", protected, b"", payload])


def sign1(key: Key, header, payload: bytes, *, unprotected=None, protected: bytes | None = None, **faults) -> bytes:
    """A COSE_Sign1. `faults` bend it: `signature`, `tag`, `carried` (payload as carried), `low`, `items`."""
    protected = enc(header) if protected is None else protected
    signature = faults.get("signature")
    if signature is None:
        signature = key.sign(to_sign(protected, payload), faults.get("low", True))
    items = [protected, {} if unprotected is None else unprotected, faults.get("carried", payload), signature]
    body = faults.get("items", items)
    tag = faults.get("tag", 18)
    return enc(body) if tag is None else enc(Tag(tag, body))


def claims(iss: str, sub: str, seq: int, *, ch: bytes | None, prev: bytes | None = None, iat: int | None = None,
           tq: int = 2, lvl: int = 1, seen=None) -> dict:
    out = {1: iss, 2: sub, "v": 1, "tq": tq, "lvl": lvl, "seq": seq}
    if iat is not None:
        out[6] = iat
    if ch is not None:
        out["ch"] = ch
    if prev is not None:
        out["prev"] = prev
    if seen is not None:
        out["seen"] = list(seen)
    return out


def header(key: Key, cwt: dict, content_type) -> dict:
    """Protected header; a dict of envelope labels in place of a content type makes a hash envelope."""
    out = {1: key.alg, 4: key.kid, 15: cwt, 16: STATEMENT}
    return out | content_type if isinstance(content_type, dict) else out | {3: content_type}


def statement(key: Key, cwt: dict, content_type, payload: bytes) -> bytes:
    return sign1(key, header(key, cwt, content_type), payload)


def boot(key: Key, **more) -> dict:
    """Boot evidence, the shortest; `more` adds labels or, given as ..., takes them away."""
    one = {270: "tally-agent", 271: ["0.1.0"]}
    files = enc([37, sha256(b"files").digest()])
    base = {8: {5: key.kid}, 261: 41, 265: "tag:tallystick.example,2026:boot/1", 266: {}, 267: 1, 268: bytes(range(16)), **one, 273: [[60, files]]}
    base.update({int(k[1:]) if k[0] == "_" else k: v for k, v in more.items()})
    return {k: v for k, v in base.items() if v is not ...}


def name_of(data: bytes) -> bytes:
    """The hash of a statement: ledger entry, `prev`, and its name everywhere."""
    return sha256(data).digest()


def transparent(data: bytes, receipts: list[bytes]) -> bytes:
    """The statement with receipts in place of its `a0` (RFC 9943)."""
    assert data[:2] == b"\xd2\x84"
    size = len(enc(protected_of(data)))
    assert data[2 + size] == 0xA0
    return data[: 2 + size] + enc({394: receipts}) + data[3 + size :]


def protected_of(data: bytes) -> bytes:
    """The protected bytes of a statement of ours: after d2 84, a byte string."""
    n, info = data[2] & 31, data[2]
    assert info >> 5 == 2
    if n < 24:
        return data[3 : 3 + n]
    width = {24: 1, 25: 2}[n]
    length = int.from_bytes(data[3 : 3 + width], "big")
    return data[3 + width : 3 + width + length]


class Chain:
    """One chain of one stream: numbers the statements and links them."""

    def __init__(self, key: Key, iss: str, sub: str, ch: bytes, iat: int = 1_790_000_000):
        self.key, self.iss, self.sub, self.ch, self.iat = key, iss, sub, ch, iat
        self.statements: list[bytes] = []

    def add(self, content_type, payload, **more) -> bytes:
        seq = len(self.statements)
        prev = name_of(self.statements[-1]) if seq else None
        more.setdefault("iat", self.iat + 60 * seq)
        cwt = claims(self.iss, self.sub, seq, ch=self.ch, prev=prev, **more)
        self.statements.append(statement(self.key, cwt, content_type, payload))
        return self.statements[-1]

    def event(self, event: dict, **more) -> bytes:
        return self.add(EVENT, enc(event), **more)

    def senml(self, records: list[dict], **more) -> bytes:
        return self.add(SENML, enc(records), **more)

    @property
    def head(self) -> list:
        return [self.sub, self.ch, len(self.statements) - 1, name_of(self.statements[-1])]


def opened(before="none", source="p1", interval=60, names=()) -> dict:
    return {"kind": "stream-opened", "before": before, "source": source, "interval": interval, "names": list(names)}


def chain_id(text: str) -> bytes:
    return sha256(b"chain " + text.encode()).digest()[:8]
