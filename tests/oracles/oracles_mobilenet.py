"""MobileNets against torchvision, timm and transformers."""

from functools import partial

from benchmarks.rivals.vision import with_torchvision
from segjax.models.backbones import make
from segjax.models.backbones.mobilenet_v1 import MobileNetV1
from segjax.models.backbones.mobilenet_v2 import MobileNetV2
from segjax.models.backbones.mobilenet_v3 import MobileNetV3Large
from tests.oracles.harness import Oracle

STRIDES = (2, 4, 8, 16, 32)


def _torchvision(name: str, **options):
    with_torchvision()
    import torchvision

    return getattr(torchvision.models, name)(weights=None, **options)


def _v1_timm(**options):
    import torch

    module = _timm("mobilenetv1_100", **options)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.eps = 1e-3
    return module


def _v1_timm_features(module, x):
    x = module.bn1(module.conv_stem(x))
    features = {}
    for stride, group in zip(STRIDES, module.blocks, strict=True):
        x = group(x)
        features[stride] = x
    return features


def _v1_transformers():
    from transformers import MobileNetV1Config, MobileNetV1ForImageClassification

    return MobileNetV1ForImageClassification(
        MobileNetV1Config(tf_padding=False, depth_multiplier=0.5)
    )


def _v1_hidden(module, x):
    hidden = module.mobilenet_v1(x, output_hidden_states=True).hidden_states
    return {s: hidden[i] for s, i in zip(STRIDES, (1, 5, 9, 21, 25), strict=True)}


def _v2_features(module, x):
    features = {}
    for i, layer in enumerate(module.features[:18]):
        x = layer(x)
        if i in (1, 3, 6, 13, 17):
            features[STRIDES[len(features)]] = x
    return features


def _v2_expansions(module, x):
    features = {}
    for i, layer in enumerate(module.features[:18]):
        if i in (2, 4, 7, 14):
            features[STRIDES[len(features)]] = layer.conv[0](x)
        x = layer(x)
    return features | {32: x}


def _timm(name: str, **options):
    with_torchvision()
    import timm

    return timm.create_model(name, pretrained=False, num_classes=3, **options)


def _v2_timm_features(module, x):
    x = module.bn1(module.conv_stem(x))
    features = {}
    for i, group in enumerate(module.blocks):
        x = group(x)
        if i in (0, 1, 2, 4, 6):
            features[STRIDES[len(features)]] = x
    return features


def _v2_transformers():
    from transformers import MobileNetV2Config, MobileNetV2Model

    config = MobileNetV2Config(tf_padding=False, layer_norm_eps=1e-5, output_stride=8)
    return MobileNetV2Model(config)


def _v2_hidden(module, x):
    hidden = module(x, output_hidden_states=True).hidden_states
    return {stride: hidden[i] for stride, i in ((4, 1), (8, 4), (16, 11), (32, 15))}


def _without_2(model, variables, x):
    features = model.apply(variables, x, False)
    return {stride: y for stride, y in features.items() if stride > 2}


def _v3_features(module, x):
    features = {}
    for i, layer in enumerate(module.features):
        x = layer(x)
        if i in (1, 3, 6, 12, 16):
            features[STRIDES[len(features)]] = x
    return features


TORCHVISION, TIMM, TRANSFORMERS = MobileNetV2.foreign

DEEP = dict(tolerance=1e-4, large_tolerance=2e-4)
"""Linear bottlenecks amplify rounding: PyTorch itself is 1.4e-5 from its float64."""

ORACLES = (
    Oracle(
        "mobilenet_v1_os16_timm",
        ours=lambda: make("mobilenet_v1", output_stride=16),
        theirs=partial(_v1_timm, output_stride=16),
        names=MobileNetV1.foreign[0],
        against="timm",
        run=_v1_timm_features,
        note="epsilon 1e-3",
        slow=True,
    ),
    Oracle(
        "mobilenet_v1_transformers",
        ours=lambda: make("mobilenet_v1", width=0.5),
        theirs=_v1_transformers,
        names=MobileNetV1.foreign[1],
        against="transformers",
        run=_v1_hidden,
        note="half the width, symmetric padding",
    ),
    Oracle(
        "mobilenet_v2_torchvision",
        ours=lambda: make("mobilenet_v2"),
        theirs=partial(_torchvision, "mobilenet_v2"),
        names=TORCHVISION,
        against="torchvision",
        **DEEP,
        run=_v2_features,
        slow=True,
    ),
    Oracle(
        "mobilenet_v2_expansions_torchvision",
        ours=lambda: make("mobilenet_v2", width=0.25, expansions=True),
        theirs=partial(_torchvision, "mobilenet_v2", width_mult=0.25),
        names=TORCHVISION,
        against="torchvision",
        **DEEP,
        run=_v2_expansions,
        note="a quarter of the width",
    ),
    Oracle(
        "mobilenet_v2_os16_timm",
        ours=lambda: make("mobilenet_v2", output_stride=16),
        theirs=partial(_timm, "mobilenetv2_100", output_stride=16),
        names=TIMM,
        against="timm",
        **DEEP,
        run=_v2_timm_features,
        slow=True,
    ),
    Oracle(
        "mobilenet_v2_os8_transformers",
        ours=lambda: make("mobilenet_v2", output_stride=8),
        theirs=_v2_transformers,
        names=TRANSFORMERS,
        against="transformers",
        **DEEP,
        run=_v2_hidden,
        apply=_without_2,
        note="symmetric padding, epsilon 1e-5",
        slow=True,
    ),
    Oracle(
        "mobilenet_v3_large_torchvision",
        ours=lambda: make("mobilenet_v3_large"),
        theirs=partial(_torchvision, "mobilenet_v3_large"),
        names=MobileNetV3Large.foreign[0],
        against="torchvision",
        **DEEP,
        run=_v3_features,
        slow=True,
    ),
    Oracle(
        "mobilenet_v3_large_reduced_torchvision",
        ours=lambda: make("mobilenet_v3_large", reduced=True, width=0.5),
        theirs=partial(
            _torchvision, "mobilenet_v3_large", reduced_tail=True, width_mult=0.5
        ),
        names=MobileNetV3Large.foreign[0],
        against="torchvision",
        **DEEP,
        run=_v3_features,
        note="half the width",
    ),
)
