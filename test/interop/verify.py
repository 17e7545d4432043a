#!/usr/bin/env python3
"""A second verifier of Tallystick's evidence: statements, transparent statements, bundles, log directories.

Written from docs/formats.md; shares no code with the project's own verifier. Needs Python 3.9 and Debian's python3-cbor2 and
python3-cryptography. docs/second-verifier.md says how to use it, what it checks and what it doesn't.
"""
import argparse, base64, json, re, sys
from pathlib import Path
from types import SimpleNamespace as Record
import cbor2
from tally_formats import (
    BYTES, CHAIN, HASH, ISS, OPERATOR, ORG, STREAM, TEXT, UINT, Invalid, Maybe, Missing, Tag, attempt, check, check_ed25519, check_signed,
    cose, demand, kid_of, leaf_hash, open_checkpoint, or_null, org_of, parse_receipt, parse_statement, parse_vkey, read, receipt_root,
    root_of_path, roots_of_consistency, sha256, signatures_of, text, tree_root, uint, within)

# --- Section 9: the registry, and the key state that follows from it

class Registry:
    """Replays items in their order. A bundle may leave out those that its keys don't need."""
    def __init__(self, vkey): self.vkey, self.gap, self.keys, self.last = vkey, False, {}, None
    def known(self, kid, role):
        self.present(kid in self.keys, f"the item of key {kid.hex()}")
        demand(self.keys[kid].role == role and self.keys[kid].superseded is None, "key-unknown", kid.hex())
        return self.keys[kid]
    def present(self, good, what):
        demand(good or not self.gap, "registry-missing", what, Missing)
        demand(good, "key-unknown", what)
    def bring(self, key, role, iss, streams, silence, index, signer, how):
        kid = kid_of(key)
        demand(kid not in self.keys, "key-exists", kid.hex())
        self.keys[kid] = Record(kid=kid, key=key, role=role, iss=iss, streams=streams, silence=silence, enrolled=index, signer=signer,
                                how=how, superseded=None, suspect=None, revoked=None, rotation=None)
    def add(self, item, index):
        """Returns the restriction under which the item counts."""
        content, kind, place = item.content, item.content["kind"], item.place
        demand(item.item, "registry-malformed", place)
        follows = item.seq == (self.last.seq + 1 if self.last else 0)
        demand(item.prev == self.last.hash if follows and self.last else not self.last or item.seq > self.last.seq, "registry-order", place)
        demand((kind == "policy") == (item.seq == 0), "entry-zero", place)
        self.gap, self.last = self.gap or not follows, item
        if kind == "policy":
            demand(content["origin"] == self.vkey.name and content["log"] == self.vkey.key and index == 0, "entry-zero", place)
            for each in content["operators"]: self.bring(each["key"], "operator", each["iss"], [each["for"]], 0, 0, None, kind)
            demand(item.kid in self.keys and self.keys[item.kid].iss == item.iss, "entry-zero", place)
            return check_signed(item, self.keys[item.kid].key)
        signer = self.known(item.kid, "operator")
        restriction = check_use(signer, item, index)
        check_signed(item, signer.key)
        self.apply(kind, content, index, signer)
        return restriction
    def apply(self, kind, content, index, signer):
        def may(org): demand(signer.streams[0] in ("*", org), "operator-org", org)
        if kind == "operator-added":
            added = content["operator"]
            may(added["for"])
            self.bring(added["key"], "operator", added["iss"], [added["for"]], 0, index, signer, kind)
        elif kind in ("enrol", "re-enrol"):
            may(org_of(content["device"]))
            current = [key for key in self.keys.values() if key.iss == content["device"] and key.superseded is None]
            demand(not current or kind == "re-enrol", "key-exists", content["device"])
            self.present(current or kind == "enrol", f"the key of {content['device']}")
            self.bring(content["key"], "device", content["device"], content["streams"], content["silence"], index, signer, kind)
            for key in current: key.superseded = index
        elif kind == "rotate":
            rotation = parse_statement(content["statement"])
            demand(rotation.content["kind"] == "key-rotated", "registry-malformed")
            may(org_of(rotation.iss))
            old = self.known(rotation.kid, "device")
            check_use(old, rotation, index)
            check_signed(rotation, old.key)
            self.bring(rotation.content["key"], "device", old.iss, old.streams, old.silence, index, signer, kind)
            old.superseded, old.rotation = index, rotation
        elif kind == "revoke":
            if content["kid"] in self.keys or not self.gap:
                self.present(content["kid"] in self.keys, content["kid"].hex())
                key = self.keys[content["kid"]]
                may(org_of(key.iss) if key.role == "device" else key.streams[0])
                key.revoked = index if key.revoked is None else key.revoked
                key.suspect = content["from"] if key.suspect is None else min(key.suspect, content["from"])
        else: may("*")
    def root(self): return tree_root([leaf_hash(cbor2.dumps(leaf_of(self.keys[kid]))) for kid in sorted(self.keys)])

