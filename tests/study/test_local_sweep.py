"""Points run once each, whatever is killed, fails, is shared or stopped meanwhile."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from segjax.core.errors import EnvironmentFault, UserError
from segjax.report import record
from segjax.study import claim, folder, local, table

ALONE = """
import pathlib, sys
sys.path.insert(0, sys.argv[2])
from segjax.study import folder, local, single
files = sys.argv[3:]
single.command = lambda place, i: [
    sys.executable, files[0], str(place), str(i), files[1]
]
local.POLL_S = 0.05
sys.exit(local.run(folder.read(pathlib.Path(sys.argv[1])), jobs=1))
"""


def starts(study):
    """How often each point was started."""
    files = [study.place(p) / "starts" for p in study.points]
    return [len(f.read_text()) if f.exists() else 0 for f in files]


def states(study):
    return [folder.standing(study, p).state for p in study.points]


def elsewhere(study, tmp_path):
    """The same sweep in a process of its own."""
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    files = [str(tmp_path / name) for name in ("fake.py", "todo.json")]
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    return subprocess.Popen(
        [sys.executable, str(script), str(study.folder), root, *files],
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )


def until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_all_points_run_once_and_a_second_sweep_does_nothing(study, capfd):
    made = study(2, seeds=2)
    assert local.run(made) == 0
    assert states(made) == ["finished"] * 4
    assert local.run(made) == 0
    assert starts(made) == [1] * 4
    said = capfd.readouterr().err
    assert "point 3 of 4: a0 seed 1 finished" in said
    assert "said by a0 seed 1" in (made.place(made.points[2]) / "log.txt").read_text()
    rows = table.results(made).splitlines()
    cells = [[c.strip() for c in row.strip("| ").split("|")] for row in rows]
    assert ["a1", "0.5100", "0.5300", "0.5200 (0.0141)", "2.0"] in cells
    assert "All runs were scored on the same 2 images." in rows


def test_trouble_is_tried_again_once_and_a_failure_ends_no_other(study, capfd):
    made = study(4, {0: [[75, 0]], 1: [[1, 0]], 2: [[3, 0]], 3: [[75, 0], [75, 0]]})
    assert local.run(made) == 1
    assert states(made) == ["finished", "killed", "diverged", "failed"]
    assert starts(made) == [2, 1, 1, 2]
    said = capfd.readouterr().err
    assert "a1 seed 0 failed with 1: a bug" in said
    notes = table.results(made)
    assert "a2 seed 0: diverged at step 3 of 7" in notes
    assert local.run(made) == 0  # what failed is tried anew; what diverged is kept
    assert starts(made) == [2, 2, 1, 3]


def test_a_killed_sweep_goes_on(study, tmp_path):
    made = study(3, {1: [[0, 60]]})
    sweep = elsewhere(made, tmp_path)
    until(lambda: states(made) == ["finished", "running", "waiting"])
    until(lambda: (made.place(made.points[1]) / record.RECORD).exists())
    os.killpg(sweep.pid, signal.SIGKILL)  # the sweep and the point that it runs
    sweep.communicate()
    assert states(made) == ["finished", "killed", "waiting"]
    assert local.run(made) == 0
    assert states(made) == ["finished"] * 3
    assert starts(made) == [1, 2, 1]


def test_a_point_outlives_its_sweep_and_is_waited_for(study, tmp_path):
    made = study(2, {0: [[0, 4]]})
    sweep = elsewhere(made, tmp_path)
    until(lambda: starts(made) == [1, 0])
    sweep.kill()
    sweep.communicate()
    assert local.run(made) == 0
    assert starts(made) == [1, 1]


def test_two_sweeps_share_the_points(study, tmp_path):
    made = study(4, {i: [[0, 2.5]] for i in range(4)})
    sweeps = [elsewhere(made, tmp_path) for _ in range(2)]
    said = [sweep.communicate(timeout=120)[1] for sweep in sweeps]
    assert [sweep.returncode for sweep in sweeps] == [0, 0], said
    assert starts(made) == [1] * 4
    assert {record.read(made.place(p))["attempts"][0]["by"] for p in made.points} == {
        sweep.pid for sweep in sweeps
    }


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_ends_the_sweep_and_its_point(signum, code, study):
    made = study(2, {0: [[0, 60]]})
    place = made.place(made.points[0])

    def send():
        until(lambda: starts(made)[0] == 1 and (place / record.RECORD).exists())
        os.kill(os.getpid(), signum)

    thread = threading.Thread(target=send)
    thread.start()
    assert local.run(made) == code
    thread.join()
    assert not claim.is_held(place)
    assert starts(made) == [1, 0]


def test_a_point_that_was_told_to_stop_ends_the_sweep(study):
    made = study(2, {0: [[143, 0]]})
    assert local.run(made) == 143
    assert states(made) == ["stopped", "waiting"]


def test_what_can_be_taken_over_is_waited_for(study):
    def arm(i):
        return {"evaluate.postprocess": f"mode({2 * i + 3})"}

    made = study(3, {0: [[0, 2]]}, arm=arm)
    assert local.run(made, jobs=2) == 0
    first, *others = (made.place(p) for p in made.points)
    ready = (first / "evaluation" / "val.json").stat().st_mtime
    assert all((o / "starts").stat().st_mtime > ready for o in others)
    assert starts(made) == [1] * 3


def test_jobs_run_at_a_time_on_devices_of_their_own(study, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    made = study(2, {0: [[0, 2]], 1: [[0, 2]]})
    begin = time.monotonic()
    assert local.run(made, jobs=2) == 0
    assert time.monotonic() - begin < 30
    attempts = [record.read(made.place(p))["attempts"][0] for p in made.points]
    assert [a["devices"] for a in attempts] == ["4,5", "6,7"]
    with pytest.raises(UserError, match=r"--jobs=3: .* lists 4 devices"):
        local.run(made, jobs=3)


def test_whoever_comes_second_is_sent_away(tmp_path):
    refused = pytest.raises(EnvironmentFault, match="another process runs this point")
    with claim.hold(tmp_path), refused, claim.hold(tmp_path):
        pass
    with claim.hold(tmp_path):
        assert claim.is_held(tmp_path)
    assert not claim.is_held(tmp_path)
