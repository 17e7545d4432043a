"""What a log publishes and signs: the tree, receipts, notes, tiles (docs/formats.md sections 7 and 8)."""
import base64, re
from types import SimpleNamespace as Record
from second.reading import attempt, BYTES, check, demand, HASH, INT, read, sha256, SIZE, TEXT, UINT
from second.statements import check_ed25519, check_signature, cose, kid_of

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

RECEIPT = {1: INT, 4: HASH, 15: {1: TEXT, 2: TEXT, 6: UINT, "reg": (SIZE, HASH), "keys": HASH, "size": UINT}, 16: INT, 395: INT}

def parse_receipt(data, foreign=False):
    """A receipt; one of other log software, which signs no size, has `size` None, and is wanted only where `foreign` says so."""
    message = cose(data, 65536, ordered=False)
    claims = message.header.get(15) if isinstance(message.header.get(15), dict) else {}
    sized = "size" in claims
    demand(sized or foreign, "receipt-malformed")
    message = cose(data, 65536, ordered=sized)
    header = message.header
    demand(message.payload is None, "receipt-malformed")
    if sized: check(RECEIPT, header)
    demand(type(header.get(395)) is int and header[395] == 1, "vds-unsupported")   # `true` is no 1
    demand(header.get(1) in ((-19,) if sized else (-19, -8, -9, -7)), "cose-algorithm")
    if sized:
        demand(header[16] == 278 and claims[1] == claims[2], "receipt-malformed")
        demand(claims["size"] > 1, "receipt-size")
    check({396: {-1: [BYTES, 1]}}, message.unprotected)
    proofs = [read(each) for each in message.unprotected[396][-1]]
    demand(len(proofs) <= 512, "too-large")
    demand(sized or len(proofs) == 1, "receipt-malformed")
    check([(UINT, UINT, [HASH, 1]), 1], proofs)
    origin = claims.get(1) if isinstance(claims.get(1), str) else None
    return Record(**vars(message), kid=header.get(4), origin=origin, time=claims.get(6), proofs=proofs, index=proofs[0][1],
                  **{name: claims.get(name) for name in ("size", "reg", "keys")})

def receipt_root(receipt, entries, vkey):
    """The root that the receipt signs, where it is for these entries and by this log"""
    demand(receipt.size is None or receipt.kid == kid_of(vkey.key), "log-key", vkey.name)
    demand(receipt.header[1] in (-19, -8), "key-mismatch", vkey.name)
    demand(len(receipt.proofs) == len(entries), "receipt-entry")
    demand(receipt.size is None or all(size == receipt.size for size, _, _ in receipt.proofs), "receipt-size")
    roots = [root_of_path(leaf_hash(entry), index, size, path) for entry, (size, index, path) in zip(entries, receipt.proofs)]
    demand(len(set(roots)) == 1, "receipt-entry")
    check_signature(vkey.key, receipt, roots[0])
    return roots[0]

def runs_backwards(times):
    """Whether a tree was there, by every time that the log signed for its size, before a smaller one. times: by size"""
    reached = 0
    for _, signed in sorted(times.items()):
        if max(signed) < reached: return True
        reached = max(reached, min(signed))
    return False

# --- Section 7: notes and checkpoints

def from_base64(words, code):
    raw = attempt(code, base64.b64decode, words, validate=True)
    demand(base64.b64encode(raw).decode() == words, code, words)
    return raw

def parse_vkey(words, kind):
    match = re.fullmatch(r"([^\s+\x00-\x1f]+)\+([0-9a-f]{8})\+(\S+)", words)
    demand(match, "vkey-malformed", words)
    name, key_id, raw = match[1], bytes.fromhex(match[2]), from_base64(match[3], "vkey-malformed")
    demand(len(raw) == 33 and raw[0] == kind and sha256(name.encode(), b"\n", raw)[:4] == key_id, "vkey-malformed", words)
    return Record(name=name, id=key_id, raw=raw[1:], key={1: 1, -1: 6, -2: raw[1:]})

def signatures_of(note, vkey): return [blob[4:] for name, blob in note.signatures if (name, blob[:4]) == (vkey.name, vkey.id)]

def parse_checkpoint(data):
    """A signed note that is a checkpoint: its origin, size, root, and the signatures on it, none of them verified"""
    demand(len(data) <= 262144, "too-large")
    words = attempt("note-malformed", data.decode, "utf-8")
    demand(not re.search(r"[\x00-\x09\x0b-\x1f]", words) and "\n\n" in words and words.endswith("\n"), "note-malformed")
    body, _, tail = words[:-1].rpartition("\n\n")
    lines = [re.fullmatch(r"— ([^\s+]+) (\S+)", line) for line in tail.split("\n")]
    demand(all(lines) and len(lines) <= 100, "note-malformed")
    signatures = [(line[1], from_base64(line[2], "note-malformed")) for line in lines]
    demand(all(len(blob) > 4 for _, blob in signatures), "note-malformed")
    match = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]{0,15})\n([^\n]+)", body)
    demand(match and int(match[2]) < 2**53, "checkpoint-malformed")
    root = from_base64(match[3], "checkpoint-malformed")
    demand(len(root) == 32, "checkpoint-malformed")
    return Record(body=body + "\n", signatures=signatures, origin=match[1], size=int(match[2]), root=root)

def open_checkpoint(data, vkey):
    """The checkpoint, where it is of this log and signed by it"""
    note = parse_checkpoint(data)
    demand(note.origin == vkey.name, "checkpoint-origin", note.origin)
    own = signatures_of(note, vkey)
    demand(own, "note-signature", "not signed by the log")
    for each in own: check_ed25519(vkey.raw, note.body.encode(), each, "note-signature")
    return note

def tile_path(index, width, kind):
    digits = f"{index:0{-(-len(str(index)) // 3) * 3}}"
    groups = [digits[at:at + 3] for at in range(0, len(digits), 3)]
    return f"{kind}/{'/'.join(['x' + each for each in groups[:-1]] + groups[-1:])}" + (f".p/{width}" if width < 256 else "")

def split_entries(data, width):
    entries, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at:at + 2], "big")
        demand(at + 2 + length <= len(data), "tile-malformed")
        entries.append(data[at + 2:at + 2 + length])
        at += 2 + length
    demand(len(entries) == width, "tile-malformed")
    return entries
