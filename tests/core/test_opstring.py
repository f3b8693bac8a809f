"""Op strings: parsed, never executed; every problem with its place."""

import dataclasses

import pytest

from segjax.core.errors import UserError
from segjax.core.opstring import parse
from segjax.core.tables import Table


@dataclasses.dataclass(frozen=True)
class Crop:
    height: int
    width: int = 8

    def __post_init__(self):
        if self.height < 1:
            raise UserError(f"height={self.height}: must be positive.")


@dataclasses.dataclass(frozen=True)
class Flip:
    p: float = 0.5


OPS = Table("op", {"crop": Crop, "flip": Flip})


def test_ops_come_in_order_with_positional_and_named_arguments():
    text = "crop(4, width=6) | flip() | crop(height=2)"
    assert parse(text, OPS) == (Crop(4, 6), Flip(), Crop(2))
    assert parse("", OPS) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("crop(4", "is not an op string"),
        ("flip", "is not a call"),
        ("flop()", "no such op.*Did you mean 'flip'"),
        ("crop(1, 2, 3)", "takes at most 2 arguments"),
        ("crop(1, height=2)", "given twice"),
        ("crop(open('x'))", "not a literal"),
        ("crop(1.5)", "is a float; int"),
        ("crop()", "height: is missing"),
        ("crop(0)", "crop.0.: height=0: must be positive"),
        ("__import__('os').system('true')", "is not a call"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text, words):
    with pytest.raises(UserError, match=words) as caught:
        parse(text, OPS, "config.input.train_ops")
    assert caught.value.problems[0].startswith("config.input.train_ops")


def test_all_problems_of_a_string_come_at_once():
    with pytest.raises(UserError) as caught:
        parse("flop() | flip(q=1) | crop(0)", OPS)
    assert len(caught.value.problems) == 3
