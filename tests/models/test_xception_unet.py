"""U-Net-Xception's integers, with and without skips, and its windows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models.xception_unet import XceptionUNet
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes


def test_the_docstring_table_is_true():
    assert_table_is_true(XceptionUNet(num_outputs=3), 160, 160, 3)


@pytest.mark.parametrize(("classes", "total"), [(3, 2_058_979), (19, 2_063_603)])
def test_m8_has_the_exact_integers(classes, total):
    variables, _ = shapes(XceptionUNet(num_outputs=classes), 160, 160, 3)
    assert count_parameters(variables) == total
    assert count_parameters(variables["params"]) == total - 3_776
    assert count_parameters(variables["batch_stats"]) == 3_776


def test_skips_widen_the_blocks_that_they_reach_and_no_other():
    plain, outputs = shapes(XceptionUNet(num_outputs=3), 32, 32, 3)
    skipped, same = shapes(XceptionUNet(num_outputs=3, skips=True), 32, 32, 3)
    more = {
        name: count_parameters(skipped["params"][name]) - count_parameters(made)
        for name, made in plain["params"].items()
    }
    # a 3x3 and a 1x1 more for each channel of the skip
    wanted = {"up2": 10 * 128 * 128, "up1": 10 * 64 * 64, "up0": 10 * 32 * 32}
    assert {name: n for name, n in more.items() if n} == wanted
    for name in plain["params"]:
        a, b = outputs[name]["__call__"], same[name]["__call__"]
        assert a[0].shape == b[0].shape


def test_with_skips_fine_detail_does_not_go_through_the_bottom():
    """A pixel's own block is cut off below: only the skips can still carry it."""

    def response(skips: bool) -> float:
        model = XceptionUNet(num_outputs=1, width=4, depth=1, skips=skips, norm="none")
        x = jax.random.normal(jax.random.key(0), (1, 8, 8, 3))
        variables = model.init(jax.random.key(1), x)
        params = variables["params"]
        params["down1"] = jax.tree.map(jnp.zeros_like, params["down1"])
        logits = [model.apply({"params": params}, x * s) for s in (1.0, 2.0)]
        return float(jnp.abs(logits[0] - logits[1]).max())

    assert response(skips=False) == 0
    assert response(skips=True) > 1e-3


def test_a_size_that_does_not_fit_names_the_nearest():
    with pytest.raises(UserError, match=r"divide by 16.*96x48"):
        x = jax.ShapeDtypeStruct((1, 100, 48, 3), jnp.float32)
        jax.eval_shape(XceptionUNet(num_outputs=2).init, jax.random.key(0), x)


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        XceptionUNet(num_outputs=0, width=0, depth=0)
    assert len(caught.value.problems) == 3


def test_statistics_are_kerass():
    model = XceptionUNet(num_outputs=2, width=2, depth=1)
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
    variables = model.init(jax.random.key(1), x)
    _, changed = model.apply(variables, x, train=True, mutable=["batch_stats"])
    var = changed["batch_stats"]["stem"]["norm"]["var"]
    kernel = variables["params"]["stem"]["conv"]["kernel"]
    y = jax.lax.conv_general_dilated(
        x, kernel, (2, 2), [(1, 1), (1, 1)], dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(var, 0.99 + 0.01 * y.var((0, 1, 2)), rtol=1e-5)
