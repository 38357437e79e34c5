"""Settings, resolved once: defaults < classifier.toml < environment < flags."""

from __future__ import annotations

import os
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from classifier.errors import SettingsError

CONFIG_NAME = "classifier.toml"
KEYS = "CLASSIFIER_API_KEYS"


def default_store() -> Path:
    """The answer store of this user: one file, shared by all runs."""
    return Path(platformdirs.user_data_dir("citation-polarity-classifier")) / "answers.sqlite"


class Settings(BaseSettings):
    """Everything that can be set. The key comes from the environment only, and prints as asterisks."""

    model_config = SettingsConfigDict(
        env_prefix="CLASSIFIER_", toml_file=CONFIG_NAME, extra="forbid", frozen=True, populate_by_name=True
    )

    judge: Literal["openai", "local"] | None = Field(
        None, description="who decides; chosen from key and base URL where unset"
    )
    api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("CLASSIFIER_API_KEY", "OPENAI_API_KEY"),
        description="key of the endpoint, from the environment only",
    )
    base_url: str | None = Field(
        None,
        validation_alias=AliasChoices("base_url", "CLASSIFIER_BASE_URL", "OPENAI_BASE_URL"),
        description="address of an OpenAI-compatible endpoint, up to /v1",
    )
    model: str | None = Field(None, description="model to ask")
    local_model: Path | None = Field(None, description="folder of `classify train` for the local judge")
    prompt: str = Field("v1", description="prompt version, a name in prompts/")
    temperature: float | None = Field(0.0, ge=0, le=2, description="sampling temperature")
    seed: int | None = Field(0, description="sampling seed, where the endpoint takes one")
    max_tokens: int = Field(1024, ge=16, description="most tokens of an answer")
    timeout: float = Field(120.0, gt=0, description="seconds to wait for an answer")
    claims: bool = Field(False, description="ask for the hub's claims, so that labels link to them; `run` does")
    logprobs: bool = Field(False, description="ask for the probabilities of the answer's tokens, for confidence")
    concurrency: int = Field(16, ge=1, le=1024, description="requests in flight at most")
    rpm: float | None = Field(None, gt=0, description="requests a minute at most")
    tpm: float | None = Field(None, gt=0, description="tokens a minute at most")
    max_cost: float | None = Field(None, ge=0, description="US dollars at which a run stops asking")
    prices: Path | None = Field(None, description="price table of your own, in the form of classifier/prices.toml")
    store: Path = Field(default_factory=default_store, description="file of the answer store")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then the environment, then ``classifier.toml`` of the working folder."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**flags: Any) -> Settings:
    """The settings in force; a flag that is ``None`` was not given. Raises ``SettingsError``, one line a problem."""
    if Path(CONFIG_NAME).is_file() and _names_key(Path(CONFIG_NAME)):
        raise SettingsError(f"{CONFIG_NAME}: holds a key; keys belong in the environment (OPENAI_API_KEY), take it out")
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        lines = [f"setting {'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors(include_url=False)]
        raise SettingsError("\n".join(lines)) from error
    except ValueError as error:
        raise SettingsError(f"{CONFIG_NAME}: {error}") from error


def settings_of_judges(settings: Settings, names: Sequence[str]) -> tuple[Settings, ...]:
    """The settings of each judge that ``--judge`` names; without a name the one that the settings choose.

    A name is ``local``, ``openai`` (the configured model), the name of a model at the configured endpoint, or
    ``MODEL@URL`` for one elsewhere. The key is for the configured endpoint and is sent to no other; one elsewhere gets
    that of its host, see :func:`key_of_host`. Raises ``SettingsError`` where a judge is named twice.
    """
    found = tuple(_of_judge(settings, name.strip()) for name in names) or (settings,)
    asked = [(one.judge, one.base_url, one.model) if one.judge == "openai" else one.judge for one in found]
    twice = next((name for i, name in enumerate(names) if asked[i] in asked[:i]), None)
    if twice is not None:
        raise SettingsError(f"--judge {twice}: this judge is named twice; for several answers of one give --samples")
    return found


def _of_judge(settings: Settings, name: str) -> Settings:
    if name in ("local", "openai"):
        return settings.model_copy(update={"judge": name})
    model, at, rest = name.partition("@http")
    url = f"http{rest}".rstrip("/") if at else None
    if not model:
        raise SettingsError(f"--judge {name!r}: wanted local, openai, MODEL or MODEL@URL")
    changes: dict[str, object] = {"judge": "openai", "model": model}
    if url is not None and url != (settings.base_url or "").rstrip("/"):
        changes |= {"base_url": url, "api_key": key_of_host(url)}
    elif settings.api_key is None and settings.base_url is None:
        raise SettingsError(
            f"--judge {name}: a model of this name needs OPENAI_API_KEY in the environment, or --base-url of a local "
            "server; the judges that are no models are local and openai"
        )
    return settings.model_copy(update=changes)


def key_of_host(url: str) -> SecretStr | None:
    """The key for an endpoint beside the configured one, from ``CLASSIFIER_API_KEYS``: ``HOST=KEY``, several by blanks.

    The host must be the same letter for letter, and over plain http a key goes to this machine only. Raises
    ``SettingsError`` where the address has no host or the variable is no such list.
    """
    try:
        address = urlsplit(url)
        host = address.hostname
    except ValueError:
        host = None
    if not host:
        raise SettingsError("--judge MODEL@URL: no address after the @; wanted http(s)://HOST/v1")
    keys: dict[str, str] = {}
    for one in os.environ.get(KEYS, "").split():
        name, equals, key = one.partition("=")
        if not (name and equals and key):
            raise SettingsError(f"{KEYS}: wanted HOST=KEY, several separated by blanks")
        keys[name.lower()] = key
    found = keys.get(host)
    if found is not None and address.scheme != "https" and not _this_machine(host):
        raise SettingsError(f"--judge at {host}: a key is not sent over plain http; give an https address")
    return SecretStr(found) if found else None


def _this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _names_key(path: Path) -> bool:
    names = {line.partition("=")[0].strip().lower() for line in path.read_text(encoding="utf-8").splitlines()}
    return any(name in ("api_key", "openai_api_key") or name.startswith("classifier_api_key") for name in names)


def choose_judge(settings: Settings) -> tuple[Literal["openai", "local"], str]:
    """The judge to use and the reason, as one phrase. Raises ``SettingsError`` for openai without key and address."""
    if settings.judge == "openai":
        if settings.api_key is None and settings.base_url is None:
            raise SettingsError("judge openai needs OPENAI_API_KEY in the environment, or --base-url of a local server")
        return "openai", "asked for"
    if settings.judge == "local":
        return "local", "asked for"
    if settings.base_url is not None:
        return "openai", f"base URL {settings.base_url} is configured"
    if settings.api_key is not None:
        return "openai", "a key is in the environment"
    return "local", "no key and no base URL is configured"
