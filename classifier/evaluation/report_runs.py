"""Plain text of what goes beyond one run: comparison, runs side by side, corrected shares, calibration."""

from __future__ import annotations

from collections.abc import Sequence

from classifier.evaluation.calibration import Calibration, Method
from classifier.evaluation.cascade import CascadeReport
from classifier.evaluation.compare import Comparison
from classifier.evaluation.conformal import Abstention
from classifier.evaluation.measure import SideBySide
from classifier.evaluation.prevalence import HubShares
from classifier.evaluation.report import clip, columns, interval, number

FLIPS_SHOWN = 30
HUBS_SHOWN = 5
FUSED = "fused"
BESIDE = ("accuracy", "macro_f1", "cohen_kappa")
"""The scores that stand in a side-by-side table."""


def comparison_lines(found: Sequence[Comparison], baseline: str, run: str = "run") -> list[str]:
    """Differences with intervals and tests, then the flips."""
    lines = [f"AGAINST {baseline} ({run} minus {'baseline' if run == 'run' else baseline}, all items)"]
    rows = [["", "n", "accuracy", "difference", "macro-F1", "difference", "gained", "lost", "McNemar p"]]
    for one in found:
        rows.append(
            [
                one.field,
                str(one.n),
                f"{one.accuracy[0]:.3f} -> {one.accuracy[1]:.3f}",
                interval(one.accuracy_difference),
                f"{one.macro_f1[0]:.3f} -> {one.macro_f1[1]:.3f}",
                interval(one.macro_f1_difference),
                str(one.gained),
                str(one.lost),
                f"{one.p_value:.2g}",
            ]
        )
    lines += columns(rows)
    for one in found:
        if one.flips:
            lines += ["", f"  flips of {one.field}"]
            lines += [
                f"    {'+' if flip.better else '-'} {clip(f'{flip.hub_id} / {flip.citing_id}', 60)}: "
                f"{flip.baseline} -> {flip.run} (gold {flip.gold})"
                for flip in one.flips[:FLIPS_SHOWN]
            ]
            if len(one.flips) > FLIPS_SHOWN:
                lines.append(f"    and {len(one.flips) - FLIPS_SHOWN} more; --json has all of them")
    return lines


def cascade_lines(found: CascadeReport) -> list[str]:
    """What the cascade saved, and how right the kept and the passed-on works are."""
    lines = [
        f"CASCADE: the local judge kept {found.kept_local} of {found.works} works; no model was asked for "
        f"{found.saved:.1%} of them"
    ]
    rows = [["accuracy", "kept", "local", "passed on", "model", "model on the kept", "cost (model minus cascade)"]]
    for one in found.fields:
        shown = (one.kept, one.passed_on, one.model_on_kept, one.cost)
        kept, passed, on_kept, cost = ("-" if value is None else interval(value) for value in shown)
        rows.append([one.field, str(one.kept_items), kept, str(one.passed_on_items), passed, on_kept, cost])
    lines += columns(rows)
    return [*lines, f"  {found.note}"] if found.note else lines


def side_lines(found: Sequence[SideBySide]) -> list[str]:
    """Several judges on the same gold pairs: those of one run, or the local judge, a model and their fusion."""
    fused = any(one.name == FUSED for one in found)
    lines = [f"SIDE BY SIDE (all items{'; fused by a rule fitted on the other folds' if fused else ''})"]
    for field in dict.fromkeys(one.field for one in found):
        chosen = [one for one in found if one.field == field]
        rows = [[field, "n", "accuracy", "macro-F1", "Cohen kappa"]]
        rows += [
            [
                one.name,
                str(one.scores.n),
                *(interval(getattr(one.scores, s)) for s in BESIDE),
            ]
            for one in chosen
        ]
        lines += [*columns(rows), ""]
    return lines[:-1]


def estimated(found: Sequence[HubShares]) -> Sequence[HubShares]:
    """Of several hubs those of which some works have no gold: in the others nothing is estimated."""
    several = len({one.hub_id for one in found}) > 1
    return [one for one in found if not several or one.sample < one.works]


def share_lines(found: Sequence[HubShares]) -> list[str]:
    """Counted and corrected role and polarity shares of each hub; values that occur nowhere are left out."""
    found = estimated(found)
    if not found:
        return []
    lines = ["SHARES IN THE HUB, corrected with the gold sample (right only if it was drawn at random from the hub)"]
    hubs = list(dict.fromkeys(one.hub_id for one in found))
    for hub in found:
        if hub.field == "basis" or hub.hub_id not in hubs[:HUBS_SHOWN]:
            continue
        census = ": all of them, so the shares are gold's own" if hub.sample >= hub.works else ""
        lines.append(f"  {clip(hub.hub_id, 60)}, {hub.field}: {hub.sample} of {hub.works} works have gold{census}")
        rows = [["", "counted", "naive share", "corrected share"]]
        rows += [
            [one.value, str(one.predicted), interval(one.naive), interval(one.corrected)]
            for one in hub.shares
            if one.predicted or one.corrected.value
        ]
        lines += columns(rows, indent="    ")
    if len(hubs) > HUBS_SHOWN:
        lines.append(f"  and {len(hubs) - HUBS_SHOWN} more hubs; --json has all of them")
    return lines


def calibration_text(found: Calibration) -> str:
    """What was fitted, what each method cost out of fold, and what the threshold achieved on held-out gold."""
    lines = [f"calibration of {found.judge} {found.model}, prompt {found.prompt or '-'}, on {found.gold}", ""]
    rows = [["target", "n", "accuracy", "chosen", *(f"log loss {method}" for method in Method)]]
    rows += [
        [name, str(t.n), number(t.accuracy), str(t.mapping.method), *(number(t.log_loss[method]) for method in Method)]
        for name, t in found.targets.items()
    ]
    lines += columns(rows)
    rows = [["target", *(f"ECE {method}" for method in Method)]]
    rows += [[name, *(number(target.ece[method]) for method in Method)] for name, target in found.targets.items()]
    lines += ["", *columns(rows), "  Both out of fold (5 folds, whole hubs where there are enough); lower is better."]
    if found.abstention:
        lines += ["", *abstention_lines(found.abstention)]
    return "\n".join(lines) + "\n"


def abstention_lines(rule: Abstention) -> list[str]:
    """The threshold and what thresholds fitted on the other folds achieved."""
    whose = "answered works" if rule.guarantee == "answered" else "all works"
    promise = f", kept with probability {1 - rule.delta:g}" if rule.guarantee == "answered" else ", in expectation"
    lines = [f"ABSTENTION on {rule.field}: at most {rule.level:.0%} errors among {whose}{promise}"]
    if rule.threshold is None:
        lines.append("  no threshold reaches this level: every work would be held back; ask for a higher level")
    else:
        lines.append(f"  threshold {rule.threshold:.3f} on the confidence as the judge gave it")
    held = rule.held_out
    error = held.error_answered
    lines.append(
        f"  held-out gold: {held.answered} of {held.n} answered ({held.coverage:.1%}), {held.wrong} wrong "
        f"({'-' if error is None else f'{error:.1%}'} of the answered, {held.error_all:.1%} of all)"
    )
    return lines
