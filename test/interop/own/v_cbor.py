"""cbor.json and decimals.json: docs/formats.md section 1."""
from __future__ import annotations

from io import BytesIO

import cbor2

from .cborw import Dec, Flt, Raw, Tag, enc, shown

LOOSE = {"tags": [], "floats": False, "deterministic": False}


def accepted() -> list[dict]:
    out = []

    def case(name, value, data=None, **options):
        data = enc(value) if data is None else data
        out.append({"name": name, "hex": data.hex(), "value": shown(value), **(LOOSE | options)})

    for n in (0, 1, 23, 24, 255, 256, 65535, 65536, 2**31, 2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**63, 2**64 - 1):
        case(f"integer {n}", n)
        case(f"integer {-1 - n}", -1 - n)
    for text in ("", "a", "IETF", "\u00fc", "\u6c34", "\U00010151", "x" * 23, "x" * 24, "x" * 256, "a\x00b"):
        case(f"text of {len(text.encode())} bytes, {text[:2]!r}", text)
    for data in (b"", b"\x01\x02\x03\x04", bytes(23), bytes(24), bytes(255), bytes(256)):
        case(f"byte string of {len(data)} bytes", data)
    for value, name in ((False, "false"), (True, "true"), (None, "null"), ([], "empty array"), ({}, "empty map")):
        case(name, value)
    case("array of 25", list(range(1, 26)))
    case("arrays in arrays", [1, [2, 3], [4, [5]]])
    case("16 levels of arrays", nested(16))
    case("16 levels of maps", nested_map(16))
    case("keys sort by their encoding: 10, 100, -1, \"z\", \"aa\"", {10: 1, 100: 2, -1: 3, "z": 4, "aa": 5}, deterministic=True)
    case("keys of formats: 1, 2, 6, v, ch, tq, lvl, seq", {1: "a", 2: "b", 6: 0, "v": 1, "ch": b"", "tq": 0, "lvl": 0, "seq": 0}, deterministic=True)
    case("map in another order", {"b": 1, "a": 2}, b"\xa2" + enc("b") + enc(1) + enc("a") + enc(2))
    case("1 and \"1\" are two keys", {1: "a", "1": "b"}, deterministic=True)
    case("0 and -1 are two keys", {0: 0, -1: 0}, deterministic=True)
    for value in (0.5, -0.5, 1.5, 1.1, 1e-300, 5e-324, -1e-7, 21.25):
        case(f"float {value!r}", Flt(value), floats=True)
    for m, e in ((1581123, -3), (-50, -2), (0, -1), (10, -1), (1, 32), (1, -32), (2**64 - 1, -3), (-(2**64), -3),
                 (2**64, -3), (-(2**64) - 1, -3), (2**128 - 1, -2), (-(2**128 - 1), -2), (5, 3)):
        case(f"decimal {m}e{e}", Dec(m, e), tags=[4])
    case("decimals in an array", [Dec(15, -1), 2, Dec(-3, -2)], tags=[4])
    case("tag 18", Tag(18, [b"", {}, None, b""]), tags=[18])
    return out


def nested(levels: int, inner: bytes = b"\x00"):
    value = Raw(inner) if inner != b"\x00" else 0
    for _ in range(levels):
        value = [value]
    return value


def nested_map(levels: int):
    value: object = 0
    for _ in range(levels):
        value = {0: value}
    return value


