"""The atrous models against torchvision, transformers and others."""

import dataclasses

import flax.linen as nn

from benchmarks.rivals.vision import with_torchvision
from segjax.models.backbones.resnet import ResNet18
from segjax.models.backbones.vgg import VGG11
from segjax.models.deeplab_largefov import DeepLabLargeFOV
from segjax.models.deeplab_v2 import DeepLabV2
from segjax.models.deeplab_v3 import DeepLabV3
from segjax.models.deeplab_v3plus import DeepLabV3Plus
from segjax.models.pspnet import PSPNet
from segjax.optim import frozen
from tests.oracles.harness import Oracle

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


def deeplab_v3_mobilenet_v3() -> DeepLabV3:
    return DeepLabV3(
        num_outputs=K,
        backbone="mobilenet_v3_large",
        output_stride=16,
        rates=RATES,
        aux_head=False,
    )


def _torchvision_mobilenet_v3():
    with_torchvision()
    from torchvision.models.segmentation import deeplabv3

    net = deeplabv3.deeplabv3_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=K, aux_loss=False
    )
    net.classifier = deeplabv3.DeepLabHead(960, K, RATES)
    # the first block of the dilated stage: its input lies on the undilated grid
    first = net.backbone["13"].block[1][0]
    first.dilation, first.padding = (1, 1), (2, 2)
    return net


def _out(module, x):
    return module(x)["out"]


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


def deeplab_largefov_vgg11() -> DeepLabLargeFOV:
    return DeepLabLargeFOV(num_outputs=K, backbone="vgg11", features=16, rate=3)


def _vgg11_dilated():
    """torchvision's VGG-11, its last two poolings dilated instead of striding."""
    with_torchvision()
    import torch
    from torchvision.models import vgg11

    class Pool(torch.nn.Module):
        def __init__(self, rate: int):
            super().__init__()
            self.rate = rate

        def forward(self, x):
            low = torch.finfo(x.dtype).min
            x = torch.nn.functional.pad(x, (0, self.rate, 0, self.rate), value=low)
            return torch.nn.functional.max_pool2d(x, 2, 1, dilation=self.rate)

    layers = vgg11(weights=None).features
    layers[15], layers[20] = Pool(1), Pool(2)
    for i in (16, 18):
        layers[i].dilation = layers[i].padding = (2, 2)
    return layers


def _resnet18_dilated():
    """torchvision's ResNet-18 at output stride 8, which it refuses to make itself."""
    with_torchvision()
    from torchvision.models import resnet18

    net = resnet18(weights=None)
    for layer, before, after in ((net.layer3, 1, 2), (net.layer4, 2, 4)):
        first, second = layer
        first.conv1.stride = first.downsample[0].stride = (1, 1)
        first.conv1.dilation = first.conv1.padding = (before, before)
        for conv in (first.conv2, second.conv1, second.conv2):
            conv.dilation = conv.padding = (after, after)
    del net.fc
    return net


def _staged(net, x):
    """Features of the last two stages of torchvision's ResNet."""
    x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
    third = net.layer3(net.layer2(net.layer1(x)))
    return third, net.layer4(third)


def _grown(x, like):
    import torch

    return torch.nn.functional.interpolate(
        x, size=like.shape[2:], mode="bilinear", align_corners=False
    )


def _largefov():
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = _vgg11_dilated()
            self.fc6 = nn.Conv2d(512, 16, 3, padding=3, dilation=3)
            self.fc7 = nn.Conv2d(16, 16, 1)
            self.fc8 = nn.Conv2d(16, K, 1)

        def forward(self, x):
            y = self.fc7(self.fc6(self.features(x)).relu()).relu()
            return _grown(self.fc8(y), x)

    return Net()


LARGEFOV_NAMES = dataclasses.replace(
    VGG11.foreign[0],
    modules=(
        (r"fc([67])", r"fc\1/conv"),
        (r"fc8", "head"),
        *((there, f"backbone/{here}") for there, here in VGG11.foreign[0].modules),
    ),
)


def deeplab_v2_resnet18() -> DeepLabV2:
    return DeepLabV2(num_outputs=K, backbone="resnet18", rates=RATES)


def _deeplab_v2():
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = _resnet18_dilated()
            self.aspp = nn.ModuleList(
                nn.Conv2d(512, K, 3, padding=rate, dilation=rate) for rate in RATES
            )

        def forward(self, x):
            y = _staged(self.backbone, x)[1]
            return _grown(sum(branch(y) for branch in self.aspp), x)

    return Net()


