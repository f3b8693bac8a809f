import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from segjax import parallel
from segjax.checkpoint import leaves


def test_digest_is_the_sha256_of_the_sorted_leaves_by_hand():
    tree = {"b": np.arange(6, dtype=np.int32).reshape(2, 3), "a": [np.float32(1.5)]}
    lines = [
        ("a/0", "float32[]", np.float32(1.5).tobytes()),
        ("b", "int32[2,3]", np.arange(6, dtype=np.int32).tobytes()),
    ]
    text = "".join(f"{p} {d} {hashlib.sha256(x).hexdigest()}\n" for p, d, x in lines)
    assert leaves.digest(tree) == hashlib.sha256(text.encode()).hexdigest()


def test_digest_is_the_same_wherever_the_arrays_lie(make):
    state = make(1)
    sharding = parallel.replicated(parallel.make_mesh())
    assert leaves.digest(jax.device_put(state, sharding)) == leaves.digest(state)
    split = NamedSharding(parallel.make_mesh(), PartitionSpec(parallel.DATA))
    x = np.arange(16.0, dtype=np.float32)
    assert leaves.digest({"x": jax.device_put(x, split)}) == leaves.digest({"x": x})


@pytest.mark.parametrize(
    "other",
    [
        {"x": np.array([1.0, -0.0], np.float32)},  # equal numbers, another bit
        {"x": np.array([[1.0, 0.0]], np.float32)},
        {"x": np.array([1.0, 0.0], np.float64)},
        {"y": np.array([1.0, 0.0], np.float32)},
        {"x": np.array([1.0, 0.0], np.float32), "y": np.zeros(1)},
    ],
)
def test_digest_sees_bits_shape_dtype_and_names(other):
    assert leaves.digest(other) != leaves.digest({"x": np.array([1, 0], np.float32)})


def test_digest_takes_the_layout_out():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert leaves.digest({"x": np.asfortranarray(x)}) == leaves.digest({"x": x})


def test_paths_are_names_and_nest_is_the_way_back(make):
    flat = leaves.flatten(make(0))
    assert "params/down0/conv0/kernel" in flat
    assert "opt_state/0/mu/head/bias" in flat
    assert leaves.nest({"a/b": 1, "a/c/d": 2, "e": 3}) == {
        "a": {"b": 1, "c": {"d": 2}},
        "e": 3,
    }


def test_arrays_that_cannot_be_stored_are_refused():
    with pytest.raises(ValueError, match="same path"):
        leaves.flatten({"a": {"b": np.ones(1)}, "a/b": np.ones(1)})
    with pytest.raises(ValueError, match="a/b: has no elements"):
        leaves.flatten({"a": {"b": np.zeros((0, 2))}})


def test_host_arrays_outlive_changes():
    x = np.zeros(3)
    y = jnp.arange(3.0)
    held = leaves.host_arrays({"x": x, "y": y})
    x[:] = 1
    jax.jit(lambda a: a + 1, donate_argnums=0)(y)
    np.testing.assert_array_equal(held["x"], np.zeros(3))
    np.testing.assert_array_equal(held["y"], np.arange(3.0))
