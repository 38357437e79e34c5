"""Croissant 1.0 metadata of a gold folder: its files with their sha256, its record sets with their fields.

Format: https://docs.mlcommons.org/croissant/docs/croissant-spec.html (version 1.0).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from classifier.evaluation.gold import read_jsonl

_PROPERTIES = (
    "citeAs column data dataType examples extract field fileObject fileProperty fileSet format includes isLiveDataset "
    "jsonPath key md5 parentField path recordSet references regex repeated replace separator source subField transform"
).split()
_CONTEXT: dict[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    **{name: f"cr:{name}" for name in _PROPERTIES},
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}
_FIELDS = {
    "hub_id": "identifier of the cited work",
    "hub_title": "title of the cited work",
    "hub_abstract": "abstract of the cited work",
    "field": "field of research",
    "citing_id": "identifier of the citing work, unique within its hub",
    "title": "title of the citing work",
    "year": "year of the citing work",
    "contexts": "passages that cite the hub: text, before, after, section",
    "split": "dev or test, by hub",
    "annotator": "who labelled",
    "role": "primary role",
    "other_roles": "further roles",
    "polarity": "stance towards the hub",
    "basis": "what a stance rests on",
    "evidence": "words of the input on which the label rests",
    "confidence": "the annotator's own, 0 to 1",
    "adjudicated": "whether the annotators disagreed and an adjudicator decided",
    "note": "what the annotator or adjudicator remarked",
    "original": "citing_id of the item that was perturbed",
    "perturbation": "what was done to it",
    "expectations/field": "what must stay or flip: role, polarity or both",
    "expect": "whether the label must stay or flip",
    "to": "the value that the label must flip to, where it must",
    "why": "the reason, with the rule of the guide",
}
_TYPES = {"year": "sc:Integer", "confidence": "sc:Float", "adjudicated": "sc:Boolean"}


def croissant(folder: Path, *, name: str, description: str) -> dict[str, object]:
    """The metadata of every ``.jsonl`` file in ``folder``, sorted by name."""
    files = sorted(folder.glob("*.jsonl"))
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": description,
        "citeAs": "See CITATION.cff of the citation-polarity-classifier",
        "license": "https://www.apache.org/licenses/LICENSE-2.0",
        "version": "1.0.0",
        "datePublished": "2026-11-23",
        "creator": {"@type": "sc:Organization", "name": "The citation-polarity-classifier authors"},
        "rai:dataAnnotationPlatform": "none; sessions of a language model under a written guide",
        "distribution": [_file(path) for path in files],
        "recordSet": [_records(path) for path in files],
    }


def _file(path: Path) -> dict[str, object]:
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "encodingFormat": "application/jsonlines",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def _records(path: Path) -> dict[str, object]:
    keys = dict.fromkeys(key for _, row in read_jsonl(path) for key in row)
    return {
        "@type": "cr:RecordSet",
        "@id": path.stem,
        "name": path.stem,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{path.stem}/{key}",
                "name": key,
                **_described(path.stem, key),
                "dataType": _TYPES.get(key, "sc:Text"),
                **({"repeated": True} if key in {"contexts", "other_roles"} else {}),
                "source": {"fileObject": {"@id": path.name}, "extract": {"column": key}},
            }
            for key in keys
        ],
    }


def _described(file: str, key: str) -> dict[str, str]:
    """What the column means in that file; nothing for a column that is not ours."""
    meaning = _FIELDS.get(f"{file}/{key}") or _FIELDS.get(key)
    return {"description": meaning} if meaning else {}
