"""SegFormer's exact integers, its table, its names elsewhere and its arguments."""

import flax
import jax
import jax.numpy as jnp
import pytest

from segjax.core.errors import UserError
from segjax.models.segformer import SegFormer
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes

TINY = dict(num_outputs=3, backbone_width=0.25, blocks=(1, 1, 1, 1), width=8)

PARAMETERS = {
    "mit_b1": (13_682_131, 512),
    "mit_b2": (27_361_235, 1_536),
}
"""Trainable, and running statistics, of transformers at 19 classes."""


@pytest.mark.parametrize("backbone", list(PARAMETERS))
def test_the_integers_are_those_of_transformers(backbone):
    variables, _ = shapes(SegFormer(num_outputs=19, backbone=backbone), 64, 64, 3)
    trainable, running = PARAMETERS[backbone]
    assert count_parameters(variables["params"]) == trainable
    assert count_parameters(variables["batch_stats"]) == running
    assert f"{trainable:,}" in SegFormer.__doc__


def test_the_docstring_table_is_true():
    variables = assert_table_is_true(SegFormer(num_outputs=19), 512, 512, 3)
    assert count_parameters(variables["params"]) == 3_719_027
    assert count_parameters(variables["batch_stats"]) == 512


def test_the_backbones_rules_stand_below_the_backbone():
    whole, alone = SegFormer(num_outputs=2).foreign
    name = "stages.1.blocks.0.mlp.fc1"
    assert whole.module(f"segformer.{name}") == "backbone/stage2/block0/ffn/expand"
    assert alone.module(name) == "backbone/stage2/block0/ffn/expand"
    assert whole.module("decode_head.linear_c.3.proj") == "project4"
    assert alone.drops("decode_head.linear_c.3.proj.weight")
    assert not whole.drops("decode_head.linear_c.3.proj.weight")


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        SegFormer(
            num_outputs=0,
            width=0,
            blocks=(1, 0, 1, 1),
            backbone_width=0.0,
            drop_path=1.0,
            dropout=-0.1,
        )
    assert len(caught.value.problems) == 6


def test_a_size_that_does_not_fit_names_the_nearest():
    with pytest.raises(UserError, match=r"72x64.*divide by 32.*64x64"):
        shapes(SegFormer(**TINY), 72, 64, 3)


@pytest.mark.parametrize("kept", ["dropout", "drop_path"])
def test_dropout_and_drop_path_act_in_training_alone(kept):
    off = {"dropout": 0.0, "drop_path": 0.0} | {kept: 0.1}
    model = SegFormer(**TINY, norm="none", **off)
    x = jnp.ones((1, 32, 32, 3))
    variables = jax.eval_shape(model.init, jax.random.key(0), x)  # no "dropout" key
    with pytest.raises(flax.errors.InvalidRngError, match="dropout"):
        jax.eval_shape(lambda v: model.apply(v, x, True), variables)
