"""Addresses, keys and manners of the scholarly services; keys come from the environment only."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from classifier.sources.cache import default_cache


class SourceSettings(BaseSettings):
    """What can be set of the sources, each by ``CLASSIFIER_<NAME>``; keys also by the services' usual names."""

    model_config = SettingsConfigDict(env_prefix="CLASSIFIER_", extra="ignore", frozen=True, populate_by_name=True)

    s2_url: str = "https://api.semanticscholar.org/graph/v1"
    openalex_url: str = "https://api.openalex.org"
    opencitations_url: str = "https://api.opencitations.net"
    europepmc_url: str = "https://www.ebi.ac.uk/europepmc/webservices/rest"
    arxiv_api_url: str = "https://export.arxiv.org"
    arxiv_url: str = "https://arxiv.org"
    pith_url: str = "https://pith.science"
    s2_api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("S2_API_KEY", "SEMANTIC_SCHOLAR_API_KEY"))
    openalex_api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("OPENALEX_API_KEY"))
    opencitations_token: SecretStr | None = Field(None, validation_alias=AliasChoices("OPENCITATIONS_TOKEN"))
    source_cache: str = Field(default_factory=lambda: str(default_cache()))
    source_timeout: float = Field(60.0, gt=0)
    source_tries: int = Field(8, ge=1)
    arxiv_interval: float = Field(3.0, ge=0)
    """Seconds between two requests to arXiv, over all processes of this user: arXiv asks for three."""
    s2_interval: float = Field(1.0, ge=0)
    """Seconds between two requests to Semantic Scholar: one a second is the limit of a key."""


class Host(NamedTuple):
    """One service: its address, the seconds to keep between requests, and how it takes a key."""

    name: str
    url: str
    interval: float = 0.0
    key: SecretStr | None = None
    key_header: str | None = None
    key_parameter: str | None = None
