"""Keys from fixed seeds; Ed25519 by pyca/cryptography, ESP256 with the nonce of RFC 6979 so that its bytes repeat."""
from __future__ import annotations

import base64
import hmac
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .cborw import enc

ED25519, ESP256 = -19, -9
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def _add(a, b):
    if a is None or b is None:
        return a or b
    (x1, y1), (x2, y2) = a, b
    if x1 == x2:
        if (y1 + y2) % P == 0:
            return None
        s = (3 * x1 * x1 - 3) * pow(2 * y1, -1, P) % P
    else:
        s = (y2 - y1) * pow(x2 - x1, -1, P) % P
    x = (s * s - x1 - x2) % P
    return x, (s * (x1 - x) - y1) % P


def _mul(k, point):
    result = None
    while k:
        if k & 1:
            result = _add(result, point)
        point, k = _add(point, point), k >> 1
    return result


def b32(n: int) -> bytes:
    return n.to_bytes(32, "big")


def nonce(d: int, digest: bytes) -> int:
    """RFC 6979 section 3.2 for P-256 with SHA-256."""
    z = b32(int.from_bytes(digest, "big") % N)
    v, k = b"\x01" * 32, b"\x00" * 32
    for mark in (b"\x00", b"\x01"):
        k = hmac.digest(k, v + mark + b32(d) + z, "sha256")
        v = hmac.digest(k, v, "sha256")
    while True:
        v = hmac.digest(k, v, "sha256")
        t = int.from_bytes(v, "big")
        if 1 <= t < N:
            return t
        k = hmac.digest(k, v + b"\x00", "sha256")
        v = hmac.digest(k, v, "sha256")


class Key:
    """A key pair made from a name. `sign` gives the 64 bytes of the formats: R || S, or r || s with the low s."""

    def __init__(self, name: str, alg: int = ED25519):
        self.name, self.alg = name, alg
        self.seed = sha256(b"tallystick own vectors: " + name.encode()).digest()
        if alg == ED25519:
            self._pyca = Ed25519PrivateKey.from_private_bytes(self.seed)
            raw = self._pyca.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            self.x, self.y = raw, None
            self.cose = {1: 1, -1: 6, -2: raw}
        else:
            self.d = int.from_bytes(self.seed, "big") % (N - 1) + 1
            self._pyca = ec.derive_private_key(self.d, ec.SECP256R1())
            numbers = self._pyca.public_key().public_numbers()
            assert (numbers.x, numbers.y) == _mul(self.d, G)
            self.x, self.y = b32(numbers.x), b32(numbers.y)
            self.cose = {1: 2, -1: 1, -2: self.x, -3: self.y}
        self.kid = sha256(enc(self.cose)).digest()  # RFC 9679: exactly the required members

    def sign(self, message: bytes, low: bool = True) -> bytes:
        if self.alg == ED25519:
            return self._pyca.sign(message)
        digest = sha256(message).digest()
        k = nonce(self.d, digest)
        r = _mul(k, G)[0] % N
        s = pow(k, -1, N) * (int.from_bytes(digest, "big") + r * self.d) % N
        if (s > N // 2) == low:
            s = N - s
        signature = b32(r) + b32(s)
        assert self.verifies(message, signature, any_s=True)
        return signature

    def verifies(self, message: bytes, signature: bytes, any_s: bool = False) -> bool:
        try:
            if self.alg == ED25519:
                Ed25519PublicKey.from_public_bytes(self.x).verify(signature, message)
                return True
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            self._pyca.public_key().verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
            return any_s or s <= N // 2
        except InvalidSignature:
            return False

    def shown(self) -> dict:
        out = {"name": self.name, "alg": self.alg, "seed": self.seed.hex(), "x": self.x.hex()}
        if self.y is not None:
            out["private"], out["y"] = b32(self.d).hex(), self.y.hex()
        return out | {"coseKey": enc(self.cose).hex(), "kid": self.kid.hex()}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """C2SP signed-note, section Signatures."""
    return sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def vkey(name: str, key: Key, kind: int = 1) -> str:
    return f"{name}+{key_id(name, kind, key.x).hex()}+{b64(bytes([kind]) + key.x)}"


def note_line(name: str, kid: bytes, blob: bytes) -> str:
    return f"\u2014 {name} {b64(kid + blob)}\n"


def sign_note(text: str, signers: list[tuple[str, Key]]) -> str:
    lines = [note_line(n, key_id(n, 1, k.x), k.sign(text.encode())) for n, k in signers]
    return text + "\n" + "".join(lines)


def cosign(note: str, name: str, key: Key, time: int) -> str:
    """Adds the line of a witness: C2SP tlog-cosignature, Ed25519 (0x04)."""
    text = note.split("\n\n")[0] + "\n"
    signature = key.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
    return note + note_line(name, key_id(name, 4, key.x), time.to_bytes(8, "big") + signature)
