"""How often the intervals of a hub's shares hold the truth: corrected with a gold sample, and naive.

    python benchmarks/prevalence_coverage.py [--draws 4000] [--page docs/evaluation.md]

Each row draws hubs of N works with a true share of a value, a classifier with the stated recall and false-positive
rate, and a random gold sample of n works; then it asks whether each 95 % interval holds the hub's own share.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from classifier.evaluation.markers import replace_between
from classifier.evaluation.prevalence import corrected_share, naive_share

# works, gold sample, true share, recall, false-positive rate. In some rows the errors happen to cancel; the last rows
# are a rare stance, as in real citations.
CASES = (
    (200, 50, 0.30, 0.80, 0.10),
    (200, 50, 0.30, 0.80, 0.02),
    (1000, 50, 0.20, 0.70, 0.02),
    (1000, 100, 0.20, 0.70, 0.02),
    (1000, 50, 0.10, 0.60, 0.00),
    (1000, 200, 0.20, 0.70, 0.05),
    (1000, 100, 0.50, 0.95, 0.05),
    (1000, 100, 0.05, 0.60, 0.03),
    (1000, 200, 0.05, 0.60, 0.03),
    (5000, 100, 0.02, 0.60, 0.03),
    (5000, 200, 0.02, 0.60, 0.03),
)


def simulate(case: tuple[int, int, float, float, float], draws: int, seed: int) -> tuple[float, float, float, float]:
    """Share of draws whose corrected and naive interval hold the truth, and their mean widths."""
    works, sample, share, recall, false_rate = case
    draw = np.random.default_rng(seed)
    hits, widths = np.zeros(2), np.zeros(2)
    for _ in range(draws):
        truth = draw.random(works) < share
        predicted = draw.random(works) < np.where(truth, recall, false_rate)
        chosen = draw.permutation(works)[:sample]
        missed = int((truth & ~predicted)[chosen].sum())
        false = int((predicted & ~truth)[chosen].sum())
        found = (
            corrected_share(works, int(predicted.sum()), sample, missed, false),
            naive_share(works, int(predicted.sum())),
        )
        for i, one in enumerate(found):
            assert one.low is not None
            assert one.high is not None
            hits[i] += one.low <= truth.mean() <= one.high
            widths[i] += one.high - one.low
    return (*(hits / draws), *(widths / draws))


def table(draws: int, seed: int) -> str:
    """All cases as a Markdown table."""
    lines = [
        f"95 % intervals, {draws} draws each, seed {seed}:",
        "",
        "| works | gold | share | recall | false pos. | corrected holds | naive holds "
        "| corrected width | naive width |",
        "|" + "--:|" * 9,
    ]
    for case in CASES:
        corrected, naive, wide, narrow = simulate(case, draws, seed)
        works, sample, share, recall, false_rate = case
        lines.append(
            f"| {works} | {sample} | {share:.2f} | {recall:.2f} | {false_rate:.2f} "
            f"| {corrected:.1%} | {naive:.1%} | {wide:.3f} | {narrow:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table, or renew it in a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    found = table(given.draws, given.seed)
    print(found)
    if given.page:
        replace_between(given.page, "coverage", found)


if __name__ == "__main__":
    main()
