"""Which parameters a mask takes."""

import jax.numpy as jnp
import pytest

from segjax.optim import masks

PARAMS = {
    "down0": {
        "conv0": {"kernel": jnp.zeros((3, 3, 1, 2)), "bias": jnp.zeros(2)},
        "norm": {"scale": jnp.zeros(2)},
    },
    "head": {"kernel": jnp.zeros((2, 1))},
}


def tree(kernel, bias, scale, head):
    return {
        "down0": {"conv0": {"kernel": kernel, "bias": bias}, "norm": {"scale": scale}},
        "head": {"kernel": head},
    }


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("kernels", tree(True, False, False, True)),
        ("all", tree(True, True, True, True)),
        ("bias$", tree(False, True, False, False)),
        (("^down0/conv0", "scale"), tree(True, True, True, False)),
        ("^conv0", tree(False, False, False, False)),
        ((), tree(False, False, False, False)),
    ],
)
def test_masks(which, expected):
    assert masks.make(which)(PARAMS) == expected
