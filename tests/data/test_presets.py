"""Presets stand in op strings for the ops of their text."""

import numpy as np
import pytest

from segjax.core import opstring
from segjax.core.errors import UserError
from segjax.data import ops
from segjax.data.ops.presets import PRESETS
from tests.data.pairs import Memory
from tests.data.test_pipeline import take


def parsed(text):
    return opstring.parse(text, ops.OPS, "config.input.train_ops", PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_text(name):
    made = parsed(f"flip_ud() | {name}(16, width=24) | normalize()")
    text = PRESETS[name](16, 24)
    assert made == opstring.parse(f"flip_ud() | {text} | normalize()", ops.OPS)
    host, _ = ops.split(made)
    assert not [op for op in host if isinstance(op, ops.Normalize)]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_trains(name):
    batches = take(3, Memory(size=(30, 40)), parsed(f"{name}(16, 24)"))
    assert all(b["image"].shape == (4, 16, 24, 3) for b in batches)
    assert len({b["image"].tobytes() for b in batches}) == 3
    assert set(np.unique([b["label"] for b in batches])) <= {0, 1, 2, 255}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("light(16)", "light(16).width: is missing"),
        ("light(16, 0)", "crop(16, 0, max_share=0.75): width=0: must be 1 or more."),
        ("light(16, 2.5)", "width=2.5: is a float; int is allowed."),
        ("light(16, 16, 16)", "takes at most 2 arguments (height, width), got 3."),
        ("lihgt(16, 16)", "Did you mean 'light'?"),
    ],
)
def test_what_is_wrong_with_a_preset_is_named(text, message):
    with pytest.raises(UserError) as error:
        parsed(text)
    (problem,) = error.value.problems
    assert problem.startswith("config.input.train_ops: ") and message in problem
    assert problem.count("config.input") == 1


def test_no_preset_has_the_name_of_an_op():
    assert not set(PRESETS) & set(ops.OPS)
