"""From a task to the messages that are sent: one template file a prompt and version, rendered purely.

A prompt *name* such as ``v1`` selects two files: ``passages-v1.md.j2`` for works with citation contexts and
``summary-v1.md.j2`` for those without; ``claims-v1.md.j2``, where there is one, asks for a hub's claims. Rendering
depends on the task alone: no date, no counter, no order of a set.

Text from papers is untrusted. Every value that a template prints goes through :func:`clean`, so that no template
can forget it: invisible characters vanish, white space is one blank, and nothing can open or close a tag.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.defaults import DEFAULT_NAMESPACE
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from classifier.errors import SettingsError
from classifier.evidence import Passage, Task
from classifier.schema import MENTION, CitedWork, EvidenceSource, Record

DEFAULT_PROMPT = "v1"

MAX_TEXT_CHARS = 4000
"""A longer text is shown as the window of this many characters around its mention (else its beginning)."""


class Message(NamedTuple):
    """One chat message."""

    role: str
    content: str


NOT_LABELLED = "not labelled"


class Shot(Record):
    """A labelled example shown before the item: the passage as an annotator saw it, and the gold label in words.

    Schemes that ask one of our questions only, or ask it more coarsely, leave the others ``not labelled`` or name
    several values, such as ``uses_method or uses_data``.
    """

    text: str
    role: str = NOT_LABELLED
    polarity: str = NOT_LABELLED
    basis: str = NOT_LABELLED


INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that print nothing: Unicode's Default_Ignorable_Code_Point (zero-width, bidi, tag and selector
characters, soft hyphen; DerivedCoreProperties.txt) and the interlinear annotation marks U+FFF9 to U+FFFB."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_TAG_OPENING = re.compile(r"<(?=\s*[^\W\d]|\s*[/|!?<])")
_PLAIN = re.compile(r"[ -;=-~]*")


@lru_cache(maxsize=2048)
def clean(text: str) -> str:
    """The text as a model may see it: on one line, nothing invisible, nothing that can act as a tag.

    ``<`` before a letter or one of ``/|!?<`` becomes ``‹`` (so chat-template tokens and closing delimiters are
    inert); lone surrogates become U+FFFD. Evidence copied from the result is found in
    the original by the folding of :mod:`classifier.locating`.
    """
    if not _PLAIN.fullmatch(text):
        text = _SURROGATE.sub("\ufffd", _CONTROL.sub(" ", INVISIBLE.sub("", text)))
        text = _TAG_OPENING.sub("‹", text)
    return " ".join(text.split())


def visible_range(text: str) -> tuple[int, int]:
    """Which characters ``[start, end)`` of a text are shown: all, or ``MAX_TEXT_CHARS`` around the first mention."""
    if len(text) <= MAX_TEXT_CHARS:
        return 0, len(text)
    mention = MENTION.search(text)
    middle = (mention.start() + mention.end()) // 2 if mention else 0
    start = min(max(0, middle - MAX_TEXT_CHARS // 2), len(text) - MAX_TEXT_CHARS)
    return start, start + MAX_TEXT_CHARS


def prompt_folder() -> Path:
    """Where the prompt files are: inside an installed package, else the top-level folder of a checkout."""
    package = Path(__file__).resolve().parent
    packed = package / "_prompts"
    return packed if packed.is_dir() else package.parent / "prompts"


def prompt_names(folder: Path | None = None) -> list[str]:
    """Names of which both files exist, sorted."""
    folder = folder or prompt_folder()
    found = {kind: {p.name[len(kind) + 1 : -6] for p in folder.glob(f"{kind}-*.md.j2")} for kind in _KINDS}
    return sorted(set.intersection(*found.values()))


_KINDS = ("passages", "summary")
_CLAIMS = "claims"
_GLOBALS = {name: value for name, value in DEFAULT_NAMESPACE.items() if name != "lipsum"}


class _Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox; a key of a plain dictionary (all that templates are given) is found at once, which is its speed."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


class Prompt:
    """A loaded prompt: both templates compiled once, and the sha256 of each file by its name."""

    def __init__(self, name: str, folder: Path | None = None) -> None:
        folder = folder or prompt_folder()
        names = prompt_names(folder)
        if name not in names:
            known = ", ".join(names) or "none"
            raise SettingsError(f"unknown prompt {name!r} in {folder}; known: {known}; choose one with --prompt")
        self.name = name
        environment = _Sandbox(
            loader=FileSystemLoader(folder, encoding="utf-8"),
            undefined=StrictUndefined,
            autoescape=False,  # the output is a chat message, not markup; ``clean`` does the neutralising
            finalize=_printed,
        )
        self.sha256: dict[str, str] = {}
        self._templates: dict[str, Context] = {}
        self._system: dict[str, Message] = {}
        self._hubs: dict[str, tuple[CitedWork, str]] = {}
        for kind in _KINDS:
            self.sha256 |= self._load(environment, folder / f"{kind}-{name}.md.j2", kind)
        claims = folder / f"{_CLAIMS}-{name}.md.j2"
        self.claims_sha256 = self._load(environment, claims, _CLAIMS) if claims.is_file() else {}

    def _load(self, environment: ImmutableSandboxedEnvironment, file: Path, kind: str) -> dict[str, str]:
        try:
            template = environment.get_template(file.name).new_context(shared=True)
            self._system[kind] = Message("system", _block(template, "system", {}))
        except (TemplateError, KeyError) as error:
            raise SettingsError(f"{file}: the prompt cannot be rendered: {error}; mend the template") from error
        self._templates[kind] = template
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest()}

    def render(self, task: Task, shots: Sequence[Shot] = ()) -> tuple[Message, ...]:
        """The messages for one task: a constant system message, then the item. Pure."""
        kind = "passages" if task.source is EvidenceSource.CONTEXT else "summary"
        values = {
            "citing": {"title": task.pair.citing.title},
            "texts": [_shown(number, passage) for number, passage in enumerate(task.passages, start=1)],
            "examples": [_example(shot) for shot in shots],
        }
        item = _block(self._templates[kind], "item", values)
        return self._system[kind], Message("user", f"{self._hub(kind, task.pair.cited)}\n\n{item}")

    def render_claims(self, cited: CitedWork) -> tuple[Message, ...]:
        """The messages that ask for a hub's claims; empty where this prompt has no such question. Pure."""
        if _CLAIMS not in self._templates:
            return ()
        return self._system[_CLAIMS], Message(
            "user", _block(self._templates[_CLAIMS], "hub", {"hub": _shown_hub(cited)})
        )

    def _hub(self, kind: str, cited: CitedWork) -> str:
        """The hub's part of the message, rendered once for as long as the hub stays the same object."""
        last = self._hubs.get(kind)
        if last is None or last[0] is not cited:
            last = self._hubs[kind] = cited, _block(self._templates[kind], "hub", {"hub": _shown_hub(cited)})
        return last[1]


def _printed(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


def _block(template: Context, name: str, values: Mapping[str, object]) -> str:
    template.parent = {**_GLOBALS, **values}  # a new context for every block took half the time
    return "".join(template.blocks[name][0](template)).strip()


def _shown_hub(cited: CitedWork) -> dict[str, object]:
    claims = [{"claim_id": claim.claim_id, "text": claim.text} for claim in cited.claims]
    return {"title": cited.title, "abstract": cited.abstract[:MAX_TEXT_CHARS], "claims": claims}


_KIND_SHOWN = {source: source.capitalize() for source in EvidenceSource}


def _shown(number: int, passage: Passage) -> dict[str, object]:
    start, end = visible_range(passage.text)
    return {
        "number": number,
        "kind": _KIND_SHOWN[passage.source],
        "section": passage.section or "",
        "others": max(0, (passage.shared or 1) - 1),
        "text": passage.text[start:end],
    }


def _example(shot: Shot) -> dict[str, object]:
    start, end = visible_range(shot.text)
    return {"text": shot.text[start:end], "role": shot.role, "polarity": shot.polarity, "basis": shot.basis}
