"""A made-up hub with citing works of every role and polarity, and a judge that reads the label off its own sentences.

Used by the tests of report, export and page, by the page's benchmark and by the screenshots.
"""

import random
import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

from classifier.inputs import Source
from classifier.judges.base import JudgeCard, Usage
from classifier.running import RunOptions, run_source
from classifier.schema import (
    Basis,
    CitationContext,
    CitedWork,
    CitingWork,
    CocitedWork,
    Evidence,
    EvidenceSource,
    Hub,
    Label,
    Polarity,
    Prediction,
    Role,
    Status,
    WorkIds,
)

ABSTRACT = (
    "Reading programmes for early learners differ in how feedback is given. Previous work compared them on short texts "
    "only. We show that stepwise feedback improves reading accuracy more than outcome feedback on long texts. Our "
    "stepwise model solves 78% of the passages in the held-out set. We also find that active selection of passages "
    "halves the labelling effort. We release READ40K, a corpus of 40,000 annotated reading steps."
)
CITED = CitedWork(
    hub_id="stepwise-feedback",
    title="Stepwise Feedback for Reading Long Texts",
    abstract=ABSTRACT,
    authors=("Amara Okafor", "Lena Brandt", "Jun Sato"),
    year=2019,
    venue="Journal of Made-up Results",
    ids=WorkIds(doi="10.5555/made.up.2019"),
)
SUBJECTS = (
    "rural schools", "adult learners", "bilingual classrooms", "sign language", "medical training", "legal reading",
    "mathematics textbooks", "reading on phones", "dyslexia screening", "library lending", "song lyrics",
    "news writing",
)  # fmt: skip
SENTENCES = tuple(
    (Role(role), Polarity(polarity), Basis(basis), sentence)
    for role, polarity, basis, sentence in (
        ("background", "neutral", "none", "Feedback has long been studied for {s} [[(Okafor et al., 2019)]]."),
        ("uses_method", "neutral", "none", "For {s} we apply the stepwise feedback of [[Okafor et al. (2019)]]."),
        ("uses_data", "neutral", "none", "We train on READ40K, a corpus of steps [[(Okafor et al., 2019)]], for {s}."),
        (
            "compares", "supporting", "evidence",
            "In {s} stepwise feedback again improves reading accuracy on long texts, as in [[Okafor et al. (2019)]].",
        ),
        (
            "compares", "contrasting", "evidence",
            "Contrary to [[Okafor et al. (2019)]], active selection of passages saved no labelling effort for {s}.",
        ),
        ("compares", "contrasting", "assessment", "Our approach outperforms [[Okafor et al. (2019)]] on {s}."),
        ("background", "supporting", "assessment", "The pioneering study of [[Okafor et al. (2019)]] is rich in {s}."),
        (
            "extends", "mixed", "evidence",
            "We extend stepwise feedback [[(Okafor et al., 2019)]] to {s}; accuracy on long texts rises, "
            "but only for the older readers.",
        ),
        ("motivation", "neutral", "none", "Because [[Okafor et al. (2019)]] left out {s}, we start there."),
        ("future_work", "neutral", "none", "Joining it with stepwise feedback [[(Okafor et al., 2019)]] is for later."),
    )
)  # fmt: skip
FAMILY_NAMES = ("Öz", "Kim", "Novak", "Silva", "Ito", "Diaz")
COMPANIONS = ("A Survey of Feedback", "Outcome Rewards in Reading", "Annotation at Scale")


def make_hub(works=60, seed=7, hub_id=CITED.hub_id):
    """A hub with that many citing works; every ninth has no passage, every seventh no year."""
    draw = random.Random(seed)  # noqa: S311 - test data
    return Hub(
        cited=CITED.model_copy(update={"hub_id": hub_id}),
        citing=tuple(_work(i, draw) for i in range(works)),
        announced=works + 3,
    )


