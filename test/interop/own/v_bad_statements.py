"""statements.json, the bad ones: each bends one thing of a good statement, and names the code that refuses it."""
from __future__ import annotations

from .cborw import Dec, Flt, Raw, Tag, enc
from .statements import EAT, EVENT, REGISTRY, SENML, STATEMENT, boot, claims, name_of, opened, sign1, statement, to_sign, transparent
from .v_statements import BASE, CH, HARD, HASH, IAT, ISS, KEY, METER, OPERATOR, ROOT, SYS, SYS_CH, events

ONE = enc([{-2: BASE, -3: IAT, 0: "n", 2: 1}])


def bad() -> list[dict]:
    return cose() + headers() + claim_faults() + senml() + event_faults() + boot_faults() + signatures()


def entry(name: str, code: str, data: bytes, **more) -> dict:
    return {"name": name, "code": code, "hex": data.hex()} | more


def cwt(**more) -> dict:
    base = {1: ISS, 2: METER, 6: IAT, "v": 1, "ch": CH, "tq": 2, "lvl": 1, "seq": 1, "prev": HASH}
    base.update({{"iss": 1, "sub": 2, "iat": 6}.get(k, k): v for k, v in more.items()})
    return {k: v for k, v in base.items() if v is not ...}


def head(**more) -> dict:
    base = {1: -19, 3: SENML, 4: KEY.kid, 15: cwt(), 16: STATEMENT}
    base.update({int(k[1:]): v for k, v in more.items()})
    return {k: v for k, v in base.items() if v is not ...}


def cose() -> list[dict]:
    ok = head()
    order = enc(ok)
    swapped = b"\xa5" + enc(3) + enc(SENML) + enc(1) + enc(-19) + order[1 + 2 + 3 :]
    assert len(swapped) == len(order)
    make = lambda **f: sign1(KEY, ok, ONE, **f)  # noqa: E731
    protected = enc(ok)
    sig = KEY.sign(to_sign(protected, ONE))
    return [
        entry("no tag", "cose-malformed", make(tag=None)),
        entry("tag 998", "cbor-tag", make(tag=998)),
        entry("tag 98, COSE_Sign", "cbor-tag", make(tag=98)),
        entry("tag in long form", "cbor-malformed", b"\xd8\x12" + make()[1:]),
        entry("three items", "cose-malformed", make(items=[protected, {}, ONE])),
        entry("five items", "cose-malformed", make(items=[protected, {}, ONE, sig, sig])),
        entry("a map in place of the array", "cose-malformed", make(items={0: protected})),
        entry("protected header not wrapped", "cose-malformed", make(items=[ok, {}, ONE, sig])),
        entry("protected header an array", "cose-malformed", make(protected=enc([1, -19]))),
        entry("protected header in another order", "cbor-order", make(protected=swapped)),
        entry("protected header with bytes after it", "cbor-trailing", make(protected=protected + b"\x00")),
        entry("protected header with a key twice", "cbor-duplicate-key", make(protected=b"\xa6" + protected[1:] + enc(16) + enc(277))),
        entry("unprotected holds a kid", "cose-unprotected", make(unprotected={4: KEY.kid})),
        entry("unprotected holds an empty list of receipts", "cose-unprotected", make(unprotected={394: []})),
        entry("unprotected is an array", "cose-malformed", make(items=[protected, [], ONE, sig])),
        entry("payload nil", "cose-malformed", make(carried=None)),
        entry("payload a text", "cose-malformed", make(carried="text")),
        entry("signature of 63 bytes", "cose-malformed", make(signature=sig[:63])),
        entry("signature of 65 bytes", "cose-malformed", make(signature=sig + b"\x00")),
        entry("signature nil", "cose-malformed", make(items=[protected, {}, ONE, None])),
        entry("a byte after the statement", "cbor-trailing", make() + b"\x00"),
        entry("indefinite array", "cbor-malformed", b"\xd2\x9f" + make()[2:] + b"\xff"),
        entry("over 32,768 bytes", "too-large", statement(KEY, cwt(), SENML, enc([{-2: BASE, -3: IAT, 0: "raw", 8: bytes(32_600)}]))),
        entry("a receipt", "cose-unprotected", sign1(KEY, {1: -19, 4: KEY.kid, 15: {1: "o", 2: "o"}, 16: 278, 395: 1}, ROOT, unprotected={396: {-1: []}}, carried=None)),
    ]


