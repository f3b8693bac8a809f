"""What every convolutional backbone promises, whatever its architecture."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.models import backbones
from segjax.models.backbones import BACKBONES
from segjax.models.backbones.atrous import Step, steps
from segjax.train.init import count_parameters

SMALL = {
    "mobilenet_v1": dict(width=0.125),
    "mobilenet_v2": dict(width=0.125, expansions=True),
    "mobilenet_v3_large": dict(width=0.125),
    "resnet18": dict(width=0.125),
    "resnet34": dict(width=0.125, blocks=(1, 2, 1, 2)),
    "resnet50": dict(width=0.125, blocks=(1, 1, 2, 2), stem="deep"),
    "resnet101": dict(width=0.125, blocks=(1, 2, 1, 3), multi_grid=(1, 2, 4)),
    "resnet152": dict(width=0.0625, blocks=(1, 1, 1, 2)),
    "vgg11": dict(width=0.125),
    "vgg11_bn": dict(width=0.125),
    "vgg16": dict(width=0.0625),
    "vgg16_bn": dict(width=0.0625),
    "xception": dict(width=0.03125),
    "xception41": dict(width=0.03125, middle=1),
    "xception65": dict(width=0.03125, middle=2),
}
"""Arguments that make each convolutional backbone small, or show an option of it."""

SIZE = (65, 97)
"""Odd: each stride takes every second pixel, the first and the last among them."""

PARAMETERS = {
    # Keras's 3,228,864 less its running statistics; torchvision's less its last
    # convolution, 320 * 1280 + 2 * 1280, and its classifier, 1280 * 1000 + 1000
    "mobilenet_v1": 3_228_864 - 21_888,
    "mobilenet_v2": 3_504_872 - 412_160 - 1_281_000,
    # torchvision's less 960 * 1280 + 1280 and 1280 * 1000 + 1000
    "mobilenet_v3_large": 5_483_032 - 1_230_080 - 1_281_000,
    # Keras's less its running statistics
    "xception": 20_861_480 - 54_528,
    # timm's, less 2048 * 1000 + 1000
    "xception41": 26_969_560 - 2_049_000,
    "xception65": 39_916_312 - 2_049_000,
    # torchvision's published numbers, less the classifiers: 2048 * 1000 + 1000 ...
    "resnet18": 11_689_512 - 513_000,
    "resnet34": 21_797_672 - 513_000,
    "resnet50": 25_557_032 - 2_049_000,
    "resnet101": 44_549_160 - 2_049_000,
    "resnet152": 60_192_808 - 2_049_000,
    # ... and 25088 * 4096 + 4096, 4096 * 4096 + 4096, 4096 * 1000 + 1000
    "vgg11": 132_863_336 - 123_642_856,
    "vgg11_bn": 132_868_840 - 123_642_856,
    "vgg16": 138_357_544 - 123_642_856,
    "vgg16_bn": 138_365_992 - 123_642_856,
}


def shapes(name: str, side: int = 224, **options) -> tuple[dict, dict]:
    """Features and variables at full size, as shapes."""

    def init():
        x = jnp.zeros((1, side, side, 3))
        backbone = backbones.make(name, **options)
        return backbone.init_with_output(jax.random.key(0), x)

    return jax.eval_shape(init)


def randomised(tree, seed: int = 0):
    """Every array random, scales and variances around 1: biases and means count."""
    rng = np.random.default_rng(seed)

    def draw(path, x):
        word = jax.tree_util.keystr(path)
        noise = rng.standard_normal(x.shape, dtype=np.float32)
        if "kernel" in word:
            return noise * np.float32((2 / np.prod(x.shape[:-1])) ** 0.5)
        if "scale" in word or "var" in word:
            return np.exp(0.2 * noise)
        return np.float32(0.2) * noise

    return jax.tree_util.tree_map_with_path(draw, tree)


def quick(function, *args):
    """Compile without optimisation and run."""
    compiled = jax.jit(function).lower(*args).compile()
    return compiled(*args)


@pytest.mark.parametrize("name", list(SMALL))
def test_the_number_of_parameters_is_the_published_one(name):
    _, variables = shapes(name)
    count = count_parameters(variables["params"])
    assert count == PARAMETERS[name]
    assert f"{count:,}" in BACKBONES[name].__doc__


@pytest.mark.parametrize("name", list(SMALL))
def test_a_features_key_is_its_stride_and_the_rest_of_the_size_is_free(name):
    features, _ = shapes(name, side=96, **SMALL[name])
    assert set(features) - {1} == {2, 4, 8, 16, 32}
    for stride, x in features.items():
        assert x.shape[:3] == (1, 96 // stride, 96 // stride)


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("name", list(SMALL))
def test_an_output_stride_changes_no_parameter(name, output_stride):
    features, dilated = shapes(name, 96, output_stride=output_stride, **SMALL[name])
    usual, variables = shapes(name, 96, **SMALL[name])
    assert jax.tree.structure(dilated) == jax.tree.structure(variables)
    assert jax.tree.leaves(dilated) == jax.tree.leaves(variables)
    for stride, x in features.items():
        side = 96 // min(stride, output_stride)
        assert x.shape == (1, side, side, usual[stride].shape[-1])


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize("name", list(SMALL))
def test_dilated_features_subsampled_are_the_undilated_ones(name, output_stride):
    x = jax.random.normal(jax.random.key(0), (1, *SIZE, 3))
    coarse = backbones.make(name, **SMALL[name])
    fine = backbones.make(name, output_stride=output_stride, **SMALL[name])
    variables = randomised(jax.eval_shape(coarse.init, jax.random.key(1), x))
    expected = quick(coarse.apply, variables, x)
    found = quick(fine.apply, variables, x)
    for stride, features in expected.items():
        step = max(1, stride // output_stride)
        h, w = features.shape[1:3]
        sampled = found[stride][:, ::step, ::step][:, :h, :w]
        assert sampled.shape == features.shape
        assert float(jnp.abs(features).max()) > 0.01
        np.testing.assert_allclose(
            sampled, features, atol=2e-5 * float(jnp.abs(features).max())
        )


@pytest.mark.parametrize("name", ["resnet50", "vgg16", "vgg16_bn"])
def test_the_docstring_table_is_true(name):
    features, variables = shapes(name)
    documented = BACKBONES[name].__doc__
    if " total " not in documented:
        documented = BACKBONES[name].__mro__[1].__doc__
    rows = re.findall(r"^ +(\w+) +(\d+ x \d+ x \d+) +([\d,]+)$", documented, re.M)
    if name != "vgg16_bn":  # the table counts no norms
        assert {row[0]: int(row[2].replace(",", "")) for row in rows} == {
            stage: count_parameters(tree) for stage, tree in variables["params"].items()
        }
    outputs = {" x ".join(map(str, x.shape[1:])) for x in features.values()}
    assert {row[1] for row in rows} <= outputs


def test_steps_give_up_the_strides_beyond_the_output_stride():
    assert steps((1, 2, 2, 2), 32, start=4) == [Step(1, 1, 1)] + [Step(2, 1, 1)] * 3
    assert steps((1, 2, 2, 2), 8, start=4) == [
        Step(1, 1, 1),
        Step(2, 1, 1),
        Step(1, 1, 2),
        Step(1, 2, 4),
    ]
