"""MiT: its integers, its table, its names elsewhere, what it refuses and drops."""

import functools
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segjax.checkpoint.leaves import flatten
from segjax.core.errors import UserError
from segjax.models import backbones
from segjax.models.backbones import BACKBONES
from segjax.models.backbones.mit import TRANSFORMERS, Attention, Block, MiT
from segjax.train.init import count_parameters

PARAMETERS = {"mit_b0": 3_319_392, "mit_b1": 13_151_424, "mit_b2": 24_196_288}

PUBLISHED = {
    "stage{}/embed/conv": "encoder.patch_embeddings.{}.proj",
    "stage{}/embed/norm": "encoder.patch_embeddings.{}.layer_norm",
    "stage{}/norm": "encoder.layer_norm.{}",
    "stage{}/block{}/norm1": "encoder.block.{}.{}.layer_norm_1",
    "stage{}/block{}/attention/query": "encoder.block.{}.{}.attention.self.query",
    "stage{}/block{}/attention/key": "encoder.block.{}.{}.attention.self.key",
    "stage{}/block{}/attention/value": "encoder.block.{}.{}.attention.self.value",
    "stage{}/block{}/attention/reduce/conv": "encoder.block.{}.{}.attention.self.sr",
    "stage{}/block{}/attention/reduce/norm": (
        "encoder.block.{}.{}.attention.self.layer_norm"
    ),
    "stage{}/block{}/attention/out": "encoder.block.{}.{}.attention.output.dense",
    "stage{}/block{}/norm2": "encoder.block.{}.{}.layer_norm_2",
    "stage{}/block{}/ffn/expand": "encoder.block.{}.{}.mlp.dense1",
    "stage{}/block{}/ffn/depthwise": "encoder.block.{}.{}.mlp.dwconv.dwconv",
    "stage{}/block{}/ffn/project": "encoder.block.{}.{}.mlp.dense2",
}
"""Our module -> its name in the files that its authors' weights are published in."""


@functools.cache
def shapes(name: str, **options) -> tuple[dict, dict]:
    """Features and parameters, as shapes."""
    features, variables = jax.eval_shape(
        lambda x: backbones.make(name, **options).init_with_output(
            jax.random.key(0), x
        ),
        jnp.zeros((1, 512, 512, 3)),
    )
    return features, variables["params"]


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_the_number_of_parameters_is_that_of_transformers(name):
    _, params = shapes(name)
    assert count_parameters(params) == PARAMETERS[name]
    assert f"{PARAMETERS[name]:,}" in BACKBONES[name].__doc__


def test_the_docstring_table_is_true():
    features, params = shapes("mit_b0")
    rows = re.findall(r"^ +(\w+) +(\d+ x \d+ x \d+) +([\d,]+)$", MiT.__doc__, re.M)
    assert [row[1] for row in rows] == [
        " x ".join(map(str, features[stride].shape[1:])) for stride in (4, 8, 16, 32)
    ]
    assert {row[0]: int(row[2].replace(",", "")) for row in rows} == {
        stage: count_parameters(tree) for stage, tree in params.items()
    }


@pytest.mark.parametrize("width", [0.25, 1.5])
def test_any_width_divides_among_the_heads(width):
    features, _ = shapes("mit_b1", width=width, blocks=(1, 1, 1, 1))
    head = round(64 * width)
    assert [x.shape[-1] // head for x in features.values()] == [1, 2, 5, 8]
    assert all(x.shape[-1] % head == 0 for x in features.values())


def test_the_published_files_names_find_their_places():
    _, params = shapes("mit_b2")
    modules = {path.rpartition("/")[0] for path in flatten(params)}
    found = set()
    for module in modules:
        numbers = [int(n) for n in re.findall(r"(?:stage|block)(\d+)", module)]
        name = PUBLISHED[re.sub(r"(stage|block)\d+", r"\1{}", module)]
        name = name.format(numbers[0] - 1, *numbers[1:])
        found.add(TRANSFORMERS.module(f"segformer.{name}"))
    assert found == modules


@pytest.mark.parametrize("output_stride", [8, 16])
def test_it_cannot_be_dilated(output_stride):
    with pytest.raises(UserError, match=rf"output_stride={output_stride}.*32 is all"):
        backbones.make("mit_b0", output_stride=output_stride)


def test_a_chance_of_one_is_refused():
    with pytest.raises(UserError, match=r"drop_path=1.0: is not a chance"):
        backbones.make("mit_b0", drop_path=1.0)


def test_the_chance_to_drop_grows_from_block_to_block():
    chances = []

    def note(next_function, args, kwargs, context):
        if isinstance(context.module, Block) and context.method_name == "__call__":
            chances.append(context.module.drop)
        return next_function(*args, **kwargs)

    with nn.intercept_methods(note):
        shapes("mit_b0", drop_path=0.7)
    np.testing.assert_allclose(chances, np.arange(8) / 10, rtol=1e-6)


def drawn(tree, seed: int = 0):
    """Standard normal numbers in the shapes of `tree`."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape, np.float32)), tree
    )


def test_a_dropped_residual_is_dropped_for_the_whole_image():
    block = Block(heads=1, reduction=1, drop=0.5, dtype=jnp.float32)
    x = drawn(jnp.zeros((32, 2, 2, 4)))
    variables = drawn(
        jax.eval_shape(lambda x: block.init(jax.random.key(1), x, False), x)
    )

    @jax.jit
    def both(x):
        rngs = {"dropout": jax.random.key(2)}
        return block.apply(variables, x, True, rngs=rngs), block.apply(
            variables, x, False
        )

    trained, predicted = (np.asarray(y != x).reshape(32, -1) for y in both(x))
    assert (trained.all(axis=1) | ~trained.any(axis=1)).all()
    assert 12 <= trained.any(axis=1).sum() < 32  # three of four expected
    assert predicted.all()


def test_attention_is_that_of_a_loop_over_heads_and_pixels():
    module = Attention(heads=2, reduction=1, dtype=jnp.float32)
    x = drawn(jnp.zeros((1, 4, 6, 8)))
    variables = drawn(jax.eval_shape(module.init, jax.random.key(0), x), seed=1)
    found = jax.jit(module.apply)(variables, x)
    params, x = jax.device_get((variables["params"], x))
    query, key, value = (
        (x @ params[name]["kernel"] + params[name]["bias"]).reshape(24, 2, 4)
        for name in ("query", "key", "value")
    )
    mixed = np.zeros((24, 2, 4), np.float32)
    for head in range(2):
        for pixel in range(24):
            scores = key[:, head] @ query[pixel, head] / 4**0.5
            share = np.exp(scores - scores.max())
            mixed[pixel, head] = share / share.sum() @ value[:, head]
    expected = mixed.reshape(1, 4, 6, 8) @ params["out"]["kernel"]
    expected += params["out"]["bias"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