def leaf_of(key): return [key.kid, key.role, key.iss, key.streams, key.silence, key.enrolled, key.superseded, key.suspect, key.revoked]

def check_use(key, statement, index):
    """Whether a statement at this index may be signed by the key (the table of section 9); returns the restriction."""
    sub, place = statement.sub, statement.place
    demand(key.iss == statement.iss and (key.role == "operator") == statement.item, "key-issuer", place)
    allowed = ["registry"] if statement.item else ["sys", *key.streams]
    demand(any(each in ("*", sub) or each.endswith("/*") and sub.startswith(each[:-1]) for each in allowed), "key-stream", place)
    demand(index > key.enrolled or statement.item and statement.seq == 0, "key-not-enrolled", place)
    demand(key.revoked is None or index < key.revoked, "key-revoked", place)
    superseded = key.superseded is not None and index > key.superseded
    if key.rotation:
        named = [seq for name, ch, seq, _ in key.rotation.content["heads"] if (name, ch) == (sub, statement.ch)]
        superseded = statement.hash != key.rotation.hash and (statement.seq > max(named) if named else index >= key.superseded)
    demand(not superseded, "key-superseded", place)
    return "declared-suspect-later" if key.suspect is not None and index >= key.suspect else None

# --- Verdicts

class Judge:
    """steps: name, the checks that it builds on, a function and what it is called with, thing by thing"""
    def __init__(self, name, policy): self.name, self.policy, self.restrictions, self.checks = name, policy, set(), {}
    def passed(self, name): return self.checks[name]["result"] == "passed"
    def restrict(self, code): self.restrictions |= {code} if code else set()
    def step(self, name, needs, function, things=((),)):
        found = {Invalid: None, Missing: None}
        ready = all(self.passed(each) for each in needs)
        for each in things if ready else ():
            try: function(*each) if isinstance(each, tuple) else function(each)
            except (Invalid, Missing) as refusal: found[type(refusal)] = found[type(refusal)] or refusal
        worst = found[Invalid] or found[Missing]
        result = "failed" if found[Invalid] else "passed" if ready and not worst else "not-done"
        code = {"code": worst.args[0], "reason": worst.args[1]} if worst else {}
        self.checks[name] = {"name": name, "result": result, **code, **({} if ready else {"reason": "a check that it builds on did not pass"})}
    def verdict(self):
        wrong, missing = ([each["code"] for each in self.checks.values() if each["result"] == result and "code" in each]
                          for result in ("failed", "not-done"))
        verdict = "invalid" if wrong else "not-verifiable" if missing else "restricted" if self.restrictions else "verified"
        return {"file": self.name, "verdict": verdict, **({"code": (wrong + missing)[0]} if wrong + missing else {}),
                "restrictions": sorted(self.restrictions), "checks": list(self.checks.values())}
    def trusted(self, name, raw=None):
        demand(name in self.policy.logs, "log-unknown", name, Missing)
        demand(raw in (None, self.policy.logs[name].raw), "log-key", name)
        return self.policy.logs[name]
    def witnessed(self, note=None):
        if self.policy.quorum == "none": return self.restrict("no-witness")
        demand(note, "quorum-unmet", "a statement alone brings no checkpoint", Missing)
        for name in self.policy.witnesses: self.policy.cosigned(note, name)
        demand(self.policy.cosigned(note, self.policy.quorum), "quorum-unmet", self.policy.quorum, Missing)
    def pinned(self, iss, signer):
        """Whether one comes from the operator that signed an enrolment (or an item) up to the pinned key"""
        if not self.policy.operators: return self.restrict("operators-not-pinned")
        pins = self.policy.operators.get(org_of(iss)) or self.policy.operators.get("*")
        demand(pins, "operator-unpinned", iss, Missing)
        while signer and signer.key[-2] not in pins: signer = signer.signer
        demand(signer, "operator-foreign", iss)