def headers() -> list[dict]:
    make = lambda payload=ONE, **f: sign1(KEY, head(**f), payload)  # noqa: E731
    env = dict(_3=..., _258=-16)
    return [
        entry("alg EdDSA (-8)", "cose-algorithm", make(_1=-8)),
        entry("alg ES256 (-7)", "cose-algorithm", make(_1=-7)),
        entry("alg -999", "cose-algorithm", make(_1=-999)),
        entry("alg a text", "member-type", make(_1="Ed25519")),
        entry("no alg", "member-missing", make(_1=...)),
        entry("crit", "unknown-member", make(_2=[15])),
        entry("content type and label 5", "unknown-member", make(_5=b"iv")),
        entry("private label -65537", "unknown-member", make(**{"_-65537": 1})),
        entry("text label", "unknown-member", sign1(KEY, head() | {"x": 1}, ONE)),
        entry("no kid", "member-missing", make(_4=...)),
        entry("kid of 31 bytes", "member-range", make(_4=KEY.kid[:31])),
        entry("kid a text", "member-type", make(_4="key")),
        entry("no claims", "member-missing", make(_15=...)),
        entry("claims an array", "member-type", make(_15=[])),
        entry("no typ", "member-missing", make(_16=...)),
        entry("typ of a receipt", "statement-malformed", make(_16=278)),
        entry("typ as a media type", "member-type", make(_16="application/scitt-statement+cose")),
        entry("content type 110", "statement-malformed", make(_3=110)),
        entry("content type text/plain", "statement-malformed", make(_3="text/plain")),
        entry("neither content type nor envelope", "member-missing", make(_3=...)),
        entry("content type in an envelope", "statement-malformed", make(HASH, _258=-16)),
        entry("envelope of SHA-512", "statement-malformed", make(HASH + HASH, **env | dict(_258=-44))),
        entry("envelope of 31 bytes", "statement-malformed", make(HASH[:31], **env)),
        entry("envelope of 33 bytes", "statement-malformed", make(HASH + b"\x00", **env)),
        entry("preimage content type without an envelope", "unknown-member", make(_259="image/jpeg")),
        entry("preimage content type negative", "member-range", make(HASH, **env | dict(_259=-1))),
        entry("location a number", "member-type", make(HASH, **env | dict(_260=1))),
    ]


