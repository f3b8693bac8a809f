"""U-Net in plain PyTorch: convolutions with bias, batch norm, ReLU, and a skip."""

from segjax.core.names import Names


def make(num_outputs: int, width: int = 64, depth: int = 4):
    """The network of `segjax.models.unet` with the same parameters."""
    import torch
    from torch import nn

    class Twice(nn.Module):
        def __init__(self, before: int, after: int):
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, padding=1)
            self.norm1 = nn.BatchNorm2d(after)
            self.conv2 = nn.Conv2d(after, after, 3, padding=1)
            self.norm2 = nn.BatchNorm2d(after)
            self.act = nn.ReLU(inplace=True)

        def forward(self, x):
            x = self.act(self.norm1(self.conv1(x)))
            return self.act(self.norm2(self.conv2(x)))

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            widths = [width * 2**level for level in range(depth + 1)]
            self.down = nn.ModuleList(
                Twice(a, b) for a, b in zip([3, *widths], widths, strict=False)
            )
            self.grow = nn.ModuleList(
                nn.ConvTranspose2d(2 * n, n, 2, stride=2) for n in widths[:-1]
            )
            self.up = nn.ModuleList(Twice(2 * n, n) for n in widths[:-1])
            self.head = nn.Conv2d(width, num_outputs, 1)

        def forward(self, x):
            skips = []
            for down in self.down[:-1]:
                x = down(x)
                skips.append(x)
                x = nn.functional.max_pool2d(x, 2)
            x = self.down[-1](x)
            for level in reversed(range(depth)):
                x = torch.cat([skips[level], self.grow[level](x)], dim=1)
                x = self.up[level](x)
            return self.head(x)

    return UNet()


def names(width: int = 64, depth: int = 4) -> Names:
    """What its arrays are called in segjax."""
    return Names(
        project="plain",
        modules=(
            (rf"down\.{depth}\.(\w+)", r"bottom/\1"),
            (r"(down|up)\.(\d)\.(\w+)", r"\1\2/\3"),
            (r"grow\.(\d)", r"up\1_grow"),
            (r"head", "head"),
        ),
        kinds=((r"grow\.\d\.weight", "transposed"),),
    )
