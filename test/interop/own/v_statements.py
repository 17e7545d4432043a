"""statements.json, the good ones: each content type, each kind of event, links, transparent statements."""
from __future__ import annotations

from hashlib import sha256

from .cborw import Dec, Flt, Raw, enc, shown
from .keys import ESP256, Key
from .statements import EAT, EVENT, REGISTRY, SENML, Chain, boot, chain_id, claims, header, name_of, opened, sign1, statement, transparent

ISS, METER, SYS = "water/gw-1", "meter/m-0417", "sys"
CH, SYS_CH = chain_id("statements meter"), chain_id("statements sys")
IAT = 1_790_000_000
ROOT = sha256(b"some root").digest()
HASH = sha256(b"something hashed").digest()
BASE = f"{ISS}/{METER}/"
KEY, HARD, OPERATOR, NEXT = Key("statements device"), Key("statements hardware", ESP256), Key("statements operator"), Key("statements next")


def reading(name, value, time, unit=None, quality=(), received=None) -> dict:
    kind = next(iter(value))
    out = {"name": name, "value": {kind: value[kind]}, "time": time, "quality": list(quality)}
    return out | ({"unit": unit} if unit else {}) | ({"received": received} if received else {})


def packs() -> list[tuple]:
    """(name, records, readings as they resolve: local name, exact plain text of each number; floats as their shortest text)."""
    t = IAT
    return [
        ("one register, an exact decimal", [{-2: BASE, -3: t, -1: 26, 0: "1-0:1.8.1", 1: "kWh", 2: Dec(1581123, -3), 6: 0}],
         [reading("1-0:1.8.1", {"v": "1581.123"}, str(t), "kWh")]),
        ("base time, base unit, base value", [{-2: BASE, -3: t, -4: "V", -5: 200, 0: "1-0:32.7.0", 2: Dec(301, -1), 6: Dec(-15, -1)},
                                              {0: "1-0:52.7.0", 2: Dec(-5, -1), 6: 10}, {0: "x", 1: "Cel", 2: -180}],
         [reading("1-0:32.7.0", {"v": "230.1"}, f"{t - 2}.5", "V"), reading("1-0:52.7.0", {"v": "199.5"}, f"{t + 10}", "V"),
          reading("x", {"v": "20"}, str(t), "Cel")]),
        ("base fields change on the way", [{-2: BASE, -3: t, -4: "V", 0: "a", 2: 1}, {-3: t + 60, -4: "A", 0: "b", 2: 2}, {0: "c", 2: 3, 6: 5}],
         [reading("a", {"v": "1"}, str(t), "V"), reading("b", {"v": "2"}, str(t + 60), "A"), reading("c", {"v": "3"}, str(t + 65), "A")]),
        ("text, boolean, bytes", [{-2: BASE, -3: t, 0: "0-0:96.1.1", 3: "4530303434"}, {0: "valve", 4: True}, {0: "raw", 8: b"/KFM5\r\n"}],
         [reading("0-0:96.1.1", {"vs": "4530303434"}, str(t)), reading("valve", {"vb": True}, str(t)), reading("raw", {"vd": b"/KFM5\r\n".hex()}, str(t))]),
        ("quality and arrival", [{-2: BASE, 0: "0-1:24.2.1", 1: "m3", 2: Dec(12345, -3), 6: t - 300, "q": ["no-zone", "backfill"], "rx": Dec(t * 1000 + 250, -3)},
                                 {0: "y", 1: "m3", 2: 0, 6: t, "q": ["no-checksum", "no-zone", "gateway-time", "estimated", "device-error", "conflict", "future", "backfill"]}],
         [reading("0-1:24.2.1", {"v": "12.345"}, str(t - 300), "m3", ["no-zone", "backfill"], f"{t}.250"),
          reading("y", {"v": "0"}, str(t), "m3", ["no-checksum", "no-zone", "gateway-time", "estimated", "device-error", "conflict", "future", "backfill"])]),
        ("a float of a physical sensor", [{-2: BASE, -3: t, 0: "temp", 1: "Cel", 2: Flt(21.3)}], [reading("temp", {"v": "21.3"}, str(t), "Cel")]),
        ("trailing zeros are kept", [{-2: BASE, -3: t, 0: "z", 1: "m3", 2: Dec(1200, -3)}], [reading("z", {"v": "1.200"}, str(t), "m3")]),
        ("more than 64 bits", [{-2: BASE, -3: t, 0: "wide", 1: "J", 2: Dec(2**100, -3)}],
         [reading("wide", {"v": f"{str(2**100)[:-3]}.{str(2**100)[-3:]}"}, str(t), "J")]),
        ("name in the base alone is allowed to be empty in later records too", [{-2: BASE, -3: t, 0: "n", 2: 1}, {0: "n", 2: 2, 6: 1}],
         [reading("n", {"v": "1"}, str(t)), reading("n", {"v": "2"}, str(t + 1))]),
    ]


