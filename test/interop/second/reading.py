"""How bytes are read: refusals, strict CBOR, closed shapes, names (docs/formats.md sections 1, 2 and 5)."""
import hashlib, math, re, struct
from collections import namedtuple
from fractions import Fraction
from cryptography.exceptions import InvalidSignature

class Invalid(ValueError): """Something is wrong. args: a code, and where"""
class Missing(ValueError): """Something is not there, so that it can't be checked. args: the same"""
def demand(good, code, where="", kind=Invalid):
    if not good: raise kind(code, str(where))

def attempt(code, function, *arguments, **options):
    try: return function(*arguments, **options)
    except (ValueError, InvalidSignature) as error: raise Invalid(code, str(error)) from None

def sha256(*parts): return hashlib.sha256(b"".join(parts)).digest()

# --- Section 1: CBOR. One pass that refuses and reads; cbor2, which accepts duplicate keys and long forms, only writes.

Tag = namedtuple("Tag", "number value")
Decimal = namedtuple("Decimal", "mantissa exponent")       # exact; digits are kept as sent

def exact(number): return number.mantissa * Fraction(10) ** number.exponent if isinstance(number, Decimal) else number

def add(one, other):
    """The sum as a decimal; what a decimal can't hold is refused."""
    one, other = (each if isinstance(each, Decimal) else Decimal(each, 0) for each in (one, other))
    exponent = min(one.exponent, other.exponent)
    mantissa = sum(each.mantissa * 10 ** (each.exponent - exponent) for each in (one, other))
    demand(abs(mantissa) < 2**128, "cbor-decimal", "sum")
    return Decimal(mantissa, exponent)

class Reader:
    def __init__(self, data, tags=(), floats=False, ordered=True):
        self.data, self.at, self.items, self.tags, self.floats, self.ordered = data, 0, 0, tags, floats, ordered

    def take(self, count):
        demand(count <= len(self.data) - self.at, "cbor-malformed", "cut short")
        self.at += count
        return self.data[self.at - count:self.at]

    def head(self):
        self.items += 1
        demand(self.items <= 1 << 21, "too-large", "data items")
        major, info = divmod(self.take(1)[0], 32)
        if major == 7 or info < 24: return major, info
        demand(info < 28, "cbor-malformed", "indefinite or reserved length")
        value = int.from_bytes(self.take(1 << info - 24), "big")
        demand(value >= (24, 1 << 8, 1 << 16, 1 << 32)[info - 24], "cbor-malformed", "not in shortest form")
        return major, value

    def item(self, depth=0):
        major, value = self.head()
        depth += major in (4, 5, 6)
        demand(depth <= 16, "cbor-depth")
        demand(major not in (4, 5) or value <= len(self.data) - self.at, "cbor-malformed", "longer than its bytes")
        if major <= 1: return -1 - value if major else value
        if major == 2: return self.take(value)
        if major == 3: return attempt("cbor-malformed", self.take(value).decode, "utf-8")
        if major == 4: return [self.item(depth) for _ in range(value)]
        if major == 5: return self.map(value, depth)
        if major == 6:
            demand(value == 4 or value in self.tags, "cbor-tag", value)
            demand(value != 4 or depth < 16, "cbor-depth")   # its array is a level, too
            return self.decimal() if value == 4 else Tag(value, self.item(depth))
        if 20 <= value <= 22: return (False, True, None)[value - 20]
        demand(value == 27 and self.floats, "cbor-malformed", "float or simple value")
        number = struct.unpack(">d", self.take(8))[0]
        demand(math.isfinite(number) and not number.is_integer(), "cbor-malformed", "float")
        return number

    def map(self, count, depth):
        result, before = {}, b""
        for _ in range(count):
            start = self.at
            demand(self.data[start:start + 1] and self.data[start] >> 5 in (0, 1, 3), "cbor-malformed", "kind of key")
            key, encoded = self.item(depth), self.data[start:self.at]
            demand(not self.ordered or encoded >= before, "cbor-order", key)
            demand(key not in result, "cbor-duplicate-key", key)
            result[key], before = self.item(depth), encoded
        return result

    def decimal(self):
        demand(self.head() == (4, 2), "cbor-decimal")
        (below, exponent), (sign, mantissa) = self.head(), self.head()
        if sign == 6:
            sign, (kind, length) = mantissa - 2, self.head()
            digits = self.take(length) if kind == 2 else b""
            mantissa = int.from_bytes(digits, "big")
            demand(sign in (0, 1) and 2**64 <= mantissa < 2**128 - sign and digits[0], "cbor-decimal")
        else: demand(exponent or below, "cbor-decimal")
        exponent = -1 - exponent if below else exponent
        demand(below <= 1 and sign <= 1 and -32 <= exponent <= 32, "cbor-decimal")
        return Decimal(-1 - mantissa if sign else mantissa, exponent)

