"""Writes test/vectors/*.json: Tallystick's formats made a second time, from docs/formats.md alone.

    python3 test/interop/make_vectors.py           writes the files
    python3 test/interop/make_vectors.py --check   says which of them differ from what this would write, exit code 1 if any

Needs Python 3.11 with cbor2 and cryptography (Debian: python3-cbor2 python3-cryptography). CBOR is written by own/cborw.py,
trees by the recursive definitions of RFC 6962, signatures by pyca/cryptography; every key comes from a fixed text, so the
output is the same on every machine.
"""
from __future__ import annotations

import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from own import v_bad_statements, v_bundle, v_cbor, v_merkle, v_notes, v_receipts, v_registry, v_statements  # noqa: E402

OUT = Path(__file__).resolve().parent.parent / "vectors"
MADE = "test/interop/make_vectors.py: Python, own CBOR writer, recursive Merkle tree, pyca/cryptography; shares no code with the TypeScript"


def statements() -> dict:
    return {
        "keys": v_statements.signers(),
        "good": v_statements.good(),
        "bad": v_bad_statements.bad(),
        "transparent": v_statements.transparents(),
        "chain": v_statements.chain(),
    }


FILES = {
    "cbor": ("docs/formats.md section 1; RFC 8949; the accepted ones read back with cbor2", v_cbor.cbor),
    "decimals": ("docs/formats.md section 1; Python integers", v_cbor.decimals),
    "merkle": ("docs/formats.md section 7; RFC 6962 section 2.1, recursive", v_merkle.merkle),
    "tiles": ("docs/formats.md section 7; C2SP tlog-tiles", v_merkle.tiles),
    "notes": ("docs/formats.md sections 7 and 11; C2SP signed-note, tlog-checkpoint, tlog-cosignature", v_notes.notes),
    "keys": ("docs/formats.md section 5 (cose-key); RFC 9679, RFC 6979 for the nonce", v_notes.keys),
    "statements": ("docs/formats.md sections 2 to 6; RFC 9052, RFC 8428, RFC 9943", statements),
    "receipts": ("docs/formats.md section 8; RFC 9942", v_receipts.receipts),
    "registry": ("docs/formats.md section 9", v_registry.registry),
    "bundle": ("docs/formats.md sections 10 and 11; docs/codes.md", v_bundle.bundles),
    "policies": ("docs/formats.md section 11; C2SP tlog-policy", v_bundle.policies),
}


def main() -> int:
    check, wrong = "--check" in sys.argv[1:], []
    OUT.mkdir(exist_ok=True)
    for name, (source, make) in FILES.items():
        text = json.dumps({"source": source, "made": MADE} | make(), indent=1, ensure_ascii=True) + "\n"
        path = OUT / f"{name}.json"
        if check and (not path.exists() or path.read_text() != text):
            wrong.append(path.name)
        if not check:
            path.write_text(text)
    print(f"{len(FILES)} files, " + (f"different: {', '.join(wrong)}" if wrong else "as they should be" if check else f"written to {OUT.name}/"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
