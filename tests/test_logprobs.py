"""Token log-probabilities as raw confidence: found by offsets, stored, asked for only where wanted, calibrated."""

import asyncio
import json
import math

import pytest

from classifier.errors import SettingsError
from classifier.judges.combined import sampled
from classifier.judges.openai import OpenAIJudge, OpenAISettings
from classifier.judges.request import canonical, key_material, request_key
from classifier.logprobs import LEAST, read_logprobs, value_logprobs
from classifier.schema import Label, Polarity, Role, Status
from classifier.store import Store
from classifier.store_tools import export_store, import_store
from tests.hostile_server import HostileServer, Reply, answer_json, completion, error, quoted
from tests.requests import REQUEST
from tests.test_cli import classify, rows
from tests.works import tasks

LABEL = Label(role=Role.USES_METHOD, polarity=Polarity.NEUTRAL)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "answers.sqlite") as opened:
        yield opened


def token(data, value):
    """As OpenAI, vLLM and llama.cpp write one: its bytes, and a text in which half a character is no text."""
    return {"token": data.decode("utf-8", "replace"), "logprob": value, "bytes": list(data), "top_logprobs": []}


def unescaped(**changes):
    return json.dumps(json.loads(answer_json(**changes)), ensure_ascii=False)


def cut(text, pieces, value=0.0):
    """The bytes of a text as tokens: ``pieces`` gives (token, logprob) in order, what is between costs ``value``."""
    found, rest = [], text.encode()
    for piece, own in pieces:
        before, middle, rest = rest.partition(piece.encode())
        assert middle, f"{piece!r} does not stand in the rest of the text"
        found += [token(bytes([one]), value) for one in before] + [token(middle, own)]
    return {"content": found + [token(bytes([one]), value) for one in rest]}


def with_tokens(content, pieces=(), value=0.0):
    body = completion(content)
    body["choices"][0]["logprobs"] = cut(content, pieces, value)
    return Reply(body=body)


def test_a_value_split_over_tokens_is_the_product_of_their_probabilities():
    text = unescaped(role="uses_method", reasoning='Naïve “é” 漢字 "role": "background"')
    given = cut(text, [('"uses', -0.5), ("_meth", -0.25), ('od",', -0.125), (' "neutral', -2.0)], value=-7.0)
    found = value_logprobs(read_logprobs(given), LABEL)
    assert found == {"role": -0.875, "polarity": -2.0}, "neither blanks before nor the characters after count"


def test_a_character_split_over_tokens_moves_no_offset():
    text = unescaped(role="uses_method", reasoning="漢字")
    given = {"content": [token(bytes([one]), -0.1) for one in text.encode()]}
    assert read_logprobs(given).count("\\udc") == 6, "each byte of the two characters is a token"
    found = value_logprobs(read_logprobs(given), LABEL)
    assert found == pytest.approx({"role": -1.1, "polarity": -0.7})


def test_tokens_without_bytes_are_read_by_their_text():
    text = answer_json(role="uses_method")
    given = {"content": [{"token": one, "logprob": -0.1, "bytes": None} for one in text]}
    assert value_logprobs(read_logprobs(given), LABEL)["role"] == pytest.approx(-1.1)


def test_the_answer_after_the_thinking_counts_and_only_where_it_gives_the_label():
    draft, final = answer_json(role="uses_method"), answer_json(role="uses_method", confidence=0.9)
    text = f"<think>{draft}</think> So: ```json\n{draft} {final}\n```"
    start = text.rindex('"uses_method"') + 1
    content = [token(one.encode(), -0.2 if start <= i < start + 11 else -5.0) for i, one in enumerate(text)]
    tokens = read_logprobs({"content": content})
    assert value_logprobs(tokens, LABEL)["role"] == pytest.approx(-2.2)
    assert value_logprobs(tokens, LABEL.model_copy(update={"role": Role.EXTENDS})) is None


@pytest.mark.parametrize("value", [None, math.nan, 3.0, "x"])
def test_a_token_of_unknown_probability_gives_no_number(value):
    text = answer_json(role="uses_method")
    given = cut(text, [("_meth", value), ("neutral", -1.0)])
    assert value_logprobs(read_logprobs(given), LABEL) == {"polarity": -1.0}


