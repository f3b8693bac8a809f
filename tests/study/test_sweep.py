"""Points are written as lists, and made large from small ones."""

import itertools
import sys

import pytest

from segjax.core.errors import UserError
from segjax.study import sweep


def test_a_product_moves_its_last_part_fastest():
    found = sweep.product(sweep.seeds(2), sweep.over("a.b", (1, None, (2, 3))))
    assert found == [
        {"seed": s, "a.b": v} for s, v in itertools.product((0, 1), (1, None, (2, 3)))
    ]


def test_a_grid_is_every_combination():
    found = sweep.grid({"x": (1, 2), "y": "ab", "z": (0,)})
    assert found == [{"x": x, "y": y, "z": 0} for x in (1, 2) for y in "ab"]


def test_zipped_goes_in_step_and_chained_one_behind_the_other():
    a, b = sweep.over("a", (1, 2)), sweep.over("b", (3, 4))
    assert sweep.zipped(a, b) == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]
    assert sweep.chained(a, b) == [{"a": 1}, {"a": 2}, {"b": 3}, {"b": 4}]
    with pytest.raises(UserError, match=r"\[2, 3\].*product"):
        sweep.zipped(a, sweep.seeds(3))


def test_names_of_arms_are_joined():
    a = sweep.arms({"sgd": {"optim.name": "sgd"}, "base": {}})
    b = sweep.arms({"poly": {"optim.schedule": "poly"}})
    first, second = sweep.product(a, b)
    assert first == {"arm": "sgd_poly", "optim.name": "sgd", "optim.schedule": "poly"}
    assert second == {"arm": "base_poly", "optim.schedule": "poly"}


def test_a_field_that_is_set_twice_is_refused():
    with pytest.raises(UserError, match="seed is set twice, to 0 and to 5"):
        sweep.product(sweep.seeds(1), sweep.seeds(1, first=5))


def test_points_are_copies():
    points = sweep.over("a", (1,))
    sweep.chained(points)[0]["a"] = 2
    assert points == [{"a": 1}]


def test_a_sibling_is_found_beside_the_file(tmp_path):
    (tmp_path / "base.py").write_text("def get_config():\n    return 7\n")
    file = str(tmp_path / "ablations" / "x.py")
    assert sweep.sibling(file, "../base.py").get_config() == 7
    assert "base" not in sys.modules
    with pytest.raises(UserError, match=r"none.py, which does not exist"):
        sweep.sibling(file, "../none.py")
