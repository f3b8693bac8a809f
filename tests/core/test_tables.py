"""Look-ups that say what is known, and signatures as schemas."""

import re
from typing import Literal

import flax.linen as nn
import pytest

from segjax.core.errors import UserError
from segjax.core.tables import Table, parameters, signature_problems


def part(
    logits,
    count: int,
    rate: float = 0.1,
    kind: Literal["a", "b"] = "a",
    names: tuple[str, ...] = (),
    limit: int | None = None,
):
    """A function that a config section may stand for."""


class Module(nn.Module):
    """Flax adds `parent` and `name` to its fields."""

    width: int
    bias: bool = True


TABLE = Table("part", {"part": part, "module": Module}, given=("logits",))


def test_a_table_is_a_sorted_mapping():
    assert list(TABLE) == ["module", "part"]
    assert TABLE["part"] is part


def test_an_unknown_name_lists_all_and_the_nearest():
    with pytest.raises(UserError, match=r"no such part.*module, part.*mean 'part'"):
        TABLE["prat"]
    (problem,) = TABLE.problems("config.x", "prat", {})
    assert problem.startswith("config.x.name='prat': ")


def test_what_the_caller_gives_and_flax_hides_is_no_option():
    assert next(iter(parameters(part, ("logits",)))) == "count"
    assert list(parameters(Module)) == ["width", "bias"]


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({}, "config.x.count: is missing"),
        ({"count": 1, "rat": 0.2}, "config.x.rat: no such option.*Did you mean 'rate'"),
        ({"count": 1.5}, "config.x.count=1.5: is a float; int is allowed"),
        ({"count": True}, "is a bool; int"),
        ({"count": 1, "rate": "1e-3"}, "is a str; float"),
        ({"count": 1, "kind": "c"}, "'a' or 'b' is allowed"),
        ({"count": 1, "names": "abc"}, "config.x.names='abc': is a str"),
        ({"count": 1, "names": ("a", 1)}, "config.x.names"),
        ({"count": 1, "limit": 0.5}, "int or None is allowed"),
    ],
)
def test_each_problem_is_found(kwargs, words):
    (problem,) = TABLE.problems("config.x", "part", kwargs)
    assert re.search(words, problem), problem


@pytest.mark.parametrize(
    "kwargs",
    [
        {"count": 1},
        {"count": 1, "rate": 1},  # an int where a float is asked for
        {"count": 1, "names": ["a", "b"], "limit": None, "kind": "b"},
    ],
)
def test_what_is_right_passes(kwargs):
    assert signature_problems("config.x", part, kwargs, given=("logits",)) == []


def test_all_problems_come_at_once():
    found = TABLE.problems("config.x", "part", {"rate": "x", "nmaes": ()})
    assert len(found) == 3