def claim_faults() -> list[dict]:
    def make(content=SENML, payload=ONE, key=KEY, **f):
        return sign1(key, head(_15=cwt(**f), _3=content, _4=key.kid), payload)

    item = enc({"kind": "revoke", "kid": KEY.kid, "from": 0})
    registry = dict(iss="water/operator", sub="registry", ch=..., content=REGISTRY, payload=item, key=OPERATOR)
    out = [entry(f"no {k}", "member-missing", make(**{k: ...})) for k in ("iss", "sub", "v", "tq", "lvl", "seq")]
    out += [
        entry("v 2", "member-range", make(v=2)),
        entry("unknown claim 7", "unknown-member", sign1(KEY, head(_15=cwt() | {7: b"id"}), ONE)),
        entry("unknown claim exp", "unknown-member", sign1(KEY, head(_15=cwt() | {4: IAT}), ONE)),
        entry("unknown text claim", "unknown-member", sign1(KEY, head(_15=cwt() | {"x": 1}), ONE)),
        entry("iss a number", "member-type", make(iss=1)),
        entry("iss without device", "name-malformed", make(iss="water")),
        entry("iss with three parts", "name-malformed", make(iss="water/gw-1/x")),
        entry("iss in capitals", "name-malformed", make(iss="Water/gw-1")),
        entry("iss with an empty device", "name-malformed", make(iss="water/")),
        entry("org of 33 characters", "name-malformed", make(iss="o" * 33 + "/d")),
        entry("device of 65 characters", "name-malformed", make(iss="o/" + "d" * 65)),
        entry("sub empty", "name-malformed", make(sub="")),
        entry("sub in capitals", "name-malformed", make(sub="Meter/m-1")),
        entry("sub that begins with /", "name-malformed", make(sub="/meter")),
        entry("sub that ends with /", "name-malformed", make(sub="meter/")),
        entry("sub with an empty segment", "name-malformed", make(sub="meter//m")),
        entry("sub with a segment that begins with a dot", "name-malformed", make(sub="meter/..")),
        entry("sub of 129 characters", "name-malformed", make(sub="s" * 129)),
        entry("sub with a newline at its end", "name-malformed", make(sub="meter\n")),
        entry("a device writes on registry", "statement-claims", make(sub="registry")),
        entry("iat negative", "member-range", make(iat=-1)),
        entry("iat a float", "cbor-malformed", make(iat=Flt(1790000000.5))),
        entry("iat a decimal", "member-type", make(iat=Dec(17900000005, -1))),
        entry("iat at tq 0", "statement-claims", make(tq=0)),
        entry("no iat at tq 1", "statement-claims", make(tq=1, iat=...)),
        entry("no iat at tq 3", "statement-claims", make(tq=3, iat=...)),
        entry("no ch", "statement-claims", make(ch=...)),
        entry("ch of 7 bytes", "member-range", make(ch=CH[:7])),
        entry("ch of 9 bytes", "member-range", make(ch=CH + b"\x00")),
        entry("ch a text", "member-type", make(ch="12345678")),
        entry("tq 4", "member-range", make(tq=4)),
        entry("tq -1", "member-range", make(tq=-1)),
        entry("lvl 3", "member-range", make(lvl=3)),
        entry("lvl true", "member-type", make(lvl=True)),
        entry("seq 2^53", "member-range", make(seq=2**53)),
        entry("seq 2^64-1", "member-range", make(seq=2**64 - 1)),
        entry("seq -1", "member-range", make(seq=-1)),
        entry("prev at seq 0", "statement-claims", make(EVENT, enc(opened()), seq=0)),
        entry("no prev at seq 1", "statement-claims", make(prev=...)),
        entry("prev of 31 bytes", "member-range", make(prev=HASH[:31])),
        entry("seen of size 0", "member-range", make(seen=[0, ROOT])),
        entry("seen of size 2^53", "member-range", make(seen=[2**53, ROOT])),
        entry("seen with a root of 31 bytes", "member-range", make(seen=[1, ROOT[:31]])),
        entry("seen of four", "member-range", make(seen=[1, ROOT, "log", 0])),
        entry("seen of one", "member-range", make(seen=[1])),
        entry("seen of a log by number", "member-type", make(seen=[1, ROOT, 0])),
        entry("seen of a log without a name", "member-range", make(seen=[1, ROOT, ""])),
        entry("seen of a log with a name of 257 bytes", "member-range", make(seen=[1, ROOT, "x" * 257])),
        entry("seen of size 0 of a log", "member-range", make(seen=[0, ROOT, "log"])),
        entry("seen a map", "member-type", make(seen={0: 1})),
        entry("boot evidence on a stream that is not sys", "statement-claims", make(EAT, enc(boot(KEY)))),
        entry("registry item with a ch", "statement-claims", make(**registry | dict(ch=CH))),
        entry("registry item with seen", "statement-claims", make(**registry, seen=[1, ROOT])),
        entry("registry item on another stream", "statement-claims", make(**registry | dict(sub="meter/m-1"))),
        entry("registry item of a device", "statement-claims", make(**registry | dict(iss=ISS, key=KEY))),
    ]
    return out


