"""The published U-Net: its integers, its legal sizes, and that it never pads."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models.valid_unet import ValidUNet
from segjax.train.init import count_parameters


def shapes(model: ValidUNet, side: int) -> tuple[dict, dict]:
    """Variables and every module's output, as shapes."""

    def init():
        return model.init_with_output(
            jax.random.key(0),
            jnp.zeros((1, side, side, 1)),
            capture_intermediates=True,
            mutable=True,
        )[1]

    variables = dict(jax.eval_shape(init))
    return variables, variables.pop("intermediates")


def is_legal(side: int, depth: int) -> bool:
    """Walk the sizes through the network."""
    for _ in range(depth):
        side -= 4
        if side <= 0 or side % 2:
            return False
        side //= 2
    for _ in range(depth):
        side = (side - 4) * 2
        if side <= 0:
            return False
    return side > 4


def check(model: ValidUNet, height: int, width: int) -> None:
    """`check_size` without making an image."""
    x = jax.ShapeDtypeStruct((1, height, width, 1), jnp.float32)
    jax.eval_shape(model.check_size, x)


def test_m3_has_the_exact_integers():
    variables, outputs = shapes(ValidUNet(num_outputs=2), 572)
    assert set(variables) == {"params"}
    assert count_parameters(variables["params"]) == 31_030_658
    assert outputs["__call__"][0].shape == (1, 388, 388, 2)
    bottom = outputs["bottom"]
    assert bottom["conv1"]["__call__"][0].shape == (1, 30, 30, 1024)
    assert bottom["conv2"]["__call__"][0].shape == (1, 28, 28, 1024)


def test_the_docstring_table_is_true():
    variables, outputs = shapes(ValidUNet(num_outputs=2), 572)
    table = ValidUNet.__doc__
    rows = re.findall(r"^ +(\w+) +(\d+) x (\d+) x (\d+) +([\d,]+)$", table, re.M)
    assert {name for name, *_ in rows} == set(variables["params"])
    for name, H, W, C, count in rows:
        assert outputs[name]["__call__"][0].shape == (1, int(H), int(W), int(C))
        number = int(count.replace(",", ""))
        assert count_parameters(variables["params"][name]) == number, name


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_exactly_the_sides_that_the_network_can_halve_are_legal(depth):
    model = ValidUNet(num_outputs=2, depth=depth)

    def accepts(side: int) -> bool:
        try:
            check(model, side, model.least_side)
        except UserError:
            return False
        return True

    sides = range(1, model.least_side + 3 * model.stride)
    assert [s for s in sides if accepts(s)] == [s for s in sides if is_legal(s, depth)]


def test_the_sizes_of_the_paper():
    model = ValidUNet(num_outputs=2)
    assert (model.margin, model.stride, model.least_side) == (92, 16, 188)
    assert [model.input_side(n) for n in (1, 4, 5, 388, 389)] == [
        188,
        188,
        204,
        572,
        588,
    ]


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_logits_lose_the_margin_and_cover_what_was_asked(depth):
    model = ValidUNet(num_outputs=3, width=2, depth=depth)
    for side in (1, 37):
        n = model.input_side(side)
        x = jax.ShapeDtypeStruct((1, n, n + model.stride, 2), jnp.float32)
        logits, _ = jax.eval_shape(model.init_with_output, jax.random.key(0), x)
        inner = n - 2 * model.margin
        assert logits.shape == (1, inner, inner + model.stride, 3)
        assert side <= inner
        assert inner - model.stride < side or n == model.least_side


def test_a_refusal_names_the_nearest_below_and_above():
    model = ValidUNet(num_outputs=2)
    with pytest.raises(UserError, match=r"height 570 lies between 556 and 572"):
        check(model, 570, 572)
    with pytest.raises(UserError, match=r"width 100 is less than 188"):
        check(model, 188, 100)


def test_logits_are_those_of_the_window_alone():
    """No padding anywhere: a window gives the same logits inside a larger image."""
    model = ValidUNet(num_outputs=2, width=2, depth=2)
    side = model.input_side(8)
    x = jax.random.normal(jax.random.key(0), (1, side + 8, side + 12, 1))
    variables = model.init(jax.random.key(1), x)
    whole = model.apply(variables, x)
    part = model.apply(variables, x[:, 4 : 4 + side, 8 : 8 + side])
    n = part.shape[1]
    np.testing.assert_allclose(part, whole[:, 4 : 4 + n, 8 : 8 + n], atol=1e-5)


def test_dropout_acts_in_training_alone():
    model = ValidUNet(num_outputs=2, width=4, depth=1)
    x = jax.random.normal(jax.random.key(0), (1, 22, 22, 1))
    variables = model.init(jax.random.key(1), x)

    def train(key: int):
        return model.apply(
            variables, x, train=True, rngs={"dropout": jax.random.key(key)}
        )

    assert not np.array_equal(train(1), train(2))
    np.testing.assert_array_equal(train(1), train(1))
    np.testing.assert_array_equal(model.apply(variables, x), model.apply(variables, x))


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        ValidUNet(num_outputs=2, width=0, depth=0, dropout=1.0)
    assert len(caught.value.problems) == 3
