"""The U-Net of the figure against thirty plain lines of PyTorch."""

from segjax.core.names import Names
from segjax.models.unet import UNet
from tests.oracles.harness import Oracle

WIDTH, DEPTH, OUTPUTS = 6, 3, 5


def _theirs():
    import torch
    from torch import nn

    class Twice(nn.Module):
        def __init__(self, before: int, after: int):
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, padding=1)
            self.norm1 = nn.BatchNorm2d(after)
            self.conv2 = nn.Conv2d(after, after, 3, padding=1)
            self.norm2 = nn.BatchNorm2d(after)

        def forward(self, x):
            x = self.norm1(self.conv1(x)).relu()
            return self.norm2(self.conv2(x)).relu()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            widths = [WIDTH * 2**level for level in range(DEPTH + 1)]
            self.down = nn.ModuleList(
                Twice(a, b) for a, b in zip([3, *widths], widths, strict=False)
            )
            self.grow = nn.ModuleList(
                nn.ConvTranspose2d(2 * n, n, 2, stride=2) for n in widths[:-1]
            )
            self.up = nn.ModuleList(Twice(2 * n, n) for n in widths[:-1])
            self.head = nn.Conv2d(WIDTH, OUTPUTS, 1)

        def forward(self, x):
            skips = []
            for down in self.down[:-1]:
                x = down(x)
                skips.append(x)
                x = nn.functional.max_pool2d(x, 2)
            x = self.down[-1](x)
            for level in reversed(range(DEPTH)):
                x = torch.cat([skips[level], self.grow[level](x)], dim=1)
                x = self.up[level](x)
            return self.head(x)

    return Net()


NAMES = Names(
    project="plain",
    modules=(
        (rf"down\.{DEPTH}\.(\w+)", r"bottom/\1"),
        (r"(down|up)\.(\d)\.(\w+)", r"\1\2/\3"),
        (r"grow\.(\d)", r"up\1_grow"),
        (r"head", "head"),
    ),
    kinds=((r"grow\.\d\.weight", "transposed"),),
)

ORACLES = (
    Oracle(
        "unet_plain",
        ours=lambda: UNet(num_outputs=OUTPUTS, width=WIDTH, depth=DEPTH),
        theirs=_theirs,
        names=NAMES,
        against="30 lines of PyTorch",
        shape=(2, 32, 48, 3),
    ),
)
