"""registry.json: the items of one log, with the leaves and the root of the key state after each."""
from __future__ import annotations

from .cborw import enc
from .keys import ESP256, Key
from .ledger import Ledger, enrolment, policy_item
from .statements import EVENT, REGISTRY, Chain, chain_id, claims, name_of, opened, sign1, statement

ORIGIN = "log.example/2026"
CITY, WATER = "city/operator", "water/operator"
GW1, GW2 = "water/gw-1", "roads/gw-2"


def registry() -> dict:
    log, city, water, water2 = Key("registry log"), Key("registry city"), Key("registry water"), Key("registry water 2")
    a, b, c, d, e = Key("registry a"), Key("registry b"), Key("registry c"), Key("registry d", ESP256), Key("registry e")
    ledger = Ledger(ORIGIN, log)
    state = ledger.state
    rows: list[dict] = []

    def add(kind: str, signer: Key, iss: str, payload: dict, change) -> None:
        data = ledger.item(signer, iss, payload)
        n, index = len(ledger.items) - 1, ledger.item_index[-1]
        change(index)
        rows.append({"name": kind, "n": n, "index": index, "hex": data.hex(), "hash": name_of(data).hex(), "payload": enc(payload).hex(),
                     "key": signer.name, "leaves": [x.hex() for x in state.leaves()], "root": state.root().hex()})

    def fill(count: int) -> None:
        for _ in range(count):
            ledger.entries.append(bytes(32))

    add("policy", city, CITY, policy_item(ORIGIN, log, [(city, CITY, "*")]), lambda i: state.operator(city, CITY, "*", i))
    add("operator-added: the first of an org, by *", city, CITY, {"kind": "operator-added", "operator": {"iss": WATER, "for": "water", "key": water.cose}},
        lambda i: state.operator(water, WATER, "water", i))
    add("enrol", water, WATER, enrolment(GW1, a, ["meter/m-1", "heat/*"], 900), lambda i: state.bring(a.kid, "device", GW1, ["meter/m-1", "heat/*"], 900, i))
    fill(3)
    add("enrol: ESP256, by *, with a machine", city, CITY, enrolment(GW2, d, ["*"], 3600, machine=bytes(range(32))),
        lambda i: state.bring(d.kid, "device", GW2, ["*"], 3600, i))
    rotated = rotation(a, GW1, b)
    for s in rotated:
        ledger.append(s)

    def rotate(i: int) -> None:
        state.supersede(GW1, i)
        state.bring(b.kid, "device", GW1, ["meter/m-1", "heat/*"], 900, i)

    add("rotate", water, WATER, {"kind": "rotate", "statement": rotated[-1]}, rotate)
    fill(2)
    add("operator-added: a second of the org, by the first", water, WATER, {"kind": "operator-added", "operator": {"iss": WATER, "for": "water", "key": water2.cose}},
        lambda i: state.operator(water2, WATER, "water", i))
    at = ledger.size
    add("revoke, suspect since earlier", water2, WATER, {"kind": "revoke", "kid": b.kid, "from": at - 2}, lambda i: state.revoke(b.kid, at - 2, i))
    fill(1)
    add("revoke again, suspect since earlier still", city, CITY, {"kind": "revoke", "kid": b.kid, "from": 8}, lambda i: state.revoke(b.kid, 8, i))

    def again(i: int) -> None:
        state.supersede(GW1, i)
        state.bring(c.kid, "device", GW1, ["*"], 600, i)

    add("re-enrol", water, WATER, {"kind": "re-enrol", "device": GW1, "key": c.cose, "streams": ["*"], "silence": 600, "reason": "gateway replaced"}, again)
    operator_gone = ledger.size
    add("revoke an operator", city, CITY, {"kind": "revoke", "kid": water2.kid, "from": operator_gone}, lambda i: state.revoke(water2.kid, operator_gone, i))
    more = [Key("registry water 3"), Key("registry water 4", ESP256), Key("registry water 5")]
    w3, w4, w5 = more

    def founded(i: int) -> None:
        state.operator(w3, WATER, "water", i)
        state.operator(w4, WATER, "water", i)

    add("operators: two more, and two must consent from now on", water, WATER, operators(change("water", 0, [w3, w4], [], 2)), founded)
    swap = change("water", 1, [w5], [w3], 2)

    def swapped(i: int) -> None:
        state.operator(w5, WATER, "water", i)
        state.revoke(w3.kid, i, i)

    add("operators: one replaced by the consent of two, brought by *", city, CITY, operators(swap, consent(w3, swap), consent(w4, swap)), swapped)
    next_log = Key("registry next log")
    refused = faults(ledger, city, water, water2, a, c, e, rotated, more)
    add("successor", city, CITY, {"kind": "successor", "origin": "log.example/2027", "log": next_log.cose}, lambda i: None)
    return {"origin": ORIGIN, "keys": [k.shown() for k in (log, city, water, water2, a, b, c, d, e, *more, next_log)], "items": rows,
            "refused": refused, "refusedAfter": len(rows) - 1, "proofs": proofs(ledger),
            "refusedLeaves": bad_leaves(state.of[a.kid]), "uses": uses()}