def refused() -> list[dict]:
    out = []

    def case(name, code, data, **options):
        data = bytes.fromhex(data) if isinstance(data, str) else data
        out.append({"name": name, "hex": data.hex(), "code": code, **(LOOSE | options)})

    bad = "cbor-malformed"
    case("nothing", bad, "")
    for width, name in ((1, "18"), (2, "19"), (4, "1a"), (8, "1b")):
        case(f"integer 0 in {width} bytes", bad, name + "00" * width)
        case(f"integer -1 in {width} bytes", bad, "%02x" % (int(name, 16) + 0x20) + "00" * width)
    case("integer 255 in 2 bytes", bad, "1900ff")
    case("integer 65535 in 4 bytes", bad, "1a0000ffff")
    case("integer 2^32-1 in 8 bytes", bad, "1b00000000ffffffff")
    case("length of bytes not shortest", bad, "580100")
    case("length of bytes 255 in 2 bytes", bad, "5900ff" + "00" * 255)
    case("length of text not shortest", bad, "780161")
    case("length of array not shortest", bad, "980100")
    case("length of map not shortest", bad, "b8010000")
    case("tag not shortest", bad, "d81280", tags=[18])
    case("indefinite bytes", bad, "5f4100ff")
    case("indefinite text", bad, "7f6161ff")
    case("indefinite array", bad, "9f00ff")
    case("indefinite map", bad, "bf0000ff")
    case("break alone", bad, "ff")
    case("break in an array", bad, "81ff")
    for info in (28, 29, 30):
        case(f"reserved additional information {info}", bad, bytes([info]))
        case(f"reserved additional information {info} in bytes", bad, bytes([0x40 | info]))
    case("indefinite integer", bad, "1f")
    case("indefinite tag", bad, "df00")
    case("half float", bad, "f93c00", floats=True)
    case("single float", bad, "fa3fc00000", floats=True)
    case("NaN", bad, "fb7ff8000000000000", floats=True)
    case("NaN with payload", bad, "fb7ff8000000000001", floats=True)
    case("infinity", bad, "fb7ff0000000000000", floats=True)
    case("minus infinity", bad, "fbfff0000000000000", floats=True)
    for value in (0.0, -0.0, 1.0, -273.0, 2.0**53, 1e300):
        case(f"float {value!r}, a whole number", bad, enc(Flt(value)), floats=True)
    case("a float where none belongs", bad, enc(Flt(0.5)))
    case("undefined", bad, "f7")
    case("simple 0", bad, "e0")
    case("simple 19", bad, "f3")
    case("simple 32", bad, "f820")
    case("simple 255", bad, "f8ff")
    case("simple false in two bytes", bad, "f814")
    for name, text in (("lone continuation", "80"), ("overlong slash", "c0af"), ("overlong, 3 bytes", "e08080"),
                       ("surrogate", "eda080"), ("above 10ffff", "f4908080"), ("cut short", "c3"), ("fe", "fe"),
                       ("cut in 4 bytes", "f09f98")):
        case(f"text that is not UTF-8: {name}", bad, enc(Raw(bytes([0x60 + len(text) // 2]) + bytes.fromhex(text))))
    case("bad UTF-8 in a key", bad, "a161ff00")
    case("truncated integer", bad, "19ff")
    case("truncated bytes", bad, "4401")
    case("truncated text", bad, "6461")
    case("truncated array", bad, "8201")
    case("truncated map: no value", bad, "a101")
    case("truncated map: no pair", bad, "a2010203")
    case("truncated float", bad, "fb3ff0", floats=True)
    case("truncated tag", bad, "d2", tags=[18])
    case("bytes of length 2^60", bad, "5b1000000000000000")
    case("text of length 2^60", bad, "7b1000000000000000")
    case("array of length 2^60", bad, "9b1000000000000000")
    case("map of length 2^60", bad, "bb1000000000000000")
    case("bytes of length 2^64-1", bad, "5bffffffffffffffff")
    case("array of length 2^64-1 in an array", bad, "819bffffffffffffffff")
    case("array of length 2^32 - 1", bad, "9affffffff00")
    case("map of length 2^63", bad, "bb8000000000000000")
    case("17 levels of arrays", "cbor-depth", enc(nested(17)))
    case("17 levels of maps", "cbor-depth", enc(nested_map(17)))
    case("100,000 arrays", "cbor-depth", b"\x81" * 100_000 + b"\x00", bulk=True)
    case("100,000 maps", "cbor-depth", b"\xa1\x00" * 100_000 + b"\x00", bulk=True)
    case("16 arrays around a tag and an array", "cbor-depth", b"\x81" * 16 + b"\xd2\x80", tags=[18])
    case("100,000 tags", "cbor-depth", b"\xd2" * 100_000 + b"\x00", tags=[18], bulk=True)
    case("key twice: integer", "cbor-duplicate-key", "a201000100")
    case("key twice: text", "cbor-duplicate-key", "a2616100616100")
    case("key twice, not neighbours", "cbor-duplicate-key", "a3010002000100")
    case("key twice in a map within", "cbor-duplicate-key", "a101a201000100")
    case("key twice, deterministic", "cbor-duplicate-key", "a201000100", deterministic=True)
    case("order: longer key first", "cbor-order", "a2626161006162" + "00", deterministic=True)
    case("order: -1 before 1", "cbor-order", "a220000100", deterministic=True)
    case("order: text before integer", "cbor-order", "a26161000100", deterministic=True)
    case("order: within", "cbor-order", "81a202000100", deterministic=True)
    case("order: length first would pass (-1 and 100)", "cbor-order", "a22000186400", deterministic=True)
    for tag in ("c0", "c1", "c2", "c3", "d5", "d8", "d9"):
        bits = {"c0": "c06161", "c1": "c100", "c2": "c24101", "c3": "c34101", "d5": "d54100",
                "d8": "d82a00", "d9": "d9010280"}[tag]
        case(f"tag that does not belong: {bits}", "cbor-tag", bits)
    case("tag 55799 within", "cbor-tag", "81d9d9f700")
    case("tag 64, as some libraries write", "cbor-tag", "d8404100")
    case("tag 2 where decimals are allowed, alone", "cbor-tag", "c24101", tags=[4])
    case("tag 2^60", "cbor-tag", "db100000000000000000")
    case("two items", "cbor-trailing", "0000")
    case("one byte after a map", "cbor-trailing", "a0ff")
    case("an empty array after a map", "cbor-trailing", "a080")
    dec = "cbor-decimal"
    case("exponent 33", dec, enc(Tag(4, [33, 1])), tags=[4])
    case("exponent -33", dec, enc(Tag(4, [-33, 1])), tags=[4])
    case("exponent 2^60", dec, enc(Tag(4, [2**60, 1])), tags=[4])
    case("exponent -2^60", dec, enc(Tag(4, [-(2**60), 1])), tags=[4])
    case("exponent 2^64-1", dec, enc(Tag(4, [2**64 - 1, 1])), tags=[4])
    case("mantissa 2^128", dec, enc(Dec(2**128, -1)), tags=[4])
    case("mantissa of 1,000 bytes", dec, enc(Tag(4, [-1, Tag(2, b"\x01" * 1000)])), tags=[4])
    case("mantissa a text", dec, enc(Tag(4, [-1, "1"])), tags=[4])
    case("exponent a text", dec, enc(Tag(4, ["1", 1])), tags=[4])
    case("one number only", dec, enc(Tag(4, [1])), tags=[4])
    case("three numbers", dec, enc(Tag(4, [-1, 1, 1])), tags=[4])
    case("not an array", dec, enc(Tag(4, 1)), tags=[4])
    case("mantissa of tag 2 with a leading zero byte", dec, enc(Tag(4, [-1, Tag(2, b"\x00" + b"\xff" * 9)])), tags=[4])
    case("mantissa of tag 2 that fits an integer", dec, enc(Tag(4, [-1, Tag(2, b"\x05")])), tags=[4])
    case("mantissa of tag 2, empty", dec, enc(Tag(4, [-1, Tag(2, b"")])), tags=[4])
    case("exponent 0 as a decimal", dec, enc(Tag(4, [0, 15])), tags=[4])
    case("over the size limit", "too-large", "8400000000", maxBytes=4)
    case("over the size limit and malformed", "too-large", "ffffffffff", maxBytes=4)
    for x in out:  # 100,000 bytes are written as a pattern, not as text
        if x.pop("bulk", False):
            data = bytes.fromhex(x.pop("hex"))
            unit = data[: 2 if data[0] == 0xA1 else 1]
            x["repeat"], x["times"], x["then"] = unit.hex(), 100_000, "00"
    return out


def check(cases: list[dict]) -> None:
    """A third opinion: cbor2 reads what was written; its canonical writer is not trusted for the order of keys."""
    for c in cases:
        stream = BytesIO(bytes.fromhex(c["hex"]))
        cbor2.CBORDecoder(stream).decode()
        assert not stream.read(), c["name"]


def cbor() -> dict:
    good = accepted()
    check(good)
    return {"accepted": good, "refused": refused()}


def text_of(m: int, e: int) -> str:
    """Plain notation of m * 10^e; all digits kept."""
    sign, digits = "-" if m < 0 else "", str(abs(m))
    if e >= 0:
        return sign + (digits + "0" * e if m else "0")
    digits = digits.rjust(-e + 1, "0")
    return f"{sign}{digits[:e]}.{digits[e:]}"


def decimals() -> dict:
    parsed = [("0", 0, 0), ("1", 1, 0), ("001581.123", 1581123, -3), ("-0.50", -50, -2), ("0.0", 0, -1), ("10.0", 100, -1),
              ("000000", 0, 0), ("-17", -17, 0), ("123456789012345678901234567890.12", 12345678901234567890123456789012, -2),
              ("0." + "0" * 31 + "1", 1, -32), (str(2**128 - 1), 2**128 - 1, 0), ("-" + str(2**128 - 1), 1 - 2**128, 0)]
    for text, m, e in parsed:
        plain = text_of(m, e)
        assert plain.lstrip("-").lstrip("0") == text.lstrip("-").lstrip("0"), (text, plain)
    sums = []
    for (m, e), (n, f) in [((1, 0), (5, -1)), ((1790000000, 0), (-25, -2)), ((100, -2), (100, 0)), ((5, 3), (1, -3)),
                           ((15, -1), (-15, -1)), ((2**64, -3), (1, -3)), ((1, -32), (1, 0)), ((0, -2), (0, 0)), ((-1, 0), (1, -1))]:
        low = min(e, f)
        a, b = m * 10 ** (e - low), n * 10 ** (f - low)
        sums.append({"a": [str(m), e], "b": [str(n), f], "sum": text_of(a + b, low), "difference": text_of(a - b, low),
                     "order": (a > b) - (a < b)})
    formatted = [{"mantissa": str(m), "exponent": e, "text": text_of(m, e)} for m, e in
                 [(1581123, -3), (-50, -2), (5, 3), (0, -3), (0, 5), (-1, -32), (1, 32), (2**128 - 1, -32), (7, 0), (-7, -1)]]
    return {
        "parsed": [{"text": t, "mantissa": str(m), "exponent": e, "plain": text_of(m, e)} for t, m, e in parsed],
        "refused": [{"text": t, "code": "cbor-decimal"} for t in
                    ["", "-", "1e5", "1E5", "--1", "1,5", " 1", "1 ", "1.2.3", "0x10", "NaN", "Infinity", "1_000", "\u0661",
                     "0." + "0" * 32 + "1", str(2**128), "9" * 5000]],
        "formatted": formatted,
        "sums": sums,
        "encoded": [{"mantissa": str(m), "exponent": e, "hex": enc(Dec(m, e)).hex()} for m, e in
                    [(1581123, -3), (-50, -2), (15, 0), (0, -1), (2**64, -1), (-(2**64) - 1, -1), (1, 32)]],
    }