def events() -> list[tuple[str, dict, str]]:
    """(name, event, stream it belongs on)"""
    head = [METER, CH, 7, HASH]
    amount = {"minor": -250, "currency": "EUR", "tariff": "2026-B"}
    toll = {"kind": "toll-transaction", "tx": "t-000001", "plaza": "plaza-12", "lane": "lane-3", "t": Dec(17900000005, -1), "direction": "in",
            "class": [2, None], "validity": "ok", "refs": [HASH, ROOT]}
    names = [["1-0:1.8.1", "kWh", "counter", [6, 3]], ["valve", None, "text", None], ["temp", "Cel", "gauge", None]]
    return [
        ("stream-opened, first", opened(names=names) | {"meter": "E0044007213488116"}, METER),
        ("stream-opened, after a head", opened(before=[CH, 41, HASH], interval=Dec(5, -1)), METER),
        ("stream-opened, head lost", opened(before=["lost", "disk replaced"], source="host", interval=0), METER),
        ("heads, all", {"kind": "heads", "all": True, "heads": [head, ["toll/lane-3", CH, 0, ROOT]]}, SYS),
        ("heads, none moved", {"kind": "heads", "all": False, "heads": []}, SYS),
        ("heads, part 2 of 3", {"kind": "heads", "all": True, "heads": [head], "part": [2, 3]}, SYS),
        ("boot", {"kind": "boot", "version": "0.1.0", "boot": HASH[:16], "alive": IAT - 100, "uptime": Dec(1234, -2)}, SYS),
        ("boot, shortest", {"kind": "boot", "version": "0.1.0", "boot": bytes(16)}, SYS),
        ("gap of statements", {"kind": "gap", "reason": "outbox full", "count": 12, "seq": [30, 41]}, METER),
        ("gap of readings", {"kind": "gap", "reason": "outbox full", "count": 0, "time": [IAT, Dec(17900000601, -1)]}, METER),
        ("gap of both", {"kind": "gap", "reason": "r", "count": 1, "seq": [3, 3], "time": [IAT, IAT]}, METER),
        ("gap of an ended chain", {"kind": "gap", "reason": "outbox-full", "count": 2, "seq": [0, 1], "chain": [METER, CH]}, SYS),
        ("clock-step", {"kind": "clock-step", "before": Dec(17899990005, -1), "after": IAT, "uptime": Dec(314159, -3), "tq": 2}, SYS),
        ("stream-closed", {"kind": "stream-closed", "reason": "decommissioned"}, METER),
        ("stream-closed, 200 bytes in 50 letters", {"kind": "stream-closed", "reason": "\U00010151" * 50}, METER),
        ("access, 256 bytes", {"kind": "access", "who": "\u00fc" * 128, "what": METER, "purpose": "p" * 256}, SYS),
        ("meter-changed", {"kind": "meter-changed", "old": "A1", "new": "B2", "last": [["1-0:1.8.1", Dec(9999999, -3)]], "first": [["1-0:1.8.1", 0]]}, METER),
        ("meter-changed, shortest", {"kind": "meter-changed", "old": "A1", "new": "B2"}, METER),
        ("config-changed", {"kind": "config-changed", "hash": HASH}, SYS),
        ("key-rotated to Ed25519", {"kind": "key-rotated", "key": NEXT.cose, "heads": [head]}, SYS),
        ("key-rotated to ESP256", {"kind": "key-rotated", "key": HARD.cose, "heads": []}, SYS),
        ("refused", {"kind": "refused", "seq": 9, "hash": HASH, "code": "fork", "sub": METER}, SYS),
        ("refused, shortest", {"kind": "refused", "seq": 0, "hash": HASH, "code": "fork"}, SYS),
        ("access", {"kind": "access", "who": "roads/auditor", "what": METER, "purpose": "billing dispute 17"}, SYS),
        ("erased", {"kind": "erased", "hash": HASH, "order": "order 2026-17"}, SYS),
        ("toll-transaction", toll, "toll/plaza-12/lane-3"),
        ("toll-transaction, all members", toll | {"tag": HASH, "plate": ROOT, "amount": amount, "supersedes": HASH, "class": [2, 3]}, "toll/plaza-12/lane-3"),
        ("toll-adjustment", {"kind": "toll-adjustment", "ref": HASH, "reason": "wrong class", "amount": amount}, "toll/plaza-12/lane-3"),
        ("toll-adjustment, supersedes", {"kind": "toll-adjustment", "ref": HASH, "reason": "x" * 200, "amount": amount, "supersedes": ROOT}, "toll/plaza-12/lane-3"),
        ("ref", {"kind": "ref", "id": "R-2026/000017", "type": "refund", "t": Dec(17900000005, -1), "hash": HASH, "amount": amount, "refs": [HASH, ROOT], "supersedes": ROOT}, "ledger/water"),
        ("ref, shortest", {"kind": "ref", "id": "1", "type": "0", "t": 0}, "ledger/water"),
        ("ref, longest texts", {"kind": "ref", "id": "\u00fc" * 64, "type": "a" + ".-" * 31 + "z", "t": -1}, "ledger/water"),
    ]