def read(data, **options):
    reader = Reader(data, **options)
    value = reader.item()
    demand(reader.at == len(data), "cbor-trailing")
    return value

# --- Shapes. A function refuses a value itself; {..} is a closed map, [each, least] an array, (one, two) an array of just these.

Maybe = namedtuple("Maybe", "shape")                     # the shape of a member that may be absent

def a(kind, value): demand(isinstance(value, kind) and (kind is bool or not isinstance(value, bool)), "member-type", value)

def check(shape, value):
    if callable(shape): return shape(value)
    if isinstance(shape, dict):
        a(dict, value)
        for key, each in shape.items(): demand(key in value or isinstance(each, Maybe), "member-missing", key)
        for key in value:
            demand(key in shape, "unknown-member", key)
            check(shape[key].shape if isinstance(shape[key], Maybe) else shape[key], value[key])
        return
    a(list, value)
    several = isinstance(shape, list)
    demand(shape[1] <= len(value) <= 65536 if several else len(value) == len(shape), "member-range")
    for each, one in zip([shape[0]] * len(value) if several else shape, value): check(each, one)

def within(kind, good, code="member-range"): return lambda value: (a(kind, value), demand(good(value), code, value))
def uint(low=0, high=2**53 - 1): return within(int, lambda value: low <= value <= high)
def text(least=0, most=256): return within(str, lambda value: least <= len(value.encode()) <= most)
def octets(size): return within(bytes, lambda value: len(value) == size)
def listed(*values): return within(type(values[0]), values.__contains__)

def named(pattern, most=99, code="name-malformed"):
    return within(str, lambda value: len(value) <= most and re.fullmatch(pattern, value), code)

def or_null(shape): return lambda value: None if value is None else check(shape, value)

def cose_key(value):                                     # section 5
    demand(isinstance(value, dict), "key-malformed")
    size = {key: (type(each), len(each) if isinstance(each, bytes) else each) for key, each in value.items()}
    octet_32, curve = (bytes, 32), lambda type_, name: {1: (int, type_), -1: (int, name), -2: (bytes, 32)}
    demand(size in (curve(1, 6), {**curve(2, 1), -3: octet_32}), "key-malformed")

BOOL, BYTES, NUMBER, VALUE = (within(kind, lambda _: True) for kind in (bool, bytes, (int, Decimal), (int, Decimal, float)))
INT = within(int, lambda value: abs(value) < 2**53)
HASH, CHAIN, UINT, SIZE, TEXT, REASON = octets(32), octets(8), uint(), uint(1), text(), text(1, 200)
PATH = r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*"   # section 2
ISS, STREAM, ORG = named(r"[a-z0-9-]{1,32}/[a-z0-9-]{1,64}"), named(PATH, 128), named(r"\*|[a-z0-9-]{1,32}")
OPERATOR, STREAMS = named(r"[a-z0-9-]{1,32}/operator", 99, "registry-malformed"), [named(rf"\*|{PATH}(/\*)?", 130), 1]

def org_of(iss): return iss.split("/")[0]
