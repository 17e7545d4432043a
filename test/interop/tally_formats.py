"""What stands in Tallystick's evidence, read strictly: CBOR, statements, readings, events, registry items, receipts, notes, the tree.

Written from docs/formats.md (whose sections are named here); the reading half of verify.py. Every function refuses with an Invalid,
whose code is one of docs/codes.md.
"""
import base64, hashlib, math, re, struct
from collections import namedtuple
from fractions import Fraction
from types import SimpleNamespace as Record
import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils


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

class Reader:
    def __init__(self, data, tags=(), floats=False, ordered=True):
        self.data, self.at, self.tags, self.floats, self.ordered = data, 0, tags, floats, ordered
    def take(self, count):
        demand(count <= len(self.data) - self.at, "cbor-malformed", "cut short")
        self.at += count
        return self.data[self.at - count:self.at]
    def head(self):
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
        return (-1 - mantissa if sign else mantissa) * Fraction(10) ** exponent

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
    size = {key: (type(each), len(each) if isinstance(each, bytes) else each) for key, each in value.items()} if type(value) is dict else 0
    octet_32, curve = (bytes, 32), lambda type_, name: {1: (int, type_), -1: (int, name), -2: (bytes, 32)}
    demand(size in (curve(1, 6), {**curve(2, 1), -3: octet_32}), "key-malformed")

INT, BOOL, BYTES, NUMBER, VALUE = (within(kind, lambda _: True) for kind in (int, bool, bytes, (int, Fraction), (int, Fraction, float)))
HASH, CHAIN, UINT, SIZE, TEXT, REASON = octets(32), octets(8), uint(), uint(1), text(), text(1, 200)
PATH = r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*"   # section 2
ISS, STREAM, ORG = named(r"[a-z0-9-]{1,32}/[a-z0-9-]{1,64}"), named(PATH, 128), named(r"\*|[a-z0-9-]{1,32}")
OPERATOR, STREAMS = named(r"[a-z0-9-]{1,32}/operator", 99, "registry-malformed"), [named(rf"\*|{PATH}(/\*)?", 130), 1]

def org_of(iss): return iss.split("/")[0]

# --- Signatures (section 3)

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
EIGHT = int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little")
SMALL_ORDER = (0, 1, P - 1, EIGHT, P - EIGHT)             # the y of the points of order 1, 2, 4 and 8
HALF_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 // 2

def check_ed25519(key, message, signature, code="signature-invalid"):
    """Strict: Debian's OpenSSL alone lets pass points of small order and encodings that are not canonical."""
    for y in (int.from_bytes(point, "little") % 2**255 for point in (key, signature[:32])): demand(y < P and y not in SMALL_ORDER, code)
    demand(len(signature) == 64 and int.from_bytes(signature[32:], "little") < L, code)
    attempt(code, lambda: ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, message))

def check_esp256(key, message, signature):
    r, s, x, y = (int.from_bytes(each, "big") for each in (signature[:32], signature[32:], key[-2], key[-3]))
    attempt("signature-invalid", lambda: ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key().verify(
        utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256())))

def check_signature(key, message, payload):
    signed = cbor2.dumps(["Signature1", message.protected, b"", payload])
    check_ed25519(key[-2], signed, message.signature) if key[1] == 1 else check_esp256(key, signed, message.signature)

def kid_of(key): return sha256(cbor2.dumps(key, canonical=True))

def cose(data, limit):
    demand(len(data) <= limit, "too-large")
    top = read(data, tags=(18,))
    demand(isinstance(top, Tag) and isinstance(top.value, list) and len(top.value) == 4, "cose-malformed")
    protected, unprotected, payload, signature = top.value
    demand(isinstance(protected, bytes) and isinstance(unprotected, dict), "cose-malformed")
    demand(isinstance(signature, bytes) and len(signature) == 64, "cose-malformed")
    header = read(protected)
    demand(isinstance(header, dict), "cose-malformed")
    return Record(protected=protected, header=header, unprotected=unprotected, payload=payload, signature=signature)

# --- Sections 3 to 5 and 9: what statements, events and registry items look like

EVENT, ITEM, BOOT = (f"application/{each}" for each in ("vnd.tallystick.event+cbor", "vnd.tallystick.registry+cbor", "eat-ucs+cbor"))
HEADER = {1: INT, 3: Maybe(within((int, str), lambda _: True)), 4: HASH, 15: within(dict, lambda _: True), 16: INT, 258: Maybe(INT),
          259: Maybe(lambda value: check(TEXT if isinstance(value, str) else UINT, value)), 260: Maybe(TEXT)}

