"""ICNet against plain lines of PyTorch around torchvision's residual blocks."""

import itertools

from benchmarks.rivals.vision import with_torchvision
from segjax.core.names import Names
from segjax.models.icnet import ICNet
from tests.oracles.harness import Oracle
from tests.oracles.oracles_deeplab import both_heads

K, WIDTH, FEATURES = 5, 8, 12
BLOCKS = (1, 2, 2, 2)


def _icnet():
    with_torchvision()
    import torch
    from torch import nn
    from torch.nn.functional import adaptive_avg_pool2d, interpolate, max_pool2d
    from torchvision.models.resnet import Bottleneck, conv1x1

    def layer(before, after, kernel, stride=1, rate=1, relu=True):
        pad = rate * (kernel // 2)
        conv = nn.Conv2d(before, after, kernel, stride, pad, rate, bias=False)
        return nn.Sequential(
            conv, nn.BatchNorm2d(after), nn.ReLU() if relu else nn.Identity()
        )

    def entry(strides):
        widths = (3, WIDTH, WIDTH, 2 * WIDTH)
        pairs = zip(itertools.pairwise(widths), strides, strict=True)
        return nn.Sequential(*(layer(*pair, 3, stride) for pair, stride in pairs))

    def blocks(before, inner, rates, stride=1, projects=True):
        made = []
        for i, rate in enumerate(rates):
            first = i == 0 and projects
            shortcut = None
            if first:
                shortcut = nn.Sequential(
                    conv1x1(before, 4 * inner, stride), nn.BatchNorm2d(4 * inner)
                )
            made.append(
                Bottleneck(
                    before if first else 4 * inner,
                    inner,
                    stride if first else 1,
                    shortcut,
                    dilation=rate,
                )
            )
        return nn.Sequential(*made)

    def half(x, times=0.5):
        size = [int(n * times) for n in x.shape[2:]]
        return interpolate(x, size=size, mode="bilinear", align_corners=False)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            one, two, three, four = BLOCKS
            self.stem = entry((2, 1, 1))
            self.fine = entry((2, 2, 2))
            self.stage1 = blocks(2 * WIDTH, WIDTH, [1] * one)
            self.stage2a = blocks(4 * WIDTH, 2 * WIDTH, [1], stride=2)
            self.stage2b = blocks(8 * WIDTH, 2 * WIDTH, [1] * (two - 1), 1, False)
            self.stage3 = blocks(8 * WIDTH, 4 * WIDTH, [1] + [2] * (three - 1))
            self.stage4 = blocks(16 * WIDTH, 8 * WIDTH, [2] + [4] * (four - 1))
            self.squeeze = layer(32 * WIDTH, 2 * FEATURES, 1)
            for i, (coarse, fine) in enumerate(
                ((2 * FEATURES, 8 * WIDTH), (FEATURES, 2 * WIDTH))
            ):
                setattr(self, f"aux{i}", nn.Conv2d(coarse, K, 1))
                setattr(self, f"coarse{i}", layer(coarse, FEATURES, 3, 1, 2, False))
                setattr(self, f"finer{i}", layer(fine, FEATURES, 1, relu=False))
            self.head = nn.Conv2d(FEATURES, K, 1)

        def forward(self, x):
            y = max_pool2d(self.stem(half(x)), 3, 2, 1)
            middle = self.stage2a(self.stage1(y))
            y = self.stage4(self.stage3(self.stage2b(half(middle))))
            pooled = [adaptive_avg_pool2d(y, bins) for bins in (1, 2, 3, 6)]
            y = y + sum(
                interpolate(p, y.shape[2:], mode="bilinear", align_corners=False)
                for p in pooled
            )
            y = half(self.squeeze(y), 2)
            aux = half(self.aux0(y), 16)
            y = half(torch.relu(self.coarse0(y) + self.finer0(middle)), 2)
            y = torch.relu(self.coarse1(y) + self.finer1(self.fine(x)))
            return {"out": half(self.head(half(y, 2)), 4), "aux": aux}

    return Net()


def _blocks(there: str) -> tuple[tuple[str, str], ...]:
    """Rules for the residual blocks of a stage."""
    block = rf"({there})\.(\d)"
    return (
        (rf"{block}\.conv(\d)", r"\1/block\2/conv\3/conv"),
        (rf"{block}\.bn(\d)", r"\1/block\2/conv\3/norm"),
        (rf"{block}\.downsample\.0", r"\1/block\2/shortcut/conv"),
        (rf"{block}\.downsample\.1", r"\1/block\2/shortcut/norm"),
    )


def _layers() -> tuple[tuple[str, str], ...]:
    """Rules for convolutions with their norms."""
    rules = [(r"squeeze\.0", "squeeze/conv"), (r"squeeze\.1", "squeeze/norm")]
    for i, part in enumerate(("conv", "norm")):
        for j in range(3):
            rules.append((rf"(stem|fine)\.{j}\.{i}", rf"\1/conv{j + 1}/{part}"))
        rules.append((rf"coarse(\d)\.{i}", rf"fuse\1/coarse/{part}"))
        rules.append((rf"finer(\d)\.{i}", rf"fuse\1/fine/{part}"))
    return tuple(rules)


ORACLES = (
    Oracle(
        "icnet_plain",
        ours=lambda: ICNet(
            num_outputs=K, width=WIDTH, blocks=BLOCKS, features=FEATURES
        ),
        theirs=_icnet,
        names=Names(
            project="plain",
            modules=(*_blocks(r"stage\d[ab]?"), *_layers(), (r"(head|aux\d)", r"\1")),
        ),
        against="torchvision",
        apply=both_heads,
        note="its residual blocks; the rest in 60 lines of PyTorch; head and first aux",
    ),
)
