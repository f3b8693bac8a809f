"""LinkNet: the paper's form against plain PyTorch, the other against smp."""

from benchmarks.rivals.vision import with_torchvision
from segjax.core.names import Names
from segjax.models import foreign
from segjax.models.linknet import LinkNet
from tests.oracles.harness import Oracle

OUTPUTS = 3


def _paper():
    with_torchvision()
    from torch import nn
    from torchvision.models import resnet18

    def normed(layer, features: int, eps: float = 1e-3):
        return nn.Sequential(layer, nn.BatchNorm2d(features, eps=eps), nn.ReLU())

    def decoder(before: int, after: int, stride: int):
        n = before // 4
        grow = nn.ConvTranspose2d(n, n, 3, stride, 1, stride - 1, bias=False)
        return nn.Sequential(
            normed(nn.Conv2d(before, n, 1, bias=False), n),
            normed(grow, n),
            normed(nn.Conv2d(n, after, 1, bias=False), after),
        )

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = resnet18(weights=None)
            self.encoder.fc = nn.Identity()
            self.up4, self.up3 = decoder(512, 256, 2), decoder(256, 128, 2)
            self.up2, self.up1 = decoder(128, 64, 2), decoder(64, 64, 1)
            self.end0 = normed(nn.ConvTranspose2d(64, 32, 3, 2, 1, 1, bias=False), 32)
            self.end1 = normed(nn.Conv2d(32, 32, 3, padding=1, bias=False), 32)
            self.head = nn.ConvTranspose2d(32, OUTPUTS, 2, stride=2)

        def forward(self, x):
            e = self.encoder
            stem = e.maxpool(e.relu(e.bn1(e.conv1(x))))
            e1 = e.layer1(stem)
            e2 = e.layer2(e1)
            e3 = e.layer3(e2)
            x = e.layer4(e3)
            for up, skip in (
                (self.up4, e3),
                (self.up3, e2),
                (self.up2, e1),
                (self.up1, stem),
            ):
                x = (up(x) + skip).relu()
            return self.head(self.end1(self.end0(x)))

    return Net()


PAPER_NAMES = Names(
    project="plain",
    modules=(
        *(
            (rf"(up\d)\.{i}\.{j}", rf"\1/{block}/{part}")
            for i, block in enumerate(("narrow", "grow", "widen"))
            for j, part in enumerate(("conv", "norm"))
        ),
        (r"(end\d)\.0", r"\1/conv"),
        (r"(end\d)\.1", r"\1/norm"),
        (r"head", "head"),
    ),
    kinds=((r"(up\d\.1|end0)\.0\.weight|head\.weight", "transposed"),),
)


def _smp(backbone: str) -> Oracle:
    def theirs():
        with_torchvision()
        import segmentation_models_pytorch as smp

        return smp.Linknet(backbone, encoder_weights=None, classes=OUTPUTS)

    def ours():
        return LinkNet(num_outputs=OUTPUTS, backbone=backbone, form="smp")

    return Oracle(
        f"linknet_{backbone}_smp",
        ours=ours,
        theirs=theirs,
        names=ours().foreign[0],
        against="segmentation_models_pytorch",
        shape=(1, 32, 64, 3),
        slow=backbone != "resnet18",
        note="form='smp'",
    )


ORACLES = (
    Oracle(
        "linknet_paper_plain",
        ours=lambda: LinkNet(num_outputs=OUTPUTS),
        theirs=_paper,
        names=foreign.whole("resnet18", PAPER_NAMES, r"encoder\.")[0],
        against="50 lines of PyTorch",
        shape=(1, 32, 64, 3),
        note="encoder of torchvision",
    ),
    _smp("resnet18"),
    _smp("resnet34"),
)
