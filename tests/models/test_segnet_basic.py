"""SegNet-Basic's table, its decoder without ReLU, its arguments."""

import jax
import jax.numpy as jnp
import pytest

from segjax.core.errors import UserError
from segjax.models.segnet_basic import SegNetBasic
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true


def test_the_docstring_table_is_true():
    variables = assert_table_is_true(SegNetBasic(num_outputs=11), 360, 480, 3)
    assert count_parameters(variables["batch_stats"]) == 1_024


def test_the_decoder_has_no_relu_and_the_encoder_has():
    model = SegNetBasic(num_outputs=2, width=4, depth=2, kernel=3)
    x = jax.random.normal(jax.random.key(0), (1, 9, 6, 3))
    variables = model.init(jax.random.key(1), x)
    _, state = model.apply(
        variables, x, capture_intermediates=True, mutable="intermediates"
    )
    outputs = {
        k: v["__call__"][0]
        for k, v in state["intermediates"].items()
        if k[:2] in ("do", "up")
    }
    least = {name: float(jnp.min(y)) for name, y in outputs.items()}
    assert {name for name, low in least.items() if low < 0} == {"up1", "up0"}


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        SegNetBasic(num_outputs=2, depth=0, width=0, kernel=4)
    assert len(caught.value.problems) == 3
