"""UNet++ against plain PyTorch, and on a classifier against that of smp."""

from benchmarks.rivals.vision import with_torchvision
from segjax.core.names import Names
from segjax.models.backbone_unet_plus_plus import BackboneUNetPlusPlus
from segjax.models.unet_plus_plus import UNetPlusPlus
from tests.oracles.harness import Oracle

OUTPUTS, WIDTH, DEPTH = 3, 4, 3
WIDTHS = (24, 16, 12, 8, 6)


def _plain():
    import torch
    from torch import nn

    def twice(before: int, after: int):
        def step(channels: int):
            conv = nn.Conv2d(channels, after, 3, padding=1, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU())

        return nn.Sequential(step(before), step(after))

    class Net(nn.Module):
        """Nodes by "level_step", as the subscripts of the paper's figure."""

        def __init__(self):
            super().__init__()
            width = [WIDTH * 2**i for i in range(DEPTH + 1)]
            self.node, self.up = nn.ModuleDict(), nn.ModuleDict()
            for i in range(DEPTH + 1):
                self.node[f"{i}_0"] = twice(width[i - 1] if i else 3, width[i])
                for j in range(1, DEPTH + 1 - i):
                    self.up[f"{i}_{j}"] = nn.ConvTranspose2d(
                        width[i + 1], width[i], 2, stride=2
                    )
                    self.node[f"{i}_{j}"] = twice((j + 1) * width[i], width[i])
            self.head = nn.ModuleDict(
                {f"{j}": nn.Conv2d(WIDTH, OUTPUTS, 1) for j in range(1, DEPTH + 1)}
            )

        def forward(self, x):
            known = {"0_0": self.node["0_0"](x)}
            for i in range(1, DEPTH + 1):
                pooled = nn.functional.max_pool2d(known[f"{i - 1}_0"], 2)
                known[f"{i}_0"] = self.node[f"{i}_0"](pooled)
                for j in range(1, i + 1):  # the diagonal that this level completes
                    at, below = f"{i - j}_{j}", f"{i - j + 1}_{j - 1}"
                    parts = [self.up[at](known[below])]
                    parts += [known[f"{i - j}_{k}"] for k in range(j - 1, -1, -1)]
                    known[at] = self.node[at](torch.cat(parts, dim=1))
            heads = [self.head[f"{j}"](known[f"0_{j}"]) for j in range(1, DEPTH + 1)]
            return torch.stack(heads).mean(0)

    return Net()


PLAIN_NAMES = Names(
    project="plain",
    modules=(
        *(
            (rf"node\.(\d_\d)\.{n}\.{i}", rf"x\1/conv{n + 1}/{part}")
            for n in (0, 1)
            for i, part in enumerate(("conv", "norm"))
        ),
        (r"up\.(\d_\d)", r"x\1_grow"),
        (r"head\.(\d)", r"head\1"),
    ),
    kinds=((r"up\..*\.weight", "transposed"),),
)


def _smp(backbone: str):
    with_torchvision()
    import segmentation_models_pytorch as smp

    return smp.UnetPlusPlus(
        backbone, encoder_weights=None, classes=OUTPUTS, decoder_channels=WIDTHS
    )


def _on(backbone: str) -> Oracle:
    def ours():
        return BackboneUNetPlusPlus(
            num_outputs=OUTPUTS, backbone=backbone, decoder_widths=WIDTHS
        )

    return Oracle(
        f"backbone_unet_plus_plus_{backbone}_smp",
        ours=ours,
        theirs=lambda: _smp(backbone),
        names=ours().foreign[0],
        against="segmentation_models_pytorch",
        shape=(1, 32, 64, 3),
        slow=backbone != "resnet18",
        note="without its centre, never called" if "vgg" in backbone else "",
    )


ORACLES = (
    Oracle(
        "unet_plus_plus_plain",
        ours=lambda: UNetPlusPlus(
            num_outputs=OUTPUTS, width=WIDTH, depth=DEPTH, supervision="average"
        ),
        theirs=_plain,
        names=PLAIN_NAMES,
        against="50 lines of PyTorch",
        shape=(2, 16, 24, 3),
        note="the average of all heads",
    ),
    _on("resnet18"),
    _on("vgg11_bn"),
)
