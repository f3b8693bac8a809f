"""FC-DenseNet against plain PyTorch, in both of its evaluations."""

from functools import partial

from segjax.core.names import Names
from segjax.models.fc_densenet import FCDenseNet
from tests.oracles.harness import Oracle

K, GROWTH, FIRST = 5, 4, 6
LAYERS = (2, 3, 4, 3, 2)


def _theirs(batch_statistics: bool):
    """After the authors' Lasagne code, whose transposed convolution is not padded."""
    import torch
    from torch import nn

    def layer(before, after, kernel):
        return nn.Sequential(
            nn.BatchNorm2d(before, eps=1e-4, track_running_stats=not batch_statistics),
            nn.ReLU(),
            nn.Conv2d(before, after, kernel, padding=kernel // 2),
        )

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.depth = len(LAYERS) // 2
            self.first = nn.Conv2d(3, FIRST, 3, padding=1)
            self.block, self.shrink = nn.ModuleList(), nn.ModuleList()
            self.grow = nn.ModuleList()
            stack, skips = FIRST, []
            for i, n in enumerate(LAYERS):
                self.block.append(
                    nn.ModuleList(
                        layer(stack + GROWTH * j, GROWTH, 3) for j in range(n)
                    )
                )
                new = GROWTH * n
                if i < self.depth:
                    stack += new
                    skips.append(stack)
                    self.shrink.append(layer(stack, stack, 1))
                elif i < len(LAYERS) - 1:
                    self.grow.append(nn.ConvTranspose2d(new, new, 3, stride=2))
                    stack = new + skips.pop()
                else:
                    stack += new
            self.head = nn.Conv2d(stack, K, 1)

        def forward(self, x):
            x = self.first(x)
            skips = []
            for i, block in enumerate(self.block):
                new = []
                for one in block:
                    new.append(one(torch.cat([x, *new], dim=1)))
                if i < self.depth:
                    x = torch.cat([x, *new], dim=1)
                    skips.append(x)
                    x = nn.functional.max_pool2d(self.shrink[i](x), 2)
                elif i < len(LAYERS) - 1:
                    skip = skips.pop()
                    H, W = skip.shape[-2:]
                    up = self.grow[i - self.depth](torch.cat(new, dim=1))
                    x = torch.cat([up[:, :, :H, :W], skip], dim=1)
                else:
                    x = torch.cat([x, *new], dim=1)
            return self.head(x)

    return Net()


BLOCKS = ("down0", "down1", "bottom", "up1", "up0")

NAMES = Names(
    project="plain",
    modules=(
        (r"(first|head)", r"\1"),
        *(
            (rf"block\.{i}\.{j}\.{k}", f"{block}/layer{j + 1}/{part}")
            for i, block in enumerate(BLOCKS)
            for j in range(LAYERS[i])
            for k, part in ((0, "norm"), (2, "conv"))
        ),
        (r"shrink\.(\d)\.0", r"down\1_shrink/norm"),
        (r"shrink\.(\d)\.2", r"down\1_shrink/conv"),
        (r"grow\.0", "up1_grow/conv"),
        (r"grow\.1", "up0_grow/conv"),
    ),
    kinds=((r"grow\.\d\.weight", "transposed"),),
)


def _with(evaluation: str) -> FCDenseNet:
    return FCDenseNet(
        K, growth=GROWTH, layers=LAYERS, first=FIRST, evaluation=evaluation
    )


ORACLES = (
    Oracle(
        "fc_densenet_plain",
        ours=partial(_with, "running_averages"),
        theirs=partial(_theirs, False),
        names=NAMES,
        against="50 lines of PyTorch",
        shape=(1, 45, 38, 3),
        large=(2, 90, 121, 3),
        note="stated after the authors' Lasagne code",
    ),
    Oracle(
        "fc_densenet_batch_plain",
        ours=partial(_with, "batch_statistics"),
        theirs=partial(_theirs, True),
        names=NAMES,
        against="50 lines of PyTorch",
        shape=(2, 45, 38, 3),
        large=(2, 90, 121, 3),
        new=("batch_stats/",),
        note="with the statistics of the batch",
    ),
)
