"""The page of figures on works without a passage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from classifier.training.title_pairs import GROUPS


def as_markdown(results: Mapping[str, Any]) -> str:
    """The figures as tables, set by set."""
    lines = ["# Works without a passage: the rules, measured", "", *_NOTES, ""]
    for name, found in results.items():
        if name != "example hub":
            lines += _set_tables(name, found)
    hub = results["example hub"]
    lines += ["## Example hub, gold", "", _HUB_NOTE.format(**hub, always=hub["always background"]), ""]
    lines += ["| rule: role | works | right |", "|---|---:|---:|"]
    return "\n".join(lines + [f"| {rule} | {n} | {hit} |" for rule, (n, hit) in hub["by rule"].items()]) + "\n"


def _set_tables(name: str, found: Mapping[str, Any]) -> list[str]:
    """The ways side by side, then rule by rule."""
    labels = ", ".join(f"{n} {group}" for group, n in sorted(found["labels"].items()))
    lines = [f"## {name}", "", f"Pairs by group: {labels}.", ""]
    lines += ["| way | asserted | right of asserted | `uses` right | `compares` right | macro-F1, abstained is wrong |"]
    lines[-1] += " macro-F1, asserted only | macro-F1 above chance |"
    lines.append("|---|---|---|---|---|---|---|---|")
    for way, s in found["scores"].items():
        share, right = s["asserted"] / s["pairs"], s["right"] / max(1, s["asserted"])
        by = tuple(_percent(s["by group"][group]) for group in GROUPS[1:])
        figures = tuple(_cell(s[key]) for key in ("macro", "macro asserted", "gain"))
        lines.append("| " + " | ".join((way, f"{share:.1%}", f"{right:.1%}", *by, *figures)) + " |")
    for way in ("rules", "rules, as for a summary"):
        lines += ["", f"| {way}: role | asserted | right, group | right, role | background instead | shrunk | stated |"]
        lines.append("|---|---:|---|---|---|---|---|")
        for rule, s in found[way].items():
            cells = tuple(_percent(s[key]) for key in ("group", "role", "background"))
            lines.append(f"| {rule} | {s['asserted']} | " + " | ".join(cells) + f" | {s['shrunk']} | {s['stated']} |")
    return [*lines, ""]


_NOTES = (
    "Made by `python -m classifier.training.relations`. Rules: `classifier/judges/local/relation.py`. Truth: what the",
    "passages that join two works do; three groups (motivation and future work are background, extension is use).",
    "Titles only: ACT and ACL-ARC give neither abstracts nor summaries, so the rules are measured without what the",
    "hub's abstract adds; `as for a summary` lets words of use in a title count, as they do in a summary. Shares with",
    "95 % Wilson intervals, macro-F1 with bootstrap intervals over citing works. Learnt: a linear model of the other",
    "corpus. Chance: groups drawn by the other corpus' shares (seed 0). Shrunk: (right + 2) / (asserted + 4), right by",
    "role; stated: the confidence that ships, from ACT alone. ACL-ARC has no stated licence: it is scored, and trains",
    "nothing that ships. Silver labels are a language model's reading of ACT passages. Nothing named test was opened.",
)
_HUB_NOTE = (
    "Title and abstract of the hub against summary, then title. {right} of {works} right by role (`unclear` counted as "
    "a role), always background {always}. The rule `word` was added after these labels had been looked at, so the "
    "score flatters the rules."
)


def _cell(found: Mapping[str, float]) -> str:
    return f"{found['value']:.1f} ({found['low']:.1f} to {found['high']:.1f})"


def _percent(found: Mapping[str, float]) -> str:
    if not found["total"]:
        return "-"
    return f"{found['count']} of {found['total']}, {found['share']:.0%} ({found['low']:.0%} to {found['high']:.0%})"
