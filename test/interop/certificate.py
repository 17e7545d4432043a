"""A completeness certificate once more, from docs/formats.md alone.

    certificate.py FILE VKEY...      prints the first thing that is wrong, or "verified" and a line for each chain and month

Shares no code with the program that makes them.
"""

import sys

import cbor2

from papers import auditor, check_signature

TYP = "application/vnd.tallystick.completeness+cbor"
CAUSES = {"unexplained", "bad", "not-handed-over", "lost", "erased", "told", "silent"}
MEMBERS = {
    "v", "tool", "log", "evidence", "policy", "verdict", "restrictions", "zone", "period", "late", "findings", "streams",
}


def missing_of(causes):
    if not set(causes) <= CAUSES or any(count < 1 for count in causes.values()):
        raise ValueError("causes")
    return sum(causes.values())


def check_content(content):
    """Lines of a content whose numbers add up; ValueError names what doesn't."""
    if set(content) != MEMBERS or content["v"] != 1 or content["verdict"] not in ("verified", "restricted", "invalid"):
        raise ValueError("members")
    begin, end = content["period"]
    if begin >= end:
        raise ValueError("period")
    names = [(stream["iss"], stream["sub"]) for stream in content["streams"]]
    if names != sorted(set(names)):
        raise ValueError("order")
    lines = []
    for stream in content["streams"]:
        name = f"{stream['iss']}/{stream['sub']}"
        for ch, first, last, held, causes, attested in stream["chains"]:
            if held + missing_of(causes) != last - first + 1:
                raise ValueError("chain")
            lines.append(f"{name} {ch.hex()} {first}..{last} held {held} named {attested[0] if attested else 'none'}")
        for label, _, _, tally in stream["periods"]:
            expected = tally["expected"]
            if expected is not None and expected != tally["received"] + missing_of(tally["missing"]):
                raise ValueError("tally")
            lines.append(f"{name} {label} {tally['received']} of {expected}")
    return lines


def verify(file, vkeys):
    with open(file, "rb") as stream:
        data = stream.read()
    item = cbor2.loads(data)
    fault, _ = check_signature(item, TYP, [auditor(vkey) for vkey in vkeys])
    if fault:
        return [fault]
    content = cbor2.loads(item.value[2])
    # One byte string for one content.
    if cbor2.dumps(content, canonical=True) != item.value[2]:
        return ["form"]
    try:
        return ["verified", *check_content(content)]
    except ValueError as fault:
        return [f"member-range: {fault}"]


if __name__ == "__main__":
    print("\n".join(verify(sys.argv[1], sys.argv[2:])))
