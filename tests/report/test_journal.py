"""What a journal says of the time that a run loses."""

import pytest

from segjax.report import metrics_log
from segjax.report.journal import Journal

SCALARS = {"loss": 0.5, "miou": 0.25}


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ((0.0, 0.1, 0.05), 0),
        ((0.6, 0.05, 0.4, 0.0), 0),  # never twice in a row
        ((0.05, 0.2, 0.3), 1),
        ((0.2, 0.3, 0.3, 0.0, 0.5, 0.5), 1),  # once is enough
    ],
)
def test_a_run_that_waits_for_data_says_so_once(tmp_path, capsys, shares, told):
    with Journal(tmp_path, num_steps=9, start_step=0, begin=0.0) as journal:
        for step, share in enumerate(shares, start=1):
            journal.train(step, SCALARS, 12.0, share)
    said = capsys.readouterr().err
    assert said.count("The step waits for data") == told
    rows = metrics_log.read(tmp_path / "timing.jsonl")
    assert [row["wait_share"] for row in rows] == list(shares)
    assert "wait_share" not in (tmp_path / "metrics.jsonl").read_text()
    assert f"images/s  wait {100 * shares[0]:.0f} %" in said


def test_the_first_step_is_logged_with_what_came_before(tmp_path):
    stages = {"audited": 0.5, "compiled": 3.25}
    with Journal(
        tmp_path, num_steps=9, start_step=0, begin=0.0, stages=stages
    ) as journal:
        for step in (1, 2):
            journal.advance(step)
    (row,) = metrics_log.read(tmp_path / "timing.jsonl")
    assert row["kind"] == "start" and row["seconds"] > 0
    assert stages.items() <= row.items()
