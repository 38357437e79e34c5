"""Where cues, their side of the mention and a first person come together to say a stance.

A linear head cannot see such conjunctions in single cues: praise of the subject studied, or `better` in somebody
else's comparison, is no stance of the citing authors. The patterns are features of the heads. The linear heads alone
assert a stance only where one of its own patterns holds; the encoder has a threshold of its own where one does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from classifier.judges.local.cues import FIRST_PERSON, Cue
from classifier.judges.local.tokens import CITATION

CLOSE = 6
"""Tokens between a mention and what is said of it in its own clause."""
BESIDE = 10
"""Tokens between a fault or a gain and the work it is laid to."""
WITHIN = 20
"""Tokens between a mention and a comparison that it takes part in."""

_OWN = frozenset("our my this these present current".split())
_FINDINGS = frozenset("result finding data observation value estimate study rate level".split())
"""What may be found to differ. Methods that differ are no contradiction."""
_NO_FINDING = frozenset("method model approach algorithm system framework estimator set we".split())
"""What makes no finding of `our model estimates`, `our data set` and `in this study, we consider`."""
_IS = frozenset("is was are were may might also appear seem".split())
_AGAINST = frozenset({"to", "with", "from", "unlike"})
"""How contrasts end that name what they are with, and are no mere comparison of amounts."""
_BARRIERS = frozenset({CITATION, ";", ":", "whereas", "because", "since", "inspired", "by", "use", "using"})
"""What stands between a work and a fault that is not its own: another work, another clause."""


class Pattern(NamedTuple):
    """A pattern that holds: `name` starts with the stance it speaks for; tokens `[first, after)` carry it."""

    name: str
    first: int
    after: int


GATES: Mapping[str, frozenset[str]] = {
    "supporting/evidence": frozenset({"agrees"}),
    "supporting/assessment": frozenset({"chosen"}),
    "contrasting/evidence": frozenset({"disagrees", "contradicts"}),
    "contrasting/assessment": frozenset({"outdone", "faulted", "turned"}),
    "mixed/assessment": frozenset({"both"}),
}
"""Which patterns tell a stance (polarity/basis). Others only hint: praise near a mention is mostly of the subject."""


def kind_of(polarity: str, patterns: Collection[str]) -> str | None:
    """The stance, polarity/basis, as which `patterns` tell a polarity; evidence before assessment, None for neither."""
    for basis in ("evidence", "assessment"):
        kind = f"{polarity}/{basis}"
        if GATES.get(kind, frozenset()).intersection(patterns):
            return kind
    return None


class _View(NamedTuple):
    forms: Sequence[str]
    cues: Sequence[Cue]
    targets: Sequence[int]
    own: bool
    barriers: tuple[int, ...]
    first_person: tuple[int, ...]

    def named(self, *names: str) -> list[Cue]:
        return [c for c in self.cues if c.name in names]

    def gap(self, cue: Cue) -> int:
        return min((t - cue.after + 1 if t >= cue.after else cue.first - t for t in self.targets), default=99)

    def found(self, first: int, after: int) -> bool:
        """Whether own findings are named in these tokens: `our results`, `these data`, `the present study`."""
        forms = self.forms[first:after]
        near = [forms[i + 1 : i + 5] for i, f in enumerate(forms) if f in _OWN]
        return any(_FINDINGS.intersection(f[:3]) and not _NO_FINDING.intersection(f) for f in near)

    def right_of_target(self, cue: Cue) -> bool:
        return any(t < cue.first for t in self.targets)

    def blamed(self, cue: Cue) -> bool:
        """Whether a fault is laid to the mention: `[hub] ... suffers from`, or `drawback of [hub]`."""
        for target in self.targets:
            low, high = (target, cue.first) if target < cue.first else (cue.after - 1, target)
            reach = BESIDE if target < cue.first else 4
            if target > cue.first and self.forms[target - 1] not in ("of", "in", "with", "from"):
                continue
            if high - low <= reach and not any(low < i < high for i in self.barriers):
                return True
        return False

    def goes_on(self, cue: Cue) -> bool:
        """Whether it is said of a finding just told: `this differs from`, `these results contrast with`."""
        start = max(0, cue.first - BESIDE)
        near = self.forms[max(0, cue.first - 4) : cue.first]
        bare = near[-1:] == ["this"] or any(a == "this" and b in _IS for a, b in pairwise(near))
        return bare or self.found(start, cue.first)

    def against(self, cue: Cue) -> bool:
        """Whether a contrast says with what; if not, it may be one of amounts, or open a clause."""
        return self.forms[cue.after - 1] in _AGAINST

    def leaves(self, cue: Cue) -> bool:
        """Whether a contrast is with something else and the mention stands in a clause about us: `unlike X, we use`."""
        target = min((t for t in self.targets if t >= cue.after), default=cue.after)
        comma = next((i for i in range(cue.after, target) if self.forms[i] in ",;"), target)
        return any(comma < i < target for i in self.first_person)

    def ours_before(self, cue: Cue, reach: int = 5) -> bool:
        return any(-1 <= cue.first - i <= reach for i in self.first_person)


def find_patterns(
    forms: Sequence[str], cues: Sequence[Cue], targets: Sequence[int], following: Sequence[Cue] = ()
) -> list[Pattern]:
    """Patterns of the sentence `forms`; `following` are the cues of the sentence after it."""
    first_person = tuple(i for i, f in enumerate(forms) if f in FIRST_PERSON)
    own = bool(first_person) or any(c.name.endswith("own_result") for c in cues)
    barriers = tuple(i for i, f in enumerate(forms) if f in _BARRIERS)
    view = _View(forms, cues, targets, own, barriers, first_person)
    return [*_findings(view), *_comparisons(view), *_judgements(view, following)]


def _findings(view: _View) -> list[Pattern]:
    """Own findings beside the hub's: agreement and contradiction."""

    def near(name: str, *cues: str) -> list[Pattern]:
        found = [c for c in view.named(*cues) if view.gap(c) <= WITHIN and (view.own or view.goes_on(c))]
        return [Pattern(name, c.first, c.after) for c in found]

    out = near("agrees", "agree", "not:disagree")
    ours = [c for c in view.named("find", "not:find") if view.ours_before(c) or c.name == "not:find"]
    we_found = any(c.name == "find" for c in ours)
    found = we_found or view.found(0, len(view.forms))
    amounts = we_found and not out
    out += [
        Pattern("contradicts", c.first, c.after)
        for c in view.named("contrast")
        if view.gap(c) <= WITHIN
        and not view.leaves(c)
        and (amounts or (view.against(c) and (found or view.goes_on(c))))
    ]
    out += near("disagrees", "disagree", "not:agree")
    if not view.own:
        return out
    if view.named("report", "own_result"):
        out += [Pattern("alike", c.first, c.after) for c in view.named("same") if view.gap(c) <= CLOSE]
    if ours and not any(p.name in ("agrees", "contradicts") for p in out):
        nothing = [c for c in view.named("not:find") if view.gap(c) <= WITHIN and view.ours_before(c)]
        out += [Pattern("absent", c.first, c.after) for c in nothing]
    return out


