"""OpenAI's Batch API: submit, follow, collect and cancel, resumable at every step.

``batch.json`` in the run folder is written before each call that changes something on the server, and says what is
about to happen. A file is found again by its name and a batch by its metadata, so that a call whose answer was lost
is not made twice. Answers go into the store under the same keys as online ones.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import uuid4

from openai import OpenAI
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

from classifier.batch.files import (
    MAX_BYTES,
    MAX_REQUESTS,
    Imported,
    RequestManifest,
    import_responses,
    manifest_path,
    open_requests,
    write_requests,
)
from classifier.batch.lines import URL
from classifier.batch.spending import BatchSpent, summed
from classifier.errors import InputError
from classifier.judges.openai import OpenAIJudge
from classifier.judges.transport import as_judge_error
from classifier.outputs import write_json
from classifier.prices import CHARACTERS_PER_TOKEN, Price
from classifier.schema import Pair, Record
from classifier.store import Store

STATE = "batch.json"
WINDOW: Literal["24h"] = "24h"
ENDED = frozenset({"completed", "expired", "cancelled", "failed"})
_TOO_MANY_TOKENS = "token_limit_exceeded"
_T = TypeVar("_T")


class BatchPart(Record):
    """One request file on its way: ``step`` is what was last begun with it, ``status`` what the server said."""

    requests_file: str
    file: str
    requests: int
    tokens: int
    step: Literal["written", "uploading", "uploaded", "creating", "created", "collected"] = "written"
    input_file_id: str | None = None
    batch_id: str | None = None
    status: str = ""
    problem: str = ""
    output_file_id: str | None = None
    error_file_id: str | None = None
    completed: int = 0
    failed: int = 0
    spent: BatchSpent | None = None


class BatchState(Record):
    """Everything that is needed to go on; never a key. ``token`` names this run on the server."""

    token: str
    input: str
    settings: dict[str, Any]
    parts: tuple[BatchPart, ...] = ()

    @property
    def spent(self) -> BatchSpent | None:
        """The sum over the parts that were collected; ``None`` before the first."""
        return summed([part.spent for part in self.parts if part.spent])

    @property
    def rounds(self) -> int:
        """How many times requests were written."""
        return len({part.requests_file for part in self.parts})


class BatchRun:
    """The batches of one run folder."""

    def __init__(self, folder: Path, state: BatchState) -> None:
        self.folder, self.state = folder, state

    @classmethod
    def create(cls, folder: Path, source: Path, settings: dict[str, Any]) -> BatchRun:
        """A new run, on disk before anything is sent."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", path=folder) from error
        run = cls(folder, BatchState(token=f"classify-{uuid4().hex[:16]}", input=str(source), settings=settings))
        run.save()
        return run

    @classmethod
    def open(cls, folder: Path) -> BatchRun:
        """The run of a folder. Raises ``InputError``."""
        path = folder / STATE
        try:
            saved = json.loads(path.read_bytes())
            saved.pop("spent_in_all", None)  # made from the parts
            return cls(folder, BatchState.model_validate(saved))
        except (OSError, ValueError, AttributeError) as error:
            what = "no batch run here" if isinstance(error, OSError) else "not a batch run"
            raise InputError(what, path=path, do="begin with `classify batch submit INPUT`") from error

    def save(self) -> None:
        """Put the state on disk in one step."""
        spent = self.state.spent and self.state.spent.model_dump(mode="json")
        write_json(self.folder / STATE, self.state.model_dump(mode="json") | {"spent_in_all": spent})

    @property
    def busy(self) -> bool:
        """Whether some part was written and is not collected."""
        return any(part.step != "collected" for part in self.state.parts)

    def write(self, pairs: Iterator[Pair], judge: OpenAIJudge, input_sha256: str, *,
              most: int = MAX_REQUESTS, most_bytes: int = MAX_BYTES) -> int:  # fmt: skip
        """Write what the store cannot answer yet as the next round of requests; how many there are."""
        target = self.folder / f"requests-round{self.state.rounds + 1}.jsonl"
        counts: Counter[str] = Counter()
        parts = write_requests(open_requests(pairs, judge, counts), target, most=most, most_bytes=most_bytes)
        if not parts:
            return 0
        manifest = RequestManifest(
            endpoint=judge.settings.endpoint, model=judge.settings.model, prompt=judge.settings.prompt,
            input=self.state.input, input_sha256=input_sha256, works=counts["works"], answered=counts["answered"],
            parts=parts,
        )  # fmt: skip
        write_json(manifest_path(target), manifest.model_dump(mode="json"))
        new = tuple(
            BatchPart(requests_file=target.name, file=part.file, requests=part.requests,
                      tokens=round(part.bytes / CHARACTERS_PER_TOKEN))
            for part in parts
        )  # fmt: skip
        self.state = self.state.model_copy(update={"parts": self.state.parts + new})
        self.save()
        return sum(part.requests for part in parts)

    def submit(self, client: BatchClient, most_tokens: int | None = None) -> int:
        """Upload and start what is not started, as far as ``most_tokens`` may be enqueued at once; how many started.

        A part that alone is larger is started when nothing else is enqueued.
        """
        started = 0
        for number, part in enumerate(self.state.parts):
            if part.step in ("created", "collected"):
                continue
            enqueued = sum(p.tokens for p in self.state.parts if p.step == "created" and p.status not in ENDED)
            if most_tokens is not None and enqueued and enqueued + part.tokens > most_tokens:
                break
            self._start(client, number)
            started += 1
        return started

    def _start(self, client: BatchClient, number: int) -> None:
        part = self.state.parts[number]
        name = f"{self.state.token}-{part.file}"
        if part.step in ("written", "uploading"):
            found = client.find_file(name) if part.step == "uploading" else None
            self._update(number, step="uploading")
            file_id = found or client.upload(self.folder / part.file, name)
            self._update(number, step="uploaded", input_file_id=file_id)
        part = self.state.parts[number]
        found = client.find_batch(self.state.token, part.file) if part.step == "creating" else None
        self._update(number, step="creating")
        batch_id = found or client.create(part.input_file_id or "", self.state.token, part.file)
        self._update(number, step="created", batch_id=batch_id, status="validating")

    def refresh(self, client: BatchClient) -> None:
        """Ask how far each batch is. One that did not fit into the queue goes back to be started again."""
        for number, part in enumerate(self.state.parts):
            if part.step != "created" or part.status in ENDED:
                continue
            self._update(number, **client.look(part.batch_id or ""))
            if _TOO_MANY_TOKENS in self.state.parts[number].problem:
                self._update(number, step="uploaded", batch_id=None, status="", problem="")

    def collect(
        self, client: BatchClient, store: Store, price: Price | None = None
    ) -> list[tuple[BatchPart, list[Imported]]]:
        """Take the answers of every batch that ended, also partial ones; what came of each and what it cost."""
        done = []
        for number, part in enumerate(self.state.parts):
            if part.step != "created" or part.status not in ENDED:
                continue
            imported = []
            for kind, file_id in (("output", part.output_file_id), ("error", part.error_file_id)):
                if file_id:
                    target = self.folder / f"{kind}-{part.file}"
                    client.download(file_id, target)
                    requests = self.folder / part.requests_file
                    imported.append(import_responses(requests, target, store))
            self._update(number, step="collected", spent=BatchSpent.of(imported, price))
            done.append((self.state.parts[number], imported))
        return done

    def cancel(self, client: BatchClient) -> int:
        """Ask the server to stop what is under way; what was answered until then can be collected. How many."""
        asked = 0
        for number, part in enumerate(self.state.parts):
            if part.step == "created" and part.status not in ENDED:
                self._update(number, **client.cancel(part.batch_id or ""))
                asked += 1
        return asked

    def _update(self, number: int, **changes: Any) -> None:
        parts = list(self.state.parts)
        parts[number] = parts[number].model_copy(update=changes)
        self.state = self.state.model_copy(update={"parts": tuple(parts)})
        self.save()


