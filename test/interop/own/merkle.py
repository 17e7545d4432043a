"""RFC 6962 section 2.1, by its recursive definitions MTH, PATH and PROOF. Slow and plain on purpose."""
from __future__ import annotations

from functools import lru_cache
from hashlib import sha256


def h(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def leaf_hash(entry: bytes) -> bytes:
    return h(b"\x00", entry)


@lru_cache(maxsize=None)
def node_hash(left: bytes, right: bytes) -> bytes:
    return h(b"\x01", left, right)


def split(n: int) -> int:
    """The largest power of two below n."""
    return 1 << (n - 1).bit_length() - 1


class Tree:
    """A tree over leaf hashes; subtree roots are remembered, so that all sizes of one tree are cheap."""

    def __init__(self, entries: list[bytes]):
        self.leaves = [leaf_hash(e) for e in entries]
        self._known: dict[tuple[int, int], bytes] = {}

    def mth(self, a: int, b: int) -> bytes:
        if a == b:
            return h()
        if b - a == 1:
            return self.leaves[a]
        if (a, b) not in self._known:
            k = split(b - a)
            self._known[a, b] = node_hash(self.mth(a, a + k), self.mth(a + k, b))
        return self._known[a, b]

    def root(self, size: int) -> bytes:
        return self.mth(0, size)

    def path(self, index: int, size: int, start: int = 0) -> list[bytes]:
        """PATH(m, D[n]): inclusion of leaf `index` (counted from `start`) in the tree over [start, start + size)."""
        if size == 1:
            return []
        k = split(size)
        if index < k:
            return self.path(index, k, start) + [self.mth(start + k, start + size)]
        return self.path(index - k, size - k, start + k) + [self.mth(start, start + k)]

    def proof(self, old: int, new: int) -> list[bytes]:
        """PROOF(m, D[n]), 0 < old <= new: consistency of the tree of `old` leaves with that of `new`."""
        return self._subproof(old, 0, new, True)

    def _subproof(self, m: int, start: int, n: int, whole: bool) -> list[bytes]:
        if m == n:
            return [] if whole else [self.mth(start, start + n)]
        k = split(n)
        if m <= k:
            return self._subproof(m, start, k, whole) + [self.mth(start + k, start + n)]
        return self._subproof(m - k, start + k, n - k, False) + [self.mth(start, start + k)]


def lead(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root to which `path` leads, again by recursion: the check of a proof, not its making."""
    if size == 1:
        assert not path
        return leaf
    k, last = split(size), path[-1]
    if index < k:
        return node_hash(lead(leaf, index, k, path[:-1]), last)
    return node_hash(last, lead(leaf, index - k, size - k, path[:-1]))
