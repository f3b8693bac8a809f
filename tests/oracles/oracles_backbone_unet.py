"""U-Nets on classifiers against segmentation_models_pytorch and plain PyTorch."""

from benchmarks.rivals.vision import with_torchvision
from segjax.core.names import Names
from segjax.models import foreign
from segjax.models.backbone_unet import BackboneUNet
from segjax.models.mobile_unet import MobileUNet
from segjax.models.ternausnet import TernausNet
from tests.oracles.harness import Oracle

OUTPUTS = 3
WIDTHS = (24, 16, 12, 8, 6)


def _smp(kind: str, backbone: str, **options):
    with_torchvision()
    import segmentation_models_pytorch as smp

    return getattr(smp, kind)(
        backbone, encoder_weights=None, classes=OUTPUTS, **options
    )


def _unet(backbone: str) -> Oracle:
    def ours():
        return BackboneUNet(
            num_outputs=OUTPUTS,
            backbone=backbone,
            decoder_widths=WIDTHS,
            center=backbone.startswith("vgg"),
        )

    return Oracle(
        f"backbone_unet_{backbone}_smp",
        ours=ours,
        theirs=lambda: _smp("Unet", backbone, decoder_channels=WIDTHS),
        names=ours().foreign[0],
        against="segmentation_models_pytorch",
        shape=(1, 32, 64, 3),
    )


def _ternausnet():
    with_torchvision()
    import torch
    from torch import nn
    from torchvision.models import vgg11

    class Grow(nn.Module):
        def __init__(self, before: int, middle: int, after: int):
            super().__init__()
            self.conv = nn.Conv2d(before, middle, 3, padding=1)
            self.grow = nn.ConvTranspose2d(
                middle, after, 3, stride=2, padding=1, output_padding=1
            )

        def forward(self, x):
            return self.grow(self.conv(x).relu()).relu()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = vgg11(weights=None).features
            self.center = Grow(512, 512, 256)
            self.up4 = Grow(512 + 256, 512, 256)
            self.up3 = Grow(512 + 256, 512, 128)
            self.up2 = Grow(256 + 128, 256, 64)
            self.up1 = Grow(128 + 64, 128, 32)
            self.up0 = nn.Conv2d(64 + 32, 32, 3, padding=1)
            self.head = nn.Conv2d(32, OUTPUTS, 1)

        def forward(self, x):
            skips = []
            for layer in self.encoder:
                if isinstance(layer, nn.MaxPool2d):
                    skips.append(x)
                x = layer(x)
            x = self.center(x)
            for grow in (self.up4, self.up3, self.up2, self.up1):
                x = grow(torch.cat([x, skips.pop()], dim=1))
            x = self.up0(torch.cat([x, skips.pop()], dim=1)).relu()
            return self.head(x)

    return Net()


TERNAUS_NAMES = Names(
    project="plain",
    modules=(
        (r"(center|up\d)\.(conv|grow)", r"\1/\2"),
        (r"(up0|head)", r"\1"),
    ),
    kinds=((r".*\.grow\.weight", "transposed"),),
)


def _mobile_unet():
    with_torchvision()
    import torch
    from torch import nn
    from torchvision.models import mobilenet_v2

    def grown(before: int, after: int, **options):
        return nn.ConvTranspose2d(before, after, 3, 2, 1, 1, **options)

    class Grow(nn.Module):
        def __init__(self, before: int, after: int):
            super().__init__()
            self.conv = grown(before, after, bias=False)
            self.norm = nn.BatchNorm2d(after, eps=1e-3)

        def forward(self, x):
            return self.norm(self.conv(x)).relu()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = mobilenet_v2(weights=None).features[:18]
            skips, after = (576, 192, 144, 96), WIDTHS[:4]
            before = (320, *map(sum, zip(skips, after, strict=True)))
            self.up = nn.ModuleList(map(Grow, before, after))
            self.head = grown(before[-1], OUTPUTS)

        def forward(self, x):
            skips = []
            for index, block in enumerate(self.encoder):
                if index in (2, 4, 7, 14):
                    skips.append(block.conv[0](x))
                x = block(x)
            for up in self.up:
                x = torch.cat([up(x), skips.pop()], dim=1)
            return self.head(x)

    return Net()


MOBILE_NAMES = Names(
    project="plain",
    modules=(
        *((rf"up\.{i}\.(conv|norm)", rf"up{4 - i}/\1") for i in range(4)),
        (r"head", "head"),
    ),
    kinds=((r"up\.\d\.conv\.weight", "transposed"), (r"head\.weight", "transposed")),
)


ORACLES = (
    *map(_unet, ("resnet18", "vgg11", "vgg16_bn")),
    Oracle(
        "ternausnet_plain",
        ours=lambda: TernausNet(num_outputs=OUTPUTS),
        theirs=_ternausnet,
        names=foreign.whole("vgg11", TERNAUS_NAMES, r"encoder\.")[0],
        against="40 lines of PyTorch",
        shape=(1, 32, 64, 3),
        note="encoder of torchvision",
    ),
    Oracle(
        "mobile_unet_plain",
        ours=lambda: MobileUNet(num_outputs=OUTPUTS, decoder_widths=WIDTHS[:4]),
        theirs=_mobile_unet,
        names=foreign.whole("mobilenet_v2", MOBILE_NAMES, r"encoder\.")[0],
        against="40 lines of PyTorch",
        shape=(1, 64, 32, 3),
        note="encoder of torchvision; symmetric padding, not Keras's",
    ),
)
