"""Working papers and samples once more, from docs/formats.md and docs/working-papers.md alone.

    papers.py verify FOLDER VKEY...      checks FOLDER.sig; prints the first thing that is wrong, or "verified"
    papers.py draw < plan.json           {"method", "seed", "n", "items": [[id, stratum, amount]...]}: prints [[id, hits]...]

Shares no code with the program that makes them.
"""

import base64
import hashlib
import io
import json
import os
import sys

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha256(data):
    return hashlib.sha256(data).digest()


def auditor(vkey):
    """A C2SP verifier key as (name, kid, key); kid is the RFC 9679 thumbprint of an Ed25519 key."""
    name, _, encoded = vkey.split("+", 2)
    key = base64.b64decode(encoded)[1:]
    thumbprint = sha256(cbor2.dumps({1: 1, -1: 6, -2: key}, canonical=True))
    return name, thumbprint, Ed25519PublicKey.from_public_bytes(key)


def items_of(data):
    """The COSE_Sign1 of a sequence, each with where it begins and ends."""
    stream = io.BytesIO(data)
    while stream.tell() < len(data):
        begin = stream.tell()
        item = cbor2.CBORDecoder(stream).decode()
        yield begin, stream.tell(), item


def check_signature(item, typ, auditors):
    protected, unprotected, payload, signature = item.value
    header = cbor2.loads(protected)
    if item.tag != 18 or header[1] != -19 or header[16] != typ or unprotected != {}:
        return "form", None
    name = header[15][1]
    for known, kid, key in auditors:
        if known == name and kid == header[4]:
            try:
                key.verify(signature, cbor2.dumps(["Signature1", protected, b"", payload]))
            except InvalidSignature:
                return "signature-invalid", None
            return None, name
    return "key-unknown", None


def verify(folder, vkeys):
    auditors = [auditor(vkey) for vkey in vkeys]
    with open(folder.rstrip("/") + ".sig", "rb") as file:
        data = file.read()
    signed = set()
    manifest = None
    for begin, end, item in items_of(data):
        typ = "application/vnd.tallystick.papers" + ("+cbor" if begin == 0 else "-countersignature+cbor")
        fault, name = check_signature(item, typ, auditors)
        payload = cbor2.loads(item.value[2])
        if begin == 0:
            manifest = payload
            if fault:
                return fault
        else:
            if payload != {"v": 1, "over": sha256(data[:begin])}:
                return "papers-mismatch: over"
            if fault not in (None, "key-unknown"):
                return fault
        if name:
            signed.add(name)
    missing = [name for name, _, _ in auditors if name not in signed]
    if missing:
        return "auditor-missing"
    here = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if os.path.islink(path):
                return "papers-mismatch: link"
            with open(path, "rb") as file:
                content = file.read()
            here[os.path.relpath(path, folder)] = [len(content), sha256(content)]
    if here != {name: [length, digest] for name, length, digest in manifest["files"]}:
        return "papers-mismatch: files"
    return "verified"


def draw(plan):
    method, seed, n = plan["method"], plan["seed"], plan["n"]
    items = [(i, stratum, int(amount)) for i, stratum, amount in plan["items"]]

    def rank(i):
        return sha256(f"tally-sample 1\n{seed}\n{i}".encode())

    if method == "money-unit":
        total = sum(amount for _, _, amount in items)
        start = int.from_bytes(sha256(f"tally-sample 1 start\n{seed}".encode()), "big") % total
        drawn, before = [], 0
        for i, _, amount in items:
            after = before + amount
            hits = sum(1 for k in range(n) if n * before <= k * total + start < n * after)
            if hits:
                drawn.append([i, hits])
            before = after
        return drawn
    counts = {}
    for _, stratum, _ in items:
        counts[stratum] = counts.get(stratum, 0) + 1
    size, strata = len(items), len(counts)
    share = {name: divmod((n - strata) * (c - 1), size - strata) if size > strata else (0, 0) for name, c in counts.items()}
    over = n - strata - sum(whole for whole, _ in share.values())
    lucky = sorted(share, key=lambda name: (-share[name][1], name.encode("utf-16-be")))[:over]
    drawn = []
    for name in counts:
        most = 1 + share[name][0] + (name in lucky)
        drawn += sorted((rank(i), i) for i, stratum, _ in items if stratum == name)[:most]
    return [[i, 1] for _, i in sorted(drawn)]


if __name__ == "__main__":
    if sys.argv[1] == "verify":
        print(verify(sys.argv[2], sys.argv[3:]))
    else:
        json.dump(draw(json.load(sys.stdin)), sys.stdout)