def _work(i, draw):
    subject, (_, _, _, sentence) = SUBJECTS[i % len(SUBJECTS)], SENTENCES[(i * 7 + i // 10) % len(SENTENCES)]
    passages = ()
    if i % 9 != 8:
        near = tuple(
            CocitedWork(title=title, year=2015 + n, level=draw.choice(("sentence", "paragraph", "paper")))
            for n, title in enumerate(COMPANIONS)
            if draw.random() < 0.4
        )
        context = CitationContext(
            text=sentence.format(s=subject),
            before=f"Much of what is known about {subject} comes from small groups of readers.",
            after="We return to this in the discussion, after the results of the main study have been described.",
            section=draw.choice(("Introduction", "Related work", "Methods", "Discussion")),
            cocited=near,
            shared=draw.choice((1, 1, 3)),
        )
        more = context.model_copy(
            update={"text": "See also [[(Okafor et al., 2019)]] for an account 🙂 of the corpus."}
        )
        passages = (context, more) if i % 4 == 0 else (context,)
    return CitingWork(
        citing_id=f"w{i:05d}",
        title=f"{('Notes on', 'A study of', 'Measuring', 'Towards')[i % 4]} {subject}, part {i // len(SUBJECTS) + 1}",
        summary=f"A study of {subject} that says what was done and what was found.",
        authors=tuple(f"{draw.choice('ABCDEFGH')}. {name}" for name in draw.sample(FAMILY_NAMES, 2)),
        year=None if i % 7 == 6 else 2020 + (i * 5) % 6,
        ids=WorkIds(arxiv_id=f"24{i % 12 + 1:02d}.{i:05d}") if i % 3 else WorkIds(doi=f"10.5555/citing.{i}"),
        representative=i % 20 == 3,
        contexts=passages,
    )  # fmt: skip


class SampleJudge:
    """Gives every sentence of ``SENTENCES`` its label; without a passage unclear; every 17th abstains, 23rd fails."""

    batch_size = 32

    def recall(self, tasks):
        return [None for _ in tasks]

    async def judge(self, tasks):
        return [self._prediction(task) for task in tasks]

    def _prediction(self, task):
        work, number = task.pair.citing, zlib.crc32(task.pair.citing.citing_id.encode())
        base = {
            "hub_id": task.pair.cited.hub_id, "citing_id": work.citing_id, "judge": "sample", "model": "sentences-1",
            "prompt": "none", "evidence_source": task.source,
        }  # fmt: skip
        if number % 23 == 22:
            why = "judges disagree: role extends (a), compares (b)"
            return Prediction(
                status=Status.FAILED, failure="the answer was cut off", needs_review=True, review_reason=why, **base
            )
        if task.source is not EvidenceSource.CONTEXT:
            label = Label(role=Role.UNCLEAR, polarity=Polarity.UNCLEAR, confidence=0.2, rationale="no passage")
            return Prediction(status=Status.LABELLED, label=label, needs_review=True, **base)
        passage = work.contexts[0].passage
        role, polarity, basis, _ = next(
            entry for entry in SENTENCES if entry[3].split("{s}")[0].split("[[")[0] in passage
        )
        start = passage.index(work.contexts[0].text)
        text = work.contexts[0].text
        label = Label(
            role=role, polarity=polarity, basis=basis, confidence=round(0.55 + number % 40 / 100, 3),
            rationale=f"the sentence says so ({role.value})",
            other_roles=(Role.BACKGROUND,) if role is Role.USES_DATA else (),
            evidence=Evidence(
                text=text, source=EvidenceSource.CONTEXT, start=start, end=start + len(text), context_index=0
            ),
        )  # fmt: skip
        if number % 17 == 16:
            return Prediction(
                status=Status.ABSTAINED, label=label, failure="confidence below the bar", needs_review=True, **base
            )
        return Prediction(status=Status.LABELLED, label=label, needs_review=number % 11 == 0, **base)

    def usage(self):
        return Usage(requests=12, cached=3, prompt_tokens=34_567, completion_tokens=890)

    def card(self):
        return JudgeCard(judge="sample", model="sentences-1", prompts={"none": "ab" * 32})

    async def aclose(self):
        pass


_LETTERS = random.Random(1)  # noqa: S311 - test data
VOCABULARY = ["".join(_LETTERS.choices("etaoinshrdlucm", k=_LETTERS.randint(2, 10))) for _ in range(12_000)]
_ZIPF = list(accumulate(1 / (rank + 3) for rank in range(len(VOCABULARY))))


def varied_text(draw, words):
    """Words drawn with Zipf's weights from a large vocabulary, which gzip packs about as well as prose."""
    return " ".join(draw.choices(VOCABULARY, cum_weights=_ZIPF, k=words))


def prose_hub(works, seed=5, around=25):
    """A hub in which no two texts are alike; each work has two passages of ``2 * around + 25`` words."""
    draw = random.Random(seed)  # noqa: S311 - test data
    hub = make_hub(works)
    made = tuple(
        work.model_copy(
            update={
                "title": varied_text(draw, 11),
                "summary": varied_text(draw, 30),
                "contexts": tuple(
                    context.model_copy(
                        update={"before": varied_text(draw, around), "after": varied_text(draw, around),
                                "text": f"{context.text} {varied_text(draw, 12)}"}
                    )
                    for context in (work.contexts * 2)[:2]
                ),
            }
        )
        for work in hub.citing
    )  # fmt: skip
    return hub.model_copy(update={"citing": made})


def make_run(folder, hub=None, judge=None):
    """Write ``hub.json`` and label it through the real pipeline; returns the run folder."""
    hub = hub or make_hub()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "hub.json"
    path.write_text(hub.model_dump_json(exclude_defaults=True), encoding="utf-8")
    return label(Source(path, hub=hub), judge or SampleJudge(), folder / "run")


def label(source, judge, out):
    """``run_source`` in a thread of its own: Playwright holds an event loop in the one of the tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run_source, source, judge, RunOptions(out=out)).result().folder
