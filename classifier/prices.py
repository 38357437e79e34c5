"""What tokens cost: the table of ``prices.toml`` and the user's own, and the money that a run spent.

A model without a price has no price: nothing here ever takes it for 0.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pydantic import Field, ValidationError

from classifier.errors import SettingsError
from classifier.schema import Record

PRICES = Path(__file__).parent / "prices.toml"
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_MILLION = 1_000_000

CHARACTERS_PER_TOKEN = 4.0
"""English prose in the tokenizers of current models, where nothing better is known."""


class Tokens(Record):
    """Tokens of one or many answers. ``cached`` are part of ``prompt``, ``reasoning`` part of ``completion``."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0
    reasoning: int = 0


class Price(Record):
    """US dollars for a million tokens. ``batch`` is the share of the price that the Batch API asks."""

    model: str
    endpoint: str | None = None
    input: float = Field(ge=0)
    cached_input: float | None = Field(None, ge=0)
    output: float = Field(ge=0)
    reasoning: float | None = Field(None, ge=0)
    batch: float | None = Field(None, gt=0, le=1)
    as_of: date
    source: str

    def cost(self, tokens: Tokens, *, batch: bool = False) -> float:
        """Dollars for ``tokens``. Cached tokens without a price of their own cost what others cost."""
        cached = self.input if self.cached_input is None else self.cached_input
        reasoning = self.output if self.reasoning is None else self.reasoning
        dollars = (
            (tokens.prompt - tokens.cached) * self.input
            + tokens.cached * cached
            + (tokens.completion - tokens.reasoning) * self.output
            + tokens.reasoning * reasoning
        ) / _MILLION
        return dollars * (self.batch or 1.0) if batch else dollars


def read_prices(path: Path) -> tuple[Price, ...]:
    """The prices of a file in the form of ``prices.toml``. Raises ``SettingsError`` that names the entry."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: no price table: {error}; the form is that of classifier/prices.toml") from error
    entries = table.get("price", [])
    try:
        return tuple(Price.model_validate(entry) for entry in entries)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SettingsError(f"{path}: [[price]] {where}: {first['msg']}; got {first['input']!r}"[:300]) from error


def find_price(model: str, endpoint: str, own: Path | None = None) -> Price | None:
    """The price of a model at an endpoint: the user's file first, then the built-in table; ``None`` if neither has it.

    A dated snapshot (``gpt-4.1-2025-04-14``) costs what its model costs, unless it has an entry of its own.
    """
    tables: Sequence[tuple[Price, ...]] = ([read_prices(own)] if own else []) + [read_prices(PRICES)]
    for name in dict.fromkeys((model, _SNAPSHOT.sub("", model))):
        for table in tables:
            for price in table:
                if price.model == name and price.endpoint in (None, endpoint.rstrip("/")):
                    return price
    return None


class Purse:
    """The money that a run may spend, and has spent, whoever of its judges spends it."""

    def __init__(self, most: float | None = None) -> None:
        self.most, self.spent = most, 0.0

    @property
    def exhausted(self) -> bool:
        """Whether the budget is spent."""
        return self.most is not None and self.spent >= self.most


class Spending:
    """The money that one judge spent, counted as it goes; ``purse`` is what it shares with the others of a run.

    A try that was sent and lost (timeout, cut connection) is paid for by most services, and nobody says what it cost:
    it counts as its own characters, the answer as its limit.
    """

    def __init__(self, price: Price | None, most: float | None = None) -> None:
        self.price, self.purse = price, Purse(most)
        self.spent = 0.0

    @property
    def exhausted(self) -> bool:
        """Whether the budget of the run is spent."""
        return self.purse.exhausted

    def count(self, tokens: Tokens) -> None:
        """Count an answer, or a try whose usage nobody reported, ``tokens`` then being an estimate."""
        if self.price:
            dollars = self.price.cost(tokens)
            self.spent += dollars
            self.purse.spent += dollars


def needs_price(model: str, endpoint: str) -> SettingsError:
    """The error that asks for a price."""
    return SettingsError(
        f"no price is known for {model!r} at {endpoint}; give one with --prices FILE "
        "(the form is that of classifier/prices.toml; 0 where it costs nothing)"
    )
