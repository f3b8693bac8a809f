"""FCN on VGG and on ResNet against torchvision."""

import dataclasses
from functools import partial

from benchmarks.rivals.vision import with_torchvision
from segjax.models.fcn import FCN
from segjax.models.fcn_resnet import FCNResNet
from tests.oracles.harness import Oracle
from tests.oracles.oracles_deeplab import both_heads, foreign

K = 5
WIDTHS, FC = (8, 16, 32, 64, 64), 24


def fcn_vgg16(stride: int) -> FCN:
    return FCN(K, finest_stride=stride, backbone_width=0.125, fc_width=FC)


def _fcn_vgg16(stride: int):
    """torchvision's VGG-16, slim, its dense layers slid; skips from its poolings."""
    with_torchvision()
    from torch import nn
    from torchvision.models.vgg import make_layers

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            plan = []
            for width, n in zip(WIDTHS, (2, 2, 3, 3, 3), strict=True):
                plan += [width] * n + ["M"]
            self.features = make_layers(plan)
            self.classifier = nn.Sequential(
                *(nn.Linear(WIDTHS[-1] * 49, FC), nn.ReLU(), nn.Dropout()),
                *(nn.Linear(FC, FC), nn.ReLU(), nn.Dropout()),
                nn.Linear(FC, 1000),
            )
            channels = {32: FC, 16: WIDTHS[3], 8: WIDTHS[2]}
            strides = [s for s in (32, 16, 8) if s >= stride]
            self.score = nn.ModuleDict(
                {str(s): nn.Conv2d(channels[s], K, 1) for s in strides}
            )
            self.up = nn.ModuleDict(
                {
                    str(s): nn.ConvTranspose2d(K, K, 4, 2, 1, bias=False)
                    for s in strides[:-1]
                }
            )

        def forward(self, x):
            size, pooled = x.shape[-2:], []
            for layer in self.features:
                x = layer(x)
                if isinstance(layer, nn.MaxPool2d):
                    pooled.append(x)
            first, second = self.classifier[0], self.classifier[3]
            kernel = first.weight.view(FC, -1, 7, 7)
            x = nn.functional.conv2d(x, kernel, first.bias, padding=3).relu()
            kernel = second.weight.view(FC, FC, 1, 1)
            x = nn.functional.conv2d(x, kernel, second.bias).relu()
            x = self.score["32"](x)
            for s, finer in ((32, pooled[3]), (16, pooled[2])):
                if s > stride:
                    x = self.up[str(s)](x) + self.score[str(s // 2)](finer)
            return nn.functional.interpolate(x, size, mode="bilinear")

    return Net()


def _fcn_names():
    names = foreign(fcn_vgg16(8), "torchvision")
    own = ((r"score\.(\d+)", r"score\1"), (r"up\.(\d+)", r"up\1"))
    return dataclasses.replace(
        names,
        modules=(*own, *names.modules),
        kinds=(*names.kinds, (r"up\..*", "transposed")),
        new=(),
    )


def _fcn_resnet50():
    with_torchvision()
    from torchvision.models.segmentation import fcn_resnet50

    return fcn_resnet50(
        weights=None, weights_backbone=None, num_classes=K, aux_loss=True
    )


ORACLES = (
    *(
        Oracle(
            f"fcn{stride}s_vgg16_torchvision",
            ours=partial(fcn_vgg16, stride),
            theirs=partial(_fcn_vgg16, stride),
            names=_fcn_names(),
            against="torchvision",
            shape=(1, 64, 96, 3),
            large=(2, 224, 160, 3),
            slow=stride == 32,
            note="its VGG-16, slim, with its dense layers; scores are 10 lines",
        )
        for stride in (32, 8)
    ),
    Oracle(
        "fcn_resnet50_torchvision",
        ours=lambda: FCNResNet(K),
        theirs=_fcn_resnet50,
        names=foreign(FCNResNet(K), "torchvision"),
        against="torchvision",
        apply=both_heads,
        shape=(1, 32, 48, 3),
        large=(1, 64, 96, 3),
        slow=True,
    ),
)
