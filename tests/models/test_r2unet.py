"""R2U-Net's integers, its recurrence, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models.r2unet import R2UNet, RecurrentConv, TiedRecurrentConv
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes


def test_the_docstring_table_is_true():
    assert_table_is_true(R2UNet(num_outputs=1), 512, 512, 3)


def test_the_tied_form_has_the_usual_integer():
    variables, _ = shapes(R2UNet(num_outputs=1, tied=True), 16, 16, 3)
    assert count_parameters(variables["params"]) == 39_091_393


@pytest.mark.parametrize("tied", [False, True])
def test_a_step_more_costs_a_norm_or_if_tied_nothing(tied):
    def count(steps: int) -> int:
        model = R2UNet(num_outputs=1, width=4, depth=1, tied=tied, steps=steps)
        return count_parameters(shapes(model, 4, 4, 3)[0]["params"])

    # scale and bias in two recurrent convolutions of each of three units
    assert count(3) - count(2) == (0 if tied else 2 * 2 * (4 + 8 + 4))


def test_one_kernel_for_both_terms_is_the_tied_form():
    """By linearity: `conv(x + state)` is `conv(x) + conv(state)`, biases apart."""
    x = jax.random.normal(jax.random.key(0), (1, 6, 5, 3))
    tied = TiedRecurrentConv(2, "none", jnp.float32)
    made = tied.init(jax.random.key(1), x, False)["params"]["conv"]["conv"]
    both = {"forward": made, "back": {"kernel": made["kernel"]}}
    apart = RecurrentConv(2, "none", jnp.float32)
    np.testing.assert_allclose(
        tied.apply({"params": {"conv": {"conv": made}}}, x, False),
        apart.apply({"params": both}, x, False),
        atol=1e-5,
    )


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        R2UNet(num_outputs=0, width=0, depth=0, steps=0)
    assert len(caught.value.problems) == 4


def test_a_size_that_does_not_fit_names_the_nearest():
    x = jax.ShapeDtypeStruct((1, 100, 48, 3), jnp.float32)
    with pytest.raises(UserError, match=r"divide by 16.*96x48"):
        jax.eval_shape(R2UNet(num_outputs=2).init, jax.random.key(0), x)