CLAIMS = {1: ISS, 2: STREAM, 6: Maybe(UINT), "v": uint(1, 1), "ch": Maybe(CHAIN), "tq": uint(0, 3), "lvl": uint(0, 2),
          "seq": UINT, "prev": Maybe(HASH), "seen": Maybe((SIZE, HASH))}

def opening(value):
    head = (listed("lost"), REASON) if isinstance(value, list) and len(value) == 2 else (CHAIN, UINT, HASH)
    check(listed("none") if isinstance(value, str) else head, value)

AMOUNT, HEADS = {"minor": INT, "currency": text(3, 3), "tariff": TEXT}, [(STREAM, CHAIN, UINT, HASH), 0]
REGISTERS, WIDTH, AGAIN = Maybe([(TEXT, NUMBER), 0]), or_null((UINT, UINT)), Maybe(HASH)
EVENTS = {
    "stream-opened": {"before": opening, "source": TEXT, "meter": Maybe(TEXT), "interval": NUMBER,
                      "names": [(TEXT, or_null(TEXT), listed("counter", "gauge", "text"), WIDTH), 0]},
    "heads": {"all": BOOL, "heads": HEADS, "part": Maybe((UINT, UINT))},
    "boot": {"version": TEXT, "boot": octets(16), "alive": Maybe(UINT), "uptime": Maybe(NUMBER)},
    "gap": {"reason": REASON, "count": UINT, "seq": Maybe((UINT, UINT)), "time": Maybe((NUMBER, NUMBER))},
    "clock-step": {"before": NUMBER, "after": NUMBER, "uptime": NUMBER, "tq": uint(0, 3)},
    "stream-closed": {"reason": REASON}, "config-changed": {"hash": HASH}, "erased": {"hash": HASH, "order": TEXT},
    "meter-changed": {"old": TEXT, "new": TEXT, "last": REGISTERS, "first": REGISTERS},
    "key-rotated": {"key": cose_key, "heads": HEADS}, "access": {"who": TEXT, "what": TEXT, "purpose": TEXT},
    "refused": {"seq": UINT, "hash": HASH, "code": TEXT, "sub": Maybe(TEXT)},
    "toll-transaction": {"tx": TEXT, "plaza": TEXT, "lane": TEXT, "t": NUMBER, "direction": TEXT, "class": (or_null(UINT), or_null(UINT)),
                         "tag": AGAIN, "plate": AGAIN, "validity": TEXT, "amount": Maybe(AMOUNT), "refs": [HASH, 0], "supersedes": AGAIN},
    "toll-adjustment": {"ref": HASH, "reason": REASON, "amount": AMOUNT, "supersedes": AGAIN}}

ACTS_FOR = {"iss": OPERATOR, "for": ORG, "key": cose_key}
ENROL = {"device": ISS, "key": cose_key, "streams": STREAMS, "silence": UINT, "machine": Maybe(HASH)}
ITEMS = {"policy": {"origin": text(1), "log": cose_key, "leaf": listed("sha256"), "operators": [ACTS_FOR, 1]},
         "operator-added": {"operator": ACTS_FOR}, "enrol": ENROL, "re-enrol": {**ENROL, "reason": REASON},
         "rotate": {"statement": BYTES}, "revoke": {"kid": HASH, "from": UINT}, "successor": {"origin": text(1), "log": cose_key}}

def of_kind(table, value):
    a(dict, value)
    demand(all(isinstance(key, str) for key in value), "unknown-member")
    demand("kind" in value, "member-missing", "kind")
    a(str, value["kind"])
    demand(value["kind"] in table, "unknown-member", value["kind"])
    check({"kind": TEXT, **table[value["kind"]]}, value)
    ranges = [value.get("part", (1, 2))] + ([value.get("seq", (0, 0)), value.get("time", (0, 0))] if value["kind"] == "gap" else [])
    demand(all(first <= last for first, last in ranges) and ranges[0][0] >= 1 and ranges[0][1] >= 2, "event-malformed")
    demand(value["kind"] != "gap" or "seq" in value or "time" in value, "event-malformed")
    return value

# --- Section 4: SenML

PRIMARY = set("""m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 m3/s l/s W/m2
    cd/m2 bit bit/s lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min beats S/m B VA VAs var vars J/m kg/m3 deg NTU""".split())

