"""Xception against timm."""

from functools import partial

from benchmarks.rivals.vision import with_torchvision
from segjax.models.backbones import make
from segjax.models.backbones.xception import Xception
from segjax.models.backbones.xception_aligned import AlignedXception
from tests.oracles.harness import Oracle

STRIDES = (2, 4, 8, 16, 32)


def _aligned(name: str, **options):
    with_torchvision()
    import timm

    return timm.create_model(name, pretrained=False, num_classes=3, **options)


def _original():
    import torch

    module = _aligned("legacy_xception")
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.eps = 1e-3
    module.conv1.padding = module.conv2.padding = (1, 1)
    return module


def _original_features(module, x):
    """Behind the ReLU with which the next block starts."""
    _, features = module.forward_intermediates(x)
    return dict(zip(STRIDES, features, strict=True))


def _slim():
    """An eighth of the width; the stem's channels are no option of timm's."""
    with_torchvision()
    import torch
    from timm.layers import ConvNormAct
    from timm.models.xception_aligned import XceptionAligned

    norm = partial(torch.nn.BatchNorm2d, eps=1e-3)
    entry = [(8, 16, 2), (16, 32, 2), (32, 88, 2)]
    blocks = [
        *(dict(in_chs=i, out_chs=o, stride=s) for i, o, s in entry),
        *(dict(in_chs=88, out_chs=88, stride=1) for _ in range(2)),
        dict(in_chs=88, out_chs=(88, 128, 128), stride=2),
        dict(
            in_chs=128,
            out_chs=(192, 192, 256),
            stride=1,
            no_skip=True,
            start_with_relu=False,
        ),
    ]
    module = XceptionAligned(blocks, 3, output_stride=16, norm_layer=norm)
    module.stem[0] = ConvNormAct(3, 8, kernel_size=3, stride=2, norm_layer=norm)
    module.stem[1] = ConvNormAct(8, 8, kernel_size=3, norm_layer=norm)
    return module


def _features(module, x):
    """timm taps where we do: within the blocks that leave a stride."""
    _, features = module.forward_intermediates(x)
    return dict(zip(STRIDES, features, strict=True))


ORACLES = (
    Oracle(
        "xception_os16_timm",
        ours=lambda: make("xception41", width=0.125, middle=2, output_stride=16),
        theirs=_slim,
        names=AlignedXception.foreign[0],
        against="timm",
        run=_features,
        gain=0.7,
        note="an eighth of the width, two blocks in the middle",
    ),
    Oracle(
        "xception41_timm",
        ours=lambda: make("xception41"),
        theirs=partial(_aligned, "xception41"),
        names=AlignedXception.foreign[0],
        against="timm",
        run=_features,
        gain=0.7,
        slow=True,
    ),
    Oracle(
        "xception65_os8_timm",
        ours=lambda: make("xception65", output_stride=8),
        theirs=partial(_aligned, "xception65", output_stride=8),
        names=AlignedXception.foreign[0],
        against="timm",
        run=_features,
        gain=0.7,
        slow=True,
    ),
    Oracle(
        "xception_timm",
        ours=lambda: make("xception"),
        theirs=_original,
        names=Xception.foreign[0],
        against="timm",
        run=_original_features,
        gain=0.7,
        slow=True,
        note="padded stem, epsilon 1e-3",
    ),
)
