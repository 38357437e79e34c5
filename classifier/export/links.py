"""The one address of a work, from its identifiers."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from classifier.schema import WorkIds

_RESOLVERS = (
    ("doi", "https://doi.org/"),
    ("arxiv_id", "https://arxiv.org/abs/"),
    ("acl_id", "https://aclanthology.org/"),
    ("pmid", "https://pubmed.ncbi.nlm.nih.gov/"),
    ("pmcid", "https://pmc.ncbi.nlm.nih.gov/articles/"),
    ("openalex_id", "https://openalex.org/"),
    ("s2_id", "https://www.semanticscholar.org/paper/"),
)
_CONTROL_OR_SPACE = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]")


def work_url(ids: WorkIds) -> str | None:
    """An ``https`` address made from the best identifier, else the input's own ``http(s)`` address, else ``None``.

    Nothing else gets out: an address with another scheme (``javascript:``, ``data:``, ``file:``) is no address.
    """
    for kind, resolver in _RESOLVERS:
        value = getattr(ids, kind)
        if value and value.strip():
            return resolver + quote(value.strip(), safe="/:.;()-_~")
    return safe_url(ids.url)


def safe_url(url: str | None) -> str | None:
    """``url`` where it is an absolute ``http`` or ``https`` address of a host, percent-encoded; else ``None``."""
    if not url or _CONTROL_OR_SPACE.search(url.strip()):
        return None
    try:
        parts = urlsplit(url.strip())
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        return None
    return quote(url.strip(), safe="/:?#[]@!$&'()*+,;=%-._~")
