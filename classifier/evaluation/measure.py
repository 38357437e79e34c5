"""One run measured against gold: the numbers, before anyone formats them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from classifier.errors import InputError
from classifier.evaluation import agreement, scores
from classifier.evaluation.align import NO_ANSWER, Codes, Coverage, Item, align, encode
from classifier.evaluation.confidence import ConfidenceReport, confidence_report, judged
from classifier.evaluation.gold import FIELDS, Gold
from classifier.evaluation.intervals import RESAMPLES, SEED, Estimate, Floats, estimate, percentile_interval, resample
from classifier.evaluation.runs import Run
from classifier.schema import Record, Status

ANSWERED, ALL = "answered", "all"
MACHINE = "this run"
EXAMPLES_A_CELL = 3
LARGE_CELLS = 6


class Headline(Record):
    """Scores on one set of items: those answered, or all with no answer counted as wrong."""

    items: str
    n: int
    accuracy: Estimate
    macro_f1: Estimate
    balanced_accuracy: Estimate
    cohen_kappa: Estimate
    krippendorff_alpha: Estimate
    gwet_ac1: Estimate


class ClassScore(Record):
    """One class over all items; ``support`` counts gold, ``predicted`` the answers that gave it."""

    label: str
    support: int
    predicted: int
    precision: Estimate
    recall: Estimate
    f1: Estimate


class Example(Record):
    """One pair to look at in a cell of the confusion matrix."""

    hub_id: str
    citing_id: str
    title: str = ""
    evidence: str = ""
    rationale: str = ""
    gold_note: str = ""


class Cell(Record):
    """A large cell off the diagonal, with up to three of its pairs."""

    gold: str
    predicted: str
    n: int
    examples: tuple[Example, ...]


class FieldReport(Record):
    """All scores of one field. ``matrix[i][j]``: gold ``labels[i]`` predicted as ``columns[j]``."""

    field: str
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]
    headlines: tuple[Headline, ...]
    classes: tuple[ClassScore, ...]
    cells: tuple[Cell, ...]
    hubs: int
    any_role: Estimate | None = None


class HumanMachine(Record):
    """Agreement among the annotators beside that of each annotator with the run, on one field."""

    field: str
    annotators: agreement.AnnotatorAgreement | None
    with_machine: tuple[agreement.PairAgreement, ...]


class SideBySide(Record):
    """One of several runs on the same gold: all items of one field."""

    name: str
    field: str
    scores: Headline


class Evaluation(Record):
    """What ``classify evaluate`` found; ``report`` turns it into text and HTML."""

    run: str
    judge: str
    model: str
    prompt: str
    gold: str
    split: str | None
    coverage: Coverage
    failures: dict[str, int]
    fields: tuple[FieldReport, ...]
    agreement: tuple[HumanMachine, ...]
    confidence: tuple[ConfidenceReport, ...]


def measure(
    run: Run, gold: Gold, *, split: str | None = None, resamples: int = RESAMPLES, seed: int = SEED
) -> Evaluation:
    """Measure a run; ``InputError`` where gold and run share no pair or no gold field was answered once."""
    items, coverage = align(gold.items, run.predictions)
    if not coverage.labelled:
        raise InputError(
            f"nothing to score: of {coverage.gold} gold pairs {coverage.abstained} were abstained on, "
            f"{coverage.failed} failed and {coverage.missing} are missing from the run",
            path=run.path,
        )
    coded = [(field, codes) for field in FIELDS if (codes := encode(items, field)) is not None]
    if not coded:
        raise InputError("gold has no role, polarity or basis", path=gold.path)
    first = next(iter(run.predictions.values()))
    confidences = [(field, judged(items, field)) for field in ("label", "role", "polarity")]
    return Evaluation(
        run=run.name,
        judge=first.judge,
        model=first.model,
        prompt=first.prompt,
        gold=str(gold.path),
        split=split,
        coverage=coverage,
        failures=_failures(items),
        fields=tuple(field_report(f, codes, run, resamples=resamples, seed=seed) for f, codes in coded),
        agreement=_human_machine(items, gold, [f for f, _ in coded], resamples, seed),
        confidence=tuple(
            confidence_report(field, data, resamples=resamples, seed=seed) for field, data in confidences if data
        ),
    )


def side_by_side(
    runs: Mapping[str, Run], gold: Gold, *, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[SideBySide, ...]:
    """Scores on all items of each named run, field by field."""
    aligned = {name: align(gold.items, run.predictions)[0] for name, run in runs.items()}
    found = []
    for field in FIELDS:
        for name, items in aligned.items():
            if (codes := encode(items, field)) is not None:
                scored = headline(ALL, *tables(codes, resamples=resamples, seed=seed))
                found.append(SideBySide(name=name, field=field, scores=scored))
    return tuple(found)


def headline(name: str, table: Floats, drawn: Floats) -> Headline:
    """All scores of one table ``(K, C)`` with intervals from its resampled ones ``(resamples, K, C)``."""
    square, many = (table, drawn) if name == ANSWERED else (agreement.squared(table), agreement.squared(drawn))
    return Headline(
        items=name,
        n=int(table.sum()),
        accuracy=estimate(scores.accuracy, table, drawn, items=table.sum()),
        macro_f1=estimate(scores.macro_f1, table, drawn),
        balanced_accuracy=estimate(scores.balanced_accuracy, table, drawn),
        cohen_kappa=estimate(agreement.cohen_kappa, square, many),
        krippendorff_alpha=estimate(agreement.krippendorff_alpha, square, many),
        gwet_ac1=estimate(agreement.gwet_ac1, square, many),
    )


def tables(codes: Codes, *, resamples: int = RESAMPLES, seed: int = SEED) -> tuple[Floats, Floats]:
    """The confusion table ``(K, K + 1)`` of one field and its bootstrap resamples ``(resamples, K, K + 1)``."""
    k = len(codes.labels)
    table = scores.confusion(codes.gold, codes.predicted, k)
    cells = codes.gold * (k + 1) + codes.predicted
    drawn = resample(cells, k * (k + 1), codes.hub, resamples=resamples, seed=seed)
    return table, drawn.reshape(-1, k, k + 1)


def field_report(field: str, codes: Codes, run: Run, *, resamples: int = RESAMPLES, seed: int = SEED) -> FieldReport:
    """Headline scores, scores by class, confusion matrix and examples of one field."""
    table, drawn = tables(codes, resamples=resamples, seed=seed)
    some, some_drawn = scores.answered(table), scores.answered(drawn)
    return FieldReport(
        field=field,
        labels=codes.labels,
        columns=(*codes.labels, NO_ANSWER),
        matrix=tuple(tuple(int(n) for n in row) for row in table),
        headlines=(headline(ANSWERED, some, some_drawn), headline(ALL, table, drawn)),
        classes=class_scores(codes.labels, table, drawn),
        cells=_cells(codes, table, run),
        hubs=int(codes.hub.max()) + 1,
        any_role=_any_role(codes, resamples, seed) if field == "role" else None,
    )


def class_scores(labels: Sequence[str], table: Floats, drawn: Floats) -> tuple[ClassScore, ...]:
    """Support, precision, recall and F1 of each class from a table and its resampled ones."""
    gold, predicted = table.sum(-1), scores.answered(table).sum(-2)
    shares = {"precision": (scores.precision, predicted), "recall": (scores.recall, gold), "f1": (scores.f1, None)}
    found = {name: (score(table), score(drawn), n) for name, (score, n) in shares.items()}
    return tuple(
        ClassScore(
            label=label,
            support=int(gold[i]),
            predicted=int(predicted[i]),
            **{
                name: percentile_interval(float(value[i]), many[:, i], items=None if n is None else float(n[i]))
                for name, (value, many, n) in found.items()
            },
        )
        for i, label in enumerate(labels)
    )


def _cells(codes: Codes, table: Floats, run: Run) -> tuple[Cell, ...]:
    """The largest cells off the diagonal, in order of size; a single pair is no pattern and makes no cell."""
    columns = (*codes.labels, NO_ANSWER)
    wrong = [(int(table[i, j]), i, j) for i in range(table.shape[0]) for j in range(table.shape[1]) if i != j]
    large = sorted((cell for cell in wrong if cell[0] >= 2), key=lambda cell: (-cell[0], cell[1], cell[2]))
    found = []
    for n, i, j in large[:LARGE_CELLS]:
        members = [item for item, g, p in zip(codes.kept, codes.gold, codes.predicted, strict=True) if (g, p) == (i, j)]
        shown = tuple(_example(item, run) for item in members[:EXAMPLES_A_CELL])
        found.append(Cell(gold=codes.labels[i], predicted=columns[j], n=n, examples=shown))
    return tuple(found)


def _example(item: Item, run: Run) -> Example:
    prediction, work = item.prediction, run.works.get(item.gold.key)
    label = prediction.label if prediction else None
    return Example(
        hub_id=item.gold.hub_id,
        citing_id=item.gold.citing_id,
        title=work.title if work else "",
        evidence=label.evidence.text if label and label.evidence else "",
        rationale=label.rationale if label else (prediction.failure or "") if prediction else "not in the run",
        gold_note=item.gold.note,
    )


def _any_role(codes: Codes, resamples: int, seed: int) -> Estimate:
    """Share of all items whose predicted role is any of the gold roles, primary or other."""
    right = np.array(
        [item.predicted("role") in {item.gold.role, *item.gold.other_roles} for item in codes.kept], dtype=np.int64
    )
    drawn = resample(right, 2, codes.hub, resamples=resamples, seed=seed)
    return percentile_interval(float(right.mean()), drawn[:, 1] / drawn.sum(-1), items=len(right))


def _failures(items: Sequence[Item]) -> dict[str, int]:
    """Why gold pairs got no label, most frequent first."""
    reasons = [
        item.prediction.failure or ""
        for item in items
        if item.prediction and item.prediction.status is not Status.LABELLED
    ]
    return dict(sorted(((r, reasons.count(r)) for r in set(reasons)), key=lambda pair: (-pair[1], pair[0])))


def _human_machine(
    items: Sequence[Item], gold: Gold, fields: Sequence[str], resamples: int, seed: int
) -> tuple[HumanMachine, ...]:
    found = []
    for field in fields:
        given = agreement.votes(gold.annotations, field)
        if not given:
            continue
        answered = {item.gold.key: value for item in items if (value := item.predicted(field)) is not None}
        with_run = {**given, MACHINE: answered}
        found.append(
            HumanMachine(
                field=field,
                annotators=agreement.annotator_agreement(gold.annotations, field, resamples=resamples, seed=seed),
                with_machine=tuple(
                    agreement.pair_agreement(name, MACHINE, with_run, field, resamples=resamples, seed=seed)
                    for name in sorted(given)
                ),
            )
        )
    return tuple(found)
