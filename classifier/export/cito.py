"""Citations as linked data: CiTO 2.8 characterisations, C4O in-text pointers, PROV, as JSON-LD and as Turtle.

One ``cito:Citation`` a citing work with the citing and the cited entity and one ``cito:hasCitationCharacterization``
each for role and polarity. A work without a label is a citation all the same, characterised ``cito:cites``. The
evidence stands on a ``c4o:InTextReferencePointer`` where it is a passage.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote

from classifier.export.links import work_url
from classifier.outputs import Result
from classifier.schema import (
    Basis,
    CitedWork,
    CitingWork,
    EvidenceSource,
    Label,
    Polarity,
    Role,
    Status,
)

NAMESPACES = {
    "c4o": "http://purl.org/spar/c4o/",
    "cito": "http://purl.org/spar/cito/",
    "cpc": "urn:citation-polarity:",
    "dcterms": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
ROLE_TERMS = {
    Role.BACKGROUND: "cito:obtainsBackgroundFrom",
    Role.MOTIVATION: "cito:citesAsPotentialSolution",
    Role.USES_METHOD: "cito:usesMethodIn",
    Role.USES_DATA: "cito:usesDataFrom",
    Role.EXTENDS: "cito:extends",
    Role.COMPARES: "cito:citesAsRelated",
    Role.FUTURE_WORK: "cito:citesAsPotentialSolution",
    Role.UNCLEAR: "cito:cites",
}
POLARITY_TERMS = {
    (Polarity.SUPPORTING, Basis.EVIDENCE): "cito:confirms",
    (Polarity.SUPPORTING, Basis.ASSESSMENT): "cito:credits",
    (Polarity.CONTRASTING, Basis.EVIDENCE): "cito:disputes",
    (Polarity.CONTRASTING, Basis.ASSESSMENT): "cito:critiques",
    (Polarity.MIXED, Basis.EVIDENCE): "cito:qualifies",
    (Polarity.MIXED, Basis.ASSESSMENT): "cito:qualifies",
    (Polarity.NEUTRAL, Basis.NONE): "cito:cites",
    (Polarity.UNCLEAR, Basis.NONE): "cito:cites",
}
_JSON_TYPES = {"cpc:confidence": "xsd:decimal", "dcterms:issued": "xsd:gYear"}


class Literal(NamedTuple):
    """A string with its datatype; ``""`` is a plain string."""

    text: str
    datatype: str = ""


class Iri(NamedTuple):
    """A node: a full address, or a name with a prefix of ``NAMESPACES``."""

    name: str


Term = Literal | Iri
Node = tuple[Iri, list[tuple[str, Term]]]


def characterisations(label: Label | None) -> tuple[str, ...]:
    """CiTO properties of a label, roles first, without repeats; ``cito:cites`` only where nothing says more."""
    if label is None:
        return ("cito:cites",)
    found = [ROLE_TERMS[role] for role in (label.role, *label.other_roles)]
    found.append(POLARITY_TERMS[label.polarity, label.basis])
    specific = tuple(dict.fromkeys(term for term in found if term != "cito:cites"))
    return specific or ("cito:cites",)


def head_nodes(cited: CitedWork, run: dict[str, str]) -> list[Node]:
    """The hub and the run: what every citation points at. ``run`` maps ``judge``, ``model``, ``prompt``, ``ended``."""
    activity: list[tuple[str, Term]] = [("rdf:type", Iri("prov:Activity"))]
    activity += [(f"cpc:{key}", Literal(run[key])) for key in ("judge", "model", "prompt") if run.get(key)]
    if run.get("ended"):
        activity.append(("prov:endedAtTime", Literal(run["ended"], "xsd:dateTime")))
    entity: list[tuple[str, Term]] = [("dcterms:title", Literal(cited.title))]
    if cited.year is not None:
        entity.append(("dcterms:issued", Literal(f"{cited.year:04d}", "xsd:gYear")))
    return [(_hub(cited), entity), (_run(cited), activity)]


def work_nodes(cited: CitedWork, result: Result) -> list[Node]:
    """The nodes of one citing work: the work, the citation, and the pointer with the evidence where there is one."""
    prediction, work = result.prediction, result.citing
    # A label that was held back counts nowhere, so it characterises nothing either.
    label = prediction.label if prediction.status is Status.LABELLED else None
    entity = _entity(cited, work)
    about: list[tuple[str, Term]] = [("dcterms:title", Literal(work.title))]
    if work.year is not None:
        about.append(("dcterms:issued", Literal(f"{work.year:04d}", "xsd:gYear")))
    citation = Iri(f"cpc:{_slug(cited.hub_id)}/citation/{_slug(work.citing_id)}")
    facts: list[tuple[str, Term]] = [
        ("rdf:type", Iri("cito:Citation")),
        ("cito:hasCitingEntity", entity),
        ("cito:hasCitedEntity", _hub(cited)),
    ]
    facts += [("cito:hasCitationCharacterization", Iri(term)) for term in characterisations(label)]
    facts += [("cpc:status", Literal(prediction.status.value)), ("prov:wasGeneratedBy", _run(cited))]
    nodes: list[Node] = [(entity, about), (citation, facts)]
    if label is None:
        return nodes
    facts.append(("cpc:confidence", Literal(f"{label.confidence:.3f}", "xsd:decimal")))
    if label.rationale:
        facts.append(("rdfs:comment", Literal(label.rationale)))
    evidence = label.evidence
    if evidence is not None and evidence.source is EvidenceSource.CONTEXT:
        pointer, context = (Iri(f"{citation.name}/{part}") for part in ("pointer", "context"))
        facts.append(("prov:wasDerivedFrom", pointer))
        nodes.append((pointer, [("rdf:type", Iri("c4o:InTextReferencePointer")), ("c4o:hasContext", context)]))
        nodes.append((context, [("c4o:hasContent", Literal(evidence.text))]))
    elif evidence is not None:
        facts.append(("cpc:evidence", Literal(evidence.text)))
    return nodes


def json_ld_parts(nodes: Iterable[Node]) -> Iterator[str]:
    """One JSON object a node, to stand in the ``@graph`` of ``json_ld``."""
    for subject, facts in nodes:
        record: dict[str, object] = {"@id": subject.name}
        for name, value in facts:
            key = "@type" if name == "rdf:type" else name
            shown: object
            if isinstance(value, Iri):
                shown = value.name if key == "@type" else {"@id": value.name}
            else:
                shown = {"@value": value.text, "@type": value.datatype} if value.datatype else value.text
            held = record.get(key)
            record[key] = shown if held is None else [*held, shown] if isinstance(held, list) else [held, shown]
        yield json.dumps(record, ensure_ascii=False)


def json_ld_start() -> str:
    """What stands before the first node; between nodes stand a comma and a line end."""
    return f'{{"@context": {json.dumps(NAMESPACES)},\n"@graph": [\n'


JSON_LD_END = "\n]}\n"


def turtle_start() -> str:
    """The prefixes."""
    return "".join(f"@prefix {name}: <{address}> .\n" for name, address in NAMESPACES.items()) + "\n"


def turtle(nodes: Iterable[Node]) -> str:
    """The nodes as Turtle blocks in their order.

    Written here, not by rdflib, so that a million citations stream and the order is the run's; the tests read both
    forms back with rdflib and compare the graphs.
    """
    blocks = []
    for subject, facts in nodes:
        lines = [f"{'a' if name == 'rdf:type' else name} {_turtle_term(value)}" for name, value in facts]
        blocks.append(f"{_turtle_term(subject)} " + " ;\n    ".join(lines) + " .\n")
    return "".join(blocks)


def _turtle_term(term: Term) -> str:
    if isinstance(term, Literal):
        # The escapes of a JSON string are escapes of a Turtle string too (Turtle 1.1, STRING_LITERAL_QUOTE, UCHAR).
        quoted = json.dumps(term.text, ensure_ascii=False).replace("\x7f", "\\u007F")
        return quoted + (f"^^{term.datatype}" if term.datatype else "")
    prefix, _, local = term.name.partition(":")
    if prefix == "cpc":
        return f"<{NAMESPACES['cpc']}{local}>"
    return term.name if prefix in NAMESPACES else f"<{term.name}>"


def _hub(cited: CitedWork) -> Iri:
    return Iri(work_url(cited.ids) or f"cpc:{_slug(cited.hub_id)}")


def _run(cited: CitedWork) -> Iri:
    return Iri(f"cpc:{_slug(cited.hub_id)}/run")


def _entity(cited: CitedWork, work: CitingWork) -> Iri:
    return Iri(work_url(work.ids) or f"cpc:{_slug(cited.hub_id)}/work/{_slug(work.citing_id)}")


def _slug(identifier: str) -> str:
    return quote(identifier, safe="-._~")