CONSENT = "application/vnd.tallystick.consent+cwt"


def change(org: str, round_: int, add: list[Key], remove: list[Key], threshold: int, for_: str | None = None) -> bytes:
    """What becomes of an org's operators, as the bytes that are consented to."""
    added = [{"iss": WATER, "for": for_ or org, "key": key.cose} for key in add]
    return enc({"for": org, "round": round_, "add": added, "remove": [key.kid for key in remove], "threshold": threshold})


def consent(key: Key, to: bytes, *, iss: str = WATER, origin: str = ORIGIN, typ: object = CONSENT, **more) -> bytes:
    return sign1(key, {1: key.alg, 4: key.kid, 16: typ}, enc({1: iss, 3: origin, "change": name_of(to)} | more.pop("claims", {})), **more)


def operators(to: bytes, *consents: bytes) -> dict:
    return {"kind": "operators", "change": to, "consents": list(consents)}


def rotation(old: Key, iss: str, new: Key) -> list[bytes]:
    """The device's `sys` chain up to its key-rotated statement."""
    meter = Chain(old, iss, "meter/m-1", chain_id(f"{iss} meter"))
    meter.event(opened())
    sys = Chain(old, iss, "sys", chain_id(f"{iss} sys"))
    sys.event(opened(source="sys"))
    sys.event({"kind": "key-rotated", "key": new.cose, "heads": [meter.head]})
    return [*meter.statements, *sys.statements]


def proofs(ledger: Ledger) -> list[dict]:
    out = []
    for kid in sorted(ledger.state.of):
        leaf, size, index, path = ledger.state.proof_of(kid)
        out.append({"kid": kid.hex(), "leaf": leaf.hex(), "size": size, "index": index, "path": [p.hex() for p in path]})
    return out


def uses() -> list[dict]:
    """The table at the end of section 9, at its edges: a key enrolled at log index 10, and a statement at `index`."""
    out = []
    ch, other, rotated = chain_id("use"), chain_id("other use"), bytes(range(32))
    heads = {"statement": rotated.hex(), "heads": [["meter/m-1", ch.hex(), 7], ["sys", chain_id("use sys").hex(), 3]]}

    def use(name: str, index: int, expect: str | None = None, *, restricts: str | None = None, **more) -> None:
        leaf = {"enrolled": 10, "superseded": None, "suspect": None, "revoked": None} | {k: v for k, v in more.items() if k in ("superseded", "suspect", "revoked")}
        said = {"iss": GW1, "sub": "meter/m-1", "ch": ch.hex(), "seq": 5, "hash": bytes(32).hex()} | {k: v for k, v in more.items() if k in ("iss", "sub", "ch", "seq", "hash")}
        out.append({"name": name, "leaf": {"iss": GW1, "streams": more.get("streams", ["meter/*"]), "role": more.get("role", "device")} | leaf, "succession": more.get("succession"),
                    "use": said | {"index": index}, "invalid": expect, "restriction": restricts})

    use("before its enrolment", 9, "key-not-enrolled")
    use("at its enrolment", 10, "key-not-enrolled")
    use("right after its enrolment", 11)
    use("of another device", 11, "key-issuer", iss="water/gw-2")
    use("an operator's key", 11, "key-issuer", role="operator")
    use("another stream", 11, "key-stream", sub="heat/h-1")
    use("the prefix itself", 11, "key-stream", sub="meter")
    use("sys", 11, sub="sys")
    use("before it was suspect", 19, suspect=20, revoked=30)
    use("as soon as it was suspect", 20, restricts="declared-suspect-later", suspect=20, revoked=30)
    use("the last before the revocation", 29, restricts="declared-suspect-later", suspect=20, revoked=30)
    use("at the revocation", 30, "key-revoked", suspect=20, revoked=30)
    use("after the revocation", 31, "key-revoked", suspect=20, revoked=30)
    use("re-enrolled: before", 19, superseded=20, succession="re-enrol")
    use("re-enrolled: after", 21, "key-superseded", superseded=20, succession="re-enrol")
    use("rotated: at the head, arriving later", 99, superseded=20, succession=heads, seq=7)
    use("rotated: beyond the head", 99, "key-superseded", superseded=20, succession=heads, seq=8)
    use("rotated: beyond the head, although before the item", 15, "key-superseded", superseded=20, succession=heads, seq=8)
    use("rotated: key-rotated itself", 19, superseded=20, succession=heads, sub="sys", ch=chain_id("use sys").hex(), seq=4, hash=rotated.hex())
    use("rotated: sys, beyond its head", 19, "key-superseded", superseded=20, succession=heads, sub="sys", ch=chain_id("use sys").hex(), seq=4)
    use("rotated: a chain that isn't named, before the item", 19, superseded=20, succession=heads, ch=other.hex(), seq=500)
    use("rotated: a chain that isn't named, after the item", 21, "key-superseded", superseded=20, succession=heads, ch=other.hex(), seq=0)
    use("rotated: the same chain id in another stream", 21, "key-superseded", superseded=20, succession=heads, sub="meter/m-2", seq=1)
    use("rotated within its heads, and revoked", 30, "key-revoked", superseded=20, succession=heads, seq=1, suspect=25, revoked=30)
    use("rotated within its heads, and suspect", 29, restricts="declared-suspect-later", superseded=20, succession=heads, seq=1, suspect=25, revoked=30)
    return out


