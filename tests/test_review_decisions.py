import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from pydantic import ValidationError

from classifier.errors import StoreError
from classifier.review.consensus import Outcome, consensus, to_adjudicate
from classifier.review.decisions import LOG_NAME, Action, Decision, DecisionLog, HumanLabel, Shown
from classifier.review.reviewed import REVIEWED_COLUMNS, write_reviewed
from classifier.review.run import open_run
from classifier.schema import Basis, Polarity, Role, Status
from tests.paths import ROOT
from tests.reviewing import HUB, snapshot, write_run

SHOWN = Shown(blind=False, status=Status.LABELLED)
NEUTRAL = HumanLabel(role=Role.BACKGROUND, polarity=Polarity.NEUTRAL)
CONTRASTING = HumanLabel(role=Role.COMPARES, polarity=Polarity.CONTRASTING, basis=Basis.EVIDENCE)


def decision(annotator="ada", citing_id="a", label=NEUTRAL, **given):
    action = given.pop("action", Action.LABEL if label else Action.SKIP)
    return Decision(annotator=annotator, hub_id=HUB.hub_id, citing_id=citing_id, action=action, label=label,
                    shown=given.pop("shown", SHOWN), **given)  # fmt: skip


def test_what_is_written_is_read_back_by_another_process_view(tmp_path):
    log, other = DecisionLog(tmp_path), DecisionLog(tmp_path)
    (written,) = log.append([decision()])
    assert written.seq == 1
    assert written.made_at.endswith("+00:00")
    assert other.of("ada") == {}
    other.refresh()
    assert other.of("ada") == {(HUB.hub_id, "a"): written}
    assert list(DecisionLog(tmp_path).standing()) == [written]


def test_an_undo_brings_the_decision_before_it_back(tmp_path):
    log = DecisionLog(tmp_path)
    first, second = log.append([decision(), decision(label=CONTRASTING)])
    assert log.of("ada")[first.key].label == CONTRASTING
    log.append([decision(label=None, action=Action.UNDO, undoes=second.seq)])
    assert log.of("ada")[first.key].label == NEUTRAL
    assert log.last_seq == 3


def test_the_log_refuses_to_be_changed(tmp_path):
    log = DecisionLog(tmp_path)
    log.append([decision()])
    with sqlite3.connect(tmp_path / LOG_NAME) as connection:
        for statement in ("UPDATE decisions SET annotator = 'x'", "DELETE FROM decisions"):
            with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
                connection.execute(statement)
    connection.close()


def test_a_batch_is_written_whole_or_not_at_all(tmp_path):
    log = DecisionLog(tmp_path)
    broken = decision().model_copy(update={"annotator": None})
    with pytest.raises(StoreError):
        log.append([decision(), broken])
    assert list(DecisionLog(tmp_path).standing()) == []


def test_a_log_that_is_no_database_is_one_clear_error(tmp_path):
    (tmp_path / LOG_NAME).write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(StoreError, match=r"review\.sqlite: the review log cannot be used"):
        DecisionLog(tmp_path)


@pytest.mark.parametrize(
    ("polarity", "basis"), [("supporting", "none"), ("neutral", "evidence"), ("unclear", None), ("neutral", None)]
)
def test_a_label_keeps_polarity_and_basis_together(polarity, basis):
    with pytest.raises(ValidationError, match="does not go with"):
        HumanLabel(role=Role.BACKGROUND, polarity=Polarity(polarity), basis=basis and Basis(basis))


WRITER = """
import sys
from tests.test_review_decisions import decision
from classifier.review.decisions import DecisionLog
from pathlib import Path
log = DecisionLog(Path(sys.argv[1]))
for number in range(100000):
    (one,) = log.append([decision(citing_id=str(number))])
    print(one.seq, flush=True)
"""


def test_no_decision_that_was_acknowledged_is_lost_to_kill_9(tmp_path):
    draw = random.Random(7)  # noqa: S311 - when to kill, not a secret
    acknowledged = 0
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(draw.uniform(0.01, 0.3))
        process.send_signal(signal.SIGKILL)
        seen = process.communicate()[0].split()
        acknowledged = max([acknowledged, *map(int, seen)])
        log = DecisionLog(tmp_path)
        assert log.last_seq >= acknowledged
        assert [d.seq for d in log.standing()] == list(range(1, log.last_seq + 1))
    assert acknowledged > 4


def test_agreement_disagreement_and_adjudication(tmp_path):
    log = DecisionLog(tmp_path)
    log.append([decision(), decision("bob"), decision(citing_id="b"), decision("bob", "b", CONTRASTING)])
    found = consensus(log)
    assert found[HUB.hub_id, "a"].outcome is Outcome.REVIEWED
    assert found[HUB.hub_id, "b"].outcome is Outcome.DISAGREED
    assert found[HUB.hub_id, "b"].label is None
    assert to_adjudicate(found) == [(HUB.hub_id, "b")]
    shown = SHOWN.model_copy(update={"adjudicating": True, "answers": (3, 4)})
    log.append([decision("cleo", "b", CONTRASTING, action=Action.ADJUDICATE, shown=shown)])
    assert consensus(log)[HUB.hub_id, "b"].label == CONTRASTING
    assert set(log.labels()) == {"ada", "bob"}


def test_the_reviewed_csv_shows_both_and_disarms_formulas(tmp_path):
    run = open_run(write_run(tmp_path))
    before = snapshot(tmp_path)
    log = DecisionLog(tmp_path)
    label = CONTRASTING.model_copy(update={"note": '=HYPERLINK("http://192.0.2.1")'})
    log.append([decision(citing_id="2305.0050", label=label), decision(citing_id="2305.0150", label=None)])
    lines = write_reviewed(run, log).read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].endswith(",".join(REVIEWED_COLUMNS))
    row = next(line for line in lines if "2305.0050" in line)
    assert ",labelled,background,,neutral,none," in row
    assert ",reviewed,ada,compares,,contrasting,evidence," in row
    assert "'=HYPERLINK" in row
    assert next(line for line in lines if "2305.0150" in line).endswith("," * len(REVIEWED_COLUMNS))
    assert snapshot(tmp_path) == before
