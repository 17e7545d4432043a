"""Deterministic CBOR (RFC 8949 section 4.2.1), written by hand.

Python values stand for CBOR ones: int, bytes, str, list, dict, True, False, None, and the four classes below.
`Raw` puts bytes in as they are, which is how the faulty vectors are made.
"""
from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Dec:
    """The decimal mantissa * 10^exponent, tag 4; an integer where the exponent is 0 and 64 bits are enough."""

    mantissa: int
    exponent: int


@dataclass(frozen=True)
class Flt:
    value: float


@dataclass(frozen=True)
class Tag:
    tag: int
    value: object


@dataclass(frozen=True)
class Raw:
    data: bytes


def head(major: int, n: int) -> bytes:
    """Initial bytes of an item: major type and argument, shortest form."""
    if n < 24:
        return bytes([major << 5 | n])
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 1 << (8 * width):
            return bytes([major << 5 | info]) + n.to_bytes(width, "big")
    raise ValueError("argument above 64 bits")


def integer(n: int) -> bytes:
    return head(0, n) if n >= 0 else head(1, -1 - n)


def bignum(n: int) -> bytes:
    """A mantissa: an integer where 64 bits are enough, tag 2 or 3 without leading zero bytes elsewhere."""
    m = n if n >= 0 else -1 - n
    if m < 1 << 64:
        return integer(n)
    return head(6, 2 if n >= 0 else 3) + enc(m.to_bytes((m.bit_length() + 7) // 8, "big"))


def enc(v: object) -> bytes:
    if v is False:
        return b"\xf4"
    if v is True:
        return b"\xf5"
    if v is None:
        return b"\xf6"
    if isinstance(v, Raw):
        return v.data
    if isinstance(v, int):
        return integer(v)
    if isinstance(v, bytes):
        return head(2, len(v)) + v
    if isinstance(v, str):
        text = v.encode("utf-8")
        return head(3, len(text)) + text
    if isinstance(v, (list, tuple)):
        return head(4, len(v)) + b"".join(enc(x) for x in v)
    if isinstance(v, dict):
        pairs = sorted((enc(k), enc(x)) for k, x in v.items())
        return head(5, len(pairs)) + b"".join(k + x for k, x in pairs)
    if isinstance(v, Dec):
        if v.exponent == 0 and -(1 << 64) <= v.mantissa < 1 << 64:
            return integer(v.mantissa)
        return head(6, 4) + b"\x82" + integer(v.exponent) + bignum(v.mantissa)
    if isinstance(v, Flt):
        return b"\xfb" + struct.pack(">d", v.value)
    if isinstance(v, Tag):
        return head(6, v.tag) + enc(v.value)
    raise TypeError(type(v))


def shown(v: object) -> object:
    """The value for a JSON file: each kind under its own name, integers as text."""
    if v is None or isinstance(v, bool):
        return v
    if isinstance(v, int):
        return {"int": str(v)}
    if isinstance(v, bytes):
        return {"bytes": v.hex()}
    if isinstance(v, str):
        return {"text": v}
    if isinstance(v, (list, tuple)):
        return {"array": [shown(x) for x in v]}
    if isinstance(v, dict):
        return {"map": [[shown(k), shown(x)] for k, x in v.items()]}
    if isinstance(v, Dec):
        return {"decimal": [str(v.mantissa), v.exponent]}
    if isinstance(v, Flt):
        return {"float": repr(v.value)}
    if isinstance(v, Tag):
        return {"tag": v.tag, "value": shown(v.value)}
    raise TypeError(type(v))
