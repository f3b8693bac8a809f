"""SegNet in PyTorch: torchvision's VGG-16-BN, max_pool2d's indices, max_unpool2d."""

from benchmarks.rivals.vision import with_torchvision
from segjax.core.names import Names

WIDTHS, CONVOLUTIONS = (64, 128, 256, 512, 512), (2, 2, 3, 3, 3)


def make(
    num_outputs: int,
    widths: tuple[int, ...] = WIDTHS,
    convolutions: tuple[int, ...] = CONVOLUTIONS,
):
    """The network of `segjax.models.segnet` with the same parameters."""
    with_torchvision()
    from torch import nn
    from torchvision.models.vgg import make_layers

    class SegNet(nn.Module):
        def __init__(self):
            super().__init__()
            plan = []
            for width, n in zip(widths, convolutions, strict=True):
                plan += [width] * n + ["M"]
            self.features = make_layers(plan, batch_norm=True)
            self.up = nn.ModuleList()
            for level, n in enumerate(convolutions):
                width, last = widths[level], widths[max(0, level - 1)]
                outputs = [width] * (n - 1) + [last] * (level > 0)
                self.up.append(
                    nn.ModuleList(
                        nn.Sequential(
                            nn.Conv2d(width, f, 3, padding=1),
                            nn.BatchNorm2d(f),
                            nn.ReLU(inplace=True),
                        )
                        for f in outputs
                    )
                )
            self.head = nn.Conv2d(widths[0], num_outputs, 3, padding=1)

        def forward(self, x):
            trail = []
            for layer in self.features:
                if isinstance(layer, nn.MaxPool2d):
                    size = x.shape[-2:]
                    x, indices = nn.functional.max_pool2d(
                        x, 2, ceil_mode=True, return_indices=True
                    )
                    trail.append((indices, size))
                else:
                    x = layer(x)
            for level in reversed(range(len(trail))):
                indices, size = trail[level]
                x = nn.functional.max_unpool2d(x, indices, 2, output_size=size)
                for layer in self.up[level]:
                    x = layer(x)
            return self.head(x)

    return SegNet()


def names(
    widths: tuple[int, ...] = WIDTHS, convolutions: tuple[int, ...] = CONVOLUTIONS
) -> Names:
    """What its arrays are called in segjax; for VGG-16's convolutions."""
    from segjax.models.backbones.vgg import VGG16Normed

    del widths
    return Names(
        project="plain",
        modules=(
            *VGG16Normed.foreign[0].nested("", "encoder").modules,
            *(
                (rf"up\.{level}\.{i}\.{j}", f"up{level + 1}/conv{i + 1}/{layer}")
                for level, n in enumerate(convolutions)
                for i in range(n)
                for j, layer in enumerate(("conv", "norm"))
            ),
            (r"head", "head"),
        ),
    )
