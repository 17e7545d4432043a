"""Whom one believes: the trust policy, the registry and its key state (docs/formats.md sections 9 and 11)."""
import re
from types import SimpleNamespace as Record
import cbor2
from second.reading import demand, Invalid, Missing, named, OPERATOR, ORG, org_of, read, sha256
from second.statements import check_ed25519, check_signed, kid_of, parse_consent, parse_statement
from second.ledger import leaf_hash, parse_vkey, signatures_of, tree_root

# --- Section 11: the trust policy

class Policy:
    def __init__(self, words):
        self.logs, self.witnesses, self.groups, self.operators, self.quorum, self.taken = {}, {}, {}, {}, [], set()
        for number, line in enumerate(words.split("\n"), 1):
            words = re.split(r"[ \t]+", line.strip(" \t"))
            try:
                demand(not re.search(r"[\x00-\x08\x0a-\x1f\x7f\ufeff]", line), "policy-malformed")
                if words[0] and not words[0].startswith("#"):
                    self.line(*words)
            except (ValueError, TypeError):
                raise Invalid("policy-malformed", f"line {number}") from None
        demand(self.quorum, "policy-malformed", "no quorum")

    def once(self, *things):
        demand(not self.taken & set(things) and len(set(things)) == len(things), "policy-malformed")
        self.taken |= set(things)

    def line(self, keyword, *rest):
        most = {"log": (1, 2), "witness": (2, 3), "group": (3, 999), "quorum": (1, 1), "operator": (2, 2)}.get(keyword, (1, 0))
        demand(most[0] <= len(rest) <= most[1], "policy-malformed")
        name, *more = rest
        if keyword == "log":
            vkey = parse_vkey(name, 1)
            self.once(("log", vkey.raw))
            self.logs.setdefault(vkey.name, vkey)
        elif keyword == "witness":
            self.witnesses[name] = parse_vkey(more[0], 4)
            self.once(("member", name), ("witness", self.witnesses[name].raw))
            demand(name != "none", "policy-malformed")
        elif keyword == "group":
            needed, *members = more
            demand(name != "none" and all(each in self.witnesses or each in self.groups for each in members), "policy-malformed")
            self.once(("member", name), *(("in a group", each) for each in members))
            count = {"any": 1, "all": len(members)}.get(needed) or int(re.fullmatch("[1-9][0-9]*|", needed)[0])
            demand(count <= len(members), "policy-malformed")
            self.groups[name] = (count, members)
        elif keyword == "quorum":
            demand(not self.quorum and (name == "none" or name in self.witnesses or name in self.groups), "policy-malformed")
            self.quorum = name
        else:
            vkey = parse_vkey(more[0], 1)
            ORG(name), OPERATOR(vkey.name), self.once(("operator", name, vkey.raw))
            self.operators.setdefault(name, []).append((vkey.name, vkey.raw))

    def cosigned(self, note, name):
        if name in self.groups: return sum([self.cosigned(note, each) for each in self.groups[name][1]]) >= self.groups[name][0]
        vkey = self.witnesses[name]
        blobs = signatures_of(note, vkey)
        for blob in blobs:
            time = int.from_bytes(blob[:8], "big")
            demand(len(blob) == 72 and time < 2**53, "note-signature", name)
            signed = f"cosignature/v1\ntime {time}\n{note.body}".encode()
            check_ed25519(vkey.raw, signed, blob[8:], "note-signature")
        return bool(blobs)

# --- Section 9: the registry, and the key state that follows from it

