"""The money of batches, added up from what their answers say they took."""

from __future__ import annotations

from collections.abc import Sequence

from classifier.batch.files import Imported
from classifier.prices import Price, Tokens
from classifier.schema import Record


class BatchSpent(Record):
    """What the answers of a batch cost at the price of the Batch API; ``dollars`` is ``None`` without a known price.

    ``unpriced`` answers came without their number of tokens and are not in the sum.
    """

    answers: int = 0
    tokens: Tokens = Tokens()
    unpriced: int = 0
    dollars: float | None = None

    @classmethod
    def of(cls, imported: Sequence[Imported], price: Price | None) -> BatchSpent:
        """The money of the answers that were imported. Without a price for batches they cost what others cost."""
        tokens = _total([found.tokens for found in imported])
        return cls(
            answers=sum(found.counts["usable"] + found.counts["unusable"] for found in imported), tokens=tokens,
            unpriced=sum(found.unpriced for found in imported),
            dollars=None if price is None else price.cost(tokens, batch=True),
        )  # fmt: skip


def summed(done: Sequence[BatchSpent]) -> BatchSpent | None:
    """The sum; ``None`` of nothing. One part without a known price leaves the sum without dollars."""
    if not done:
        return None
    money = [one.dollars for one in done if one.dollars is not None]
    return BatchSpent(
        answers=sum(one.answers for one in done), tokens=_total([one.tokens for one in done]),
        unpriced=sum(one.unpriced for one in done), dollars=sum(money) if len(money) == len(done) else None,
    )  # fmt: skip


def _total(tokens: Sequence[Tokens]) -> Tokens:
    return Tokens(**{name: sum(getattr(one, name) for one in tokens) for name in Tokens.model_fields})
