"""A small log with two devices, a rotation and a revocation: what bundle.json is cut from."""
from __future__ import annotations

from .cborw import Dec, enc
from .keys import ESP256, Key, cosign, vkey
from .ledger import Ledger, bundle, enrolment, policy_item
from .statements import Chain, chain_id, name_of, opened

ORIGIN, WITNESS = "log.example/2026", "witness.example/w1"
CITY, WATER, ROADS = "city/operator", "water/operator", "roads/operator"
GW, TOLL = "water/gw-1", "roads/toll-7"
METER, LANE = "meter/m-0417", "toll/plaza-12/lane-3"
T0 = 1_790_000_000


class World:
    def __init__(self) -> None:
        self.log, self.city, self.water = Key("world log"), Key("world city"), Key("world water")
        self.gw, self.gw2, self.toll = Key("world gw"), Key("world gw 2"), Key("world toll", ESP256)
        self.witness, self.stranger = Key("world witness"), Key("world stranger")
        self.ledger = Ledger(ORIGIN, self.log)
        self.meter = Chain(self.gw, GW, METER, chain_id("world meter"), T0)
        self.sys = Chain(self.gw, GW, "sys", chain_id("world sys"), T0)
        self.lane = Chain(self.toll, TOLL, LANE, chain_id("world lane"), T0)
        self.lane_sys = Chain(self.toll, TOLL, "sys", chain_id("world lane sys"), T0)
        self._live()

    def _read(self, seq: int, **more) -> None:
        base = f"{GW}/{METER}/"
        records = [{-2: base, -3: T0 + 60 * seq, -1: 26, 0: "1-0:1.8.1", 1: "kWh", 2: Dec(1581123 + 7 * seq, -3)},
                   {0: "1-0:2.8.1", 1: "kWh", 2: Dec(20, -3)}]
        self.ledger.append(self.meter.senml(records, **more))

    def _live(self) -> None:
        log, state = self.ledger, self.ledger.state
        log.item(self.city, CITY, policy_item(ORIGIN, self.log, [(self.city, CITY, "*")]))
        state.operator(self.city, CITY, "*", 0)
        log.item(self.city, CITY, {"kind": "operator-added", "operator": {"iss": WATER, "for": "water", "key": self.water.cose}})
        state.operator(self.water, WATER, "water", 1)
        log.item(self.water, WATER, enrolment(GW, self.gw, ["meter/*"], 900))
        state.bring(self.gw.kid, "device", GW, ["meter/*"], 900, 2)
        first = log.commit(T0 + 1)
        names = [["1-0:1.8.1", "kWh", "counter", [6, 3]], ["1-0:2.8.1", "kWh", "counter", [6, 3]]]
        log.append(self.meter.event(opened(names=names) | {"meter": "E0044007213488116"}))
        log.append(self.sys.event(opened(source="sys", interval=300)))
        self._read(1, seen=[first["size"], first["root"]])
        second = log.commit(T0 + 200)
        log.item(self.city, CITY, enrolment(TOLL, self.toll, ["toll/plaza-12/*"], 900))
        state.bring(self.toll.kid, "device", TOLL, ["toll/plaza-12/*"], 900, 6)
        log.append(self.lane.event(opened(source="toll", interval=0)))
        self._read(2, seen=[second["size"], second["root"], ORIGIN])
        log.append(self.lane_sys.event(opened(source="sys", interval=300)))
        passage = {"kind": "toll-transaction", "tx": "t-1", "plaza": "plaza-12", "lane": "lane-3", "t": T0 + 130, "direction": "in",
                   "class": [2, 2], "tag": bytes(range(32)), "validity": "ok", "refs": [],
                   "amount": {"minor": 450, "currency": "EUR", "tariff": "2026-B"}}
        log.append(self.lane.event(passage))
        log.append(self.lane_sys.event({"kind": "heads", "all": True, "heads": [self.lane.head]}))
        log.commit(T0 + 300)
        self._read(3)
        log.append(self.sys.event({"kind": "heads", "all": True, "heads": [self.meter.head]}))
        self.last = log.commit(T0 + 400)

    def note(self, time: int = T0 + 401) -> str:
        return cosign(self.ledger.checkpoint(), WITNESS, self.witness, time)

    def policy(self, *lines: str, log: str | None = None, quorum: str = WITNESS) -> str:
        log = log or f"log {vkey(ORIGIN, self.log)} https://log.example/2026/"
        return "\n".join(["# who is believed", log, f"witness {WITNESS} {vkey(WITNESS, self.witness, 4)}", f"quorum {quorum}", *lines]) + "\n"

    def key_rows(self, *keys: Key) -> list:
        rows = [[0, *self.ledger.state.proof_of(k.kid)] for k in keys]
        return sorted(rows, key=lambda r: r[1])

    def cut(self, scope, statements, items, keys, *, consistency=None, note=None, **more) -> bytes:
        """A bundle at the newest checkpoint; `consistency` by default from the sizes in `seen`."""
        tree_proof = self.tree().proof
        sizes = (3, 6) if consistency is None else consistency
        return bundle(
            scope,
            [{"vkey": vkey(ORIGIN, self.log), "checkpoint": note or self.note()}],
            [self.ledger.transparent(s) for s in statements],
            [self.ledger.transparent(self.ledger.items[n]) for n in items],
            self.key_rows(*keys),
            [[0, n, tree_proof(n, self.last["size"])] for n in sizes],
            **more,
        )

    def tree(self):
        from .merkle import Tree

        return Tree(self.ledger.entries)


__all__ = ["World", "enc", "name_of"]
