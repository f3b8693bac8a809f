"""The atrous models against torchvision, transformers and others."""

import flax.linen as nn

from segjax.models.deeplab_v3 import DeepLabV3
from segjax.models.deeplab_v3plus import DeepLabV3Plus
from segjax.optim import frozen
from tests.oracles.harness import Oracle, with_torchvision

K = 5
RATES = (2, 3, 5)
"""Below the sides of the features, so that each tap of a kernel counts."""


def foreign(model, project: str):
    """The rules of the whole model for one project."""
    return next(n for n in model.foreign if n.project == project and not n.under)


def deeplab_v3_resnet50() -> DeepLabV3:
    return DeepLabV3(num_outputs=K, rates=RATES)


def _torchvision_resnet50():
    with_torchvision()
    from torchvision.models.segmentation import deeplabv3, deeplabv3_resnet50

    net = deeplabv3_resnet50(
        weights=None, weights_backbone=None, num_classes=K, aux_loss=True
    )
    net.classifier = deeplabv3.DeepLabHead(2048, K, RATES)
    return net


def both_heads(model, variables, x) -> dict:
    """Logits of both heads, with running averages in every norm and no dropout."""

    def dropped(call, args, kwargs, context):
        drops = isinstance(context.module, nn.Dropout)
        return args[0] if drops else call(*args, **kwargs)

    with (
        nn.intercept_methods(frozen.interceptor(("",))),
        nn.intercept_methods(dropped),
    ):
        logits, more = model.apply(variables, x, True, mutable=["aux"])
    return {"out": logits, "aux": more["aux"]["stride16"]}


def deeplab_v3_mobilenet_v2() -> DeepLabV3:
    return DeepLabV3(
        num_outputs=K,
        backbone="mobilenet_v2",
        output_stride=8,
        rates=(),
        refine=False,
        aux_head=False,
    )


def _transformers_mobilenet_v2():
    with_torchvision()
    from transformers import MobileNetV2Config, MobileNetV2ForSemanticSegmentation

    config = MobileNetV2Config(
        num_labels=K, output_stride=8, tf_padding=False, layer_norm_eps=1e-5
    )
    return MobileNetV2ForSemanticSegmentation(config)


def _resized(module, x):
    import torch

    logits = module(x).logits
    return torch.nn.functional.interpolate(
        logits, size=x.shape[2:], mode="bilinear", align_corners=False
    )


def deeplab_v3plus_resnet18() -> DeepLabV3Plus:
    return DeepLabV3Plus(
        num_outputs=K,
        backbone="resnet18",
        features=32,
        rates=(1, 2, 3),
        separable=True,
        refine=True,
        fusions=1,
    )


def _smp_deeplab_v3plus():
    with_torchvision()
    import segmentation_models_pytorch as smp
    import torch

    net = smp.DeepLabV3Plus(
        "resnet18",
        encoder_weights=None,
        decoder_channels=32,
        decoder_atrous_rates=(1, 2, 3),
        classes=K,
    )
    for module in net.modules():
        if isinstance(module, torch.nn.Upsample):
            module.align_corners = False
    # the first block of the dilated stage: its input lies on the undilated grid
    first = net.encoder.layer4[0].conv1
    first.dilation = first.padding = (1, 1)
    return net


ORACLES = (
    Oracle(
        "deeplab_v3_resnet50_torchvision",
        ours=deeplab_v3_resnet50,
        theirs=_torchvision_resnet50,
        names=foreign(deeplab_v3_resnet50(), "torchvision"),
        against="torchvision",
        apply=both_heads,
        slow=True,
        note="rates (2, 3, 5); both heads",
    ),
    Oracle(
        "deeplab_v3_mobilenet_v2_transformers",
        ours=deeplab_v3_mobilenet_v2,
        theirs=_transformers_mobilenet_v2,
        names=foreign(deeplab_v3_mobilenet_v2(), "transformers"),
        against="transformers",
        run=_resized,
        tolerance=1e-4,  # fifty layers, many of them clipped at 6
        large_tolerance=2e-4,
        note="tf_padding off, epsilon 1e-5; logits resized to the image",
    ),
    Oracle(
        "deeplab_v3plus_resnet18_smp",
        ours=deeplab_v3plus_resnet18,
        theirs=_smp_deeplab_v3plus,
        names=foreign(deeplab_v3plus_resnet18(), "segmentation_models_pytorch"),
        against="segmentation_models_pytorch",
        note="align_corners off; first block of the dilated stage undilated",
    ),
)