def bad_leaves(good: list) -> list[dict]:
    """Each bends one member of a good leaf."""

    def bend(name: str, code: str, place: int, value: object) -> dict:
        return {"name": name, "code": code, "hex": enc([*good[:place], value, *good[place + 1 :]]).hex()}

    return [
        bend("kid of 31 bytes", "member-range", 0, good[0][:31]), bend("role of an auditor", "key-state", 1, "auditor"),
        bend("iss a number", "member-type", 2, 1), bend("no streams", "key-state", 3, []), bend("streams a text", "key-state", 3, "*"),
        bend("a stream that is a number", "member-type", 3, [1]), bend("silence below 0", "member-range", 4, -1),
        bend("enrolled nowhere", "member-type", 5, None), bend("superseded by a text", "member-type", 6, "rotate"),
        bend("suspect below 0", "member-range", 7, -1), bend("revoked at 2^53", "member-range", 8, 2**53),
        {"name": "eight members", "code": "member-range", "hex": enc(good[:8]).hex()},
        {"name": "ten members", "code": "member-range", "hex": enc([*good, None]).hex()},
        {"name": "a map", "code": "member-type", "hex": enc({0: good[0]}).hex()},
        {"name": "a byte behind it", "code": "cbor-trailing", "hex": (enc(good) + b"\x00").hex()},
    ]


