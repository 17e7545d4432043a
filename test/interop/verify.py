#!/usr/bin/env python3
"""A second verifier of Tallystick's evidence: statements, transparent statements, bundles, log directories.

Written from docs/formats.md; shares no code with the project's own verifier. Needs Python 3.9 and Debian's python3-cbor2 and
python3-cryptography. docs/second-verifier.md says how to use it, what it checks and what it doesn't.
"""
import argparse, base64, json, re, sys
from collections import defaultdict
sys.dont_write_bytecode = True                           # an auditor's folder stays as it is
from pathlib import Path
from types import SimpleNamespace as Record
try:
    import cbor2, cryptography
except ModuleNotFoundError as missing:
    print(f"verify.py: {missing.name} is not installed: apt-get install python3-cbor2 python3-cryptography", file=sys.stderr)
    sys.exit(3)
from second.reading import (
    attempt, BYTES, CHAIN, check, demand, HASH, Invalid, Maybe, Missing, named, or_null, org_of, read, sha256, Tag,
    TEXT, text, UINT, uint, within)
from second.statements import check_ed25519, check_signed, parse_statement
from second.ledger import (
    leaf_hash, open_checkpoint, parse_checkpoint, parse_receipt, parse_vkey, receipt_root, root_of_path,
    roots_of_consistency, runs_backwards, split_entries, tile_path, tree_root)
from second.chains import Stream
from second.trust import above, judge_use, leaf_of, Policy, Registry, vouched

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
        why = {"code": worst.args[0], "reason": worst.args[1]} if worst else {}
        why = why if ready else {"reason": "a check that it builds on did not pass"}
        self.checks[name] = {"name": name, "result": result, **why}

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

    def enrolled(self, statement, key):
        self.pinned(statement.iss, [key] if statement.item else key.behind)

    def pinned(self, iss, operators):
        """Whether one comes from the operators that stand behind an enrolment (or signed an item) up to the pinned key"""
        if not self.policy.operators: return self.restrict("operators-not-pinned")
        pins = self.policy.operators.get(org_of(iss)) or self.policy.operators.get("*")
        demand(pins, "operator-unpinned", iss, Missing)
        demand(any((each.iss, each.key[-2]) in pins for each in above(*operators)), "operator-foreign", iss)

# --- Section 10: bundles

