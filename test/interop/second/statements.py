"""Statements: COSE_Sign1, signatures, readings, events, registry items (docs/formats.md sections 3, 4, 5 and 9)."""
import functools, re
from types import SimpleNamespace as Record
import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from second.reading import (
    a, add, attempt, BOOL, BYTES, CHAIN, check, cose_key, demand, exact, HASH, INT, ISS, listed, Maybe, named, NUMBER,
    octets, OPERATOR, or_null, ORG, read, REASON, sha256, SIZE, STREAM, STREAMS, Tag, TEXT, text, UINT, uint, VALUE,
    within)

# --- Signatures (section 3)

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
EIGHT = int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little")
SMALL_ORDER = (0, 1, P - 1, EIGHT, P - EIGHT)             # the y of the points of order 1, 2, 4 and 8
HALF_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 // 2

@functools.lru_cache(1024)                               # the receipts of one batch share a signature
def check_ed25519(key, message, signature, code="signature-invalid"):
    """Strict: Debian's OpenSSL alone lets pass points of small order and encodings that are not canonical."""
    for point in (key, signature[:32]):
        y = int.from_bytes(point, "little") % 2**255
        demand(y < P and y not in SMALL_ORDER, code)
    demand(len(signature) == 64 and int.from_bytes(signature[32:], "little") < L, code)
    attempt(code, lambda: ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, message))

def check_esp256(key, message, signature):
    demand(int.from_bytes(signature[32:], "big") <= HALF_N, "signature-invalid")
    r, s, x, y = (int.from_bytes(each, "big") for each in (signature[:32], signature[32:], key[-2], key[-3]))
    attempt("signature-invalid", lambda: ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key().verify(
        utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256())))

def check_signature(key, message, payload):
    signed = cbor2.dumps(["Signature1", message.protected, b"", payload])
    check_ed25519(key[-2], signed, message.signature) if key[1] == 1 else check_esp256(key, signed, message.signature)

def kid_of(key): return sha256(cbor2.dumps(key, canonical=True))

def cose(data, limit, ordered=True):
    demand(len(data) <= limit, "too-large")
    top = read(data, tags=(18,), ordered=ordered)
    demand(isinstance(top, Tag) and isinstance(top.value, list) and len(top.value) == 4, "cose-malformed")
    protected, unprotected, payload, signature = top.value
    demand(isinstance(protected, bytes) and isinstance(unprotected, dict), "cose-malformed")
    demand(isinstance(signature, bytes) and len(signature) == 64, "cose-malformed")
    header = read(protected, ordered=ordered)
    demand(isinstance(header, dict), "cose-malformed")
    return Record(protected=protected, header=header, unprotected=unprotected, payload=payload, signature=signature)

# --- Sections 3 to 5 and 9: what statements, events and registry items look like

EVENT, ITEM = "application/vnd.tallystick.event+cbor", "application/vnd.tallystick.registry+cbor"
BOOT = "application/eat-ucs+cbor"
HEADER = {1: INT, 3: Maybe(within((int, str), lambda _: True)), 4: HASH, 15: within(dict, lambda _: True), 16: INT, 258: Maybe(INT),
          259: Maybe(lambda value: check(TEXT if isinstance(value, str) else UINT, value)), 260: Maybe(TEXT)}

CLAIMS = {1: ISS, 2: STREAM, 6: Maybe(UINT), "v": uint(1, 1), "ch": Maybe(CHAIN), "tq": uint(0, 3), "lvl": uint(0, 2),
          "seq": UINT, "prev": Maybe(HASH), "seen": Maybe(lambda value: check((SIZE, HASH, text(1)) if isinstance(value, list) and len(value) == 3 else (SIZE, HASH), value))}

def opening(value):
    lost = isinstance(value, list) and len(value) == 2
    if value != "none": check((listed("lost"), REASON) if lost else (CHAIN, UINT, HASH), value)

SOFTWARE = {270: TEXT, 271: (TEXT,)}
FILES = lambda value: (BYTES(value), check((UINT, HASH), read(value)))
EAT = {8: {5: HASH}, 256: Maybe(within(bytes, lambda ueid: len(ueid) == 33 and ueid[0] == 1)), 261: UINT, 265: listed("tag:tallystick.example,2026:boot/1"),
       266: {layer: Maybe(SOFTWARE) for layer in ("os", "kernel", "node")}, 267: SIZE, 268: octets(16), **SOFTWARE, 273: ((listed(60), FILES),), "token": Maybe(TEXT)}

