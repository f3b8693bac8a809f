"""The U-Net's exact integers, its table, and its arguments."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models.unet import UNet
from segjax.train.init import count_parameters

SLIDES = dict(
    widths=(8, 16, 32, 64, 128, 256, 512),
    up_widths=(64, 32, 16, 8, 4, 2),
    decoder_widths=(256, 128, 64, 32, 16, 16),
    norm="none",
)
"""The shape of the lecture slides: narrow up-convolutions, no norm."""

SLIDES_TABLE = {
    "down0": (256, 8, 224, 584),
    "down1": (128, 16, 1_168, 2_320),
    "down2": (64, 32, 4_640, 9_248),
    "down3": (32, 64, 18_496, 36_928),
    "down4": (16, 128, 73_856, 147_584),
    "down5": (8, 256, 295_168, 590_080),
    "bottom": (4, 512, 1_180_160, 2_359_808),
    "up5": (8, 256, 737_536, 590_080),
    "up4": (16, 128, 184_448, 147_584),
    "up3": (32, 64, 46_144, 36_928),
    "up2": (64, 32, 11_552, 9_248),
    "up1": (128, 16, 2_896, 2_320),
    "up0": (256, 16, 1_456, 2_320),
}
"""Stage -> (side, width, parameters of conv1, of conv2)."""

SLIDES_GROW = {
    "up5": (64, 131_136, 320),
    "up4": (32, 32_800, 160),
    "up3": (16, 8_208, 80),
    "up2": (8, 2_056, 40),
    "up1": (4, 516, 20),
    "up0": (2, 130, 10),
}
"""Stage -> (filters of its up-convolution, parameters, channels after the skip)."""


def shapes(model: UNet, side: int) -> tuple[dict, dict]:
    """Variables and every module's output, as shapes."""

    def init():
        x = jnp.zeros((1, side, side, 3))
        return model.init_with_output(
            jax.random.key(0), x, capture_intermediates=True, mutable=True
        )[1]

    variables = dict(jax.eval_shape(init))
    return variables, variables.pop("intermediates")


def test_m1_has_the_exact_integers():
    variables, outputs = shapes(UNet(num_outputs=1), 512)
    assert count_parameters(variables["params"]) == 31_043_521
    assert count_parameters(variables["batch_stats"]) == 11_776
    assert count_parameters(variables) == 31_055_297
    assert count_parameters(variables["params"]["head"]) == 65
    assert count_parameters(variables["params"]["down0"]["conv1"]) == 1_792
    assert outputs["__call__"][0].shape == (1, 512, 512, 1)


def test_the_docstring_table_is_true():
    variables, outputs = shapes(UNet(num_outputs=1), 512)
    rows = re.findall(r"^ +(\w+) +(\d+) x (\d+) x (\d+) +([\d,]+)$", UNet.__doc__, re.M)
    assert {name for name, *_ in rows} == set(variables["params"])
    for name, H, W, C, count in rows:
        assert outputs[name]["__call__"][0].shape == (1, int(H), int(W), int(C))
        number = int(count.replace(",", ""))
        assert count_parameters(variables["params"][name]) == number, name


def test_m2_is_the_slides_network_layer_by_layer():
    variables, outputs = shapes(UNet(num_outputs=1, **SLIDES), 256)
    params = variables["params"]
    assert "batch_stats" not in variables
    assert count_parameters(params) == 6_667_639
    for name, (side, width, conv1, conv2) in SLIDES_TABLE.items():
        assert outputs[name]["__call__"][0].shape == (1, side, side, width)
        assert count_parameters(params[name]["conv1"]) == conv1, name
        assert count_parameters(params[name]["conv2"]) == conv2, name
    for name, (filters, count, concatenated) in SLIDES_GROW.items():
        assert outputs[f"{name}_grow"]["__call__"][0].shape[-1] == filters
        assert count_parameters(params[f"{name}_grow"]) == count
        assert params[name]["conv1"]["kernel"].shape[2] == concatenated
    assert count_parameters(params["head"]) == 17
    stages = [*SLIDES_TABLE, *(f"{n}_grow" for n in SLIDES_GROW), "head"]
    assert set(params) == set(stages)


def test_a_size_that_does_not_fit_names_the_nearest():
    with pytest.raises(UserError, match=r"100x100.*divide by 64.*128x128"):
        jax.eval_shape(
            UNet(num_outputs=1, **SLIDES).init,
            jax.random.key(0),
            jnp.zeros((1, 100, 100, 3)),
        )


def test_lists_of_widths_that_do_not_fit_are_refused():
    model = UNet(num_outputs=1, width=4, depth=2, up_widths=(8, 4, 2))
    with pytest.raises(UserError, match=r"up_widths.*has 3 entries.*2 are needed"):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)))


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        UNet(num_outputs=2, width=0, patch=-1, dropout=1.0)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("norm", ["batch", "group", "layer", "none"])
def test_norms_by_name(norm):
    model = UNet(num_outputs=2, width=6, depth=1, norm=norm)
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
    variables = model.init(jax.random.key(1), x)
    assert ("batch_stats" in variables) == (norm == "batch")
    assert ("norm1" in variables["params"]["down0"]) == (norm != "none")
    assert np.isfinite(model.apply(variables, x)).all()


def test_patch_folds_the_grid_and_restores_it():
    model = UNet(num_outputs=3, width=4, depth=2, patch=2)
    assert model.stride == 8
    x = jnp.zeros((1, 16, 24, 3))
    logits, variables = model.init_with_output(jax.random.key(0), x)
    assert logits.shape == (1, 16, 24, 3)
    assert variables["params"]["down0"]["conv1"]["kernel"].shape == (3, 3, 12, 4)


def test_dropout_acts_in_training_alone():
    model = UNet(num_outputs=2, width=4, depth=1, dropout=0.5)
    x = jax.random.normal(jax.random.key(0), (1, 8, 8, 3))
    variables = model.init(jax.random.key(1), x)

    def train(key: int):
        rngs = {"dropout": jax.random.key(key)}
        return model.apply(variables, x, train=True, mutable=["batch_stats"], rngs=rngs)

    assert not np.array_equal(train(1)[0], train(2)[0])
    np.testing.assert_array_equal(train(1)[0], train(1)[0])
    np.testing.assert_array_equal(model.apply(variables, x), model.apply(variables, x))