def described(name: str, key: Key, cwt: dict, content, payload: bytes, data: bytes, **more) -> dict:
    seen = cwt.get("seen")
    out = {
        "name": name, "key": key.name, "alg": key.alg, "hex": data.hex(), "hash": name_of(data).hex(),
        "claims": {"iss": cwt[1], "sub": cwt[2], "iat": cwt.get(6), "ch": cwt["ch"].hex() if "ch" in cwt else None, "seq": cwt["seq"],
                   "prev": cwt["prev"].hex() if "prev" in cwt else None, "tq": cwt["tq"], "lvl": cwt["lvl"],
                   "seen": [seen[0], seen[1].hex(), *seen[2:]] if seen else None},
        "content": content, "payload": payload.hex(),
    }
    return out | more


def good() -> list[dict]:
    out = []

    def case(name, content, payload, *, key=KEY, iss=ISS, sub=METER, ch=CH, seq=1, prev=HASH, iat=IAT, shows=None, **more):
        extra = {k: more.pop(k) for k in list(more) if k in ("readings", "event")}
        cwt = claims(iss, sub, seq, ch=ch, prev=prev if seq else None, iat=iat, **more)
        labels = {SENML: "senml", EVENT: "event", REGISTRY: "registry", EAT: "eat"}
        data = statement(key, cwt, content, payload)
        out.append(described(name, key, cwt, labels[content] if not isinstance(content, dict) else "envelope", payload, data, **extra | (shows or {})))

    for name, records, readings in packs():
        case(f"senml: {name}", SENML, enc(records), readings=readings)
    swapped = Raw(b"\x81\xa4" + enc(2) + enc(5) + enc(0) + enc("n") + enc(-3) + enc(IAT) + enc(-2) + enc(BASE))
    case("senml: keys in another order", SENML, enc(swapped), readings=[reading("n", {"v": "5"}, str(IAT))])
    case("senml: no time at all, tq 0", SENML, enc([{-2: BASE, 0: "n", 2: 1}]), iat=None, tq=0, readings=[reading("n", {"v": "1"}, None)])
    for name, event, sub in events():
        first = event["kind"] == "stream-opened"
        case(f"event: {name}", EVENT, enc(event), sub=sub, ch=SYS_CH if sub == SYS else CH, seq=0 if first else 1, event=shown(event))
    layer = lambda name, version: {270: name, 271: [version]}  # noqa: E731
    full = {"_256": b"\x01" + HASH, "_266": {"os": layer("Debian GNU/Linux", "12"), "kernel": layer("Linux", "6.1.0-37-arm64"), "node": layer("node", "24.21.0")}}
    case("boot evidence", EAT, enc(boot(KEY)), sub=SYS, ch=SYS_CH)
    case("boot evidence, all claims", EAT, enc(boot(HARD, **full, token="ST33HTPHAHD4")), key=HARD, sub=SYS, ch=SYS_CH)
    envelope = {"shows": {"envelope": {"digest": HASH.hex(), "contentType": "image/jpeg", "location": "frames/17.jpg"}}}
    case("hash envelope", {258: -16, 259: "image/jpeg", 260: "frames/17.jpg"}, HASH, **envelope)
    case("hash envelope, a numbered content type", {258: -16, 259: 22}, HASH, shows={"envelope": {"digest": HASH.hex(), "contentType": 22}})
    case("hash envelope, shortest", {258: -16}, HASH, shows={"envelope": {"digest": HASH.hex()}})
    case("registry item", REGISTRY, enc({"kind": "revoke", "kid": KEY.kid, "from": 0}), key=OPERATOR, iss="water/operator", sub="registry", ch=None, seq=5)
    one = [{-2: BASE, -3: IAT, 0: "n", 2: 1}]
    case("signed with ESP256", SENML, enc(one), key=HARD)
    case("seen", SENML, enc(one), seen=[2**53 - 1, ROOT])
    case("seen, of a log", SENML, enc(one), seen=[1, ROOT, "log.city.example/2026"])
    case("seen, of a log of 256 bytes", SENML, enc(one), seen=[1, ROOT, "\u00fc" * 128])
    case("largest seq", SENML, enc(one), seq=2**53 - 1)
    case("tq 1", SENML, enc(one), tq=1)
    case("tq 3, lvl 2 with the raw record", SENML, enc([one[0], {0: "raw", 8: b"frame"}]), tq=3, lvl=2)
    case("lvl 0", SENML, enc(one), lvl=0)
    case("longest names", SENML, enc([{-2: f"{'o' * 32}/{'d' * 64}/{'s' * 128}/", -3: IAT, 0: "n", 2: 1}]), iss=f"{'o' * 32}/{'d' * 64}", sub="s" * 128)
    return out