AMOUNT, HEADS = {"minor": INT, "currency": text(3, 3), "tariff": TEXT}, [(STREAM, CHAIN, UINT, HASH), 0]
REGISTERS, WIDTH, AGAIN = Maybe([(TEXT, NUMBER), 0]), or_null((UINT, UINT)), Maybe(HASH)
EVENTS = {
    "stream-opened": {"before": opening, "source": TEXT, "meter": Maybe(TEXT), "interval": NUMBER,
                      "names": [(TEXT, or_null(TEXT), listed("counter", "gauge", "text"), WIDTH), 0]},
    "heads": {"all": BOOL, "heads": HEADS, "part": Maybe((UINT, UINT))},
    "boot": {"version": TEXT, "boot": octets(16), "alive": Maybe(UINT), "uptime": Maybe(NUMBER)},
    "gap": {"reason": REASON, "count": UINT, "chain": Maybe((STREAM, CHAIN)), "seq": Maybe((UINT, UINT)),
            "time": Maybe((NUMBER, NUMBER))},
    "clock-step": {"before": NUMBER, "after": NUMBER, "uptime": NUMBER, "tq": uint(0, 3)},
    "stream-closed": {"reason": REASON}, "config-changed": {"hash": HASH}, "erased": {"hash": HASH, "order": TEXT},
    "meter-changed": {"old": TEXT, "new": TEXT, "last": REGISTERS, "first": REGISTERS},
    "key-rotated": {"key": cose_key, "heads": HEADS}, "access": {"who": TEXT, "what": TEXT, "purpose": TEXT},
    "refused": {"seq": UINT, "hash": HASH, "code": TEXT, "sub": Maybe(TEXT)},
    "toll-transaction": {"tx": TEXT, "plaza": TEXT, "lane": TEXT, "t": NUMBER, "direction": TEXT, "validity": TEXT,
                         "class": (or_null(UINT), or_null(UINT)), "tag": AGAIN, "plate": AGAIN, "amount": Maybe(AMOUNT), "refs": [HASH, 0], "supersedes": AGAIN},
    "toll-adjustment": {"ref": HASH, "reason": REASON, "amount": AMOUNT, "supersedes": AGAIN},
    "ref": {"id": text(1, 128), "type": named(r"[a-z0-9][a-z0-9.-]{0,63}", 64, "member-range"), "t": NUMBER, "hash": AGAIN, "amount": Maybe(AMOUNT),
            "refs": Maybe([HASH, 1]), "supersedes": AGAIN}}

ACTS_FOR = {"iss": OPERATOR, "for": ORG, "key": cose_key}
ENROL = {"device": ISS, "key": cose_key, "streams": STREAMS, "silence": UINT, "machine": Maybe(HASH)}
CHANGE = {"for": ORG, "round": UINT, "add": [ACTS_FOR, 0], "remove": [HASH, 0], "threshold": SIZE}
ITEMS = {"policy": {"origin": text(1), "log": cose_key, "leaf": listed("sha256"), "operators": [ACTS_FOR, 1]},
         "operators": {"change": lambda value: (BYTES(value), check(CHANGE, read(value))), "consents": [BYTES, 0]},
         "operator-added": {"operator": ACTS_FOR}, "enrol": ENROL, "re-enrol": {**ENROL, "reason": REASON},
         "rotate": {"statement": BYTES}, "revoke": {"kid": HASH, "from": UINT}, "successor": {"origin": text(1), "log": cose_key}}

def of_kind(table, value):
    a(dict, value)
    demand(all(isinstance(key, str) for key in value), "unknown-member")
    demand("kind" in value, "member-missing", "kind")
    a(str, value["kind"])
    demand(value["kind"] in table, "unknown-member", value["kind"])
    check({"kind": TEXT, **table[value["kind"]]}, value)
    part, parts = value.get("part", (1, 2))
    demand(1 <= part <= parts and parts >= 2, "event-malformed", "part")
    heads = value["heads"] if value["kind"] == "key-rotated" else []
    demand(len({(sub, ch) for sub, ch, _, _ in heads}) == len(heads), "event-malformed", "heads")
    if value["kind"] == "gap":
        ranges = [value[name] for name in ("seq", "time") if name in value]
        demand(ranges and all(exact(first) <= exact(last) for first, last in ranges), "event-malformed", "range")
        demand("chain" not in value or ("seq" in value and "time" not in value), "event-malformed", "chain")
    return value

# --- Section 4: SenML

PRIMARY = set("""m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 m3/s l/s W/m2
    cd/m2 bit bit/s lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min beats S/m B VA VAs var vars J/m kg/m3 deg""".split())

SECONDARY = set("""ms min h MHz kW kVA kvar Ah Wh kWh varh kvarh kVAh Wh/km KiB GB Mbit/s B/s MB/s mV mA dBm ug/m3 mm/h m/h ppm /100
    /1000 hPa mm cm km km/h""".split())