def senml() -> list[dict]:
    def make(value, tq=2):
        return sign1(KEY, head(_15=cwt(tq=tq) if tq else cwt(tq=0, iat=...)), value if isinstance(value, bytes) else enc(value))

    def rec(**more):
        labels = {"bver": -1, "bn": -2, "bt": -3, "bu": -4, "bv": -5, "bs": -6, "n": 0, "u": 1, "v": 2, "vs": 3, "vb": 4, "s": 5, "t": 6, "ut": 7, "vd": 8}
        base = {-2: BASE, -3: IAT, 0: "n", 2: 1}
        base.update({labels.get(k, k): v for k, v in more.items()})
        return {k: v for k, v in base.items() if v is not ...}

    two = lambda **more: [rec(), {k: v for k, v in rec(bn=..., bt=..., **more).items()}]  # noqa: E731
    bad = "senml-malformed"
    return [
        entry("senml: empty pack", bad, make([])),
        entry("senml: a map", bad, make({0: 1})),
        entry("senml: a record that is no map", bad, make([1])),
        entry("senml: 4,097 records", "too-large", make([rec()] + [{2: 1}] * 4096)),
        entry("senml: no base name", bad, make([rec(bn=...)])),
        entry("senml: base name of another stream", bad, make([rec(bn=f"{ISS}/meter/m-1/")])),
        entry("senml: base name without the last /", bad, make([rec(bn=BASE[:-1])])),
        entry("senml: base name of another device", bad, make([rec(bn=f"water/gw-2/{METER}/")])),
        entry("senml: a second base name", bad, make([rec(), rec()])),
        entry("senml: bver 11", bad, make([rec(bver=11)])),
        entry("senml: bver 5", bad, make([rec(bver=5)])),
        entry("senml: label 9", "unknown-member", make([rec() | {9: 1}])),
        entry("senml: text label", "unknown-member", make([rec(ct="112")])),
        entry("senml: label that must be understood", "unknown-member", make([rec(x_=1)])),
        entry("senml: no value", bad, make([rec(v=...)])),
        entry("senml: number and text", bad, make([rec(vs="1")])),
        entry("senml: text and bool", bad, make([rec(v=..., vs="1", vb=True)])),
        entry("senml: v a text", bad, make([rec(v="1")])),
        entry("senml: vs a number", bad, make([rec(v=..., vs=1)])),
        entry("senml: vb a number", bad, make([rec(v=..., vb=1)])),
        entry("senml: vd a text", bad, make([rec(v=..., vd="ff")])),
        entry("senml: n a number", bad, make([rec(n=1)])),
        entry("senml: name with *", bad, make([rec(n="1-0:1.8.0*255")])),
        entry("senml: name with a space", bad, make([rec(n="a b")])),
        entry("senml: name beyond ASCII", bad, make([rec(n="\u00fc")])),
        entry("senml: q empty", bad, make([rec(q=[])])),
        entry("senml: q unknown", bad, make([rec(q=["guess"])])),
        entry("senml: q twice", bad, make([rec(q=["future", "future"])])),
        entry("senml: q in another order", bad, make([rec(q=["backfill", "no-zone"])])),
        entry("senml: q a text", bad, make([rec(q="future")])),
        entry("senml: time relative", "senml-time", make([rec(bt=..., t=-5)])),
        entry("senml: time below 2^28", "senml-time", make([rec(bt=2**28 - 1)])),
        entry("senml: sum below 2^28", "senml-time", make([rec(bt=2**28, t=Dec(-1, -3))])),
        entry("senml: no time at tq 2", "senml-time", make([rec(bt=...)])),
        entry("senml: time a text", bad, make([rec(t="now")])),
        entry("senml: time a float", bad, make([rec(t=Flt(0.5))])),
        entry("senml: kWh without bver", "senml-unit", make([rec(u="kWh")])),
        entry("senml: kWh with bver 10", "senml-unit", make([rec(u="kWh", bver=10)])),
        entry("senml: base unit kWh without bver", "senml-unit", make([rec(bu="kWh")])),
        entry("senml: unknown unit", "senml-unit", make([rec(u="furlong")])),
        entry("senml: key twice", "cbor-duplicate-key", make(b"\x81\xa2\x02\x01\x02\x01")),
        entry("senml: half float", "cbor-malformed", make([rec(v=Raw(bytes.fromhex("f93c00")))])),
        entry("senml: NaN", "cbor-malformed", make([rec(v=Raw(bytes.fromhex("fb7ff8000000000000")))])),
        entry("senml: indefinite", "cbor-malformed", make(b"\x9f" + ONE[1:] + b"\xff")),
        entry("senml: bytes after it", "cbor-trailing", make(ONE + b"\x00")),
        entry("senml: epoch tag", "cbor-tag", make([rec(t=Tag(1, 0))])),
        entry("senml: bignum outside a decimal", "cbor-tag", make([rec(v=Tag(2, bytes([1] * 9)))])),
        entry("senml: decimal beyond exponent 32", "cbor-decimal", make([rec(v=Tag(4, [-33, 1]))])),
        entry("senml: not CBOR", "cbor-malformed", make(b"\xff")),
        entry("senml: nothing", "cbor-malformed", make(b"")),
        entry("senml: text after text", bad, make(two(v=..., vs="x", vd=b"y"))),
    ]