# --- Section 10: bundles

LEAF = (HASH, TEXT, TEXT, within(list, lambda _: True, "key-state"), UINT, UINT, or_null(UINT), or_null(UINT), or_null(UINT))
BLOBS = Maybe([BYTES, 1])
BUNDLE = {"v": uint(1, 1), "scope": [(ISS, STREAM, CHAIN, UINT, UINT), 1], "logs": [{"vkey": TEXT, "checkpoint": text(0, 262144)}, 1],
          "statements": [BYTES, 1], "registry": [BYTES, 1], "keys": [(UINT, BYTES, UINT, UINT, [HASH, 0]), 1],
          "consistency": [(UINT, UINT, [HASH, 0]), 0], "timestamps": BLOBS, "content": BLOBS, "disclosures": BLOBS}

class Bundle(Judge):
    def run(self, data):
        self.step("format", [], self.format, [(data,)])
        if self.passed("format"):
            self.step("log", [], self.log, self.logs)
            self.step("witnesses", ["log"], lambda log: self.witnessed(log.note), self.logs)
            self.step("receipts", ["log"], self.receipt, self.statements + self.items)
            self.step("registry", ["receipts"], self.registry, self.logs)
            self.step("operators", ["registry"], lambda each, key: self.pinned(each.iss, key if each.item else key.signer), self.keyed())
            self.step("keys", ["receipts"], self.leaf, self.leaves)
            if self.passed("keys"):
                self.step("keys", ["registry"], self.key, self.leaves + self.statements)
            self.step("signatures", ["registry"], lambda each, key: check_signed(each, key.key), self.keyed())
            self.step("chains", ["receipts"], self.chain, self.statements)
            self.step("completeness", ["receipts"], self.complete, self.scope)
            self.step("seen", ["receipts"], self.seen, self.statements)
            self.step("content", ["receipts"], self.contained, self.contents)

    def format(self, data):
        demand(len(data) <= 64 << 20, "too-large")
        top = read(data, tags=(55799,))
        demand(isinstance(top, Tag), "bundle-malformed")
        check(BUNDLE, top.value)
        parts, self.scope, self.contents = top.value, top.value["scope"], top.value.get("content", [])
        demand(len(self.scope) <= 4096, "member-range")
        demand(all(first <= last for _, _, _, first, last in self.scope), "bundle-scope")
        self.statements, self.items = ([parse_statement(each, True) for each in parts[name]] for name in ("statements", "registry"))
        self.logs = [Record(vkey=parse_vkey(each["vkey"], 1), text=each["checkpoint"], leaves={}, paths={}, said={}) for each in parts["logs"]]
        demand(all(log < len(self.logs) for log, *_ in parts["keys"] + parts["consistency"]), "member-range")
        for log, old, path in parts["consistency"]:
            self.logs[log].paths[old] = path
        self.leaves = []
        for log, leaf, size, index, path in parts["keys"]:
            value, log = read(leaf), self.logs[log]
            check(LEAF, value)
            demand(value[1] in ("device", "operator") and value[3], "key-state")
            check([TEXT, 1], value[3])
            self.leaves.append(Record(log=log, value=value, hash=leaf_hash(leaf), proof=(index, size, path), twice=value[0] in log.leaves))
            log.leaves[value[0]] = value

    def log(self, log):
        self.trusted(log.vkey.name, log.vkey.raw)
        log.note, log.registry = open_checkpoint(log.text.encode(), log.vkey), Registry(log.vkey)

    def receipt(self, each):
        demand(len(each.receipts) == 2, "receipt-missing", each.place)
        each.first, each.now = map(parse_receipt, each.receipts)
        demand(each.first.size and each.now.size, "receipt-malformed", each.place)
        each.log = next((log for log in self.logs if log.vkey.name == each.now.origin == each.first.origin), None)
        demand(each.log, "receipt-missing", each.place)
        note, each.index = each.log.note, each.now.index
        for receipt in (each.first, each.now):
            root = receipt_root(receipt, [each.hash], each.log.vkey)
            said = (root, receipt.reg, receipt.keys)
            demand(each.log.said.setdefault(receipt.size, said) == said, "log-equivocation", each.place)
            demand(receipt.size != note.size or root == note.root, "log-equivocation", each.place)
        demand(each.now.size == note.size and each.first.size <= note.size, "receipt-size", each.place)
        demand(each.first.index == each.index, "receipt-index", each.place)

    def registry(self, log):
        items = sorted((each for each in self.items if each.log is log), key=lambda each: each.seq)
        demand(items and items[0].seq == 0, "registry-missing", "item 0", Missing)
        for each in items:
            for count, last in (each.first.reg, each.now.reg):
                demand(each.seq < count and (each.seq != count - 1 or each.hash == last), "registry-mismatch", each.place)
            self.restrict(log.registry.add(each, each.index))
        there = {each.index for each in items}
        for value in log.leaves.values():                # the items that the signed state of a key presupposes
            key = log.registry.keys.get(value[0])
            demand(key and {value[5], value[6], value[8]} - {None} <= there, "registry-missing", value[2], Missing)
            demand(None in (value[7], key.suspect) or key.suspect <= value[7], "registry-missing", value[2], Missing)

    def key_of(self, statement):
        """The key, where its signed state and that of the operators behind it are there"""
        leaves, key = statement.log.leaves, statement.log.registry.keys.get(statement.kid)
        demand(key or statement.kid in leaves, "key-unknown", statement.place, Missing)
        behind = key
        while behind:
            demand(behind.kid in leaves, "key-state", behind.iss, Missing)
            behind = behind.signer
        return key

    def keyed(self):
        """The statements whose keys are known; of the others the check of the keys says what is missing"""
        for statement in self.statements if self.passed("registry") else ():
            try:
                yield statement, self.key_of(statement)
            except Missing:
                pass

    def leaf(self, leaf):
        demand(not leaf.twice, "key-state", leaf.value[2])
        demand(root_of_path(leaf.hash, *leaf.proof) == leaf.log.said[leaf.log.note.size][2], "proof-root", leaf.value[2])

    def key(self, each):
        if hasattr(each, "value"):
            demand(leaf_of(each.log.registry.keys[each.value[0]]) == each.value, "key-state", each.value[2])
        else:
            self.restrict(check_use(self.key_of(each), each, each.index))

    def at(self, *place):
        return next((each for each in self.statements if (each.iss, each.sub, each.ch, each.seq) == place), None)

    def chain(self, each):
        """Section 6"""
        iss, sub, ch, seq = each.iss, each.sub, each.ch, each.seq
        after = self.at(iss, sub, ch, seq + 1)
        demand(self.at(iss, sub, ch, seq).hash == each.hash and (not after or after.prev == each.hash), "fork", each.place)
        for name, chain, number, head in each.content.get("heads", ()):
            named = self.at(iss, name, chain, number)
            demand(not named or named.hash == head, "fork", each.place)
        if seq:
            return
        demand(each.content["kind"] == "stream-opened", "fork", each.place)
        others = [other for other in self.statements if (other.iss, other.sub) == (iss, sub) and other.ch != ch]
        openings = [other for other in others if other.content["kind"] == "stream-opened" and other.seq == 0]
        before = each.content["before"]
        if before == "none":
            demand(all(other.index > each.index for other in openings), "fork", each.place)
        elif before[0] == "lost":
            key = each.log.registry.keys.get(each.kid)
            self.restrict(None if key and key.how == "re-enrol" else "discontinuity")
        else:
            chain, number, head = before
            old = self.at(iss, sub, chain, number)
            demand(not old or old.hash == head, "fork", each.place)
            demand(not any(other.ch == chain and other.seq > number for other in others), "fork", each.place)
            demand(not any(other.content["before"][0] == chain for other in openings), "fork", each.place)

    def complete(self, scope):
        iss, sub, ch, first, last = scope
        inside = {each.seq: each for each in self.statements if [each.iss, each.sub, each.ch] == scope[:3] and first <= each.seq <= last}
        demand(inside, "bundle-scope", f"{iss}/{sub}", Missing)
        named = [head for each in self.statements if each.iss == iss and each.content["kind"] == "heads" for head in each.content["heads"]]
        attested = last in inside and [sub, ch, last, inside[last].hash] in named
        self.restrict(None if len(inside) == last - first + 1 else "hole")
        self.restrict(None if attested else "tail-not-attested")
        self.restrict("gap" if any(each.content["kind"] == "gap" for each in inside.values()) else None)

    def seen(self, each):
        size, root = each.seen or (None, None)
        demand(size not in each.log.said or each.log.said[size][0] == root, "log-fork", each.place)
        if size in each.log.paths:
            roots = attempt("log-fork", roots_of_consistency, root, size, each.log.note.size, each.log.paths[size])
            demand(roots == (root, each.log.note.root), "log-fork", each.place)

    def contained(self, content):
        demand(any(258 in each.header and each.payload == sha256(content) for each in self.statements), "content-mismatch")

