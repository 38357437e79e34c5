"""The page as one HTML file: Jinja2 with autoescape, hashes for the Content-Security-Policy, packed entries.

The explorer's rows are one packed JSON value (gzip, base 85, unpacked by the browser's own DecompressionStream). What
is needed only on demand, passages and download pieces, is packed in blocks of works. All pieces of a work lie beside
each other, so that text which five forms repeat costs its bytes once.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from classifier.claims import ClaimUse
from classifier.errors import InputError
from classifier.export import forms
from classifier.export.forms import Form
from classifier.export.links import work_url
from classifier.outputs import Result
from classifier.report import charts
from classifier.report.data import MOST_WORKS, Gathered, PageData, Share, gather
from classifier.runs import HubRun, run_facts
from classifier.schema import MENTION, ClaimRelation, EvidenceSource, Label, Polarity, Role, Status

_OUTSIDE_HTML = str.maketrans("<>&", ",./")
REPORT_NAME = "report.html"
BLOCK = 64
"""Works in one packed block: opening an entry unpacks one block."""
ROW_FIELDS = (
    "id", "title", "authors", "year", "status", "role", "otherRoles", "polarity", "basis", "source", "confidence",
    "review", "evidence", "rationale", "url", "representative", "failure", "claims",
)  # fmt: skip
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that would turn the direction of the text around them."""


class LedgerEntry(NamedTuple):
    """One work under one claim."""

    citing_id: str
    relations: tuple[ClaimRelation, ...]
    by: str
    label: Label | None
    rank: float


def write_report(run_folder: Path, out: Path | None = None, *, hub_id: str | None = None) -> Path:
    """Write the page of one hub of a run (its first, unless ``hub_id`` names another) and return where it is.

    ``out`` defaults to ``report.html`` in the run folder. The same run gives the same bytes. Raises ``InputError``
    where the folder holds no finished run, or where ``out`` cannot be written.
    """
    target = out or run_folder / REPORT_NAME
    html = render(gather(run_folder, hub_id))
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.write_text(html, encoding="utf-8", newline="\n")
        partial.replace(target)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", path=target, do="give another --out") from error
    return target


def render(gathered: Gathered) -> str:
    """The whole page as HTML."""
    page, results, hub = gathered
    page_forms = _forms(hub)
    script = _asset("dataTables.min.js"), _asset("report.js")
    style = _asset("report.css")
    by_id = {result.prediction.citing_id: result for result in results}
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            page=page,
            results=by_id,
            sources=[s.value for s in EvidenceSource if any(row.source[s.value] for row in page.polarities)],
            charts=_charts(page),
            ledger=_ledger(page, by_id),
            relations=[relation.value for relation in ClaimRelation],
            policy=_policy(script, style),
            scripts=[Markup(text) for text in script],  # noqa: S704 - the package's own files
            style=Markup(style),  # noqa: S704 - the package's own file
            data=_embedded(_pack(_page_json(page, results, page_forms))),
            packed=_embedded(_packed(results, page_forms)),
            downloads=[form.label for form in page_forms],
            most=MOST_WORKS,
            stances=[Polarity.SUPPORTING.value, Polarity.CONTRASTING.value, Polarity.MIXED.value],
            work_url=work_url,
        )
    )


def shown(text: object) -> str:
    """Text as it is shown: characters that nobody can see or that turn the writing around become ``�``, one for one."""
    return _UNSEEN.sub("�", str(text))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.tests["contains"] = lambda values, value: value in values
    environment.filters["shown"] = shown
    environment.filters["words"] = lambda value: str(value).replace("_", " ")
    environment.filters["percent"] = _percent
    environment.filters["unmarked"] = _unmarked
    return environment


@cache
def _asset(name: str) -> str:
    return files("classifier.report").joinpath("assets", name).read_text(encoding="utf-8")