def event_faults() -> list[dict]:
    good = {name: (value, sub) for name, value, sub in events()}

    def make(value, sub=SYS):
        data = value if isinstance(value, bytes) else enc(value)
        first = isinstance(value, dict) and value.get("kind") == "stream-opened"
        return sign1(KEY, head(_3=EVENT, _15=cwt(sub=sub, ch=SYS_CH if sub == SYS else CH, **(dict(seq=0, prev=...) if first else {}))), data)

    def bend(name, **more):
        value, sub = good[name]
        value = {k: v for k, v in (value | {k.replace("_", ""): v for k, v in more.items()}).items() if v is not ...}
        return make(value, sub)

    out = [
        entry("event: an array", "member-type", make([1])),
        entry("event: no kind", "member-missing", make({"hash": HASH})),
        entry("event: kind a number", "member-type", make({"kind": 1})),
        entry("event: unknown kind", "unknown-member", make({"kind": "weather"})),
        entry("event: an integer key", "unknown-member", make({"kind": "config-changed", "hash": HASH, 1: 1})),
        entry("event: keys in another order", "cbor-order", make(b"\xa2" + enc("hash") + enc(HASH) + enc("kind") + enc("config-changed"))
              if enc("hash") > enc("kind") else make(b"\xa2" + enc("kind") + enc("config-changed") + enc("hash") + enc(HASH))),
        entry("event: a float", "cbor-malformed", make({"kind": "boot", "version": "1", "boot": bytes(16), "uptime": Flt(1.5)})),
        entry("event: bytes after it", "cbor-trailing", make(enc({"kind": "config-changed", "hash": HASH}) + b"\x00")),
    ]
    for name, (value, sub) in good.items():
        if "," in name and name != "heads, all":
            continue
        out.append(entry(f"event: {name}, unknown member", "unknown-member", make(value | {"x": 1}, sub)))
    for name, members in {"heads, all": ["all", "heads"], "boot": ["version", "boot"], "gap of statements": ["reason", "count"], "clock-step": ["before", "tq"],
                          "stream-closed": ["reason"], "meter-changed": ["old", "new"], "config-changed": ["hash"], "key-rotated to Ed25519": ["key", "heads"],
                          "refused": ["seq", "hash", "code"], "access": ["who", "what", "purpose"], "erased": ["hash", "order"],
                          "toll-transaction": ["tx", "class", "refs", "validity"], "toll-adjustment": ["ref", "amount", "reason"],
                          "ref": ["id", "type", "t"],
                          "stream-opened, first": ["before", "source", "interval", "names"]}.items():
        out += [entry(f"event: {name}, no {m}", "member-missing", bend(name, **{m: ...})) for m in members]
    ranges = [
        ("heads, part 2 of 3", dict(part=[1])), ("boot", dict(boot=bytes(15))), ("clock-step", dict(tq=4)), ("stream-closed", dict(reason="")),
        ("stream-closed", dict(reason="x" * 201)), ("stream-closed", dict(reason="\U00010151" * 51)), ("access", dict(who="\u00fc" * 129)), ("config-changed", dict(hash=HASH[:31])), ("access", dict(who="x" * 257)),
        ("toll-adjustment", dict(amount={"minor": 1, "currency": "EURO", "tariff": "t"})), ("toll-transaction", dict(class_=[1])),
        ("toll-transaction", dict(tag=HASH[:31])), ("gap of statements", dict(seq=[1])), ("heads, all", dict(heads=[[METER, CH, 7]])),
        ("heads, all", dict(heads=[[METER, CH[:7], 7, HASH]])),         ("stream-opened, first", dict(before=["lost", ""])), ("stream-opened, first", dict(names=[["n", "kWh", "meter", None]])),
        ("stream-opened, first", dict(names=[["n", "kWh", "counter"]])),
        ("ref", dict(id="")), ("ref", dict(id="\u00fc" * 65)), ("ref", dict(type="")), ("ref", dict(type="Refund")), ("ref", dict(type="-refund")),
        ("ref", dict(type="r" * 65)), ("ref", dict(type="refund\n")), ("ref", dict(type="refund 1")), ("ref", dict(refs=[])), ("ref", dict(refs=[HASH[:31]])),
        ("ref", dict(hash=HASH + b"\x00")), ("ref", dict(supersedes=b"")),
    ]
    out += [entry(f"event: {n}, {next(iter(m)).strip('_')} {i}", "member-range", bend(n, **m)) for i, (n, m) in enumerate(ranges)]
    types = [
        ("heads, all", dict(all=1)), ("heads, all", dict(heads={})), ("boot", dict(boot="x")), ("gap of statements", dict(count="1")),
        ("clock-step", dict(before="now")), ("access", dict(who=b"x")), ("toll-transaction", dict(class_=["1", None])),
        ("toll-adjustment", dict(amount=5)), ("stream-opened, first", dict(before=1)), ("stream-opened, first", dict(before="nothing")), ("stream-opened, first", dict(interval=None)),
        ("refused", dict(seq=Dec(5, -1))), ("config-changed", dict(hash="x" * 32)),
        ("ref", dict(id=17)), ("ref", dict(type=b"refund")), ("ref", dict(t="2026-11-29")), ("ref", dict(t=None)), ("ref", dict(refs=HASH)), ("ref", dict(refs=[HASH.hex()])),
        ("ref", dict(amount=[1, "EUR", "t"])), ("ref", dict(hash=HASH.hex())), ("ref", dict(supersedes=None)),
    ]
    out += [entry(f"event: {n}, {next(iter(m)).strip('_')} type {i}", "member-type", bend(n, **m)) for i, (n, m) in enumerate(types)]
    out += [
        entry("event: part 0 of 3", "event-malformed", bend("heads, part 2 of 3", part=[0, 3])),
        entry("event: part 4 of 3", "event-malformed", bend("heads, part 2 of 3", part=[4, 3])),
        entry("event: part 1 of 1", "event-malformed", bend("heads, part 2 of 3", part=[1, 1])),
        entry("event: gap from 41 to 30", "event-malformed", bend("gap of statements", seq=[41, 30])),
        entry("event: gap that ends before it begins", "event-malformed", bend("gap of readings", time=[IAT, IAT - 1])),
        entry("event: a count below 0", "member-range", bend("gap of statements", count=-1)),
        entry("event: gap of an ended chain without numbers", "event-malformed", bend("gap of readings", chain=[METER, CH])),
        entry("event: gap of an ended chain in time", "event-malformed", bend("gap of both", chain=[METER, CH])),
        entry("event: gap of a chain without its stream", "member-range", bend("gap of statements", chain=[CH])),
        entry("event: gap of an ended chain beside sys", "statement-claims", bend("gap of statements", chain=[METER, CH])),
        entry("event: gap of nothing", "event-malformed", bend("gap of statements", seq=...)),
        entry("event: key-rotated to X25519", "key-malformed", bend("key-rotated to Ed25519", key={1: 1, -1: 4, -2: KEY.x})),
        entry("event: key-rotated with two heads of one chain", "event-malformed",
              bend("key-rotated to Ed25519", heads=[[METER, CH, 7, HASH], [SYS, CH, 7, HASH], [METER, CH, 8, HASH]])),
        entry("event: amount with a member more", "unknown-member", bend("toll-adjustment", amount={"minor": 1, "currency": "EUR", "tariff": "t", "x": 1})),
    ]
    return out