def faults(ledger: Ledger, city: Key, water: Key, gone: Key, a: Key, c: Key, e: Key, rotated: list[bytes],
           more: list[Key]) -> list[dict]:
    """Items that don't count when they come after the good ones; each is tried alone, at log index `index`."""
    n, index, prev = len(ledger.items), ledger.size, name_of(ledger.items[-1])
    out = []

    def case(name: str, code: str, signer: Key, iss: str, payload: dict, **more) -> None:
        seq, before = more.get("seq", n), more.get("prev", prev)
        data = statement(signer, claims(iss, "registry", seq, ch=None, prev=before if seq else None, iat=1_789_991_000), REGISTRY, enc(payload))
        out.append({"name": name, "code": code, "index": index, "hex": data.hex(), "key": signer.name})

    good = enrolment("water/gw-9", e)
    case("number skipped", "registry-order", water, WATER, good, seq=n + 1)
    case("number spent", "registry-order", water, WATER, good, seq=n - 1)
    case("another predecessor", "registry-order", water, WATER, good, prev=bytes(32))
    case("a second policy", "entry-zero", city, CITY, policy_item(ORIGIN, Key("registry log"), [(city, CITY, "*")]))
    case("device of another org", "operator-org", water, WATER, enrolment("roads/gw-9", e))
    case("a signer nobody knows", "key-unknown", e, WATER, good)
    case("signed under another iss", "key-issuer", water, CITY, good)
    case("signed by a device", "key-unknown", c, WATER, good)
    case("an operator that was revoked", "key-revoked", gone, WATER, good)
    case("first operator of an org, not by *", "operator-org", water, WATER, {"kind": "operator-added", "operator": {"iss": "parks/operator", "for": "parks", "key": e.cose}})
    case("an operator for *, by an operator of an org", "operator-org", water, WATER, {"kind": "operator-added", "operator": {"iss": WATER, "for": "*", "key": e.cose}})
    case("a key that is there", "key-exists", water, WATER, enrolment("water/gw-9", a))
    case("an operator's key for a device", "key-exists", water, WATER, enrolment("water/gw-9", city))
    case("revoking a key nobody knows", "key-unknown", water, WATER, {"kind": "revoke", "kid": e.kid, "from": 0})
    case("revoking a key of another org", "operator-org", water, WATER, {"kind": "revoke", "kid": Key("registry d", ESP256).kid, "from": 0})
    case("re-enrolment without a reason", "member-range", water, WATER, enrolment(GW1, e, kind="re-enrol", reason=""))
    case("rotation that was done", "key-unknown", water, WATER, {"kind": "rotate", "statement": rotated[-1]})
    w3, w4, w5 = more
    e_added = {"iss": WATER, "for": "water", "key": e.cose}
    case("an operator added where two must consent", "operator-quorum", water, WATER, {"kind": "operator-added", "operator": e_added})
    case("an operator revoked where two must consent", "operator-quorum", city, CITY, {"kind": "revoke", "kid": w4.kid, "from": 0})
    good = change("water", 2, [e], [], 2)

    def change_case(name: str, code: str, *consents: bytes, to: bytes = good, signer: Key = water, iss: str = WATER) -> None:
        case(f"operators: {name}", code, signer, iss, operators(to, *consents))

    change_case("no consent beside the signer's", "operator-quorum")
    change_case("the signer's own consent beside its signature", "operator-quorum", consent(water, good))
    change_case("one consent, twice, brought by *", "operator-quorum", consent(w4, good), consent(w4, good), signer=city, iss=CITY)
    change_case("the consent of one for *", "operator-org", consent(city, good, iss=CITY))
    change_case("the consent of one that was removed", "key-revoked", consent(w3, good))
    change_case("the consent of a device", "key-unknown", consent(c, good, iss=GW1))
    change_case("the consent of a key nobody knows", "key-unknown", consent(e, good))
    change_case("a consent under another name", "key-issuer", consent(w4, good, iss=CITY))
    change_case("a consent to another change", "operator-quorum", consent(w4, change("water", 2, [e], [], 1)))
    change_case("a consent in another log", "operator-quorum", consent(w4, good, origin="log.example/2025"))
    change_case("a consent of another typ", "token-malformed", consent(w4, good, typ="application/vnd.tallystick.connect+cwt"))
    change_case("a consent with a claim more", "token-malformed", consent(w4, good, claims={6: 1_790_000_000}))
    change_case("a consent of over 2,048 bytes", "token-malformed", consent(w4, good, claims={"pad": bytes(2000)}))
    change_case("a consent with s in the upper half", "signature-invalid", consent(w4, good, low=False))
    change_case("a consent signed by another key", "signature-invalid", consent(w5, good, signature=e.sign(b"something")))
    for round_, name in ((1, "made before"), (3, "not due yet")):
        other = change("water", round_, [e], [], 2)
        change_case(f"a change {name}", "registry-order", consent(w4, other), to=other)
    for name, code, to in (
        ("more consents than operators left", "operator-quorum", change("water", 2, [e], [], 5)),
        ("fewer operators left than the next change takes", "operator-quorum", change("water", 2, [], [w4, w5], 2)),
        ("one removed that was removed", "key-revoked", change("water", 2, [], [w3], 2)),
        ("one removed twice", "key-revoked", change("water", 2, [e], [w4, w4], 1)),
        ("one removed that is for *", "operator-org", change("water", 2, [], [city], 2)),
        ("one added that is there", "key-exists", change("water", 2, [w3], [], 2)),
        ("one added twice", "key-exists", change("water", 2, [e, e], [], 2)),
        ("one added for another org", "operator-org", change("water", 2, [e], [], 2, for_="roads")),
        ("a change of another org", "operator-org", change("roads", 0, [], [], 1)),
    ):
        change_case(name, code, consent(w5, to), to=to)
    change_case("a threshold of 0", "member-range", to=change("water", 2, [e], [], 0))
    change_case("a change with a member more", "unknown-member", to=enc({"for": "water", "round": 2, "add": [], "remove": [], "threshold": 1, "why": "x"}))
    return out
