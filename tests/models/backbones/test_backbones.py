"""What every convolutional backbone promises, whatever its architecture."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.core.errors import UserError
from segjax.models import backbones
from segjax.models.backbones import BACKBONES
from segjax.models.backbones.atrous import Step, max_pool_dense, steps
from segjax.models.backbones.resnet import ResNet
from segjax.models.backbones.vgg import VGG
from segjax.models.backbones.xception_aligned import AlignedXception
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true

SMALL = {
    "mobilenet_v1": dict(width=0.125),
    "mobilenet_v2": dict(width=0.125),
    "mobilenet_v3_large": dict(width=0.125),
    "resnet18": dict(width=0.125),
    "resnet50": dict(width=0.125, blocks=(1, 2, 1, 3), multi_grid=(1, 2, 4)),
    "vgg11_bn": dict(width=0.125),
    "xception": dict(width=0.03125, middle=1),
    "xception41": dict(width=0.03125, middle=1),
}
"""Arguments that make one of each kind small."""

SIZE = (65, 97)
"""Odd, and 1 more than a multiple of 32: the grids' last pixels fall together."""

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


LONG = ("mobilenet_v1", "mobilenet_v3_large", "xception")
"""Many blocks that cannot be left out, of kinds that others have too."""

DEEP = ("resnet34", "resnet101", "resnet152", "xception65")
"""More of the same blocks: tracing them takes long."""

TABLES = {"resnet50": ResNet, "vgg16": VGG, "xception41": AlignedXception}
"""Backbones that are their base class's default: the table stands there."""


def shapes(name: str, side: int, **options) -> tuple[dict, dict]:
    """Features and variables, as shapes."""

    def init():
        x = jnp.zeros((1, side, side, 3))
        backbone = backbones.make(name, **options)
        return backbone.init_with_output(jax.random.key(0), x)

    return jax.eval_shape(init)


def randomised(tree):
    """Every array random, scales and variances around 1: biases and means count."""
    rng = np.random.default_rng(0)

    def draw(path, x):
        word = jax.tree_util.keystr(path)
        noise = rng.standard_normal(x.shape, dtype=np.float32)
        if "squeeze" in word and "kernel" in word:
            return np.zeros_like(noise)  # a mean over all pixels feels the grid
        if "kernel" in word:
            return noise * np.float32((2 / np.prod(x.shape[:-1])) ** 0.5)
        if "scale" in word or "var" in word:
            return np.exp(0.2 * noise)
        return np.float32(0.2) * noise

    return jax.tree_util.tree_map_with_path(draw, tree)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n in DEEP)) for n in PARAMETERS],
)
def test_table_and_number_of_parameters_are_the_published_ones(name):
    entry = TABLES.get(name, BACKBONES[name])
    if " total " in entry.__doc__:
        variables = assert_table_is_true(entry(), 224, 224, 3)
    else:
        _, variables = shapes(name, 64)
    count = count_parameters(variables["params"])
    assert count == PARAMETERS[name]
    assert f"{count:,}" in BACKBONES[name].__doc__


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in SMALL]
)
def test_an_output_stride_keeps_parameters_and_subsampled_features(name):
    x = jax.random.normal(jax.random.key(0), (1, *SIZE, 3))
    coarse = backbones.make(name, **SMALL[name])
    fine = backbones.make(name, output_stride=8, **SMALL[name])
    # apply refuses variables of other names or shapes than its own
    variables = randomised(jax.eval_shape(fine.init, jax.random.key(1), x))
    expected = jax.jit(coarse.apply)(variables, x)
    found = jax.jit(fine.apply)(variables, x)
    assert set(expected) - {1} == set(found) - {1} == {2, 4, 8, 16, 32}
    for stride, features in expected.items():
        h, w = features.shape[1:3]
        assert {h - SIZE[0] // stride, w - SIZE[1] // stride} <= {0, 1}
        step = max(1, stride // 8)
        sampled = found[stride][:, ::step, ::step][:, :h, :w]
        scale = float(jnp.abs(features).max())
        np.testing.assert_allclose(sampled, features, rtol=0, atol=2e-5 * scale)


def test_output_stride_16_gives_up_the_last_stride_alone():
    features, _ = shapes("resnet18", 96, output_stride=16, width=0.125)
    sides = {stride: x.shape[1] for stride, x in features.items()}
    assert sides == {2: 48, 4: 24, 8: 12, 16: 6, 32: 6}


def test_steps_give_up_the_strides_beyond_the_output_stride():
    assert steps((1, 2, 2, 2), 32, start=4) == [Step(1, 1, 1)] + [Step(2, 1, 1)] * 3
    assert steps((1, 2, 2, 2), 8, start=4) == [
        Step(1, 1, 1),
        Step(2, 1, 1),
        Step(1, 1, 2),
        Step(1, 2, 4),
    ]


@pytest.mark.parametrize("offsets", [(0, 2), (-3, 0, 3)])
def test_a_dense_pooling_is_the_maximum_at_its_offsets(offsets):
    x = np.random.default_rng(0).standard_normal((1, 5, 7, 2)).astype(np.float32)
    found = max_pool_dense(jnp.asarray(x), offsets)
    for i in range(5):
        for j in range(7):
            rows = [i + o for o in offsets if 0 <= i + o < 5]
            columns = [j + o for o in offsets if 0 <= j + o < 7]
            wanted = x[:, rows][:, :, columns].max((1, 2))
            np.testing.assert_array_equal(found[:, i, j], wanted)


def test_mobilenet_v1_up_to_stride_16_has_the_arrays_of_keras():
    _, variables = shapes("mobilenet_v1", 32)
    behind = ("block12", "block13")
    count = sum(
        count_parameters(tree)
        for part in variables.values()
        for block, tree in part.items()
        if block not in behind
    )
    assert count == 1_627_840


def test_plain_vgg_has_no_norm_whatever_is_asked_for():
    _, variables = shapes("vgg11", 32, norm="batch", width=0.125)
    assert set(variables) == {"params"}
    _, variables = shapes("vgg11_bn", 32, norm="batch", width=0.125)
    assert set(variables) == {"params", "batch_stats"}


def test_a_multi_grid_that_does_not_fit_is_refused():
    with pytest.raises(UserError, match=r"multi_grid=\(1, 2\).*3 factors"):
        backbones.make("resnet50", multi_grid=(1, 2))
