"""VGG against torchvision."""

from functools import partial

from benchmarks.rivals.vision import with_torchvision
from segjax.models.backbones import make
from segjax.models.backbones.vgg import VGG16, VGG11Normed
from tests.oracles.harness import Oracle


def _theirs(name: str):
    with_torchvision()
    import torchvision

    module = getattr(torchvision.models, name)(weights=None, num_classes=2)
    del module.classifier  # over 100 million parameters, of which none is taken
    return module


def _features(module, x):
    import torch

    features, stride = {}, 1
    for layer in module.features:
        if isinstance(layer, torch.nn.MaxPool2d):
            features[stride] = x
            stride *= 2
        # its ReLU works in place, upon what was kept
        x = layer(x.clone())
    return features | {stride: x}


ORACLES = (
    Oracle(
        "vgg16_torchvision",
        ours=lambda: make("vgg16"),
        theirs=partial(_theirs, "vgg16"),
        names=VGG16.foreign[0],
        against="torchvision",
        run=_features,
        slow=True,
    ),
    Oracle(
        "vgg11_bn_torchvision",
        ours=lambda: make("vgg11_bn"),
        theirs=partial(_theirs, "vgg11_bn"),
        names=VGG11Normed.foreign[0],
        against="torchvision",
        run=_features,
    ),
)