def _unmarked(text: str) -> str:
    """A passage without the double brackets around the mention, which mark it for machines."""
    return MENTION.sub(r"\1", text)


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _policy(scripts: Sequence[str], style: str) -> str:
    """Nothing may load or run but these very scripts and this very style sheet."""
    hashes = " ".join(_hash(text) for text in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'; "
        "connect-src 'none'; img-src 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _embedded(value: object) -> Markup:
    """JSON that cannot end its script element: no ``<``, no ``>``, no ``&``, no line separators."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def _charts(page: PageData) -> dict[str, Markup | None]:
    def bars(title: str, rows: Sequence[Share]) -> Markup:
        return charts.share_bars(f"{title}, share of the labelled works", [(r.value, r.count, r.share) for r in rows])

    return {
        "roles": bars("Role", page.roles),
        "polarities": bars("Polarity", page.polarities),
        "years": charts.year_columns("Labelled works by year and polarity", page.years, [p.value for p in Polarity])
        if page.years
        else None,
    }


def _ledger(page: PageData, results: Mapping[str, Result]) -> dict[str, list[LedgerEntry]]:
    """The works under each claim, one entry a work: relations in the order of ``ClaimRelation``, surest work first."""
    order = list(ClaimRelation)
    entries: dict[tuple[str, str], list[ClaimUse]] = {}
    for use in page.claim_uses:
        entries.setdefault((use.claim_id, use.citing_id), []).append(use)
    ledger: dict[str, list[LedgerEntry]] = {claim.claim_id: [] for claim in page.claims}
    for (claim_id, citing_id), uses in entries.items():
        label = results[citing_id].prediction.label
        relations = sorted({use.relation for use in uses}, key=order.index)
        ledger[claim_id].append(
            LedgerEntry(citing_id, tuple(relations), uses[0].by, label, -label.confidence if label else 0.0)
        )
    for listed in ledger.values():
        listed.sort(key=lambda entry: (order.index(entry.relations[0]), entry.rank, entry.citing_id))
    return ledger


def _forms(hub: HubRun) -> tuple[Form, ...]:
    cited, facts = hub.cited, run_facts(hub.manifest)
    return (
        forms.csv_form(cited),
        forms.json_form(cited, hub.manifest),
        forms.bibtex_form(cited),
        forms.json_ld_form(cited, facts),
        forms.turtle_form(cited, facts),
    )


def _page_json(page: PageData, results: Sequence[Result], page_forms: Sequence[Form]) -> dict[str, object]:
    chosen = {representative.citing_id for representative in page.representatives}
    claims: dict[str, list[str]] = {}
    for use in page.claim_uses:
        claims.setdefault(use.citing_id, []).append(use.claim_id)
    return {
        "fields": ROW_FIELDS,
        "rows": [
            [*_row(result, result.prediction.citing_id in chosen), claims.get(result.prediction.citing_id, [])]
            for result in results
        ],
        "claims": {claim.claim_id: f"{n}. {claim.text[:60]}" for n, claim in enumerate(page.claims, 1)},
        "block": BLOCK,
        "order": {
            "role": [role.value for role in Role],
            "polarity": [polarity.value for polarity in Polarity],
            "source": [source.value for source in EvidenceSource],
            "status": [status.value for status in Status],
        },
        "forms": [
            {"label": f.label, "file": f.file_name, "type": f.media_type, "start": f.start, "separator": f.separator,
             "end": f.end} for f in page_forms
        ],
    }  # fmt: skip


def _row(result: Result, chosen: bool) -> list[object]:
    """One explorer row, all but its claims; ``representative`` is 1 chosen here, 2 by the hub page, 3 both."""
    prediction, work = result
    label = prediction.label
    authors = ", ".join(work.authors[:3]) + (f" and {len(work.authors) - 3} more" if len(work.authors) > 3 else "")
    return [
        prediction.citing_id, work.title, authors, work.year, prediction.status.value,
        label.role.value if label else "",
        [role.value for role in label.other_roles] if label else [],
        label.polarity.value if label else "",
        label.basis.value if label else "",
        prediction.evidence_source.value,
        round(label.confidence, 3) if label else None,
        int(prediction.needs_review),
        label.evidence.text if label and label.evidence else "",
        label.rationale if label else "",
        work_url(work.ids) or "",
        int(chosen) + 2 * int(work.representative),
        prediction.failure or "",
    ]  # fmt: skip


def _packed(results: Sequence[Result], page_forms: Sequence[Form]) -> list[str]:
    """Blocks of works, each a packed JSON list of the pieces of every form, in the order of the forms."""
    blocks = []
    for start in range(0, len(results), BLOCK):
        pieces = [[form.piece(result) for form in page_forms] for result in results[start : start + BLOCK]]
        blocks.append(_pack(pieces))
    return blocks


def _pack(value: object) -> str:
    """The value as JSON, gzip, base 85 (RFC 1924); without a time, so that the same value gives the same text.

    Base 85 is 6 % smaller than base 64. Its three characters that mean something in HTML are exchanged.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64.b85encode(gzip.compress(text.encode(), 9, mtime=0)).decode().translate(_OUTSIDE_HTML)