# --- A statement outside a bundle

class Alone(Judge):
    def run(self, data, copy):
        """copy: gives the log's registry as the verifier has it, as (index in the log, item) of each; or None"""
        self.step("format", [], self.format, [data])
        if self.passed("format"):
            self.step("witnesses", [], self.witnessed)
            self.step("receipts", [], self.promised)
            self.step("registry", ["receipts"], self.registry, [(copy,)])
            self.step("operators", ["registry"], lambda: self.pinned(self.statement.iss, self.key if self.statement.item else self.key.signer))
            self.step("keys", ["registry"], lambda: self.restrict(check_use(self.key, self.statement, self.receipt.index)))
            self.step("signatures", ["registry"], lambda: check_signed(self.statement, self.key.key))

    def format(self, data):
        self.statement = parse_statement(data, True)

    def promised(self):
        receipts = [parse_receipt(each) for each in self.statement.receipts]
        demand(receipts, "receipt-missing", self.statement.place, Missing)
        ours, said, indexes = [each for each in receipts if each.origin in self.policy.logs], {}, {}
        demand(ours, "log-unknown", receipts[0].origin, Missing)
        for each in ours:
            claims = (receipt_root(each, [self.statement.hash], self.policy.logs[each.origin]), each.reg, each.keys)
            if each.size is None:
                self.restrict("index-not-attested")
            else:
                demand(said.setdefault((each.origin, each.size), claims) == claims, "log-equivocation", each.origin)
                demand(indexes.setdefault(each.origin, each.index) == each.index, "receipt-index", each.origin)
        self.receipt = max((each for each in ours if each.size), key=lambda each: each.size, default=None)

    def registry(self, copy):
        demand(copy and self.receipt, "registry-missing", "give the log's public directory, or get the bundle", Missing)
        registry, (count, last), items = Registry(self.policy.logs[self.receipt.origin]), self.receipt.reg, copy()
        demand(len(items) >= count, "registry-missing", f"{len(items)} of {count} items", Missing)
        for index, item in items[:count]:
            registry.add(item, index)
        demand(registry.last.hash == last, "registry-mismatch")
        demand(registry.root() == self.receipt.keys, "key-state")
        demand(self.statement.kid in registry.keys, "key-unknown", self.statement.place, Missing)
        self.key = registry.keys[self.statement.kid]

