"""merkle.json and tiles.json: docs/formats.md section 7, RFC 6962, C2SP tlog-tiles."""
from __future__ import annotations

from hashlib import sha256

from .merkle import Tree, h, leaf_hash, lead

LARGE = 300


def entries(count: int) -> list[bytes]:
    return [sha256(b"tallystick entry " + str(i).encode()).digest() for i in range(count)]


def merkle() -> dict:
    tree = Tree(entries(LARGE))
    inclusion, consistency = [], []
    for size in (1, 2, 3, 4, 5, 6, 7, 8, 13, 255, 256, 257, 300):
        for index in sorted({0, 1, size // 2, size - 2, size - 1, 254, 255, 256} & set(range(size))):
            path = tree.path(index, size)
            assert lead(tree.leaves[index], index, size, path) == tree.root(size)
            inclusion.append({"index": index, "size": size, "path": [p.hex() for p in path]})
    for old, new in ((1, 1), (1, 2), (1, 8), (2, 3), (3, 7), (4, 7), (4, 8), (6, 8), (7, 8), (8, 8), (5, 13), (1, 300), (255, 256),
                     (255, 257), (256, 257), (256, 300), (257, 300), (128, 256), (299, 300), (300, 300)):
        consistency.append({"from": old, "to": new, "path": [p.hex() for p in tree.proof(old, new)]})
    return {
        "entryRule": "entry i = SHA-256 of the text \"tallystick entry \" and i in decimal",
        "emptyRoot": h().hex(),
        "leafHashes": [x.hex() for x in tree.leaves[:8]],
        "roots": [tree.root(size).hex() for size in range(LARGE + 1)],
        "inclusion": inclusion,
        "consistency": consistency,
        "refusedInclusion": bad_inclusion(tree),
        "refusedConsistency": bad_consistency(tree),
    }


def bad_inclusion(tree: Tree) -> list[dict]:
    out = []

    def case(name, code, index, size, path, root=None, leaf=None):
        out.append({"name": name, "code": code, "index": index, "size": size, "path": [p.hex() for p in path],
                    "leafHash": (leaf or tree.leaves[index % LARGE]).hex(), "root": (root or tree.root(size % LARGE)).hex()})

    good = tree.path(3, 7)
    case("index = size", "proof-index", 7, 7, good)
    case("index above size", "proof-index", 8, 7, good)
    case("size 0", "proof-index", 0, 0, [])
    case("one hash too few", "proof-length", 3, 7, good[:-1])
    case("one hash too many", "proof-length", 3, 7, good + [h()])
    case("no hashes", "proof-length", 3, 7, [])
    case("a hash where none belongs", "proof-length", 0, 1, [h()])
    case("a hash of 31 bytes", "proof-length", 3, 7, [good[0][:31], *good[1:]])
    case("a hash of 33 bytes", "proof-length", 3, 7, [good[0] + b"\x00", *good[1:]])
    case("hashes in reverse", "proof-root", 3, 7, good[::-1])
    case("relabelled to the neighbour", "proof-root", 2, 7, good, leaf=tree.leaves[3])
    case("another size of the same path length", "proof-root", 3, 8, good)
    case("another root", "proof-root", 3, 7, good, root=tree.root(8))
    case("another leaf", "proof-root", 3, 7, good, leaf=tree.leaves[2])
    case("an entry in place of its leaf hash", "proof-root", 3, 7, good, leaf=entries(4)[3])
    case("empty root", "proof-root", 3, 7, good, root=h())
    return out


def bad_consistency(tree: Tree) -> list[dict]:
    out = []

    def case(name, code, old, new, path, root1=None, root2=None):
        out.append({"name": name, "code": code, "from": old, "to": new, "path": [p.hex() for p in path],
                    "root1": (root1 or tree.root(old % LARGE)).hex(), "root2": (root2 or tree.root(new % LARGE)).hex()})

    good = tree.proof(3, 7)
    case("from 0", "proof-index", 0, 7, [])
    case("shrinks", "proof-index", 7, 3, good)
    case("one hash too few", "proof-length", 3, 7, good[:-1])
    case("one hash too many", "proof-length", 3, 7, good + [h()])
    case("none at all", "proof-length", 3, 7, [])
    case("a hash where sizes are equal", "proof-length", 7, 7, [h()])
    case("equal sizes, other root", "proof-root", 7, 7, [], root1=tree.root(6))
    case("another old root", "proof-root", 3, 7, good, root1=tree.root(4))
    case("another new root", "proof-root", 3, 7, good, root2=tree.root(8))
    case("roots exchanged", "proof-root", 3, 7, good, root1=tree.root(7), root2=tree.root(3))
    case("a hash changed", "proof-root", 3, 7, [h(), *good[1:]])
    case("from a power of two, another old root", "proof-root", 4, 7, tree.proof(4, 7), root1=tree.root(3))
    return out


def tile_path(kind: str, index: int, width: int) -> str:
    groups = []
    n = index
    while True:
        groups.insert(0, f"{n % 1000:03d}")
        n //= 1000
        if n == 0:
            break
    path = "/".join([f"x{g}" for g in groups[:-1]] + groups[-1:])
    return f"{kind}/{path}" + (f".p/{width}" if width < 256 else "")


def tiles_of(size: int) -> list[list[int]]:
    out, level, count = [], 0, size
    while count > 0:
        for index in range((count + 255) // 256):
            out.append([level, index, min(256, count - 256 * index)])
        count, level = count // 256, level + 1
    return out


def growth(old: int, new: int) -> list[list[int]]:
    before = tiles_of(old)
    return [t for t in tiles_of(new) if t not in before]


def tiles() -> dict:
    es = entries(LARGE)
    tree = Tree(es)
    paths = []
    for level, index, width in ((0, 0, 256), (0, 0, 1), (0, 999, 255), (0, 1000, 256), (0, 1234067, 256), (0, 1234067, 8),
                                (1, 0, 17), (2, 5, 256), (63, 0, 1), (5, 1000000, 128), (0, 9007199254740991, 256)):
        paths.append({"kind": "tile", "level": level, "index": index, "width": width, "path": tile_path(f"tile/{level}", index, width)})
    for kind in ("entries", "registry"):
        for index, width in ((0, 256), (0, 1), (7, 44), (999999, 256), (1000, 255)):
            prefix = "tile/entries" if kind == "entries" else "registry"
            paths.append({"kind": kind, "index": index, "width": width, "path": tile_path(prefix, index, width)})
    bad = ["tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/x000/000", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/64/000",
           "tile/00/000", "tile/-1/000", "tile/0/001/000", "tile/0/x001/x000", "tile/0/000/", "/tile/0/000", "tile/0/000.p", "tile/0/000.p/",
           "tile/0/../000", "tile/0/x01/000", "tile/entries/0", "tile/entries/x001", "registry/-01", "tile/0/000.p/1/1", "tile/0/\u0660\u0660\u0660",
           "tile/0/000\n"]
    content = []
    for size in (1, 255, 256, 257, 300):
        for level, index, width in tiles_of(size):
            if level == 0:
                data = b"".join(tree.leaves[256 * index : 256 * index + width])
            else:
                data = b"".join(tree.mth(256 * i, 256 * i + 256) for i in range(width))
            content.append({"size": size, "level": level, "index": index, "width": width, "sha256": sha256(data).hexdigest(), "bytes": len(data)})
    bundles = []
    for part in (es[:1], es[:3], es[256:300]):
        data = b"".join(b"\x00\x20" + e for e in part)
        bundles.append({"first": es.index(part[0]), "width": len(part), "hex": data.hex()})
    mixed = [b"", b"a", b"x" * 300]
    bundles_any = b"".join(len(m).to_bytes(2, "big") + m for m in mixed)
    good = bytes.fromhex(bundles[1]["hex"])
    return {
        "paths": paths,
        "refusedPaths": bad,
        "ofSize": [{"size": s, "tiles": tiles_of(s)} for s in (1, 2, 255, 256, 257, 511, 512, 513, 65535, 65536, 65537) if s < 600],
        "widths": [{"size": s, "widths": widths(s)} for s in (1, 255, 256, 257, 65535, 65536, 65792, 70000, 16777216, 16777217, 2**40 + 1)],
        "growth": [{"from": a, "to": b, "tiles": growth(a, b)} for a, b in ((0, 1), (1, 2), (255, 256), (255, 257), (256, 257), (256, 300), (300, 513), (0, 513), (5, 5), (511, 512))],
        "content": content,
        "entries": bundles,
        "anyEntries": {"entries": [m.hex() for m in mixed], "hex": bundles_any.hex()},
        "refusedEntries": [
            {"name": "one entry missing", "width": 4, "hex": good.hex()},
            {"name": "one entry too many", "width": 2, "hex": good.hex()},
            {"name": "cut in an entry", "width": 3, "hex": good[:-1].hex()},
            {"name": "cut in a length", "width": 4, "hex": (good + b"\x00").hex()},
            {"name": "a length beyond the end", "width": 1, "hex": "ffff00"},
            {"name": "nothing", "width": 1, "hex": ""},
        ],
    }


def widths(size: int) -> list[int]:
    """Width of the partial tile of each level, floor(size / 256^l) mod 256, until nothing is left; 0 = no partial tile."""
    out = []
    while size > 0:
        out.append(size % 256)
        size //= 256
    return out


__all__ = ["entries", "leaf_hash", "merkle", "tiles"]
