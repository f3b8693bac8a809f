"""MobileNet-SegNet's integers as Keras counts them, and its honest decoder."""

import re

import jax
import jax.numpy as jnp
import pytest

from segjax.core.errors import UserError
from segjax.models.mobilenet_segnet import MobileNetSegNet
from segjax.train.init import count_parameters
from tests.models.docstring_table import assert_table_is_true, shapes


def test_the_docstring_table_is_true_and_keras_counts_the_same():
    variables = assert_table_is_true(MobileNetSegNet(num_outputs=19), 224, 224, 3)
    both = {
        name: count_parameters([variables[kind][name] for kind in variables])
        for name in variables["batch_stats"]
    }
    assert both["backbone"] == 1_627_840
    assert count_parameters(variables) == 5_551_187


def test_m7_at_32_classes():
    variables, _ = shapes(MobileNetSegNet(num_outputs=32), 32, 32, 3)
    assert count_parameters(variables) == 5_558_688


def test_names_of_mobilenet_fill_the_encoder_and_drop_what_is_cut_off():
    model = MobileNetSegNet(num_outputs=2)
    timm, transformers = model.foreign
    assert timm.module("blocks.3.5.conv_pw") == "backbone/block11/point/conv"
    assert timm.drops("blocks.4.0.conv_dw.weight")
    assert not timm.drops("blocks.3.5.conv_dw.weight")
    last = "mobilenet_v1.layer.21.normalization"
    assert transformers.module(last) == "backbone/block11/point/norm"
    assert not transformers.drops(f"{last}.weight")
    assert transformers.drops("mobilenet_v1.layer.22.normalization.weight")


def test_the_decoder_has_a_relu_only_if_asked():
    counts = []
    for decoder in ("upsampling", "upsampling_relu"):
        model = MobileNetSegNet(num_outputs=2, decoder=decoder)
        variables, _ = shapes(model, 16, 16, 3)
        program = jax.make_jaxpr(model.apply)(variables, jnp.zeros((1, 16, 16, 3)))
        counts.append(len(re.findall(r"name=relu\b", str(program))))
    assert counts[0] == 0 < counts[1]  # the encoder has ReLU6


def test_arguments_out_of_range_are_refused_all_at_once():
    with pytest.raises(UserError) as caught:
        MobileNetSegNet(num_outputs=0, widths=(4, 4, 0, 4), backbone_width=0.0)
    assert len(caught.value.problems) == 3
