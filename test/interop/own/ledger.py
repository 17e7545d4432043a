"""The log: receipts, checkpoints, registry items and the key state. docs/formats.md sections 7 to 10."""
from __future__ import annotations

from .cborw import Tag, enc
from .keys import Key, b64, sign_note
from .merkle import Tree
from .statements import RECEIPT, REGISTRY, claims, name_of, protected_of, sign1, statement, transparent


def receipt_header(log: Key, origin: str, time: int, size: int, reg, keys_root: bytes) -> dict:
    cwt = {1: origin, 2: origin, 6: time, "reg": list(reg), "keys": keys_root, "size": size}
    return {1: -19, 4: log.kid, 15: cwt, 16: RECEIPT, 395: 1}


def proof(size: int, index: int, path: list[bytes]) -> bytes:
    return enc([size, index, path])


def receipt(log: Key, header: dict, root: bytes, proofs: list[bytes], **faults) -> bytes:
    vdp = faults.pop("vdp", {-1: proofs})
    return sign1(log, header, root, unprotected=faults.pop("unprotected", {396: vdp}), carried=faults.pop("payload", None), **faults)


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    return f"{origin}\n{size}\n{b64(root)}\n"


class KeyState:
    """One leaf a key, as the items say; `leaves` in the order of kid."""

    def __init__(self):
        self.of: dict[bytes, list] = {}

    def bring(self, kid, role, iss, streams, silence, index):
        assert kid not in self.of
        self.of[kid] = [kid, role, iss, list(streams), silence, index, None, None, None]

    def operator(self, key: Key, iss: str, for_: str, index: int):
        self.bring(key.kid, "operator", iss, [for_], 0, index)

    def supersede(self, iss: str, index: int):
        for leaf in self.of.values():
            if leaf[1] == "device" and leaf[2] == iss and leaf[6] is None:
                leaf[6] = index

    def revoke(self, kid: bytes, since: int, index: int):
        leaf = self.of[kid]
        leaf[7] = since if leaf[7] is None else min(leaf[7], since)
        leaf[8] = index if leaf[8] is None else leaf[8]

    def leaves(self) -> list[bytes]:
        return [enc(self.of[kid]) for kid in sorted(self.of)]

    def tree(self) -> Tree:
        return Tree(self.leaves())

    def root(self) -> bytes:
        leaves = self.leaves()
        return Tree(leaves).root(len(leaves))

    def proof_of(self, kid: bytes) -> tuple[bytes, int, int, list[bytes]]:
        leaves, index = self.leaves(), sorted(self.of).index(kid)
        return leaves[index], len(leaves), index, Tree(leaves).path(index, len(leaves))


class Ledger:
    """A log with its registry. `commit` closes a batch: the size, root, registry and key state that receipts sign."""

    def __init__(self, origin: str, log: Key):
        self.origin, self.log = origin, log
        self.entries: list[bytes] = []
        self.items: list[bytes] = []
        self.item_index: list[int] = []
        self.state = KeyState()
        self.batches: list[dict] = []
        self.index_of: dict[bytes, int] = {}

    def append(self, data: bytes) -> int:
        self.entries.append(name_of(data))
        self.index_of[name_of(data)] = len(self.entries) - 1
        return len(self.entries) - 1

    def item(self, signer: Key, iss: str, payload: dict, iat: int = 1_789_990_000) -> bytes:
        """The next registry item, numbered and linked; the caller changes the key state."""
        n = len(self.items)
        prev = name_of(self.items[-1]) if n else None
        cwt = claims(iss, "registry", n, ch=None, prev=prev, iat=iat + n)
        data = statement(signer, cwt, REGISTRY, enc(payload))
        self.items.append(data)
        self.item_index.append(self.append(data))
        return data

    @property
    def size(self) -> int:
        return len(self.entries)

    def commit(self, time: int) -> dict:
        tree = Tree(self.entries)
        batch = {
            "size": self.size,
            "root": tree.root(self.size),
            "time": time,
            "reg": [len(self.items), name_of(self.items[-1])],
            "keys": self.state.root(),
            "state": {kid: list(leaf) for kid, leaf in self.state.of.items()},
        }
        batch["header"] = receipt_header(self.log, self.origin, time, batch["size"], batch["reg"], batch["keys"])
        self.batches.append(batch)
        return batch

    def receipt_at(self, batch: dict, *indexes: int) -> bytes:
        tree = Tree(self.entries)
        proofs = [proof(batch["size"], i, tree.path(i, batch["size"])) for i in indexes]
        return receipt(self.log, batch["header"], batch["root"], proofs)

    def first_batch(self, index: int) -> dict:
        return next(b for b in self.batches if b["size"] > index)

    def transparent(self, data: bytes, last: dict | None = None) -> bytes:
        """The statement with its original receipt and one at the checkpoint `last` (by default the newest)."""
        index, last = self.index_of[name_of(data)], last or self.batches[-1]
        return transparent(data, [self.receipt_at(self.first_batch(index), index), self.receipt_at(last, index)])

    def checkpoint(self, batch: dict | None = None) -> str:
        batch = batch or self.batches[-1]
        return sign_note(checkpoint_text(self.origin, batch["size"], batch["root"]), [(self.origin, self.log)])


def bundle(scope, logs, statements, registry, keys, consistency, **more) -> bytes:
    body = {"v": 1, "scope": scope, "logs": logs, "statements": statements, "registry": registry, "keys": keys,
            "consistency": consistency}
    return enc(Tag(55799, body | more))


def policy_item(origin: str, log: Key, operators: list[tuple[Key, str, str]]) -> dict:
    return {"kind": "policy", "origin": origin, "log": log.cose, "leaf": "sha256",
            "operators": [{"iss": iss, "for": for_, "key": key.cose} for key, iss, for_ in operators]}


def enrolment(device: str, key: Key, streams=("*",), silence: int = 900, **more) -> dict:
    return {"kind": "enrol", "device": device, "key": key.cose, "streams": list(streams), "silence": silence} | more


__all__ = ["KeyState", "Ledger", "bundle", "checkpoint_text", "enrolment", "policy_item", "proof", "protected_of",
           "receipt", "receipt_header"]