class Registry:
    """Replays items in their order. A bundle may leave out those that its keys don't need."""
    def __init__(self, vkey):
        self.vkey, self.gap, self.keys, self.last, self.index, self.ended = vkey, False, {}, None, -1, False
        self.rules = {}                                  # org: (consents that a change of its operators takes, changes so far)

    def known(self, kid, role):
        self.present(kid in self.keys and self.keys[kid].superseded is None, f"the item of key {kid.hex()}")
        demand(self.keys[kid].role == role, "key-unknown", kid.hex())
        return self.keys[kid]

    def present(self, good, what):
        demand(good or not self.gap, "registry-missing", what, Missing)
        demand(good, "key-unknown", what)

    def bring(self, key, role, iss, streams, silence, index, by, how, before=None):
        """by: the operators that signed or consented to it; before: the key that named this one, and vouches for it"""
        kid, others = kid_of(key), before.behind if before else []
        demand(kid not in self.keys, "key-exists", kid.hex())
        behind = by + [each for each in others if all(each is not other for other in by)]
        self.keys[kid] = Record(kid=kid, key=key, role=role, iss=iss, streams=streams, silence=silence, enrolled=index, by=by, behind=behind,
                                before=before, how=how, superseded=None, suspect=None, revoked=None, rotation=None)

    def add(self, item, index):
        content, kind, place = item.content, item.content["kind"], item.place
        demand(item.item, "registry-malformed", place)
        demand(not self.ended, "log-ended", place)
        follows = item.seq == (self.last.seq + 1 if self.last else 0)
        demand(not self.last or item.seq > self.last.seq, "registry-order", place)
        demand(not (follows and self.last) or item.prev == self.last.hash, "registry-order", place)
        demand(index > self.index, "registry-order", place)
        demand((kind == "policy") == (item.seq == 0), "entry-zero", place)
        self.gap, self.last, self.index = self.gap or not follows, item, index
        if kind == "policy":
            demand(content["origin"] == self.vkey.name and content["log"] == self.vkey.key and index == 0, "entry-zero", place)
            for each in content["operators"]: self.bring(each["key"], "operator", each["iss"], [each["for"]], 0, 0, [], kind)
            demand(item.kid in self.keys and self.keys[item.kid].iss == item.iss, "entry-zero", place)
            return check_signed(item, self.keys[item.kid].key)
        signer = self.known(item.kid, "operator")
        check_use(signer, item, index)
        check_signed(item, signer.key)
        self.apply(kind, content, index, signer)

    def apply(self, kind, content, index, signer):
        def may(org): demand(signer.streams[0] in ("*", org), "operator-org", org)
        if kind == "operator-added":
            added = content["operator"]
            may(added["for"])
            self.one_is_enough(added["for"])
            self.bring(added["key"], "operator", added["iss"], [added["for"]], 0, index, [signer], kind)
        elif kind == "operators":
            change = read(content["change"])
            may(change["for"])
            self.change(change, content, index, signer)
        elif kind in ("enrol", "re-enrol"):
            may(org_of(content["device"]))
            current = [key for key in self.keys.values() if key.iss == content["device"] and key.superseded is None]
            demand(not current or kind == "re-enrol", "key-exists", content["device"])
            self.present(current or kind == "enrol", f"the key of {content['device']}")
            self.bring(content["key"], "device", content["device"], content["streams"], content["silence"], index, [signer], kind)
            for key in current: key.superseded = index
        elif kind == "rotate":
            rotation = parse_statement(content["statement"])
            demand(rotation.content["kind"] == "key-rotated", "registry-malformed")
            may(org_of(rotation.iss))
            old = self.known(rotation.kid, "device")
            demand(old.iss == rotation.iss, "key-unknown", rotation.place)
            check_use(old, rotation, index)
            check_signed(rotation, old.key)
            self.bring(rotation.content["key"], "device", old.iss, old.streams, old.silence, index, [signer], kind, old)
            old.superseded, old.rotation = index, rotation
        elif kind == "revoke":
            self.present(content["kid"] in self.keys, content["kid"].hex())
            key, since = self.keys[content["kid"]], content["from"]
            may(org_of(key.iss) if key.role == "device" else key.streams[0])
            if key.role == "operator": self.one_is_enough(key.streams[0])
            demand(since <= index, "registry-malformed", since)
            key.revoked = index if key.revoked is None else key.revoked
            key.suspect = since if key.suspect is None else min(key.suspect, since)
        else:
            may("*")
            self.ended = True

    def one_is_enough(self, org): demand(self.rules.get(org, (1, 0))[0] == 1, "operator-quorum", org)

    def change(self, change, content, index, signer):
        """An org's operators consent to a change of who they are"""
        org, (needed, rounds) = change["for"], self.rules.get(change["for"], (1, 0))
        demand(change["round"] <= rounds or not self.gap, "registry-missing", org, Missing)
        demand(change["round"] == rounds, "registry-order", org)
        agreed = {signer.kid: signer}
        for consent in map(parse_consent, content["consents"]):
            demand(consent.claims[3] == self.vkey.name, "operator-quorum", "another log")
            demand(consent.claims["change"] == sha256(content["change"]), "operator-quorum", "another change")
            key = self.counting(consent.kid, org, index)
            demand(key.iss == consent.claims[1], "key-issuer", org)
            check_signed(consent, key.key)
            agreed[key.kid] = key
        demand(needed == 1 or sum(key.streams[0] == org for key in agreed.values()) >= needed, "operator-quorum", org)
        removed = [self.counting(kid, org, index) for kid in change["remove"]]
        demand(len({key.kid for key in removed}) == len(removed), "key-revoked", org)
        demand(all(each["for"] == org for each in change["add"]), "operator-org", org)
        for each in change["add"]: self.bring(each["key"], "operator", each["iss"], [org], 0, index, list(agreed.values()), "operators")
        for key in removed: key.suspect, key.revoked = index, index
        left = sum(key.role == "operator" and key.streams[0] == org and key.revoked is None for key in self.keys.values())
        demand(left >= change["threshold"] or not self.gap, "registry-missing", org, Missing)
        demand(left >= change["threshold"], "operator-quorum", org)
        self.rules[org] = (change["threshold"], rounds + 1)

    def counting(self, kid, org, index):
        """An operator of exactly this org whose key counts"""
        key = self.known(kid, "operator")
        demand(key.streams[0] == org, "operator-org", org)
        demand(key.revoked is None or index < key.revoked, "key-revoked", org)
        return key

    def root(self): return tree_root([leaf_hash(cbor2.dumps(leaf_of(self.keys[kid]))) for kid in sorted(self.keys)])