def test_hardly_possible_and_rounded_numbers_are_kept_in_range():
    text = answer_json(role="uses_method")
    given = cut(text, [("uses_method", -3.4e38), ("neutral", 1e-6)])
    assert value_logprobs(read_logprobs(given), LABEL) == {"role": LEAST, "polarity": 0.0}
    assert read_logprobs(None) is read_logprobs({"content": []}) is read_logprobs({"content": None}) is None


def test_keys_from_before_stay_what_they_are():
    plain = key_material(REQUEST)
    assert "logprobs" not in plain
    asking = REQUEST._replace(logprobs=True)
    assert canonical(key_material(asking)) == canonical(plain | {"logprobs": True})
    assert request_key(asking) != request_key(REQUEST)


def asked(url, store, work, *, count=1, **changes):
    judge = OpenAIJudge.open(
        OpenAISettings(**{"base_url": url, "model": "m", "tries": 1, "timeout": 5} | changes), store
    )
    judge = sampled(judge, count) if count > 1 else judge

    async def run():
        try:
            known = judge.recall(work)
            fresh = iter(await judge.judge([w for w, k in zip(work, known, strict=True) if k is None]))
            return [k or next(fresh) for k in known]
        finally:
            await judge.aclose()

    return asyncio.run(run()), judge


def honest_tokens(body, n):
    """A server that gives them to whom asks, and to nobody else."""
    said = answer_json(role="uses_method", evidence=quoted(body), confidence=0.99)
    if not body.get("logprobs"):
        return Reply(said)
    return with_tokens(said, [("uses", -0.5), ("_method", -0.25), ("neutral", -0.125)], value=-1.0)


def probed(body, n):
    said = answer_json()
    return with_tokens(said) if body.get("logprobs") else Reply(said)


def test_asked_for_stored_and_recalled_while_plain_runs_stay_as_they_were(store, tmp_path):
    with HostileServer(honest_tokens, on_probe=probed) as server:
        (plain,), _ = asked(server.url, store, tasks(1))
        assert plain.logprobs is None
        assert "logprobs" not in server.bodies[0]
        (found,), judge = asked(server.url, store, tasks(1), logprobs=True)
        assert len(server.bodies) == 2, "a stored answer without them does not serve"
        assert server.bodies[1]["logprobs"] is True
        assert len(server.probes) == 2, "one more to find out whether it gives them"
        assert found.logprobs == {"role": -0.75, "polarity": -0.125}
        assert found.label.confidence == pytest.approx(math.exp(-0.875))
        assert found.needs_review
        assert "logprobs: given" in judge.card().notes
        assert judge.card().parameters["logprobs"] is True
        (again,), used = asked(server.url, store, tasks(1), logprobs=True)
        assert (again, used.usage().requests) == (found, 0)
        (same,), used = asked(server.url, store, tasks(1))
        assert (same, used.usage().requests) == (plain, 0)
        url = server.url
    export_store(store, tmp_path / "all.jsonl")
    with Store(tmp_path / "other.sqlite") as other:
        assert import_store(other, tmp_path / "all.jsonl") == 2
        (moved,), _ = asked(url, other, tasks(1), logprobs=True, offline=True)
    assert moved == found


@pytest.mark.parametrize(
    ("refusal", "finding"),
    [
        (lambda: error(400, "logprobs are not supported by this model"), "logprobs: refused (http"),
        (lambda: Reply(answer_json()), "logprobs: accepted but not given"),
    ],
)
def test_an_endpoint_without_them_is_asked_plainly_and_that_is_said(store, refusal, finding):
    with HostileServer(on_probe=lambda body, n: refusal() if body.get("logprobs") else Reply(answer_json())) as server:
        (found,), judge = asked(server.url, store, tasks(1), logprobs=True)
        assert "logprobs" not in server.bodies[0]
        (plain,), used = asked(server.url, store, tasks(1))
        assert used.usage().requests == 0
    assert found == plain
    assert found.status is Status.LABELLED
    assert judge.card().notes[-1].startswith(finding)


def test_an_answer_that_came_without_keeps_the_stated_confidence(store):
    def script(body, n):
        return Reply(answer_json(evidence=quoted(body), confidence=0.9))

    with HostileServer(script, on_probe=probed) as server:
        (found,), _ = asked(server.url, store, tasks(1), logprobs=True)
    assert (found.logprobs, found.label.confidence) == (None, 0.9)