class BatchClient:
    """The calls of files and batches, each tried again by tenacity where that can help."""

    def __init__(self, endpoint: str, api_key: str | None, tries: int = 5) -> None:
        self._endpoint = endpoint
        self._client = OpenAI(base_url=endpoint, api_key=api_key or "no-key", max_retries=0, timeout=600.0)
        self._tries = tries

    def find_file(self, name: str) -> str | None:
        """The id of the uploaded file of this name."""
        return self._try(
            lambda: next((f.id for f in self._client.files.list(purpose="batch") if f.filename == name), None)
        )

    def upload(self, path: Path, name: str) -> str:
        """Upload; the id."""
        return self._try(lambda: self._client.files.create(file=(name, path.read_bytes()), purpose="batch").id, tries=1)

    def find_batch(self, token: str, part: str) -> str | None:
        """The id of the batch that was created for a part of this run."""
        wanted = {"classify_run": token, "part": part}
        return self._try(lambda: next((b.id for b in self._client.batches.list() if b.metadata == wanted), None))

    def create(self, file_id: str, token: str, part: str) -> str:
        """Start a batch; its id."""
        metadata = {"classify_run": token, "part": part}
        return self._try(
            lambda: (
                self._client.batches.create(
                    input_file_id=file_id, endpoint=URL, completion_window=WINDOW, metadata=metadata
                ).id
            ),
            tries=1,
        )

    def look(self, batch_id: str) -> dict[str, Any]:
        """How far a batch is, as fields of :class:`BatchPart`."""
        return _fields(self._try(lambda: self._client.batches.retrieve(batch_id)))

    def cancel(self, batch_id: str) -> dict[str, Any]:
        """Ask to cancel."""
        return _fields(self._try(lambda: self._client.batches.cancel(batch_id)))

    def download(self, file_id: str, target: Path) -> None:
        """Save a file in one step."""
        partial = target.with_name(f".{target.name}.partial")
        content = self._try(lambda: self._client.files.content(file_id).content)
        partial.write_bytes(content)
        partial.replace(target)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _try(self, call: Callable[[], _T], tries: int | None = None) -> _T:
        """What changes the server is tried once: after a lost answer the next run looks first what is there."""
        from classifier.errors import JudgeUnavailableError

        def once() -> _T:
            try:
                return call()
            except Exception as error:  # (judged by ``as_judge_error``, which raises what it does not know)
                raise as_judge_error(error, self._endpoint) from error

        retrying = Retrying(
            retry=retry_if_exception_type(JudgeUnavailableError), stop=stop_after_attempt(tries or self._tries),
            wait=wait_exponential(multiplier=0.5, max=20) + wait_random(0.0, 0.5), reraise=True,
        )  # fmt: skip
        return retrying(once)


def _fields(batch: Any) -> dict[str, Any]:
    problems = [f"{e.code}: {e.message}" for e in (batch.errors.data or [])] if batch.errors else []
    counts = batch.request_counts
    return {
        "status": batch.status, "problem": "; ".join(problems)[:300], "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id, "completed": counts.completed if counts else 0,
        "failed": counts.failed if counts else 0,
    }  # fmt: skip
