"""Small hubs and tasks for tests."""

from classifier.evidence import prepare
from classifier.schema import CitationContext, CitedWork, CitingWork, Pair

HUB = CitedWork(
    hub_id="hub",
    title="A step-wise verifier",
    abstract="We introduce a verifier that judges every step, and show that it beats judging the final answer.",
)


def context_task(text, *, citing_id="w1", hub=HUB, title="A citing work", **context):
    work = CitingWork(citing_id=citing_id, title=title, contexts=(CitationContext(text=text, **context),))
    return prepare(Pair(hub, work))


def tasks(count):
    return [
        context_task(f"Work number {i} follows the verifier of [[hub]] in every step.", citing_id=f"w{i}")
        for i in range(count)
    ]