def boot_faults() -> list[dict]:
    said = cwt(sub=SYS, ch=SYS_CH)
    make = lambda payload: statement(KEY, said, EAT, payload)  # noqa: E731
    bent = lambda **more: make(enc(boot(KEY, **more)))  # noqa: E731
    files = lambda data: [[60, data]]  # noqa: E731
    swapped = enc(boot(KEY))
    assert swapped[1] == 8
    return [
        entry("boot evidence: an array", "member-type", make(enc([1]))),
        entry("boot evidence: another key's thumbprint", "statement-claims", make(enc(boot(HARD)))),
        entry("boot evidence: no key", "member-missing", bent(_8=...)),
        entry("boot evidence: a whole key", "unknown-member", bent(_8={1: KEY.cose, 5: KEY.kid})),
        entry("boot evidence: another profile", "member-range", bent(_265="tag:tallystick.example,2026:boot/2")),
        entry("boot evidence: no profile", "member-missing", bent(_265=...)),
        entry("boot evidence: a nonce, which nobody asked for", "unknown-member", bent(_10=bytes(8))),
        entry("boot evidence: debug status, which an agent can't know", "unknown-member", bent(_263=1)),
        entry("boot evidence: ueid of an EUI", "member-range", bent(_256=b"\x02" + bytes(32))),
        entry("boot evidence: ueid of 17 bytes", "member-range", bent(_256=b"\x01" + bytes(16))),
        entry("boot evidence: uptime as a float", "cbor-malformed", bent(_261=Flt(1.5))),
        entry("boot evidence: start 0", "member-range", bent(_267=0)),
        entry("boot evidence: seed of 8 bytes", "member-range", bent(_268=bytes(8))),
        entry("boot evidence: version with a scheme", "member-range", bent(_271=["0.1.0", 16384])),
        entry("boot evidence: a layer of no such name", "unknown-member", bent(_266={"bios": {270: "x", 271: ["1"]}})),
        entry("boot evidence: a layer with a hash", "unknown-member", bent(_266={"os": {270: "x", 271: ["1"], 273: []}})),
        entry("boot evidence: no measurement", "member-range", bent(_273=[])),
        entry("boot evidence: a CoSWID", "member-range", bent(_273=[[258, bytes(4)]])),
        entry("boot evidence: files without a count", "member-range", bent(_273=files(enc([HASH])))),
        entry("boot evidence: files with bytes after them", "cbor-trailing", bent(_273=files(enc([1, HASH]) + b"\x00"))),
        entry("boot evidence: a token without a name", "member-type", bent(token=True)),
        entry("boot evidence: labels in another order", "cbor-order", make(b"\xa9" + swapped[1 + 37 :] + swapped[1 : 1 + 37])),
        entry("boot evidence: over 4,096 bytes", "too-large", bent(_266={"os": {270: "x" * 4100, 271: ["1"]}})),
    ]


