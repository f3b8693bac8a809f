"""Folders become arms; what cannot be compared is refused by name."""

import json
import shutil

import numpy as np
import pytest

from segjax.compare import arms, runs
from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.report.files import write_json
from tests.compare import made_up


def test_runs_that_differ_in_the_seed_alone_are_one_arm(tmp_path):
    for seed in (1, 0):
        for name, width in (("a", 4), ("b", 8)):
            made_up.run(tmp_path / f"{name}{seed}", seed=seed, model={"width": width})
    found = arms.gather([tmp_path], "val")
    assert [a.name for a in found.arms] == ["width=4", "width=8"]
    assert [[r.seed for r in a.runs] for a in found.arms] == [[0, 1], [0, 1]]
    assert found.arms[0].sample.counts.shape == (2, 8, 3, 3)
    assert found.arms[0].sample.groups == ("",) * 8


@pytest.mark.parametrize(
    "settings, expected",
    [
        ([{"model.name": "unet"}, {"model.name": "segnet"}], ["unet", "segnet"]),
        ([{"model.name": "unet"}], ["unet"]),
        (
            [
                {"model.name": "unet", "model.width": 4, "z": 0},
                {"model.name": "unet", "model.width": 8, "z": 0},
                {"model.name": "enet", "z": 0},
            ],
            ["unet width=4", "unet width=8", "enet"],
        ),
        ([{"a.x": True}, {}], ["x=true", "default"]),
    ],
)
def test_names_are_short(settings, expected):
    assert arms.names(settings) == expected


def test_a_study_names_its_arms_and_what_is_missing(tmp_path):
    folder = made_up.study(tmp_path / "s", {"a": (80, {}), "b": (60, {"width": 8})})
    shutil.rmtree(folder / "points/003_b_seed0")
    made_up.run(tmp_path / "half", finished=False)
    shutil.rmtree(folder / "points/004_b_seed1")
    shutil.move(tmp_path / "half", folder / "points/004_b_seed1")
    found = arms.gather([folder], "val")
    assert [(a.name, len(a.runs)) for a in found.arms] == [("a", 3), ("b", 1)]
    assert [m.why for m in found.missing] == [
        "not started",
        "running, or killed without a word",
    ]
    words = " ".join(found.notes)
    assert "2 of 6 runs are missing: points/003_b_seed0 (not started)" in words
    assert "a 3, b 1" in words and "one seed" in words


def test_a_folder_named_twice_counts_once(tmp_path):
    folder = made_up.study(tmp_path / "s", {"a": (80, {})}, seeds=(0, 1))
    places, _ = runs.find([folder, folder / "points/000_a_seed0", folder / "points"])
    assert len(places) == 2


def test_runs_of_equal_names_get_different_ids(tmp_path):
    for place in ("x", "y"):
        made_up.run(tmp_path / place / "run", model={"width": len(place)})
    places, _ = runs.find([tmp_path / "x" / "run", tmp_path / "y" / "run"])
    assert len({p.id for p in places}) == 2


OTHER = DatasetInfo("other", made_up.INFO.class_names, made_up.INFO.class_colours)
TABLE = DatasetInfo("toy", ("sky", "roof", "never"), made_up.INFO.class_colours)
UNLIKE = {
    "dataset": ({"info": OTHER}, "data set is 'other'"),
    "classes": ({"info": TABLE}, "class table is '1: roof'"),
    "files": ({"files": "e" * 64}, "evaluated files is '8 images, files eeeeeeeeeeee,"),
    "protocol": ({"protocol": "slide(64)"}, "protocol is 'slide(64)'"),
    "convention": ({"convention": "truth"}, "convention of means is 'truth'"),
    "postprocess": ({"postprocess": "mode(3)"}, "post-processing is 'mode(3)'"),
}


@pytest.mark.parametrize("key", arms.runs.SHARED)
def test_what_is_unlike_the_rest_is_refused_or_marked(tmp_path, key):
    changes, words = UNLIKE[key]
    split = "test" if key == "postprocess" else "val"
    one, two = (made_up.run(tmp_path / f"{s}", seed=s, split=split) for s in (0, 1))
    odd = made_up.run(tmp_path / "odd", model={"width": 9}, split=split, **changes)
    folders = one, two
    with pytest.raises(UserError) as caught:
        arms.gather([odd, *folders], split)
    assert len(caught.value.problems) == 1
    problem = caught.value.problems[0]
    assert problem.startswith(str(odd)) and words in problem
    assert f"--allow={key}" in problem
    found = arms.gather([odd, *folders], split, [key])
    assert [a.marks for a in found.arms] == [(key,), ()]
    assert runs.SHARED[key][1] in found.notes[0]
    assert found.arms[0].paired == (key in ("protocol", "convention", "postprocess"))


def with_steps(tmp_path, split="val"):
    """Two arms of two seeds that differ in post-processing; one has none."""
    folders = []
    for steps in ("", "mode(3)"):
        for seed in (0, 1):
            place = tmp_path / f"{steps or 'none'}{seed}"
            made_up.run(place, 80, seed=seed, split=split, postprocess=steps)
            if steps:
                path = place / "config.json"
                config = json.loads(path.read_text())
                write_json(path, config | {"evaluate": {"postprocess": steps}})
            folders.append(place)
    return folders


