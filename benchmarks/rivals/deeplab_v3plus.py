"""DeepLabV3+ in PyTorch: torchvision's MobileNetV2 and ASPP, the paper's decoder."""

import dataclasses

from benchmarks.rivals.vision import with_torchvision
from segjax.core.names import Names

LOW, FEATURES = 48, 256
"""Channels of the stride-4 features in the decoder, and of the decoder."""


def make(
    num_outputs: int,
    backbone: str = "mobilenet_v2",
    output_stride: int = 16,
    rates: tuple[int, ...] = (6, 12, 18),
):
    """The network of `segjax.models.deeplab_v3plus` with the same parameters."""
    if (backbone, output_stride) != ("mobilenet_v2", 16):
        raise ValueError(f"{backbone} at stride {output_stride}: no rival is written")
    with_torchvision()
    import torch
    from torch import nn
    from torchvision.models import mobilenet_v2
    from torchvision.models.segmentation.deeplabv3 import ASPP

    def block(before: int, after: int, kernel: int):
        return nn.Sequential(
            nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        )

    def resized(x, size):
        return nn.functional.interpolate(x, size, mode="bilinear", align_corners=False)

    class DeepLabV3Plus(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = mobilenet_v2(weights=None).features[:18]
            # the last stage: stride 1, and twice the rate behind its first block
            self.backbone[14].conv[1][0].stride = (1, 1)
            for i in (15, 16, 17):
                depthwise = self.backbone[i].conv[1][0]
                depthwise.dilation = depthwise.padding = (2, 2)
            self.aspp = ASPP(320, rates, FEATURES)
            self.low = block(24, LOW, 1)
            self.fuse = nn.ModuleList(
                block(n, FEATURES, 3) for n in (LOW + FEATURES, FEATURES)
            )
            self.head = nn.Conv2d(FEATURES, num_outputs, 1)

        def forward(self, x):
            size = x.shape[-2:]
            low = self.backbone[:4](x)
            x = self.aspp(self.backbone[4:](low))
            low = self.low(low)
            x = torch.cat([resized(x, low.shape[-2:]), low], dim=1)
            for fuse in self.fuse:
                x = fuse(x)
            return resized(self.head(x), size)

    return DeepLabV3Plus()


def names(
    backbone: str = "mobilenet_v2",
    output_stride: int = 16,
    rates: tuple[int, ...] = (6, 12, 18),
) -> Names:
    """What its arrays are called in segjax."""
    from segjax.models.backbones.mobilenet_v2 import MobileNetV2
    from segjax.models.deeplab_v3 import PYRAMID

    del backbone, output_stride, rates
    encoder = MobileNetV2.foreign[0].nested("", "backbone")
    return dataclasses.replace(
        encoder,
        modules=(
            *((rf"aspp\.convs\.{a}", f"aspp/{b}") for a, b in PYRAMID),
            (r"aspp\.project\.0", "aspp/project/conv"),
            (r"aspp\.project\.1", "aspp/project/norm"),
            *(
                (rf"{there}\.{i}", f"{here}/{layer}")
                for there, here in ((r"low", "low"), (r"fuse\.(\d)", r"fuse\1"))
                for i, layer in enumerate(("conv", "norm"))
            ),
            (r"head", "head"),
            *(
                (there.replace("features", "backbone", 1), here)
                for there, here in encoder.modules
            ),
        ),
    )