RESNET_NAMES = ResNet18.foreign[0].nested(r"backbone\.", "backbone")

DEEPLAB_V2_NAMES = dataclasses.replace(
    RESNET_NAMES,
    modules=((r"aspp\.(\d)", r"aspp\1/head"), *RESNET_NAMES.modules),
)


def pspnet_resnet18() -> PSPNet:
    return PSPNet(num_outputs=K, backbone="resnet18", features=16)


def _pspnet():
    with_torchvision()
    import torch
    from segmentation_models_pytorch.decoders.pspnet import decoder
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = _resnet18_dilated()
            self.pyramid = decoder.PSPModule(512)
            # there the level of one region has no norm; given here the paper's
            self.pyramid.blocks[0].pool[1] = decoder.modules.Conv2dReLU(512, 128, 1)
            self.fuse = nn.Sequential(
                nn.Conv2d(1024, 16, 3, padding=1, bias=False),
                nn.BatchNorm2d(16),
                nn.ReLU(),
            )
            self.head = nn.Conv2d(16, K, 1)
            self.aux = nn.Sequential(
                nn.Conv2d(256, 64, 3, padding=1, bias=False),
                nn.BatchNorm2d(64),
                nn.ReLU(),
                nn.Conv2d(64, K, 1),
            )

        def forward(self, x):
            third, fourth = _staged(self.backbone, x)
            blocks = self.pyramid.blocks
            levels = [_grown(block.pool(fourth), fourth) for block in blocks]
            y = torch.cat([fourth, *levels], dim=1)
            return {
                "out": _grown(self.head(self.fuse(y)), x),
                "aux": _grown(self.aux(third), x),
            }

    return Net()


PSPNET_NAMES = dataclasses.replace(
    RESNET_NAMES,
    modules=(
        (r"pyramid\.blocks\.(\d)\.pool\.1\.0", r"pyramid/level\1/conv"),
        (r"pyramid\.blocks\.(\d)\.pool\.1\.1", r"pyramid/level\1/norm"),
        (r"fuse\.0", "fuse/conv"),
        (r"fuse\.1", "fuse/norm"),
        (r"head", "head"),
        (r"aux\.0", "aux_head/conv/conv"),
        (r"aux\.1", "aux_head/conv/norm"),
        (r"aux\.3", "aux_head/head"),
        *RESNET_NAMES.modules,
    ),
)


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
        "deeplab_v3_mobilenet_v3_torchvision",
        ours=deeplab_v3_mobilenet_v3,
        theirs=_torchvision_mobilenet_v3,
        names=foreign(deeplab_v3_mobilenet_v3(), "torchvision"),
        against="torchvision",
        run=_out,
        # against float64 PyTorch's own error is 1.2e-4 here, ours 2.8e-5
        tolerance=1e-4,
        large_tolerance=5e-4,
        slow=True,
        note="rates (2, 3, 5); first block of the dilated stage undilated",
    ),
    Oracle(
        "deeplab_v3plus_resnet18_smp",
        ours=deeplab_v3plus_resnet18,
        theirs=_smp_deeplab_v3plus,
        names=foreign(deeplab_v3plus_resnet18(), "segmentation_models_pytorch"),
        against="segmentation_models_pytorch",
        note="align_corners off; first block of the dilated stage undilated",
    ),
    Oracle(
        "deeplab_largefov_vgg11_plain",
        ours=deeplab_largefov_vgg11,
        theirs=_largefov,
        names=LARGEFOV_NAMES,
        against="torchvision",
        note="its VGG-11, poolings dilated; the head in 10 lines of PyTorch",
    ),
    Oracle(
        "deeplab_v2_resnet18_plain",
        ours=deeplab_v2_resnet18,
        theirs=_deeplab_v2,
        names=DEEPLAB_V2_NAMES,
        against="torchvision",
        note="its ResNet-18, dilated; the head in 10 lines of PyTorch",
    ),
    Oracle(
        "pspnet_resnet18_smp",
        ours=pspnet_resnet18,
        theirs=_pspnet,
        names=PSPNET_NAMES,
        against="segmentation_models_pytorch",
        apply=both_heads,
        note="its pyramid, align_corners off, a norm on every level; both heads",
    ),
)