def test_steps_are_compared_where_they_are_chosen_and_nowhere_else(tmp_path):
    found = arms.gather(with_steps(tmp_path / "val"), "val")
    assert [a.marks for a in found.arms] == [(), ()]
    (note,) = [n for n in found.notes if "post-processing" in n]
    assert "scored on val, on which it is to be chosen" in note
    assert arms.without_steps(found) == found.arms[0].name
    folders = with_steps(tmp_path / "test", "test")
    with pytest.raises(UserError, match="Steps are chosen on val") as caught:
        arms.gather(folders, "test")
    assert len(caught.value.problems) == 2
    allowed = arms.gather(folders, "test", ["postprocess"])
    assert any("no split left that chose nothing" in note for note in allowed.notes)


def test_steps_beside_other_changes_have_no_arm_to_be_compared_with(tmp_path):
    folders = with_steps(tmp_path)
    other = made_up.run(tmp_path / "other", model={"width": 9})
    assert arms.without_steps(arms.gather([*folders, other], "val")) is None
    assert arms.without_steps(arms.gather(folders[:2], "val")) is None


def test_the_time_of_a_training_that_was_taken_over_counts(tmp_path):
    place = made_up.run(tmp_path / "a")
    path = place / "record.json"
    written = json.loads(path.read_text())
    written["attempts"][-1] |= {
        "taken_over": {"run_id": "b", "wall_seconds": 100.0},
        "images_per_s": 2.5,
    }
    write_json(path, written)
    (arm,) = arms.gather([place], "val").arms
    assert arm.runs[0].seconds() == 161.0 and arm.runs[0].images_per_s() == 2.5


def test_images_of_other_names_are_other_files(tmp_path):
    first, second = (
        made_up.run(tmp_path / n, model={"width": w}) for n, w in (("a", 1), ("b", 2))
    )
    path = second / "evaluation/val_images.jsonl"
    path.write_text(path.read_text().replace("image 3", "another"))
    with pytest.raises(UserError, match="evaluated files"):
        arms.gather([first, second], "val")


def test_a_repetition_is_no_second_seed(tmp_path):
    for name in "ab":
        made_up.run(tmp_path / name)
    with pytest.raises(UserError, match="no second seed"):
        arms.gather([tmp_path], "val")


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError) as caught:
        arms.gather([tmp_path / "empty", tmp_path / "nowhere"], "val")
    assert len(caught.value.problems) == 2
    made_up.run(tmp_path / "run", finished=False)
    with pytest.raises(UserError, match="killed without a word"):
        arms.gather([tmp_path / "run"], "val")
    with pytest.raises(UserError, match="no such exception"):
        arms.gather([tmp_path / "run"], "val", ["sizes"])


@pytest.mark.parametrize(
    "spoil, why",
    [
        (
            lambda f: made_up.record.finish(f, 3, "diverged", 1.0),
            "ended early: diverged",
        ),
        (
            lambda f: (f / "evaluation/val.json").unlink(),
            "no scores on 'val'; it has val",
        ),
        (lambda f: (f / "record.json").write_text("{"), "is not JSON"),
        (
            lambda f: (f / "evaluation/val_images.jsonl").write_text("{}\n"),
            "holds no image's counts",
        ),
        (lambda f: write_json(f / "record.json", {"kind": "odd"}), "not known: 'odd'"),
    ],
)
def test_what_cannot_be_read_is_missing_with_its_reason(tmp_path, spoil, why):
    good, bad = (made_up.run(tmp_path / n, seed=s) for n, s in (("g", 0), ("b", 1)))
    spoil(bad)
    found = arms.gather([good, bad], "val")
    assert len(found.missing) == 1 and why in found.missing[0].why


def test_a_study_of_another_format_is_refused(tmp_path):
    write_json(tmp_path / "study.json", {"format": "segjax study 9", "points": []})
    with pytest.raises(UserError, match="segjax study 9"):
        runs.find([tmp_path])


def test_baselines_and_groups(tmp_path):
    clips = [f"clip{i // 2}" for i in range(8)]
    a = made_up.run(tmp_path / "a")
    b = made_up.run(tmp_path / "b", seed=1, groups=clips)
    c = made_up.baseline(tmp_path / "c")
    found = arms.gather([a, b, c], "val")
    assert [(x.name, x.kind) for x in found.arms] == [
        ("unet", "run"),
        ("otsu", "baseline"),
    ]
    assert all(arm.sample.groups == tuple(clips) for arm in found.arms)
    assert found.arms[1].runs[0].images_per_s() == 4.0
    assert found.arms[0].runs[0].images_per_s() == 4.0  # the first one compiles


@pytest.mark.parametrize(
    "key, change, words",
    [
        ("versions", {}, "differ in their versions. flax 0"),
        ("devices", ["gpu"], "differ in their devices"),
        ("code", {"commit": "a" * 40, "dirty": False}, "differ in their code"),
    ],
)
def test_other_surroundings_are_said_on_top(tmp_path, key, change, words):
    a, b = (made_up.run(tmp_path / n, seed=s) for n, s in (("a", 0), ("b", 1)))
    path = b / "record.json"
    record = json.loads(path.read_text())
    record["attempts"][-1][key] = change
    write_json(path, record)
    found = arms.gather([a, b], "val")
    assert any(words in note for note in found.notes)
    calm = [n for n in arms.gather([a], "val").notes if "differ in" in n]
    assert not calm


def test_the_counts_are_those_of_the_files(tmp_path):
    each = made_up.counts(70)
    folder = made_up.run(tmp_path / "a", each=each)
    found = arms.gather([folder], "val").arms[0].sample.counts
    np.testing.assert_array_equal(found, each[None])
