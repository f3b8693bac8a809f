"""BACKBONES: feature extractors by name, each of which any model takes.

A backbone is a flax module `(x, train) -> {stride: features}`; see `backbone.Backbone`.
Its parameters stand in a model under `backbone/`.
"""

from segjax.core.tables import Table
from segjax.models.backbones import (
    mit,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    resnet,
    vgg,
    xception,
    xception_aligned,
)
from segjax.models.backbones.backbone import Backbone

BACKBONES = Table(
    "backbone",
    {
        "mit_b0": mit.MiTB0,
        "mit_b1": mit.MiTB1,
        "mit_b2": mit.MiTB2,
        "mobilenet_v1": mobilenet_v1.MobileNetV1,
        "mobilenet_v2": mobilenet_v2.MobileNetV2,
        "mobilenet_v3_large": mobilenet_v3.MobileNetV3Large,
        "resnet18": resnet.ResNet18,
        "resnet34": resnet.ResNet34,
        "resnet50": resnet.ResNet50,
        "resnet101": resnet.ResNet101,
        "resnet152": resnet.ResNet152,
        "vgg11": vgg.VGG11,
        "vgg11_bn": vgg.VGG11Normed,
        "vgg16": vgg.VGG16,
        "vgg16_bn": vgg.VGG16Normed,
        "xception": xception.Xception,
        "xception41": xception_aligned.Xception41,
        "xception65": xception_aligned.Xception65,
    },
    given=("output_stride", "width", "norm", "dtype", "name", "parent"),
)


def make(name: str, /, **options) -> Backbone:
    """The backbone `name`; inside a model, give it `name="backbone"` in `options`.

    Raises:
      UserError: there is no such backbone.
    """
    return BACKBONES[name](**options)