LEAF = (HASH, TEXT, TEXT, within(list, lambda _: True, "key-state"), UINT, UINT, or_null(UINT), or_null(UINT), or_null(UINT))
BLOBS = Maybe([BYTES, 1])
BUNDLE = {"v": uint(1, 1), "scope": [(TEXT, TEXT, CHAIN, UINT, UINT), 1],
          "logs": [{"vkey": text(0, 512), "checkpoint": text(0, 262144)}, 1],
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
            self.step("operators", ["registry"], self.enrolled, self.keyed())
            self.known = {(id(each.log), each.kid): key for each, key in self.keyed()}
            self.step("keys", ["receipts"], self.leaf, [leaf for leaf in self.leaves if leaf.log.replayed])
            if self.passed("keys"):
                self.step("keys", ["registry"], self.key, self.logs + self.statements)
            self.step("signatures", ["registry"], lambda each, key: check_signed(each, key.key), self.keyed())
            self.covered = vouched(self.statements, self.known) if self.passed("receipts") else ()
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
        demand(not any(each.item for each in self.statements), "bundle-malformed", "a registry item among the statements")
        self.streams, self.heads = defaultdict(Stream), {}
        for each in self.statements:
            self.streams[each.iss, each.sub].add(each)
            if each.content["kind"] == "heads":
                self.heads.setdefault(each.iss, set()).update(map(tuple, each.content["heads"]))
        self.enveloped = {each.payload for each in self.statements if 258 in each.header}
        self.logs = [Record(vkey=parse_vkey(each["vkey"], 1), text=each["checkpoint"], leaves={}, paths={}, said={}, times={}, replayed=False, place=place)
                     for place, each in enumerate(parts["logs"])]
        demand(all(log < len(self.logs) for log, *_ in parts["keys"] + parts["consistency"]), "member-range")
        for log, old, path in parts["consistency"]:
            self.logs[log].paths[old] = path
        self.leaves = []
        for log, data, size, index, path in parts["keys"]:
            leaf = Record(log=self.logs[log], hash=leaf_hash(data), proof=(index, size, path), fault=None)
            self.leaves.append(leaf)
            try:
                value = read(data)
                check(LEAF, value)
                demand(value[1] in ("device", "operator") and value[3], "key-state", value[2])
                check([TEXT, 1], value[3])
                demand(value[0] not in leaf.log.leaves, "key-state", f"{value[2]}, twice")
                leaf.log.leaves[value[0]] = value
            except Invalid as fault:                     # said by the check of the keys
                leaf.fault = fault

    def log(self, log):
        self.trusted(log.vkey.name, log.vkey.raw)
        log.note, log.registry = open_checkpoint(log.text.encode(), log.vkey), Registry(log.vkey)

    def receipt(self, each):
        demand(len(each.receipts) == 2, "receipt-missing", each.place)
        each.first, each.now = map(parse_receipt, each.receipts)
        each.log = next((log for log in self.logs if log.vkey.name == each.now.origin == each.first.origin), None)
        demand(each.log, "receipt-missing", each.place)
        note, each.index = each.log.note, each.now.index
        for receipt in (each.first, each.now):
            root = receipt_root(receipt, [each.hash], each.log.vkey)
            said = (root, receipt.reg, receipt.keys)
            demand(each.log.said.setdefault(receipt.size, said) == said, "log-equivocation", each.place)
            demand(receipt.size != note.size or root == note.root, "log-equivocation", each.place)
            each.log.times.setdefault(receipt.size, set()).add(receipt.time)
        demand(each.now.size == note.size and each.first.size <= note.size, "receipt-size", each.place)
        demand(each.first.index == each.index, "receipt-index", each.place)

    def registry(self, log):
        self.restrict("time-reversed" if runs_backwards(log.times) else None)
        items = sorted((each for each in self.items if each.log is log), key=lambda each: each.seq)
        demand(items and items[0].seq == 0, "registry-missing", "item 0", Missing)
        for each in items:
            log.registry.add(each, each.index)
        for size, (_, (count, last), _) in log.said.items():
            inside = [each for each in items if each.index < size]
            demand(all((each.seq < count) == (each.index < size) for each in items), "registry-mismatch", size)
            demand(not inside or inside[-1].seq != count - 1 or inside[-1].hash == last, "registry-mismatch", size)
        log.replayed, there = True, {each.index for each in items}
        for leaf, key in self.used(log):                 # the items that the signed state of a key presupposes
            demand(key and {leaf[5], leaf[6], leaf[8]} - {None} <= there, "registry-missing", leaf[2], Missing)
            demand(None in (leaf[7], key.suspect) or key.suspect <= leaf[7], "registry-missing", leaf[2], Missing)

    def used(self, log):
        """The signed states of the keys that signed a statement and of the operators behind them, each with its key"""
        kids = {each.kid for each in self.statements if each.log is log}
        for kid in kids & set(log.leaves):
            key = log.registry.keys.get(kid)
            yield log.leaves[kid], key
            for each in above(key) if key else ():
                if each.kid in log.leaves:
                    yield log.leaves[each.kid], each

    def key_of(self, statement):
        """The key, where its signed state and that of the operators behind it are there"""
        leaves, key = statement.log.leaves, statement.log.registry.keys.get(statement.kid)
        demand(key or statement.kid in leaves, "key-unknown", statement.place, Missing)
        for each in above(key) if key else ():
            demand(each.kid in leaves, "key-state", each.iss, Missing)
        return key

    def keyed(self):
        """The statements whose keys are known; of the others the check of the keys says what is missing"""
        for statement in self.statements if self.passed("registry") else ():
            try:
                yield statement, self.key_of(statement)
            except Missing:
                pass

    def leaf(self, leaf):
        if leaf.fault:
            raise leaf.fault
        demand(root_of_path(leaf.hash, *leaf.proof) == leaf.log.said[leaf.log.note.size][2], "proof-root")

    def key(self, each):
        if hasattr(each, "registry"):
            for leaf, key in self.used(each):
                demand(leaf_of(key) == leaf, "key-state", leaf[2])
        else:
            key = self.key_of(each)
            try:
                check_signed(each, key.key)
            except Invalid:                              # said by the check of the signatures
                return
            self.restrict(judge_use(key, each, each.index))

    def chain(self, each):
        """Section 6"""
        stream = self.streams[each.iss, each.sub]
        self.restrict("gap" if each.content["kind"] == "gap" else None)
        stream.neighbours(each)
        key = self.known.get((id(each.log), each.kid))
        heads = each.content["heads"] if each.content["kind"] == "heads" else []
        for name, chain, number, head in heads + (key.rotation.content["heads"] if key and key.rotation else []):
            named = self.streams[each.iss, name].at(chain, number)
            demand(not named or named.hash == head, "fork", each.place)
        if each.seq == 0:
            stream.beginning(each)
            lost = each.content["before"][0] == "lost" and (each.iss, each.sub, each.ch) not in self.covered
            self.restrict("discontinuity" if lost else None)

    def complete(self, scope):
        iss, sub, ch, first, last = scope
        chain = self.streams[iss, sub].chains.get(ch, {})
        inside = {seq: each for seq, each in chain.items() if first <= seq <= last}
        demand(inside, "bundle-scope", f"{iss}/{sub}", Missing)
        attested = last in inside and (sub, ch, last, inside[last].hash) in self.heads.get(iss, ())
        self.restrict(None if len(inside) == last - first + 1 else "hole")
        self.restrict(None if attested else "tail-not-attested")

    def seen(self, each):
        self.grew(each, *(each.seen or (0, b"")))
        self.grew(each, each.first.size, each.log.said[each.first.size][0], within=True)

    def grew(self, each, size, root, *origin, within=False):
        """within: the tree may hold the statement itself, as none that its device had seen does"""
        logs = [log for log in self.logs if log.vkey.name in origin] if origin else [each.log, *self.logs]
        holds = not within and each.index < size <= each.log.note.size
        fits = [False if holds and log is each.log else self.fits(log, size, root) for log in logs]
        demand(fits[:1] != [False] or True in fits, "log-fork", each.place)   # or of the log before, which sent it on here

    def fits(self, log, size, root):
        """Whether this tree grew into the log's checkpoint; None where nothing says so"""
        if size in log.said and log.said[size][0] != root: return False
        if size == log.note.size: return root == log.note.root
        if size not in log.paths or not 0 < size < log.note.size: return None
        try:
            return roots_of_consistency(root, size, log.note.size, log.paths[size]) == (root, log.note.root)
        except ValueError:
            return False

    def contained(self, content):
        demand(sha256(content) in self.enveloped, "content-mismatch")

# --- A statement outside a bundle

class Alone(Judge):
    def run(self, data, copy):
        """copy: gives the log's registry as the verifier has it, as (index in the log, item) of each; or None"""
        self.step("format", [], self.format, [data])
        if self.passed("format"):
            self.step("witnesses", [], self.witnessed)
            self.step("receipts", [], lambda function, *data: function(*data),
                      [(self.promise, each) for each in self.statement.receipts] + [(self.promised,)])
            self.step("registry", ["receipts"], self.registry, [(copy,)])
            self.step("operators", ["registry"], lambda: self.enrolled(self.statement, self.key))
            self.step("keys", ["registry"], lambda: self.restrict(judge_use(self.key, self.statement, self.receipt.index)))
            self.step("signatures", ["registry"], lambda: check_signed(self.statement, self.key.key))

    def format(self, data):
        self.statement, self.good = parse_statement(data, True), []

    def promise(self, data):
        receipt = parse_receipt(data, foreign=True)
        receipt.root = receipt_root(receipt, [self.statement.hash], self.trusted(receipt.origin))
        for other in self.good:
            same_tree = (other.origin, other.size) == (receipt.origin, receipt.size)
            same = (other.root, other.reg, other.keys) == (receipt.root, receipt.reg, receipt.keys)
            demand(receipt.size is None or not same_tree or same, "log-equivocation", receipt.origin)
        self.restrict("index-not-attested" if receipt.size is None else None)
        self.good += [receipt] if receipt.size else []

    def promised(self):
        demand(self.statement.receipts, "receipt-missing", self.statement.place, Missing)
        places = {(each.origin, each.index) for each in self.good}
        demand(len(places) == len({origin for origin, _ in places}), "receipt-index", self.statement.place)
        times = {}
        for each in self.good: times.setdefault(each.origin, {}).setdefault(each.size, set()).add(each.time)
        self.restrict("time-reversed" if any(map(runs_backwards, times.values())) else None)
        self.receipt = max(self.good, key=lambda each: each.size, default=None)

    def registry(self, copy):
        demand(copy and self.receipt, "registry-missing", "give the log's public directory, or get the bundle", Missing)
        registry, (count, last), items = Registry(self.policy.logs[self.receipt.origin]), self.receipt.reg, copy()
        demand(len(items) >= count, "registry-missing", f"{len(items)} of {count} items", Missing)
        for index, item in items[:count]:
            registry.add(item, index)
        demand(registry.last.hash == last, "registry-mismatch")
        demand(registry.root() == self.receipt.keys, "key-state")
        demand(not self.statement.item or self.statement.hash in {item.hash for _, item in items[:count]}, "registry-mismatch")
        demand(self.statement.kid in registry.keys, "key-unknown", self.statement.place, Missing)
        self.key = registry.keys[self.statement.kid]

# --- Section 7: a whole log

class Log(Judge):
    def run(self, folder, since):
        self.folder, self.state = Path(folder), None
        self.step("checkpoint", [], self.checkpoint)
        self.step("witnesses", ["checkpoint"], lambda: self.witnessed(self.note))
        self.step("entries", ["checkpoint"], self.entries)
        self.step("since", ["entries"], self.since, [since] if since else [])
        self.step("tiles", ["entries"], self.tiles)
        self.step("root", ["entries"], lambda: demand(tree_root(self.leaves) == self.note.root, "tile-mismatch", "root"))
        self.step("old-files", ["checkpoint"], self.old_file, sorted(self.folder.glob("**/*.p")))
        self.step("registry", ["entries"], self.registry)
        self.step("key-state", ["registry"], self.key_state)
        devices = [key for key in self.state.keys.values() if key.role == "device"] if self.state else []
        self.step("operators", ["key-state"], self.device, devices)

    def device(self, key):
        try:
            self.pinned(key.iss, key.behind)
        except Missing as refusal:
            self.restrict(refusal.args[0])

    def file(self, path, code="tile-missing", kind=Invalid):
        demand((self.folder / path).is_file(), code, path, kind)
        return (self.folder / path).read_bytes()

    def row(self, kind, count, code="tile-missing"):
        """The files of a row, with their widths; a full file may have replaced a partial one."""
        for at in range(0, count, 256):
            width = min(256, count - at)
            partial = width < 256 and (self.folder / tile_path(at // 256, width, kind)).is_file()
            there = width if partial else 256
            yield width, self.file(tile_path(at // 256, there, kind), code), there

    def checkpoint(self):
        data = self.file("checkpoint", "unreachable", Missing)
        note = parse_checkpoint(data)
        self.vkey = self.trusted(note.origin)
        ids = [blob[:4] for name, blob in note.signatures if name == note.origin]
        demand(not ids or self.vkey.id in ids, "log-key", note.origin)
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
        paths = [str(each.relative_to(self.folder)) for each in self.folder.glob("registry/**/*")]
        found = [re.fullmatch(r"registry/((?:x\d{3}/)*\d{3})(?:\.p/(\d{1,3}))?", path) for path in paths]
        counts = [256 * int(re.sub("[x/]", "", each[1])) + int(each[2] or 256) for each in found if each]
        files = self.row("registry", max(counts, default=0), "registry-missing")
        items, last = [each for width, data, there in files for each in split_entries(data, there)[:width]], None
        demand(items, "registry-missing")
        self.items = [parse_statement(each) for each in items]
        for number, item in enumerate(self.items):
            demand(item.seq == number and item.prev == last, "registry-order", number)
            last = item.hash
        demand(all(item.hash in self.places for item in self.items), "registry-mismatch")

    def key_state(self):
        self.state = Registry(self.vkey)
        for item in self.items:
            self.state.add(item, self.places[item.hash])

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
    checks = [{"name": "file", "result": "failed", "code": code}]
    return {"file": name, "verdict": "invalid", "code": code, "restrictions": [], "checks": checks}

def case(line):
    """One line of a batch: {file, policy, data | log, since?, registry?: [[index, item]...]}, {file, policy}, or
    {file, ed25519: [key, message, signature]}; bytes are in base64, `log` is a folder"""
    said, raw = json.loads(line), base64.b64decode
    if "ed25519" in said:
        judge = Judge(said["file"], None)
        judge.step("signatures", [], check_ed25519, [tuple(map(raw, said["ed25519"]))])
        return judge.verdict()
    try:
        policy = Policy(said["policy"])
    except Invalid as refusal:
        return unread(said["file"], refusal.args[0])
    if "data" not in said and "log" not in said:
        return Judge(said["file"], policy).verdict()
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
    epilog = "Exit: 0 verified (restrictions included), 1 invalid, 2 usage, 3 not verifiable; of several the worst: 1, then 3."
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog=epilog)
    commands = parser.add_subparsers(dest="command", required=True)
    files = commands.add_parser("verify", help="statements and bundles")
    log = commands.add_parser("log", help="a log's public directory")
    commands.add_parser("batch", help="cases as JSON, one a line, from stdin").set_defaults(strict=False)
    files.add_argument("files", nargs="+", metavar="FILE")
    files.add_argument("--log", metavar="DIR", help="its public directory, for statements outside a bundle")
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
