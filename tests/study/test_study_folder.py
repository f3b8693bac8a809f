"""`study.json` is plain, relative and of one study; points stand as their runs do."""

import dataclasses
import json
import math
import shutil

import pytest

from segjax.core.errors import UserError
from segjax.report import files, record
from segjax.report.files import plain
from segjax.study import claim, folder, points, sweep


def test_the_file_is_what_others_read(study, tmp_path):
    made = study(2)
    text = (made.folder / "study.json").read_text()
    fields = json.loads(text)
    assert fields["format"] == "segjax study 1"
    assert set(fields) == {"format", "name", "question", "config", "base", "points"}
    assert fields["points"][1] == {
        "index": 1,
        "arm": "a1",
        "seed": 0,
        "overrides": {"seed": 0, "model.width": 3},
        "folder": "points/001_a1_seed0",
    }
    del fields["base"]["data"]["root"]
    assert str(tmp_path) not in json.dumps(fields)


def test_a_study_can_be_moved(study, tmp_path):
    made = study(2)
    shutil.move(made.folder, tmp_path / "elsewhere")
    again = folder.read(tmp_path / "elsewhere")
    assert again == dataclasses.replace(made, folder=tmp_path / "elsewhere")


def test_the_same_study_goes_on_and_more_points_may_follow(study):
    made = study(2)
    before = (made.folder / "study.json").stat().st_mtime_ns
    folder.write(made)
    assert (made.folder / "study.json").stat().st_mtime_ns == before
    arms = sweep.arms({f"a{i}": {"model.width": 2 + i} for i in range(2)})
    more = points.make(sweep.product(sweep.seeds(3), arms), made.base)
    folder.write(dataclasses.replace(made, points=more))
    assert len(folder.read(made.folder).points) == 6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.base["train"].update(num_steps=9), "base.train.num_steps: 7 -> 9"),
        (lambda s: s.points[1].overrides.update(seed=4), "point 1: seed: 0 -> 4"),
        (
            lambda s: s.points[0].overrides.pop("model.width"),
            "model.width: 2 -> absent",
        ),
    ],
    ids=["base", "value", "field"],
)
def test_another_study_is_refused_and_says_what_differs(change, words, study):
    made = study(2)
    other = folder.read(made.folder)
    change(other)
    with pytest.raises(UserError, match="holds another study") as caught:
        folder.write(other)
    assert words in str(caught.value)


def test_fewer_points_and_a_single_run_are_refused(study, tmp_path):
    made = study(2)
    with pytest.raises(UserError, match="points: 2 -> 1"):
        folder.write(dataclasses.replace(made, points=made.points[:1]))
    files.write_json(tmp_path / "run" / record.RECORD, {"attempts": []})
    with pytest.raises(UserError, match="holds a single run"):
        folder.write(dataclasses.replace(made, folder=tmp_path / "run"))


def test_what_is_no_study_is_refused(study, tmp_path):
    with pytest.raises(UserError, match="holds no study"):
        folder.read(tmp_path)
    made = study(1)
    fields = files.read_json(made.folder / "study.json")
    files.write_json(made.folder / "study.json", {**fields, "format": "other"})
    with pytest.raises(UserError, match="not of the format"):
        folder.read(made.folder)


@pytest.mark.parametrize(
    ("attempt", "state"),
    [
        (None, "waiting"),
        ({}, "killed"),
        ({"exit_code": 0}, "finished"),
        ({"exit_code": 1}, "failed"),
        ({"exit_code": 3}, "diverged"),
        ({"exit_code": 143}, "stopped"),
    ],
)
def test_a_point_stands_as_its_newest_start_ended(attempt, state, study):
    made = study(1)
    (point,) = made.points
    if attempt is not None:
        written = {"attempts": [{"exit_code": 0, "wall_seconds": 5.0}, attempt]}
        files.write_json(made.place(point) / record.RECORD, written)
        files.write_json(made.place(point) / record.CONFIG, plain(made.base))
    found = folder.standing(made, point)
    assert (found.state, found.num_steps) == (state, 7)
    assert found.seconds == (0 if attempt is None else 5.0)
    assert math.isnan(found.miou)
    with claim.hold(made.place(point)):
        assert folder.standing(made, point).state == "running"
    assert folder.standing(made, point).state == state
