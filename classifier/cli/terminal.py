"""What a person sees: tables as bars on stdout, progress on stderr; colour only on a terminal (rich decides)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from classifier.hub_view import HubTallies
from classifier.schema import STANCES, Basis, Polarity, Role, Status
from classifier.settings import Settings, choose_judge

BAR = 30
_COLOURS = {
    Polarity.SUPPORTING: "green",
    Polarity.CONTRASTING: "red",
    Polarity.MIXED: "yellow",
    Polarity.NEUTRAL: "blue",
    Polarity.UNCLEAR: "bright_black",
}

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def plain(text: str) -> str:
    """Text from an input made harmless for a terminal: control and escape characters shown as ``�``."""
    return "".join(ch if ch.isprintable() else "�" for ch in text)


def say(line: str) -> None:
    """One line on stderr."""
    err.print(escape(plain(line)))


def print_judges(asked: Sequence[Settings]) -> list[str]:
    """Say on stderr who decides and why; the judges' names: ``local``, ``openai``, or models where there are several.

    Raises ``SettingsError`` where a judge cannot be asked.
    """
    if len(asked) == 1:
        name, why = choose_judge(asked[0])
        say(f"judge: {name} ({why})")
        return [name]
    names = ["local" if choose_judge(one)[0] == "local" else str(one.model) for one in asked]
    say(f"judges: {', '.join(names)} (the labels of the run are those of {names[0]})")
    return names


def print_tallies(tallies: HubTallies, most: int = 3) -> None:
    """Coverage first, then role and polarity as bars, for each of the first ``most`` hubs."""
    hubs = list(tallies)
    for tally in hubs[:most]:
        summary = tally.status
        out.print(Text(plain(tally.cited.title), style="bold"))
        taken = f", {tally.taken} taken up" if tally.taken != tally.listed else ""
        listed = f"{tally.listed} listed{taken}"
        announced = f"{tally.announced} announced, " if tally.announced is not None else ""
        out.print(
            f"coverage: {announced}{listed}, {tally.with_passage} with a passage; "
            f"{summary[Status.LABELLED]} labelled, {summary[Status.ABSTAINED]} abstained, "
            f"{summary[Status.FAILED]} failed; {tally.needs_review} to review"
        )
        labelled = summary[Status.LABELLED]
        _bars("role", {role.value: tally.role[role] for role in Role}, labelled, {})
        _bars(
            "polarity",
            {p.value: tally.polarity[p] for p in Polarity},
            labelled,
            {p.value: colour for p, colour in _COLOURS.items()},
        )
        stances = [
            f"{p.value} {tally.stance[p, Basis.EVIDENCE]}/{tally.stance[p, Basis.ASSESSMENT]}"
            for p in Polarity
            if p in STANCES and tally.polarity[p]
        ]
        if stances:
            out.print(f"stances by basis (evidence/assessment): {', '.join(stances)}")
        for reason, count in tally.failures.most_common(3):
            out.print(escape(f"{count} x {plain(reason)}"))
    if len(hubs) > most:
        out.print(f"… and {len(hubs) - most} more hubs, all in summary.json")


def _bars(name: str, counts: Mapping[str, int], total: int, colours: Mapping[str, str]) -> None:
    out.print(f"{name}, of {total} labelled")
    highest = max(counts.values(), default=0)
    for value, count in counts.items():
        bar = "█" * (round(BAR * count / highest) if highest else 0) or ("▏" if count else "")
        share = f"{count / total:6.1%}" if total else "     -"
        line = Text(f"  {value:<12}{count:>6} {share} ")
        line.append(bar, style=colours.get(value, "cyan"))
        out.print(line)
