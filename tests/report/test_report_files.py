"""Plain JSON and atomic files."""

import json
import math
import os

import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import EnvironmentFault, UserError
from segjax.report import files


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, (2, 3)), [1, [2, 3]]),
        ({2: None, "a": True}, {"2": None, "a": True}),
        (np.float32(0.1), 0.1),
        (np.float64(0.1), 0.1),
        (np.int64(2**60), 2**60),
        (np.bool_(True), True),
        (jnp.float32(0.1), 0.1),
        (jnp.bfloat16(0.5), 0.5),
        (np.array([[1, 2]], np.uint8), [[1, 2]]),
        ({3, 1}, [1, 3]),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (np.float32("inf"), "inf"),
    ],
)
def test_plain(value, expected):
    got = files.plain(value)
    assert got == expected
    assert type(got) is type(expected)
    json.dumps(got, allow_nan=False)


def test_plain_refuses_what_is_not_data():
    with pytest.raises(UserError, match="function"):
        files.plain({"a": [test_plain]})


def test_a_float32_is_read_back_exactly():
    for value in np.random.default_rng(0).normal(size=100).astype(np.float32):
        assert (
            np.float32(files.number(json.loads(json.dumps(files.plain(value)))))
            == value
        )


def test_number_reads_what_plain_wrote():
    assert math.isnan(files.number("nan")) and math.isnan(files.number(None))
    assert files.number("-inf") == -math.inf


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, call):
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(EnvironmentFault, match="No space left"):
        files.write_json(path, {"new": 2})
    assert files.read_json(path) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(UserError, match=r"a\.json: is not JSON"):
        files.read_json(tmp_path / "a.json")
    with pytest.raises(UserError, match=r"b\.json: cannot be read"):
        files.read_json(tmp_path / "b.json")


def test_digest_ignores_the_order_of_keys():
    assert files.digest({"a": 1, "b": (2,)}) == files.digest({"b": [2], "a": 1})
    assert files.digest({"a": 1}) != files.digest({"a": 2})
