"""bundle.json: one complete good bundle, what bends it, and the verdicts that docs/formats.md demands. policies.json."""
from __future__ import annotations

from .cborw import Tag, enc
from .keys import Key, cosign, vkey
from .ledger import proof, receipt
from .statements import name_of, transparent
from .world import CITY, GW, LANE, METER, ORIGIN, ROADS, T0, TOLL, WATER, WITNESS, World


def bundles() -> dict:
    w = World()
    m, s = w.meter.statements, w.sys.statements
    scope = [[GW, METER, w.meter.ch, 0, 3]]
    water = f"operator water {vkey(WATER, w.water)}"
    usual = w.policy(water)
    keys = (w.gw, w.water, w.city)
    parts = dict(scope=scope, statements=[*m, s[1]], items=[0, 1, 2], keys=keys)

    def cut(**more) -> bytes:
        a = parts | more
        return w.cut(a.pop("scope"), a.pop("statements"), a.pop("items"), a.pop("keys"), **a)

    good = cut()
    lane = w.cut([[TOLL, LANE, w.lane.ch, 0, 1]], [*w.lane.statements, w.lane_sys.statements[1]], [0, 3], (w.toll, w.city), consistency=())
    both = w.cut([*scope, [TOLL, LANE, w.lane.ch, 0, 1]], [*m, s[1], *w.lane.statements, w.lane_sys.statements[1]], [0, 1, 2, 3], (*keys, w.toll))
    rows = []

    def row(name: str, data: bytes, policy: str, verdict: str, code: str | None = None, restrictions=()) -> None:
        known = next((r["name"] for r in rows if r.get("hex") == data.hex()), None)
        body = {"same": known} if known else {"hex": data.hex()}
        rows.append({"name": name, **body, "policy": policy, "verdict": verdict, "code": code, "restrictions": list(restrictions)})

    row("good", good, usual, "verified")
    row("good: pinned at *", good, w.policy(f"operator * {vkey(CITY, w.city)}"), "verified")
    row("good: pinned at the org and at *", good, w.policy(water, f"operator * {vkey(CITY, w.city)}"), "verified")
    row("good: ESP256 device enrolled by *", lane, w.policy(f"operator * {vkey(CITY, w.city)}"), "verified")
    row("good: two devices", both, w.policy(water, f"operator roads {vkey(CITY, w.city)}"), "verified")
    row("quorum none", good, w.policy(water, quorum="none"), "restricted", None, ["no-witness"])
    row("no operator line", good, w.policy(), "restricted", None, ["operators-not-pinned"])
    row("neither", good, w.policy(quorum="none"), "restricted", None, ["no-witness", "operators-not-pinned"])
    row("the org is not pinned, another is", good, w.policy(f"operator roads {vkey(ROADS, w.stranger)}"), "not-verifiable", "operator-unpinned")
    row("pinned to another key", good, w.policy(f"operator water {vkey(WATER, w.stranger)}"), "invalid", "operator-foreign")
    row("pinned at * to another key", good, w.policy(f"operator * {vkey(CITY, w.stranger)}"), "invalid", "operator-foreign")
    row("log not in the policy", good, w.policy(water, log=f"log {vkey('other.example/2026', w.stranger)}"), "not-verifiable", "log-unknown")
    row("log's name with another key", good, w.policy(water, log=f"log {vkey(ORIGIN, w.stranger)}"), "invalid", "log-key")
    row("nobody cosigned", cut(note=w.ledger.checkpoint()), usual, "not-verifiable", "quorum-unmet")
    row("a stranger cosigned", cut(note=cosign(w.ledger.checkpoint(), "witness.example/w9", w.stranger, T0 + 401)), usual, "not-verifiable", "quorum-unmet")
    row("the tail is not attested", cut(statements=m), usual, "restricted", None, ["tail-not-attested"])
    row("the heads name an earlier one only", cut(scope=[[GW, METER, w.meter.ch, 0, 2]], statements=[*m[:3], s[1]]), usual, "restricted", None, ["tail-not-attested"])
    row("a hole in the scope", cut(statements=[m[0], m[1], m[3], s[1]], consistency=(3,)), usual, "restricted", None, ["hole"])
    row("seen is not proven", cut(consistency=(3,)), usual, "verified")
    row("seen has a false proof", seen_forged(w, good), usual, "invalid", "log-fork")
    row("a registry item is missing", cut(items=[0, 1]), usual, "not-verifiable", "registry-missing")
    row("a device's key leaf is missing", cut(keys=(w.water, w.city)), usual, "not-verifiable", "key-state")
    row("scope without statements", cut(scope=[*scope, [GW, "meter/m-0999", w.meter.ch, 0, 1]]), usual, "not-verifiable", "bundle-scope")
    row("one receipt only", one_receipt(w, good, m[1]), usual, "invalid", "receipt-missing")
    row("receipts exchanged", exchanged(w, good, m[1]), usual, "invalid", "receipt-size")
    row("a key leaf changed", good.replace(b"\x67meter/*", b"\x67meter/x", 1), usual, "invalid", "proof-root")
    body = good[3:]
    row("no tag", body, usual, "invalid", "cose-malformed")
    row("a byte after it", good + b"\x00", usual, "invalid", "cbor-trailing")
    row("cut in the middle", good[: len(good) // 2], usual, "invalid", "cbor-malformed")
    row("unknown key", enc(Tag(55799, members(w, parts) | {"x": 1})), usual, "invalid", "unknown-member")
    row("v 2", enc(Tag(55799, members(w, parts) | {"v": 2})), usual, "invalid", "member-range")
    row("no statements", enc(Tag(55799, members(w, parts) | {"statements": []})), usual, "invalid", "member-range")
    row("no scope", enc(Tag(55799, {k: v for k, v in members(w, parts).items() if k != "scope"})), usual, "invalid", "member-missing")
    row("carried and not checked", enc(Tag(55799, members(w, parts) | {"timestamps": [b"token"], "disclosures": [b"d"]})), usual, "verified")
    return {"keys": [k.shown() for k in (w.log, w.city, w.water, w.gw, w.toll, w.witness, w.stranger)], "origin": ORIGIN,
            "hashes": [name_of(x).hex() for x in m], "bundles": rows, "transparent": single(w)}


def members(w: World, parts: dict) -> dict:
    a = dict(parts)
    tree = w.tree()
    return {
        "v": 1, "scope": a["scope"], "logs": [{"vkey": vkey(ORIGIN, w.log), "checkpoint": w.note()}],
        "statements": [w.ledger.transparent(s) for s in a["statements"]], "registry": [w.ledger.transparent(w.ledger.items[n]) for n in a["items"]],
        "keys": w.key_rows(*a["keys"]), "consistency": [[0, n, tree.proof(n, w.last["size"])] for n in (3, 6)],
    }


def seen_forged(w: World, good: bytes) -> bytes:
    """The proof from size 6 has a hash changed."""
    hash_ = w.tree().proof(6, w.last["size"])[-1]
    at = good.index(enc([0, 6, w.tree().proof(6, w.last["size"])]))
    inside = good.index(hash_, at)
    return good[:inside] + bytes([hash_[0] ^ 1]) + good[inside + 1 :]


def with_receipts(w: World, good: bytes, statement: bytes, receipts: list[bytes]) -> bytes:
    return good.replace(enc(w.ledger.transparent(statement)), enc(transparent(statement, receipts)))


def pair(w: World, statement: bytes) -> list[bytes]:
    index = w.ledger.index_of[name_of(statement)]
    return [w.ledger.receipt_at(w.ledger.first_batch(index), index), w.ledger.receipt_at(w.last, index)]


def one_receipt(w: World, good: bytes, statement: bytes) -> bytes:
    return with_receipts(w, good, statement, pair(w, statement)[:1])


def exchanged(w: World, good: bytes, statement: bytes) -> bytes:
    return with_receipts(w, good, statement, pair(w, statement)[::-1])


def single(w: World) -> list[dict]:
    """Transparent statements on their own, with the registry's public items to know the keys by."""
    s = w.meter.statements[1]
    index = w.ledger.index_of[name_of(s)]
    wrong = receipt(w.log, w.last["header"], w.last["root"], [proof(w.last["size"], index ^ 1, w.tree().path(index, w.last["size"]))])
    items = [i.hex() for i in w.ledger.items]
    return [
        {"name": "good", "hex": w.ledger.transparent(s).hex(), "items": items, "itemIndexes": w.ledger.item_index},
        {"name": "relabelled index", "hex": transparent(s, [wrong]).hex(), "items": items, "itemIndexes": w.ledger.item_index, "code": "signature-invalid"},
    ]


def policies() -> dict:
    log, w1, w2, w3, op, city = (Key(f"policy {n}") for n in ("log", "w1", "w2", "w3", "op", "city"))
    lv = vkey(ORIGIN, log)
    wit = [f"witness w{i + 1} {vkey(f'w{i + 1}.example', k, 4)}" for i, k in enumerate((w1, w2, w3))]
    ops = [f"operator water {vkey(WATER, op)}", f"operator * {vkey(CITY, city)}"]

    def text(*lines: str) -> str:
        return "\n".join(lines) + "\n"

    met = [
        {"name": "one witness", "text": text(f"log {lv}", wit[0], "quorum w1"), "met": [["w1"]], "unmet": [[], ["w2"]]},
        {"name": "any of two", "text": text(f"log {lv}", *wit[:2], "group g any w1 w2", "quorum g"), "met": [["w1"], ["w2"], ["w1", "w2"]], "unmet": [[]]},
        {"name": "all of two", "text": text(f"log {lv}", *wit[:2], "group g all w1 w2", "quorum g"), "met": [["w1", "w2"]], "unmet": [["w1"], []]},
        {"name": "two of three", "text": text(f"log {lv}", *wit, "group g 2 w1 w2 w3", "quorum g"), "met": [["w1", "w3"], ["w1", "w2", "w3"]], "unmet": [["w1"], ["w1", "w1"]]},
        {"name": "groups in groups", "text": text(f"log {lv}", *wit, "group a any w1 w2", "group b all a w3", "quorum b"), "met": [["w1", "w3"], ["w2", "w3"]], "unmet": [["w1", "w2"], ["w3"]]},
        {"name": "none", "text": text(f"log {lv}", "quorum none"), "met": [[]], "unmet": []},
    ]
    good = [
        {"name": "smallest", "text": text(f"log {lv}", "quorum none"), "logs": 1, "witnesses": 0, "operators": []},
        {"name": "operators", "text": text(f"log {lv} https://log.example/2026/", "quorum none", *ops), "logs": 1, "witnesses": 0, "operators": ["water", "*"]},
        {"name": "comments and empty lines", "text": text("# who", "", f"log {lv}", "   ", "# none yet", "quorum none"), "logs": 1, "witnesses": 0, "operators": []},
        {"name": "two logs", "text": text(f"log {lv}", f"log {vkey('log.example/2027', city)}", "quorum none"), "logs": 2, "witnesses": 0, "operators": []},
        {"name": "two keys of one org", "text": text(f"log {lv}", "quorum none", ops[0], f"operator water {vkey(WATER, city)}"), "logs": 1, "witnesses": 0, "operators": ["water", "water"]},
    ]
    bad = [
        ("unknown keyword", text(f"log {lv}", "quorum none", "believe everybody")),
        ("no quorum", text(f"log {lv}")),
        ("two quorums", text(f"log {lv}", "quorum none", "quorum none")),
        ("log without a key", text("log", "quorum none")),
        ("log key with a bad id", text(f"log {lv.replace('log.example', 'log2.example')}", "quorum none")),
        ("log with too many words", text(f"log {lv} https://a b", "quorum none")),
        ("a group of nobody", text(f"log {lv}", "group g any", "quorum g")),
        ("a group of 3 of 2", text(f"log {lv}", *wit[:2], "group g 3 w1 w2", "quorum g")),
        ("a group of 0", text(f"log {lv}", *wit[:2], "group g 0 w1 w2", "quorum g")),
        ("a group that names itself", text(f"log {lv}", wit[0], "group g any g", "quorum g")),
        ("a group of an unknown name", text(f"log {lv}", wit[0], "group g any w2", "quorum g")),
        ("a quorum of an unknown name", text(f"log {lv}", wit[0], "quorum w2")),
        ("a name given twice", text(f"log {lv}", wit[0], wit[0], "quorum w1")),
        ("a group named like a witness", text(f"log {lv}", *wit[:2], "group w1 any w2", "quorum w1")),
        ("a witness named none", text(f"log {lv}", wit[0].replace("witness w1", "witness none"), "quorum none")),
        ("an operator of a device", text(f"log {lv}", "quorum none", f"operator water {vkey('water/gw-1', op)}")),
        ("an operator of an org in capitals", text(f"log {lv}", "quorum none", f"operator Water {vkey(WATER, op)}")),
        ("an operator without a key", text(f"log {lv}", "quorum none", "operator water")),
        ("a witness with a log's key type", text(f"log {lv}", f"witness w1 {vkey('w1.example', w1, 1)}", "quorum w1")),
        ("a log with a witness's key type", text(f"log {vkey(ORIGIN, log, 4)}", "quorum none")),
    ]
    return {"good": good, "quorums": met, "refused": [{"name": n, "text": t} for n, t in bad]}
