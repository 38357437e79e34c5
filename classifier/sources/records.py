"""What clients return, and how an answer becomes a typed record or one clear line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from classifier.errors import SourceError
from classifier.identifiers import squash
from classifier.naming import slug
from classifier.schema import CitedWork, CitingWork, WorkIds
from classifier.sources.http import Answer

Model = TypeVar("Model", bound=BaseModel)


class Loose(BaseModel):
    """Base of what services send: unknown fields are ignored, wrong types are a changed schema."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class NotCoveredError(SourceError):
    """The service does not know the hub, or no identifier of it that the service takes: no failure, but no list."""


class Page(NamedTuple):
    """One page of citing works. ``announced``: how many the service says there are; ``notes``: one line each."""

    works: tuple[CitingWork, ...]
    retrieved_at: str
    announced: int | None = None
    notes: tuple[str, ...] = ()


Pages = Iterator[Page]


class Candidate(NamedTuple):
    """A work that the typed identifier may mean; ``cited_by`` as the service counts."""

    work: CitedWork
    cited_by: int | None
    retrieved_at: str
    source: str


def validated(model: type[Model], answer: Answer, value: object) -> Model:
    """``value`` as the model. Raises ``SourceError`` that names the first field that is not as documented."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(map(str, problem["loc"])) or "the answer"
        raise SourceError(
            f"{answer.where}: changed schema: {place}: {problem['msg']}, got {problem['input']!r:.60}; "
            "report it to this project"
        ) from error


def work_id(ids: WorkIds, title: str) -> str:
    """The identifier a work goes by: arXiv id, DOI, PubMed, OpenAlex or Semantic Scholar id, else from its title."""
    known = ids.arxiv_id or ids.doi or (f"pmid:{ids.pmid}" if ids.pmid else None) or ids.openalex_id or ids.s2_id
    return known or slug(title)


def one_line(text: str | None) -> str:
    """White space collapsed; empty for ``None``."""
    return " ".join((text or "").split())


def title_fits(wanted: str, title: str) -> bool:
    """Whether two titles are the same in letters and digits."""
    return bool(squash(wanted)) and squash(wanted) == squash(title)