# --- Section 7: a whole log

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

class Log(Judge):
    def run(self, folder, since):
        self.folder, self.state = Path(folder), None
        self.step("checkpoint", [], self.checkpoint)
        self.step("witnesses", ["checkpoint"], lambda: self.witnessed(self.note))
        self.step("entries", ["checkpoint"], self.entries)
        self.step("since", ["entries"], self.since, [since] if since else [])
        self.step("tiles", ["entries"], self.tiles)
        self.step("root", ["entries"], lambda: demand(tree_root(self.leaves) == self.note.root, "proof-root"))
        self.step("old-files", ["checkpoint"], self.old_file, sorted(self.folder.glob("**/*.p")))
        self.step("registry", ["entries"], self.registry)
        self.step("key-state", ["registry"], self.key_state)
        devices = [key for key in self.state.keys.values() if key.role == "device"] if self.state else []
        self.step("operators", ["key-state"], lambda key: self.pinned(key.iss, key.signer), devices)

    def file(self, path, code="tile-missing", kind=Invalid):
        demand((self.folder / path).is_file(), code, path, kind)
        return (self.folder / path).read_bytes()

    def row(self, kind, count):
        """The files of a row, with their widths; a full file may have replaced a partial one."""
        for at in range(0, count, 256):
            width = min(256, count - at)
            partial = width < 256 and (self.folder / tile_path(at // 256, width, kind)).is_file()
            yield width, self.file(tile_path(at // 256, width if partial else 256, kind)), width if partial else 256

    def checkpoint(self):
        data = self.file("checkpoint", "unreachable", Missing)
        self.vkey = self.trusted(data.split(b"\n")[0].decode("utf-8", "replace"))
        self.note = open_checkpoint(data, self.vkey)

    def entries(self):
        rows = [split_entries(data, there)[:width] for width, data, there in self.row("tile/entries", self.note.size)]
        hashes = [each for row in rows for each in row]
        demand(all(len(each) == 32 for each in hashes), "tile-malformed")
        self.leaves = [leaf_hash(each) for each in hashes]
        self.places = {each: index for index, each in reversed(list(enumerate(hashes)))}

    def since(self, data):
        old = open_checkpoint(data, self.vkey)
        demand(old.size <= self.note.size, "log-rollback")
        demand(tree_root(self.leaves[:old.size]) == old.root, "log-fork")

    def tiles(self):
        level, row = 0, self.leaves
        while row:
            for number, (width, data, there) in enumerate(self.row(f"tile/{level}", len(row))):
                demand(len(data) == 32 * there, "tile-malformed", f"level {level}, tile {number}")
                expected = b"".join(row[256 * number:256 * number + width])
                demand(data[:32 * width] == expected, "tile-mismatch", f"level {level}, tile {number}")
            level, row = level + 1, [tree_root(row[at:at + 256]) for at in range(0, len(row) - 255, 256)]

    def old_file(self, folder):
        """Each partial file is the beginning of the larger ones."""
        files = sorted((each for each in folder.iterdir() if each.name.isdigit()), key=lambda each: int(each.name))
        files += [each for each in [folder.with_suffix("")] if each.is_file()]
        for smaller, larger in zip(files, files[1:]):
            demand(larger.read_bytes().startswith(smaller.read_bytes()), "tile-mismatch", smaller)

    def registry(self):
        items, last = [], None
        for index in range(1 << 20):
            widths = [int(each.name) for each in (self.folder / (tile_path(index, 256, "registry") + ".p")).glob("*")]
            widths += [256] if (self.folder / tile_path(index, 256, "registry")).is_file() else []
            if len(items) < 256 * index or not widths:
                break
            items += split_entries(self.file(tile_path(index, max(widths), "registry")), max(widths))
        demand(items, "registry-missing")
        self.items = [parse_statement(each) for each in items]
        for number, item in enumerate(self.items):
            demand(item.seq == number and item.prev == last, "registry-order", number)
            last = item.hash
        demand(all(item.hash in self.places for item in self.items), "registry-mismatch")

    def key_state(self):
        self.state = Registry(self.vkey)
        for item in self.items:
            self.restrict(self.state.add(item, self.places[item.hash]))

# --- The command

def verify(name, data, policy, copy=None):
    bundle = data.startswith(b"\xd9\xd9\xf7")
    judge = (Bundle if bundle else Alone)(name, policy)
    judge.run(data, *([] if bundle else [copy]))
    return judge.verdict()

def audit(name, folder, policy, since=None):
    judge = Log(name, policy)
    judge.run(folder, since)
    return judge.verdict()

def registry_of(folder, policy):
    """The registry that a log's directory publishes: (index in the log, item) of each"""
    log = Log("", policy)
    log.folder = Path(folder)
    demand((log.folder / "checkpoint").is_file(), "registry-missing", folder, Missing)
    for read_part in (log.checkpoint, log.entries, log.registry):
        read_part()
    return [(log.places[item.hash], item) for item in log.items]

def unread(name, code):
    return {"file": name, "verdict": "invalid", "code": code, "restrictions": [], "checks": [{"name": "file", "result": "failed", "code": code}]}

def case(line):
    """One line of a batch: {file, policy, data | log, since?, registry?: [[index, item]...]}; bytes are in base64"""
    said, raw = json.loads(line), base64.b64decode
    try:
        policy = Policy(said["policy"])
    except Invalid as refusal:
        return unread(said["file"], refusal.args[0])
    if "log" in said:
        return audit(said["file"], said["log"], policy, raw(said.get("since", "")))
    copy = (lambda: [(index, parse_statement(raw(item))) for index, item in said["registry"]]) if said.get("registry") else None
    return verify(said["file"], raw(said["data"]), policy, copy)

def verdicts(options):
    if options.command == "batch":
        return (case(line) for line in sys.stdin)
    policy = Policy(Path(options.policy).read_bytes().decode("utf-8"))
    if options.command == "log":
        return [audit(options.place, options.place, policy, options.since and Path(options.since).read_bytes())]
    copy = options.log and (lambda: registry_of(options.log, policy))
    return (verify(name, Path(name).read_bytes(), policy, copy) if Path(name).is_file() else unread(name, "unreachable")
            for name in options.files)

def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog="Exit: 0 verified (restrictions included), 1 invalid, "
                                     "2 usage, 3 not verifiable; of several files the worst: 1, then 3, then 0.")
    commands = parser.add_subparsers(dest="command", required=True)
    files, log = commands.add_parser("verify", help="statements and bundles"), commands.add_parser("log", help="a log's public directory")
    commands.add_parser("batch", help="cases as JSON, one a line, from stdin").set_defaults(strict=False)
    files.add_argument("files", nargs="+", metavar="FILE")
    files.add_argument("--log", metavar="DIR", help="the log's public directory: brings the registry for statements outside a bundle")
    log.add_argument("place", metavar="DIR")
    log.add_argument("--since", metavar="NOTE", help="an older checkpoint of this log: proves that it only grew since")
    for each in (files, log):
        each.add_argument("--policy", required=True, metavar="FILE", help="whom you trust: the log's key, witnesses, operators")
        each.add_argument("--strict", action="store_true", help="exit 3 where there are restrictions")
    options, exits = parser.parse_args(), {"verified": 0, "invalid": 1, "not-verifiable": 3}
    found = set()
    try:
        for verdict in verdicts(options):
            print(json.dumps(verdict), flush=True)
            found.add(exits.get(verdict["verdict"], 3 if options.strict else 0))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return next(code for code in (1, 3, 0) if code in found | {0})

if __name__ == "__main__":
    sys.exit(main())
