"""One training for points that differ in how they are scored, whoever does it."""

import json
import os
import shutil

import pytest

from segjax.checkpoint import folder as checkpoint_folder
from segjax.report import metrics_log, record
from segjax.report.files import read_json, write_json
from segjax.study import claim, folder, points, shared, single, sweep

ARMS = {
    "none": {},
    "mode": {"evaluate.postprocess": "mode(3)"},
    "strict": {"evaluate.convention": "cityscapes", "evaluate.postprocess": "holes(9)"},
    "wide": {"model.width": 3},
}


def made(place, base, seeds=1) -> folder.Study:
    found = points.make(sweep.product(sweep.seeds(seeds), sweep.arms(ARMS)), base)
    study = folder.Study(place, "drawn", "Which?", "c.py", base, found)
    folder.write(study)
    return folder.read(place)


def test_siblings_train_alike(tmp_path, settings):
    study = made(tmp_path, settings(), seeds=2)
    names = [
        [str(p) for p in shared.siblings(study, point)] for point in study.points[:4]
    ]
    three = ["none seed 0", "mode seed 0", "strict seed 0"]
    assert names == [three, three, three, ["wide seed 0"]]
    assert [shared.validation(study, p) for p in study.points] == [
        None,
        {"pictures": 2},
        {"pictures": 2},
        None,
    ] * 2


@pytest.fixture(scope="module")
def trained(tmp_path_factory, settings):
    """A study whose arm `mode` has trained by itself."""
    place = tmp_path_factory.mktemp("shared")
    short = dict(num_steps=4, log_every=2, eval_every=2, save_every=2)
    study = made(place, settings(train=short))
    assert single.run(place, 1, ["launch.py", "--index=1"]) == 0
    return study


@pytest.fixture
def study(trained, tmp_path):
    shutil.copytree(trained.folder, tmp_path / "study")
    return folder.read(tmp_path / "study")


def scores(place):
    return read_json(place / "evaluation" / "val.json")


def best(place):
    (step,) = checkpoint_folder.steps(place / "checkpoints" / "best")
    return step, shared.manifest.read(
        place / "checkpoints" / "best" / checkpoint_folder.name(step)
    )


def test_a_point_alone_trains_and_is_validated_as_the_first(trained):
    place = trained.place(trained.points[1])
    (attempt,) = record.read(place)["attempts"]
    assert attempt["start_step"] == 0 and "taken_over" not in attempt
    assert attempt["validation"] == {"pictures": 2}
    assert record.read_config(place)["evaluate"]["postprocess"] == "mode(3)"
    assert scores(place)["postprocess"] == "mode(3)"
    assert scores(place)["step"] == best(place)[0]
    assert attempt["images_per_s"] is None or attempt["images_per_s"] > 0


def test_others_take_over_what_it_trained(study, capsys):
    one, two, three, _ = (study.place(p) for p in study.points)
    for index in (0, 2):
        assert single.run(study.folder, index, ["launch.py"]) == 0
        assert "takes over what 001_mode_seed0 has trained" in capsys.readouterr().out
        place = study.place(study.points[index])
        (attempt,) = record.read(place)["attempts"]
        taken = attempt["taken_over"]
        assert taken["run_id"] == record.run_id(record.read(two))
        assert taken["folder"] == "001_mode_seed0" and taken["wall_seconds"] > 0
        assert attempt["start_step"] == 4 and attempt["exit_code"] == 0
        assert record.run_id(record.read(place)) != taken["run_id"]
        assert folder.ended(place) == "finished"
        assert best(place) == best(two)
        log = metrics_log.METRICS
        assert (place / log).read_bytes() == (two / log).read_bytes()
    assert scores(one)["postprocess"] == "" and scores(one)["convention"] == "union"
    assert scores(three)["postprocess"] == "holes(9)"
    assert scores(three)["convention"] == "cityscapes"
    rows = [
        r for r in metrics_log.read(one / metrics_log.METRICS) if r["kind"] == "val"
    ]
    assert scores(one)["summary"]["miou"] == max(r["miou"] for r in rows)


def test_the_weights_do_not_depend_on_who_trains(trained, study):
    shutil.rmtree(study.place(study.points[1]))
    assert single.run(study.folder, 0, ["launch.py"]) == 0
    first, second = (
        s.place(p) for s, p in ((study, study.points[0]), (trained, trained.points[1]))
    )
    assert best(first)[0] == best(second)[0]
    assert best(first)[1].leaves == best(second)[1].leaves
    assert (first / "metrics.jsonl").read_bytes() == (
        second / "metrics.jsonl"
    ).read_bytes()


@pytest.mark.parametrize("moment", ["copytree", "write_json", "rename"])
def test_a_kill_while_it_is_taken_over_costs_nothing(moment, study, monkeypatch):
    module = {"copytree": shared.shutil, "write_json": shared, "rename": os}[moment]

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, moment, killed)
        with pytest.raises(KeyboardInterrupt):
            shared.take_over(study, study.points[0])
    assert not (study.place(study.points[0]) / "checkpoints").exists()
    facts = shared.take_over(study, study.points[0])
    assert facts["taken_over"]["folder"] == "001_mode_seed0"
    assert shared.take_over(study, study.points[0]) == facts  # and again, later
    assert best(study.place(study.points[0])) == best(study.place(study.points[1]))


def test_damaged_checkpoints_are_not_taken_over(study, caplog):
    place = study.place(study.points[1])
    array = next(
        p for p in (place / "checkpoints/best").rglob("arrays/**/*") if p.is_file()
    )
    array.write_bytes(b"x" + array.read_bytes())
    assert shared.take_over(study, study.points[0]) == {}
    assert "damaged" in caplog.text
    assert not (study.place(study.points[0]) / "checkpoints").exists()


def test_what_has_begun_to_train_goes_on(study):
    (study.place(study.points[0]) / "checkpoints").mkdir(parents=True)
    assert shared.take_over(study, study.points[0]) == {}


def test_the_original_is_named_behind_a_chain(study):
    shared.take_over(study, study.points[0])
    first = study.place(study.points[0])
    write_json(first / record.RECORD, {"attempts": [{"exit_code": 0}], "run_id": "x"})
    shutil.rmtree(study.place(study.points[1]))
    facts = shared.take_over(study, study.points[2])
    assert facts["taken_over"]["folder"] == "001_mode_seed0"


def test_a_sweep_waits_for_a_sibling_that_trains(study):
    one, two, _, wide = study.points
    assert not shared.waits(study, one)  # a sibling is ready
    written = study.place(two) / record.RECORD
    facts = json.loads(written.read_text())
    del facts["attempts"][-1]["exit_code"]
    written.write_text(json.dumps(facts))
    assert not shared.waits(study, one)  # nobody trains
    with claim.hold(study.place(two)):
        assert shared.waits(study, one) and not shared.waits(study, wide)
        (study.place(one) / "checkpoints").mkdir(parents=True)
        assert not shared.waits(study, one)  # it has begun itself
