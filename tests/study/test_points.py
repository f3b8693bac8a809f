"""Points of a sweep get names, folders and configs; what cannot run is refused."""

import pytest

from segjax import config
from segjax.core.errors import UserError
from segjax.study import folder, points, sweep

SEGNET = dict(name="segnet", widths=(4, 6), convolutions=(1, 1))


def test_points_have_names_and_folders(settings):
    base = settings()
    made = points.make(
        sweep.product(sweep.seeds(2), sweep.grid({"model.width": (2, 3)})), base
    )
    assert [p.folder for p in made] == [
        "points/000_width=2_seed0",
        "points/001_width=3_seed0",
        "points/002_width=2_seed1",
        "points/003_width=3_seed1",
    ]
    assert [str(p) for p in made][3] == "width=3 seed 1"
    (alone,) = points.make([{}], base)
    assert (alone.arm, alone.seed) == ("base", 1)  # the seed of the config


def test_a_section_is_replaced_and_then_its_fields_set(settings):
    base = settings()
    fields = {"model.widths": (8, 6), "model": SEGNET, "evaluate.batch_size": 3}
    (point,) = points.make([fields], base)
    found = points.settings(base, point)
    assert found["model"] == {**SEGNET, "widths": (8, 6)}  # no width, no dropout
    assert found["evaluate"] == {"pictures": 2, "batch_size": 3}
    assert base["model"]["name"] == "unet"  # the base stays
    assert config.resolve(found).seed == 1


@pytest.mark.parametrize("value", [None, "text", 3, 0.5, (1, 2), ("a", ("b",))])
def test_values_of_all_kinds_survive_the_file(value, settings):
    point = folder.Point(0, "a", 0, {"model.field": value}, "points/000_a_seed0")
    assert points.settings(settings(), point)["model"]["field"] == value


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([], ["has no point"]),
        ([{"model.widht": 3}], ["config.model.widht", "Did you mean 'width'?"]),
        (
            [{}, {"model.width": "x", "seed": 2}, {"train.num_steps": 0, "seed": 3}],
            ["point 1: config.model.width='x'", "point 2: config.train.num_steps=0"],
        ),
        ([{"arm": "a/b"}], ["arm 'a/b': is no name"]),
        ([{"seed.x": 1}], ["config.seed.x: 'seed' is no section"]),
        ([{"seed": 1}, {"seed": 1}], ["points 0 and 1: are the same run"]),
        (
            [{"arm": "a", "model.width": 3}, {"arm": "a", "model.width": 4}],
            ["are both called a seed 1 and are different runs"],
        ),
        (
            [{"arm": "a", "model.width": 3}, {"arm": "a", "seed": 5}],
            ["differ in more than the seed: model.width: 3 -> 2"],
        ),
    ],
    ids=["none", "typo", "each", "name", "seed", "same", "called", "arm"],
)
def test_mistakes_are_found_together(fields, words, settings):
    with pytest.raises(UserError) as caught:
        points.make(fields, settings())
    for word in words:
        assert word in str(caught.value)


def test_a_mistake_of_the_base_is_said_once(settings):
    with pytest.raises(UserError) as caught:
        points.make(sweep.seeds(3), settings(train__num_steps=0))
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith("config.train.num_steps=0")