def test_with_samples_the_votes_decide_and_the_logarithms_stand_beside(store):
    with HostileServer(honest_tokens, on_probe=probed) as server:
        (found,), _ = asked(server.url, store, tasks(1), count=2, logprobs=True)
        assert len(server.probes) == 2
    assert found.label.confidence == 1.0
    assert found.probabilities["role"] == {"uses_method": 1.0}
    assert found.logprobs == {"role": -0.75, "polarity": -0.125}


def graded(body, n):
    """Works 0, 3, 6, … are wrong and the model is less sure of them; what it writes is always 0.9."""
    number = int(body["messages"][1]["content"].split("Work number ")[1].split()[0])
    said = answer_json(role="compares" if number % 3 == 0 else "background", evidence=quoted(body), confidence=0.9)
    value = said.split('"role": "')[1].split('"')[0]
    return with_tokens(said, [(value, -1.5 if number % 3 == 0 else -0.05), ("neutral", -0.01)])


def test_the_columns_and_the_calibration_that_uses_them(tmp_path):
    works, gold = [], []
    for i in range(45):
        text = f"Work number {i} follows the verifier of [[hub]] in every step."
        works.append({"hub_id": "h", "hub_title": "H", "citing_id": f"w{i}", "title": f"T{i}", "context": text})
        gold.append({"hub_id": "h", "citing_id": f"w{i}", "split": "dev", "role": "background", "polarity": "neutral",
                     "basis": "none"})  # fmt: skip
    for name, lines in (("works", works), ("gold", gold)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines), encoding="utf-8")
    calibrated = ["--calibration", tmp_path / "c.json"]

    def run(*options, check=0):
        return classify("run", tmp_path / "works.jsonl", "--model", "m", *options, cwd=tmp_path, env=env, check=check)

    with HostileServer(graded, on_probe=probed) as server:
        env = {"CLASSIFIER_STORE": str(tmp_path / "s.sqlite"), "CLASSIFIER_BASE_URL": server.url}
        run("--logprobs", "--out", tmp_path / "raw")
        done = classify("calibrate", tmp_path / "raw", "--gold", tmp_path / "gold.jsonl", "--out", tmp_path / "c.json",
                        cwd=tmp_path, env=env, check=0)  # fmt: skip
        run("--logprobs", *calibrated, "--out", tmp_path / "mended")
        refused = run(*calibrated, check=2)
    raw, mended = ({row["citing_id"]: row for row in rows(tmp_path / name)} for name in ("raw", "mended"))
    assert raw["w0"]["role_logprob"] == "-1.5000"
    assert raw["w1"]["polarity_logprob"] == "-0.0100"
    assert float(raw["w0"]["confidence"]) == pytest.approx(math.exp(-1.51), abs=1e-3)
    assert "label" in done.stdout
    saved = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert saved["logprobs"] is True
    assert saved["targets"]["role"]["n"] == 45
    assert saved["targets"]["label"]["mapping"]["method"] != "as_is", "the raw number is off by a fifth"
    assert float(mended["w0"]["confidence"]) < 0.1
    assert float(mended["w1"]["confidence"]) > 0.9
    assert mended["w0"]["role_logprob"] == "-1.5000", "the raw signal stays"
    assert "give --logprobs" in refused.stderr


def test_a_calibration_of_written_confidence_is_refused_for_token_probabilities(tmp_path):
    from classifier.evaluation.calibration import Calibration, apply_calibration
    from classifier.evaluation.judging import CalibratedJudge

    with Store(tmp_path / "s.sqlite") as store:
        judge = OpenAIJudge.open(OpenAISettings(base_url="http://127.0.0.1:1/v1", model="m", logprobs=True), store)
        calibration = Calibration(judge="openai", model="m", prompt="v1", gold="g", targets={})
        with pytest.raises(SettingsError, match="leave out --logprobs"):
            CalibratedJudge(judge, calibration)
        one = judge.interviewer.silent(tasks(1)[0])
    assert apply_calibration(one, calibration.model_copy(update={"logprobs": True})) == one