def above(*keys):
    """These keys and the operators behind them: those that brought them or consented, up to the founding ones"""
    found = {key.kid: key for key in keys}
    queue = list(found.values())
    for key in queue:                                    # it grows meanwhile
        new = [each for each in key.behind if each.kid not in found]
        found.update((each.kid, each) for each in new)
        queue += new
    return queue

def suspected(key, index): return key.suspect is not None and key.suspect <= index < key.revoked

def brought_by_suspect(key):
    """Whether an operator brought it, or what stands behind it, that was declared suspect from before that"""
    line = [key]
    while line[-1].before: line.append(line[-1].before)
    return any(suspected(operator, each.enrolled) for each in line + above(*key.behind) for operator in each.by)

def leaf_of(key):
    return [key.kid, key.role, key.iss, key.streams, key.silence, key.enrolled, key.superseded, key.suspect, key.revoked]

def check_use(key, statement, index):
    """Whether a statement at this index may be signed by the key (the table of section 9)"""
    sub, place = statement.sub, statement.place
    demand(key.iss == statement.iss and (key.role == "operator") == statement.item, "key-issuer", place)
    allowed = ["registry"] if statement.item else ["sys", *key.streams]
    demand(any(each in ("*", sub) or each.endswith("/*") and sub.startswith(each[:-1]) for each in allowed), "key-stream", place)
    demand(index > key.enrolled or statement.item and statement.seq == 0, "key-not-enrolled", place)
    superseded = key.superseded is not None and index > key.superseded
    if key.rotation:
        named = [seq for name, ch, seq, _ in key.rotation.content["heads"] if (name, ch) == (sub, statement.ch)]
        superseded = statement.hash != key.rotation.hash and (statement.seq > named[0] if named else index >= key.superseded)
    demand(not superseded, "key-superseded", place)
    demand(key.revoked is None or index < key.revoked, "key-revoked", place)

def judge_use(key, statement, index):
    """The same of a key whose whole story is known; returns the restriction."""
    check_use(key, statement, index)
    return "declared-suspect-later" if suspected(key, index) or brought_by_suspect(key) else None

def vouched(statements, known):
    """The chains behind a lost one that a re-enrolment covers: of each stream the first that the new key opened in the log"""
    covered = {}
    for each in sorted(statements, key=lambda each: (each.log.place, each.index)):
        key, content = known.get((id(each.log), each.kid)), each.content
        if key and key.how == "re-enrol" and each.seq == 0 and content["kind"] == "stream-opened" and content["before"][0] == "lost":
            covered.setdefault((id(key), each.iss, each.sub), (each.iss, each.sub, each.ch))
    return set(covered.values())
