"""Every number of every model has a range, and a wrong one is named."""

import re
import types
import typing

import pytest

from segjax.core import tables
from segjax.core.errors import UserError
from segjax.models import MODELS
from segjax.models.ranges import RANGES
from tests.contracts.small import SMALL


def negative(hint) -> int | float | tuple | None:
    """A value of the type with numbers below zero; None if it holds no numbers."""
    if hint in (int, float):
        return hint(-1)
    args = typing.get_args(hint)
    if typing.get_origin(hint) is tuple and negative(args[0]) is not None:
        count = 5 if args[-1] is Ellipsis else len(args)
        return (negative(args[0]),) * count
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return next((n for a in args if (n := negative(a)) is not None), None)
    return None


def wrong_numbers(name: str) -> dict[str, int | float | tuple]:
    """Field of the model -> numbers that are out of any range, where it holds any."""
    hints = typing.get_type_hints(MODELS[name])
    wrong = {field: negative(hints[field]) for field in tables.parameters(MODELS[name])}
    return {field: value for field, value in wrong.items() if value is not None}


@pytest.mark.parametrize("name", MODELS)
def test_every_number_has_a_range(name):
    assert set(wrong_numbers(name)) <= set(RANGES)


@pytest.mark.parametrize(
    ("name", "field", "wrong"),
    [(m, *item) for m in MODELS for item in wrong_numbers(m).items()],
)
def test_a_number_out_of_its_range_is_named(name, field, wrong):
    options = {"num_outputs": 2, **SMALL[name], field: wrong}
    with pytest.raises(UserError, match=re.escape(f"config.model.{field}={wrong}")):
        MODELS[name](**options)


def test_the_message_says_what_is_allowed():
    with pytest.raises(UserError) as caught:
        MODELS["deeplab_v2"](num_outputs=0, rates=(6, 0), dropout=1.0)
    assert "config.model.num_outputs=0: 1 or more is allowed." in str(caught.value)
    assert "rates=(6, 0): each 1 or more is allowed." in str(caught.value)
    assert "dropout=1.0: 0 up to, not including, 1 is allowed." in str(caught.value)
    with pytest.raises(UserError, match=r"widths=\(64, 32\): 2 numbers; 4 are needed"):
        MODELS["mobile_unet"](num_outputs=2, decoder_widths=(64, 32))


def test_no_numbers_at_all():
    with pytest.raises(UserError, match=r"rates=\(\): each 1 or more is allowed"):
        MODELS["deeplab_v2"](num_outputs=2, rates=())
    MODELS["deeplab_v3"](num_outputs=2, rates=())  # the pooled image and a 1x1 alone
