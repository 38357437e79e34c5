"""The libraries of the ``evaluate`` extra, imported on first use so that ``classify run`` starts without them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from classifier.errors import SettingsError


def load(module: str) -> ModuleType:
    """The module of that name; ``SettingsError`` naming the extra where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise SettingsError(
            f"{module.partition('.')[0]} is not installed; "
            "install it with: pip install 'citation-polarity-classifier[evaluate]'"
        ) from error