SECONDARY = set("""ms min h MHz kW kVA kvar Ah Wh kWh varh kvarh kVAh Wh/km KiB GB Mbit/s B/s MB/s mV mA dBm ug/m3 mm/h m/h ppm /100
    /1000 hPa mm cm km km/h ppb ppt VAh mg/l ug/l g/l""".split())

QUALITY = ("no-checksum", "no-zone", "gateway-time", "estimated", "device-error", "conflict", "future", "backfill")
LONG, GOOD_QUALITY = text(0, 32768), within(list, lambda value: value and value == [each for each in QUALITY if each in value])
PACK = {-1: listed(10, 26), -2: LONG, -3: NUMBER, -4: LONG, -5: NUMBER, -6: NUMBER, 0: LONG, 1: LONG, 2: VALUE, 3: LONG, 4: BOOL,
        5: VALUE, 6: NUMBER, 7: NUMBER, 8: BYTES, "q": GOOD_QUALITY, "rx": NUMBER}

def check_pack(claims, payload):
    """Returns the full names of the records."""
    pack, base, names, bt = read(payload, floats=True, ordered=False), f"{claims[1]}/{claims[2]}/", [], None
    demand(isinstance(pack, list) and pack, "senml-malformed")
    demand(len(pack) <= 4096, "too-large")
    for place, record in enumerate(pack):
        demand(isinstance(record, dict), "senml-malformed")
        for label, value in record.items():
            demand(label in PACK, "unknown-member", label)
            attempt("senml-malformed", check, PACK[label], value)
        version = record.get(-1, 10) if place == 0 else version
        names.append(base + record.get(0, ""))
        demand(record.get(-1, version) == version and record.get(-2) == (None if place else base)
               and sum(label in record for label in (2, 3, 4, 5, 8)) == 1 and re.fullmatch(r"[\w:./-]+", names[-1], re.A), "senml-malformed", place)
        for unit in (record[label] for label in (-4, 1) if label in record):
            demand(unit in PRIMARY or (version == 26 and unit in SECONDARY), "senml-unit", unit)
        bt = record.get(-3, bt)
        timed = bt is not None or 6 in record
        demand((bt or 0) + record.get(6, 0) >= 2**28 if timed else claims["tq"] == 0, "senml-time", place)
        demand(record.get("rx", 2**28) >= 2**28, "senml-time", place)
    return names

def parse_statement(data, transparent=False):
    """A statement; where `transparent` is set, with its receipts (as bytes) beside it"""
    message = cose(data, 1 << 22 if transparent else 32768)
    receipts = message.unprotected.get(394, []) if transparent else []
    demand(message.unprotected == ({394: receipts} if receipts else {}), "cose-unprotected")
    demand(isinstance(receipts, list) and all(isinstance(each, bytes) for each in receipts), "cose-unprotected")
    header, payload = message.header, message.payload
    demand(isinstance(payload, bytes), "cose-malformed")
    bare = b"\xd2\x84" + b"".join(map(cbor2.dumps, (message.protected, {}, payload, message.signature)))
    demand(len(bare) <= 32768, "too-large")
    check(HEADER, header)
    kind, envelope, claims = header.get(3), 258 in header, header[15]
    demand(header[1] in (-19, -9), "cose-algorithm")
    demand(header[1] == -19 or int.from_bytes(message.signature[32:], "big") <= HALF_N, "signature-invalid")
    demand(header[16] == 277, "statement-malformed")
    demand(kind is not None or envelope, "member-missing", 3)
    demand(envelope or not {259, 260} & set(header), "unknown-member")
    good = kind is None and header[258] == -16 and len(payload) == 32 if envelope else kind in (112, EVENT, ITEM, BOOT)
    demand(good, "statement-malformed")
    check(CLAIMS, claims)
    iss, sub, seq, item = claims[1], claims[2], claims["seq"], kind == ITEM
    demand((6 in claims) == (claims["tq"] != 0) and ("prev" in claims) == (seq != 0) and ("ch" in claims) != item, "statement-claims")
    demand(item == (sub == "registry") and (kind != BOOT or sub == "sys"), "statement-claims")
    demand(not item or (iss.endswith("/operator") and "seen" not in claims), "statement-claims")
    names = check_pack(claims, payload) if kind == 112 else []
    content = of_kind(ITEMS if item else EVENTS, read(payload)) if kind in (EVENT, ITEM) else {"kind": None}
    demand(item or content["kind"] not in ("heads", "key-rotated") or sub == "sys", "statement-claims")
    demand(claims["lvl"] != 2 or f"{iss}/{sub}/raw" in names, "statement-claims")
    return Record(**vars(message), hash=sha256(bare), kid=header[4], alg=header[1], iss=iss, sub=sub, seq=seq, item=item, content=content,
                  receipts=receipts, place=f"{iss}/{sub} {seq}", **{name: claims.get(name) for name in ("ch", "prev", "seen")})

