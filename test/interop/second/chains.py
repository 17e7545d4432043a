"""What the statements of a stream say of one another's places (docs/formats.md section 6)."""
import functools
from second.reading import demand

def opens(statement): return statement.seq == 0 and statement.content["kind"] == "stream-opened"

def head_before(statement):
    """The head that an opening names: chain, number, hash; None where it says `none` or `lost`"""
    before = statement.content["before"]
    return before if isinstance(before[0], bytes) else None

class Stream:
    """The chains of one (iss, sub). The same bytes twice count once; of two statements of one number the first is held."""
    def __init__(self): self.chains, self.last, self.openings, self.followers = {}, {}, {}, {}

    def add(self, each):
        self.chains.setdefault(each.ch, {}).setdefault(each.seq, each)
        self.last[each.ch] = max(each.seq, self.last.get(each.ch, 0))
        if opens(each):
            self.openings.setdefault(each.ch, each)
            if head_before(each): self.followers.setdefault(head_before(each)[0], set()).add(each.ch)

    def at(self, ch, seq): return self.chains.get(ch, {}).get(seq)

    def neighbours(self, each):
        """Nobody else holds its number, and the next one names it"""
        after = self.at(each.ch, each.seq + 1)
        demand(self.at(each.ch, each.seq).hash == each.hash and (not after or after.prev == each.hash), "fork", each.place)

    def beginning(self, each):
        """What statement 0 of a chain says of the other chains"""
        demand(opens(each), "fork", each.place)
        demand(each.content["before"] != "none" or each.ch not in self.late, "fork", each.place)
        if not head_before(each): return
        chain, number, head = head_before(each)
        old = self.at(chain, number)
        demand(not old or old.hash == head, "fork", each.place)
        demand(self.last.get(chain, 0) <= number, "fork", each.place)
        demand(len(self.followers[chain]) == 1, "fork", each.place)

    @functools.cached_property
    def late(self):
        """The chains that say `none` after one was opened that doesn't continue them, directly or through others"""
        late, begun, roots = set(), set(), {}
        for each in sorted(self.openings.values(), key=lambda each: (each.log.place, each.index)):
            if each.content["before"] == "none" and not begun <= {each.ch}: late.add(each.ch)
            begun.add(self.root(each.ch, roots))
        return late

    def root(self, ch, roots):
        """The chain at the end of the way back, as far as the openings on it are here. roots: those known"""
        way = []
        while ch not in roots:                           # a circle ends where it is met again
            way.append(ch)
            opening = self.openings.get(ch)
            roots[ch] = ch
            if not (opening and head_before(opening)): break
            ch = head_before(opening)[0]
        roots.update(dict.fromkeys(way, roots[ch]))
        return roots[ch]
