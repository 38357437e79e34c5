"""A request and a stored answer for tests of the store; imports little, because child processes import it."""

from classifier.judges.request import ChatRequest, Rung, canonical, key_material, request_key
from classifier.prompting import Message
from classifier.store import RawAnswer, StoredAnswer

REQUEST = ChatRequest(
    endpoint="http://127.0.0.1:1/v1",
    model="m",
    messages=(Message("system", 'Say "yes".\n'), Message("user", "Is it — so? [[é]] \ud800")),
    rung=Rung.JSON_SCHEMA,
    schema='{"type":"object"}',
    temperature=0.0,
    top_p=None,
    seed=1,
    sample=0,
    max_tokens=100,
    token_field="max_tokens",
    timeout=60.0,
)


def row(text="a", request=REQUEST, **answer):
    return StoredAnswer(
        request_key(request),
        canonical(key_material(request)),
        RawAnswer(text, **answer),
        "server",
        "2026-01-01T00:00:00",
    )
