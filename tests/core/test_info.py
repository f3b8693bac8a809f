"""Class tables, random streams and errors."""

import importlib
import signal

import jax
import numpy as np
import pytest

from segjax.core.errors import Stopped, UserError, raise_problems
from segjax.core.info import DatasetInfo
from segjax.core.keys import IGNORE
from segjax.core.rng import stream


def info(names=("sky", "road"), colours=((1, 2, 3), (4, 5, 6))) -> DatasetInfo:
    return DatasetInfo("made", names, colours)


def test_the_palette_has_the_class_colours_and_black_for_ignored():
    palette = info().palette()
    assert palette.shape == (256, 3)
    np.testing.assert_array_equal(palette[:2], [[1, 2, 3], [4, 5, 6]])
    assert not palette[IGNORE].any()


def test_the_digest_depends_on_names_and_their_order_alone():
    assert info().digest() == info(colours=((0, 0, 0), (9, 9, 9))).digest()
    assert info().digest() != info(names=("road", "sky")).digest()


@pytest.mark.parametrize(
    ("names", "colours", "words"),
    [
        (("sky",), ((0, 0, 0),), "has 1 classes"),
        (("sky", "sky"), ((0, 0, 0),) * 2, "'sky' is named twice"),
        (("sky", "road"), ((0, 0, 0),), "2 class names and 1 colours"),
    ],
)
def test_a_table_that_cannot_be_is_refused(names, colours, words):
    with pytest.raises(UserError, match=words):
        info(names, colours)


def test_streams_differ_by_name_step_and_seed_and_repeat():
    keys = [
        stream(0, "init"),
        stream(0, "dropout"),
        stream(0, "init", 1),
        stream(1, "init"),
    ]
    data = {tuple(jax.random.key_data(k).tolist()) for k in keys}
    assert len(data) == 4
    again = jax.random.key_data(stream(0, "init"))
    np.testing.assert_array_equal(again, jax.random.key_data(keys[0]))


def test_exit_codes_of_signals_and_mistakes():
    assert Stopped(signal.SIGTERM, "stopped").exit_code == 143
    assert Stopped(signal.SIGINT, "stopped").exit_code == 130
    raise_problems([])
    with pytest.raises(UserError) as caught:
        raise_problems(["a", "b"])
    assert caught.value.problems == ["a", "b"]
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("module", "name", "group"),
    [
        ("camvid", "0016E5_07959", "0016E5"),
        ("camvid_32", "Seq05VD_f00000", "Seq05VD"),
        ("cityscapes", "bad-honnef_000000_000019", "bad-honnef"),
        ("chase_db1", "Image_03R", "03"),
        ("davis", "00012", ""),
    ],
)
def test_an_example_says_what_it_is_of(module, name, group):
    info = importlib.import_module(f"segjax.data.datasets.{module}").INFO
    assert info.group_of(name) == group
