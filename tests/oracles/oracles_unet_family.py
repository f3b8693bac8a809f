"""Members of the U-Net family against plain PyTorch, written from their sources."""

from segjax.core.names import Names
from segjax.models.valid_unet import ValidUNet
from segjax.models.xception_unet import XceptionUNet
from tests.oracles.harness import Oracle

OUTPUTS = 3


def _valid_unet(width: int, depth: int):
    import torch
    from torch import nn

    def twice(before: int, after: int):
        return nn.Sequential(
            nn.Conv2d(before, after, 3),
            nn.ReLU(),
            nn.Conv2d(after, after, 3),
            nn.ReLU(),
        )

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            widths = [width * 2**level for level in range(depth + 1)]
            self.down = nn.ModuleList(map(twice, [1, *widths], widths))
            self.grow = nn.ModuleList(
                nn.ConvTranspose2d(2 * n, n, 2, stride=2) for n in widths[:-1]
            )
            self.up = nn.ModuleList(twice(2 * n, n) for n in widths[:-1])
            self.head = nn.Conv2d(width, OUTPUTS, 1)

        def forward(self, x):
            skips = []
            for down in self.down[:-1]:
                x = down(x)
                skips.append(x)
                x = nn.functional.max_pool2d(x, 2)
            x = self.down[-1](x)
            for level in reversed(range(depth)):
                x = self.grow[level](x)
                (H, W), (h, w) = skips[level].shape[2:], x.shape[2:]
                top, left = (H - h) // 2, (W - w) // 2
                skip = skips[level][:, :, top : top + h, left : left + w]
                x = self.up[level](torch.cat([skip, x], dim=1))
            return self.head(x)

    return Net()


def _valid_names(depth: int) -> Names:
    rules = []
    for at, ours in ((0, "conv1"), (2, "conv2")):
        rules += [
            (rf"down\.{depth}\.{at}", rf"bottom/{ours}"),
            (rf"(down|up)\.(\d)\.{at}", rf"\1\2/{ours}"),
        ]
    return Names(
        project="plain",
        modules=(*rules, (r"grow\.(\d)", r"up\1_grow"), (r"head", "head")),
        kinds=((r"grow\.\d\.weight", "transposed"),),
    )


def _xception_unet(width: int, depth: int, skips: bool):
    import torch
    from torch import nn

    def normed(features: int):
        return nn.BatchNorm2d(features, eps=1e-3)

    class Shrink(nn.Module):
        def __init__(self, before: int, after: int):
            super().__init__()
            self.depth1 = nn.Conv2d(before, before, 3, 1, 1, groups=before, bias=False)
            self.point1, self.norm1 = nn.Conv2d(before, after, 1), normed(after)
            self.depth2 = nn.Conv2d(after, after, 3, 1, 1, groups=after, bias=False)
            self.point2, self.norm2 = nn.Conv2d(after, after, 1), normed(after)
            self.residual = nn.Conv2d(before, after, 1, stride=2)

        def forward(self, x):
            y = self.norm1(self.point1(self.depth1(x.relu())))
            y = self.norm2(self.point2(self.depth2(y.relu())))
            return nn.functional.max_pool2d(y, 3, 2, 1) + self.residual(x)

    class Grow(nn.Module):
        def __init__(self, before: int, after: int):
            super().__init__()
            self.conv1 = nn.ConvTranspose2d(before, after, 3, padding=1)
            self.norm1 = normed(after)
            self.conv2 = nn.ConvTranspose2d(after, after, 3, padding=1)
            self.norm2 = normed(after)
            self.residual = nn.Conv2d(before, after, 1)

        def forward(self, x):
            y = self.norm1(self.conv1(x.relu()))
            y = self.norm2(self.conv2(y.relu()))
            grown = nn.functional.interpolate(x, scale_factor=2)
            y = nn.functional.interpolate(y, scale_factor=2)
            return y + self.residual(grown)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            widths = [width * 2**level for level in range(depth + 1)]
            self.stem, self.norm = nn.Conv2d(3, width, 3, 2, 1), normed(width)
            self.down = nn.ModuleList(map(Shrink, widths, widths[1:]))
            # a block gets what grew below, and beside it the skip of its own size
            above = [2 * n + (n if skips else 0) for n in widths[:-1]] + [widths[-1]]
            self.up = nn.ModuleList(map(Grow, above, widths))
            self.head = nn.Conv2d(width, OUTPUTS, 3, padding=1)

        def forward(self, x):
            kept = [self.norm(self.stem(x)).relu()]
            for down in self.down:
                kept.append(down(kept[-1]))
            x = kept[-1]
            for level in reversed(range(depth + 1)):
                x = self.up[level](x)
                if skips and level:
                    x = torch.cat([kept[level - 1], x], dim=1)
            return self.head(x)

    return Net()


XCEPTION_NAMES = Names(
    project="plain",
    modules=(
        (r"stem", "stem/conv"),
        (r"norm", "stem/norm"),
        (r"down\.0\.depth(\d)", r"down1/conv\1/depth"),
        (r"down\.0\.point(\d)", r"down1/conv\1/point/conv"),
        (r"down\.0\.norm(\d)", r"down1/conv\1/point/norm"),
        (r"down\.0\.residual", "down1/shortcut"),
        (r"down\.1\.depth(\d)", r"down2/conv\1/depth"),
        (r"down\.1\.point(\d)", r"down2/conv\1/point/conv"),
        (r"down\.1\.norm(\d)", r"down2/conv\1/point/norm"),
        (r"down\.1\.residual", "down2/shortcut"),
        (r"up\.(\d)\.conv(\d)", r"up\1/conv\2/conv"),
        (r"up\.(\d)\.norm(\d)", r"up\1/conv\2/norm"),
        (r"up\.(\d)\.residual", r"up\1/shortcut"),
        (r"head", "head"),
    ),
    kinds=((r"up\.\d\.conv\d\.weight", "transposed_flipped"),),
)
"""Of a depth of 2."""


ORACLES = (
    Oracle(
        "valid_unet_plain",
        ours=lambda: ValidUNet(num_outputs=OUTPUTS, width=6, depth=2),
        theirs=lambda: _valid_unet(6, 2),
        names=_valid_names(2),
        against="40 lines of PyTorch",
        shape=(2, 44, 52, 1),
        large=(2, 92, 140, 1),
    ),
    *(
        Oracle(
            f"xception_unet{'_skips' if skips else ''}_plain",
            ours=lambda skips=skips: XceptionUNet(
                num_outputs=OUTPUTS, width=4, depth=2, skips=skips
            ),
            theirs=lambda skips=skips: _xception_unet(4, 2, skips),
            names=XCEPTION_NAMES,
            against="50 lines of PyTorch",
            shape=(2, 16, 24, 3),
            note="strides centred, not Keras's",
        )
        for skips in (False, True)
    ),
)