def chain() -> dict:
    c = Chain(KEY, ISS, METER, CH)
    c.event(opened())
    for i in range(4):
        c.senml([{-2: BASE, -3: IAT + 60 * i, 0: "1-0:1.8.1", 1: "J", 2: 1000 + i}])
    c.event({"kind": "stream-closed", "reason": "end"})
    return {"iss": ISS, "sub": METER, "ch": CH.hex(), "key": KEY.name, "statements": [s.hex() for s in c.statements],
            "hashes": [name_of(s).hex() for s in c.statements]}


def transparents() -> list[dict]:
    data = statement(KEY, claims(ISS, METER, 0, ch=CH, iat=IAT), EVENT, enc(opened()))
    receipts = [b"\xd2\x84\x43\xa1\x01\x32\xa0\xf6\x58\x40" + bytes(64), b"another"]
    out = []
    for name, rs in (("one receipt", receipts[:1]), ("two receipts", receipts), ("a receipt of 300 bytes", [bytes(300)])):
        out.append({"name": name, "hex": transparent(data, rs).hex(), "statement": data.hex(), "hash": name_of(data).hex(), "receipts": [r.hex() for r in rs]})
    return out


def signers() -> list[dict]:
    return [k.shown() for k in (KEY, HARD, OPERATOR, NEXT)]


__all__ = ["chain", "good", "header", "sign1", "signers", "transparents"]