def _comparisons(view: _View) -> list[Pattern]:
    """Own results above the hub's: `we ... better than [hub]`."""
    out: list[Pattern] = []
    for cue in view.named("better"):
        above = view.gap(cue) <= BESIDE and not view.right_of_target(cue) and view.ours_before(cue, WITHIN)
        if above or (view.right_of_target(cue) and view.ours_before(cue, 8)):
            out.append(Pattern("outdone", cue.first, cue.after))
    out += [
        Pattern("outdone", c.first, c.after)
        for c in view.named("worse")
        if view.right_of_target(c) and view.gap(c) <= CLOSE
    ]
    return out


def _judgements(view: _View, following: Sequence[Cue]) -> list[Pattern]:
    """Praise and criticism of the hub itself, and praise with a turn."""
    praise = [c for c in view.named("praise") if view.gap(c) <= CLOSE and not view.ours_before(c)]
    faults = [c for c in view.named("fault", "not:praise") if not view.ours_before(c)]
    near = [c for c in faults if view.blamed(c)]
    turns = view.named("turn")
    later = any(c.name == "turn" and c.first <= 1 for c in following) and [
        c for c in following if c.name in ("fault", "criticism", "not:praise", "not:use")
    ]
    out = [Pattern("faulted", c.first, c.after) for c in near]
    out += [Pattern("turned", t.first, t.after) for t in turns[:1] if near or later]
    if praise and (near or later) and (turns or later):
        out.append(Pattern("both", praise[0].first, praise[0].after))
    elif praise and not turns and not near:
        out += [Pattern("praised", c.first, c.after) for c in praise]
        if view.named("use") and view.named("cause") and view.own:
            out.append(Pattern("chosen", praise[0].first, praise[0].after))
    return out