QUALITY = ("no-checksum", "no-zone", "gateway-time", "estimated", "device-error", "conflict", "future", "backfill")
LONG, GOOD_QUALITY = text(0, 32768), within(list, lambda value: value and value == [each for each in QUALITY if each in value])
PACK = {-1: listed(10, 26), -2: LONG, -3: NUMBER, -4: LONG, -5: NUMBER, -6: NUMBER, 0: LONG, 1: LONG, 2: VALUE, 3: LONG, 4: BOOL,
        5: VALUE, 6: NUMBER, 7: NUMBER, 8: BYTES, "q": GOOD_QUALITY, "rx": NUMBER}

def check_pack(claims, payload):
    """Returns the local names of the records."""
    pack, held, names = read(payload, floats=True, ordered=False), {}, []
    demand(isinstance(pack, list) and pack, "senml-malformed")
    demand(len(pack) <= 4096, "too-large")
    for place, record in enumerate(pack):
        demand(isinstance(record, dict), "senml-malformed", place)
        for label, value in record.items():
            demand(label in PACK, "unknown-member", label)
            attempt("senml-malformed", check, PACK[label], value)
        held.update((label, value) for label, value in record.items() if label in (-1, -3, -5, -6) and (label != -1 or place == 0))
        names.append(record.get(0, ""))
        values = [label for label in (2, 3, 4, 5, 8) if label in record]
        demand(record.get(-2) == (None if place else f"{claims[1]}/{claims[2]}/") and re.fullmatch(r"[\w:./-]*", names[-1], re.A)
               and record.get(-1, held.get(-1, 10)) == held.get(-1, 10), "senml-malformed", place)
        demand(len(values) == 1 and (names[-1] != "raw" or values == [8]), "senml-malformed", place)
        for unit in (record[label] for label in (-4, 1) if label in record):
            demand(unit in PRIMARY or (held.get(-1) == 26 and unit in SECONDARY), "senml-unit", unit)
        base = held.get({2: -5, 5: -6}.get(values[0]))
        if base is not None:
            demand(not isinstance(record[values[0]], float), "senml-malformed", place)
            add(base, record[values[0]])
        timed = -3 in held or 6 in record
        time = add(held.get(-3, 0), record.get(6, 0))
        demand(exact(time) >= 2**28 if timed else claims["tq"] == 0, "senml-time", place)
        demand(exact(record.get("rx", 2**28)) >= 2**28, "senml-time", place)
    return names

def parse_statement(data, transparent=False):
    """A statement; where `transparent` is set, with its receipts (as bytes) beside it"""
    message = cose(data, 1 << 22 if transparent else 32768)
    receipts = message.unprotected.get(394, []) if transparent else []
    demand(message.unprotected == ({394: receipts} if receipts else {}), "cose-unprotected")
    demand(isinstance(receipts, list) and len(receipts) <= 16, "cose-unprotected")
    demand(all(isinstance(each, bytes) for each in receipts), "cose-unprotected")
    demand(all(len(each) <= 65536 for each in receipts), "too-large")
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
    demand((6 in claims) == (claims["tq"] != 0) and ("prev" in claims) == (seq != 0), "statement-claims")
    demand(("ch" in claims) != item, "statement-claims")
    demand(item == (sub == "registry") and (kind != BOOT or sub == "sys"), "statement-claims")
    demand(not item or (iss.endswith("/operator") and "seen" not in claims), "statement-claims")
    names = check_pack(claims, payload) if kind == 112 else []
    content = of_kind(ITEMS if item else EVENTS, read(payload)) if kind in (EVENT, ITEM) else {"kind": None}
    demand(sub == "sys" or item or not (content["kind"] in ("heads", "key-rotated") or "chain" in content), "statement-claims")
    demand(claims["lvl"] != 2 or "raw" in names, "statement-claims")
    if kind == BOOT: demand(len(payload) <= 4096, "too-large"), check(EAT, read(payload)), demand(read(payload)[8][5] == header[4], "statement-claims")
    return Record(**vars(message), hash=sha256(bare), kid=header[4], alg=header[1], iss=iss, sub=sub, seq=seq, item=item, content=content,
                  receipts=receipts, place=f"{iss}/{sub} {seq}", **{name: claims.get(name) for name in ("ch", "prev", "seen")})

CONSENT = {1: listed(-19, -9), 4: HASH, 16: listed("application/vnd.tallystick.consent+cwt")}

def parse_consent(data):
    def parts():
        message = cose(data, 2048)
        check(CONSENT, message.header)
        demand(message.unprotected == {} and isinstance(message.payload, bytes), "cose-malformed")
        claims = read(message.payload)
        check({1: TEXT, 3: TEXT, "change": HASH}, claims)
        return Record(**vars(message), kid=message.header[4], alg=message.header[1], claims=claims, place="a consent")
    return attempt("token-malformed", parts)

def check_signed(statement, key):
    demand(statement.kid == kid_of(key) and statement.alg == (-19 if key[1] == 1 else -9), "key-mismatch", statement.place)
    check_signature(key, statement, statement.payload)