def signatures() -> list[dict]:
    """Parsed they are good; verifying them refuses."""
    ok = sign1(KEY, head(), ONE)
    hard = head(_1=-9, _4=HARD.kid)
    flip = lambda data, at: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]  # noqa: E731
    base = statement(KEY, claims(ISS, METER, 0, ch=CH, iat=IAT), EVENT, enc(opened()))
    assert transparent(base, [b"r"]) and name_of(base)
    return [
        entry("a bit of R", "signature-invalid", flip(ok, len(ok) - 64), at="verify", key=KEY.name),
        entry("a bit of S", "signature-invalid", flip(ok, len(ok) - 1), at="verify", key=KEY.name),
        entry("a bit of the payload", "signature-invalid", flip(ok, len(ok) - 67), at="verify", key=KEY.name),
        entry("another key's signature", "signature-invalid", sign1(KEY, head(), ONE, signature=OPERATOR.sign(to_sign(enc(head()), ONE))), at="verify", key=KEY.name),
        entry("another key", "key-mismatch", ok, at="verify", key=OPERATOR.name),
        entry("alg of another key type", "key-mismatch", sign1(KEY, head(_1=-9), ONE, signature=HARD.sign(b"")), at="verify", key=KEY.name),
        entry("ESP256 with s in the upper half", "signature-invalid", sign1(HARD, hard, ONE, low=False), at="verify", key=HARD.name),
        entry("ESP256 with r 0", "signature-invalid", sign1(HARD, hard, ONE, signature=bytes(32) + b"\x01" * 32), at="verify", key=HARD.name),
        entry("all zeros", "signature-invalid", sign1(KEY, head(), ONE, signature=bytes(64)), at="verify", key=KEY.name),
    ]