def check_signed(statement, key):
    demand(statement.kid == kid_of(key) and statement.alg == (-19 if key[1] == 1 else -9), "key-mismatch", statement.place)
    check_signature(key, statement, statement.payload)

# --- Sections 7 and 8: the tree (RFC 9162), receipts

def leaf_hash(entry): return sha256(b"\0", entry)

def node(left, right): return sha256(b"\1", left, right)

def split(size): return 1 << (size - 1).bit_length() - 1   # the largest power of two below it

def tree_root(leaves):
    if len(leaves) < 2: return leaves[0] if leaves else sha256()
    return node(tree_root(leaves[:split(len(leaves))]), tree_root(leaves[split(len(leaves)):]))

def root_of_path(leaf, index, size, path):
    demand(index < size, "proof-index")
    demand(bool(path) == (size > 1), "proof-length")
    if size == 1: return leaf
    half = split(size)
    if index < half: return node(root_of_path(leaf, index, half, path[:-1]), path[-1])
    return node(path[-1], root_of_path(leaf, index - half, size - half, path[:-1]))

def roots_of_consistency(root, old, size, path, whole=True):
    """The roots of the trees of sizes `old` and `size` to which the path leads, where the first is said to be `root`"""
    demand(0 < old <= size and (old == size or path), "proof-length")
    if old == size:
        demand(len(path) == (not whole), "proof-length")
        return (root, root) if whole else (path[0], path[0])
    half = split(size)
    left, right = (old, half) if old <= half else (old - half, size - half)
    first, second = roots_of_consistency(root, left, right, path[:-1], whole and old <= half)
    return (first, node(second, path[-1])) if old <= half else (node(path[-1], first), node(path[-1], second))

RECEIPT = {1: TEXT, 2: TEXT, 6: UINT, "reg": (SIZE, HASH), "keys": HASH, "size": UINT}

def parse_receipt(data):
    message = cose(data, 65536)
    header = message.header
    demand(message.payload is None, "receipt-malformed")
    demand(header.get(395, 1) == 1, "vds-unsupported")
    demand(header.get(1, -19) == -19, "cose-algorithm")
    foreign = isinstance(header.get(15), dict) and "size" not in header[15]          # of another log software
    claims = (lambda value: check(TEXT, value.get(1, ""))) if foreign else RECEIPT
    check({1: INT, 4: Maybe(BYTES) if foreign else HASH, 15: claims, 16: Maybe(INT) if foreign else INT, 395: INT}, header)
    claims = header[15]
    demand(foreign or header[16] == 278 and claims[1] == claims[2], "receipt-malformed")
    demand(foreign or claims["size"] > 1, "receipt-size")
    check({396: {-1: [BYTES, 1]}}, message.unprotected)
    demand(len(message.unprotected[396][-1]) <= 512, "member-range")
    proofs = [read(each) for each in message.unprotected[396][-1]]
    check([(UINT, UINT, [HASH, 1]), 1], proofs)
    return Record(**vars(message), kid=header.get(4), origin=claims.get(1), proofs=proofs, index=proofs[0][1],
                  **{name: claims.get(name) for name in ("size", "reg", "keys")})

def receipt_root(receipt, entries, vkey):
    """The root that the receipt signs, where it is for these entries and by this log"""
    demand(receipt.size is None or receipt.kid == kid_of(vkey.key), "log-key", vkey.name)
    demand(len(receipt.proofs) == len(entries), "receipt-entry")
    demand(receipt.size is None or all(size == receipt.size for size, _, _ in receipt.proofs), "receipt-size")
    roots = [root_of_path(leaf_hash(entry), index, size, path) for entry, (size, index, path) in zip(entries, receipt.proofs)]
    demand(len(set(roots)) == 1, "receipt-entry")
    check_signature(vkey.key, receipt, roots[0])
    return roots[0]

# --- Section 7: notes and checkpoints

def from_base64(words, code):
    raw = attempt(code, base64.b64decode, words, validate=True)
    demand(base64.b64encode(raw).decode() == words, code, words)
    return raw

def parse_vkey(words, kind):
    match = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+(\S+)", words)
    demand(match, "vkey-malformed", words)
    name, key_id, raw = match[1], bytes.fromhex(match[2]), from_base64(match[3], "vkey-malformed")
    demand(len(raw) == 33 and raw[0] == kind and sha256(name.encode(), b"\n", raw)[:4] == key_id, "vkey-malformed", words)
    return Record(name=name, id=key_id, raw=raw[1:], key={1: 1, -1: 6, -2: raw[1:]})

def signatures_of(note, vkey): return [blob[4:] for name, blob in note.signatures if (name, blob[:4]) == (vkey.name, vkey.id)]

def open_checkpoint(data, vkey):
    demand(len(data) <= 262144, "too-large")
    words = attempt("note-malformed", data.decode, "utf-8")
    demand(not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", words) and "\n\n" in words and words.endswith("\n"), "note-malformed")
    body, _, tail = words[:-1].rpartition("\n\n")
    lines = [re.fullmatch(r"— ([^\s+]+) (\S+)", line) for line in tail.split("\n")]
    demand(all(lines) and len(lines) <= 100, "note-malformed")
    note = Record(body=body + "\n", signatures=[(line[1], from_base64(line[2], "note-malformed")) for line in lines])
    demand(all(len(blob) > 4 for _, blob in note.signatures), "note-malformed")
    match = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]*)\n([^\n]+)\n", note.body)
    demand(match and int(match[2]) < 2**53, "checkpoint-malformed")
    note.size, note.root = int(match[2]), from_base64(match[3], "checkpoint-malformed")
    demand(len(note.root) == 32, "checkpoint-malformed")
    demand(match[1] == vkey.name, "checkpoint-origin")
    demand(signatures_of(note, vkey), "note-signature", "not signed by the log")
    for each in signatures_of(note, vkey): check_ed25519(vkey.raw, note.body.encode(), each, "note-signature")
    return note

# --- Section 11: the trust policy

class Policy:
    def __init__(self, words):
        self.logs, self.witnesses, self.groups, self.operators, self.quorum, self.taken = {}, {}, {}, {}, [], set()
        for number, line in enumerate(words.split("\n"), 1):
            words = re.split(r"[ \t]+", line.strip(" \t"))
            try:
                if words[0] and not line.startswith("#"):
                    self.line(*words)
            except ValueError:
                raise Invalid("policy-malformed", f"line {number}") from None
        demand(self.quorum and self.logs, "policy-malformed", "no quorum or no log")
    def once(self, *things):
        demand(not self.taken & set(things) and len(set(things)) == len(things), "policy-malformed")
        self.taken |= set(things)
    def line(self, keyword, *rest):
        most = {"log": (1, 2), "witness": (2, 3), "group": (3, 999), "quorum": (1, 1), "operator": (2, 2)}.get(keyword, (1, 0))
        demand(most[0] <= len(rest) <= most[1], "policy-malformed")
        name, *more = rest
        if keyword == "log":
            vkey = parse_vkey(name, 1)
            self.once(("log", vkey.name), ("log", vkey.raw))
            self.logs[vkey.name] = vkey
        elif keyword == "witness":
            self.witnesses[name] = parse_vkey(more[0], 4)
            self.once(("member", name), ("witness", self.witnesses[name].raw))
        elif keyword == "group":
            needed, *members = more
            demand(all(each in self.witnesses or each in self.groups for each in members), "policy-malformed")
            self.once(("member", name), *(("in a group", each) for each in members))
            count = {"any": 1, "all": len(members)}.get(needed) or int(re.fullmatch("[1-9][0-9]*|", needed)[0])
            demand(count <= len(members), "policy-malformed")
            self.groups[name] = (count, members)
        elif keyword == "quorum":
            demand(not self.quorum and (name == "none" or name in self.witnesses or name in self.groups), "policy-malformed")
            self.quorum = name
        else:
            vkey = parse_vkey(more[0], 1)
            ORG(name), OPERATOR(vkey.name), self.once(("operator", name, vkey.raw))
            self.operators.setdefault(name, []).append(vkey.raw)
    def cosigned(self, note, name):
        if name in self.groups: return sum([self.cosigned(note, each) for each in self.groups[name][1]]) >= self.groups[name][0]
        blobs = signatures_of(note, self.witnesses[name])
        for blob in blobs:
            time = int.from_bytes(blob[:8], "big")
            demand(len(blob) == 72 and time < 2**53, "note-signature", name)
            check_ed25519(self.witnesses[name].raw, f"cosignature/v1\ntime {time}\n{note.body}".encode(), blob[8:], "note-signature")
        return bool(blobs)
