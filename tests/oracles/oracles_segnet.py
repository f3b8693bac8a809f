"""Networks that keep the indices of their poolings, against PyTorch's unpooling."""

import dataclasses
from functools import partial

from benchmarks.rivals import segnet
from benchmarks.rivals.vision import with_torchvision
from segjax.core.names import Names
from segjax.models.backbones.mobilenet_v1 import MobileNetV1
from segjax.models.enet import CONTEXT, ENet
from segjax.models.mobilenet_segnet import DEEPEST, MobileNetSegNet
from segjax.models.segnet import SegNet
from segjax.models.segnet_basic import SegNetBasic
from tests.oracles.harness import Oracle

K = 5
WIDTHS, CONVOLUTIONS = (8, 12, 16, 20, 20), (2, 2, 3, 3, 3)


def _pool(x):
    """Halved, rounded up, with the indices and the size before."""
    import torch

    pooled, indices = torch.nn.functional.max_pool2d(
        x, 2, ceil_mode=True, return_indices=True
    )
    return pooled, (indices, x.shape[-2:])


def _unpool(x, trail):
    import torch

    indices, size = trail
    return torch.nn.functional.max_unpool2d(x, indices, 2, output_size=size)


def _segnet_basic():
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()

            def stage(before):
                conv = nn.Conv2d(before, 8, 7, padding=3, bias=False)
                return nn.Sequential(conv, nn.BatchNorm2d(8))

            self.down = nn.ModuleList(stage(n) for n in (3, 8, 8, 8))
            self.up = nn.ModuleList(stage(8) for _ in range(4))
            self.head = nn.Conv2d(8, K, 1)

        def forward(self, x):
            trail = []
            for stage in self.down:
                x, step = _pool(stage(x).relu())
                trail.append(step)
            for stage, step in zip(self.up[::-1], trail[::-1], strict=True):
                x = stage(_unpool(x, step))
            return self.head(x)

    return Net()


SEGNET_BASIC = Names(
    project="plain",
    modules=(
        (r"(down|up)\.(\d)\.0", r"\1\2/conv"),
        (r"(down|up)\.(\d)\.1", r"\1\2/norm"),
        (r"head", "head"),
    ),
)


def _mobilenet_segnet(relu: bool):
    """timm's MobileNet up to the sixth block of 512 channels, and Keras's decoder."""
    with_torchvision()
    import timm
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = timm.create_model("mobilenetv1_100", pretrained=False)
            self.up = nn.ModuleList(
                nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b))
                for a, b in ((512, 16), (16, 8), (8, 8), (8, 8))
            )
            self.head = nn.Conv2d(8, K, 3, padding=1)
            for layer in self.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eps = 1e-3

        def forward(self, x):
            size = x.shape[-2:]
            x = self.backbone.bn1(self.backbone.conv_stem(x))
            for group in self.backbone.blocks[:4]:
                x = group(x)
            for i, layer in enumerate(self.up):
                if i > 0:
                    x = nn.functional.interpolate(x, scale_factor=2, mode="nearest")
                x = layer(x).relu() if relu else layer(x)
            return nn.functional.interpolate(self.head(x), size, mode="bilinear")

    return Net()


def _mobilenet_names() -> Names:
    timm = MobileNetV1.foreign[0]
    part = dataclasses.replace(timm, drop=(*timm.drop, *DEEPEST, r"conv_head\..*"))
    part = part.nested(r"backbone\.", "backbone")
    strides = (16, 8, 4, 2)
    own = [
        (rf"up\.{i}\.{j}", f"up{strides[i]}/{layer}")
        for i in range(4)
        for j, layer in enumerate(("conv", "norm"))
    ]
    return dataclasses.replace(part, modules=(*part.modules, *own, (r"head", "head")))


def _enet():
    """The tables of the paper, with the biases of the authors' Torch code."""
    import torch
    from torch import nn

    def normed(a, b, kernel, act, **options):
        conv = nn.Conv2d(a, b, kernel, **options)
        norm = nn.BatchNorm2d(b, eps=1e-3)
        return nn.Sequential(conv, norm, act(b) if act else nn.Identity())

    def relu(_):
        return nn.ReLU()

    class Block(nn.Module):
        """A bottleneck of any kind."""

        def __init__(self, a, b, act, kind="", rate=1, asymmetric=0):
            super().__init__()
            n, self.kind, self.more = b // 4, kind, b - a
            first = dict(stride=2) if kind == "shrink" else {}
            side = 2 if kind == "shrink" else 1
            self.one = normed(a, n, side, act, bias=False, **first)
            self.row = nn.Identity()
            if asymmetric:
                half = asymmetric // 2
                self.row = nn.Conv2d(
                    n, n, (1, asymmetric), padding=(0, half), bias=False
                )
                self.two = normed(n, n, (asymmetric, 1), act, padding=(half, 0))
            elif kind == "grow":
                self.two = normed(n, n, 3, act)
                self.two[0] = nn.ConvTranspose2d(n, n, 3, 2, 1, output_padding=1)
                self.short = normed(a, b, 1, None, bias=False)
            else:
                self.two = normed(n, n, 3, act, padding=rate, dilation=rate)
            self.three = normed(n, b, 1, None, bias=False)
            self.last = act(b)

        def forward(self, x, step=None):
            y = self.three(self.two(self.row(self.one(x))))
            if self.kind == "shrink":
                x, step = _pool(x)
                x = nn.functional.pad(x, (0, 0, 0, 0, 0, self.more))
            elif self.kind == "grow":
                x = _unpool(self.short(x), step)
            z = self.last(x + y)
            return (z, step) if self.kind == "shrink" else z

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 13, 3, stride=2, padding=1)
            self.norm = nn.BatchNorm2d(16, eps=1e-3)
            self.act = nn.PReLU(16)
            act = nn.PReLU
            blocks = {"1_0": Block(16, 64, act, "shrink")}
            blocks |= {f"1_{i}": Block(64, 64, act) for i in (1, 2)}
            blocks["2_0"] = Block(64, 128, act, "shrink")
            for i, options in enumerate(CONTEXT, 1):
                blocks[f"2_{i}"] = Block(128, 128, act, **options)
            blocks["4_0"] = Block(128, 64, relu, "grow")
            blocks |= {f"4_{i}": Block(64, 64, relu) for i in (1, 2)}
            blocks["5_0"] = Block(64, 16, relu, "grow")
            blocks["5_1"] = Block(16, 16, relu)
            self.blocks = nn.ModuleDict(blocks)
            self.full = nn.ConvTranspose2d(16, K, 2, stride=2)

        def forward(self, x):
            pooled = nn.functional.max_pool2d(x, 2)
            x = self.act(self.norm(torch.cat([self.first(x), pooled], dim=1)))
            steps = []
            for block in self.blocks.values():
                if block.kind == "shrink":
                    x, step = block(x)
                    steps.append(step)
                else:
                    x = block(x, steps.pop()) if block.kind == "grow" else block(x)
            return self.full(x)

    return Net()


ENET = Names(
    project="plain",
    modules=(
        (r"first", "initial/conv"),
        (r"norm", "initial/norm"),
        (r"act\.weight", "initial/prelu/slope"),
        (r"full", "head"),
        # the transposed convolution has no module of a norm around it
        (r"blocks\.([45]_0)\.two\.0", r"bottleneck\1/conv2"),
        (r"blocks\.([45]_0)\.two\.1", r"bottleneck\1/norm"),
        *(
            rule
            for i, word in enumerate(("one", "two", "three"), 1)
            for rule in (
                (rf"blocks\.(\w+)\.{word}\.0", rf"bottleneck\1/conv{i}/conv"),
                (rf"blocks\.(\w+)\.{word}\.1", rf"bottleneck\1/conv{i}/norm"),
                (rf"blocks\.(\w+)\.{word}\.2\.weight", rf"bottleneck\1/prelu{i}/slope"),
            )
        ),
        (r"blocks\.(\w+)\.row", r"bottleneck\1/conv2_row"),
        (r"blocks\.(\w+)\.short\.0", r"bottleneck\1/shortcut/conv"),
        (r"blocks\.(\w+)\.short\.1", r"bottleneck\1/shortcut/norm"),
        (r"blocks\.(\w+)\.last\.weight", r"bottleneck\1/prelu3/slope"),
    ),
    kinds=((r"(blocks\.[45]_0\.two\.0|full)\.weight", "transposed"),),
)

ORACLES = (
    Oracle(
        "segnet_torchvision",
        ours=lambda: SegNet(K, widths=WIDTHS, convolutions=CONVOLUTIONS),
        theirs=lambda: segnet.make(K, WIDTHS, CONVOLUTIONS),
        names=segnet.names(WIDTHS, CONVOLUTIONS),
        against="torchvision",
        shape=(2, 45, 38, 3),
        large=(1, 90, 121, 3),
        note="its VGG-16-BN, slim; the decoder is 10 lines and max_unpool2d",
    ),
    Oracle(
        "segnet_basic_plain",
        ours=lambda: SegNetBasic(K, width=8),
        theirs=_segnet_basic,
        names=SEGNET_BASIC,
        against="20 lines of PyTorch",
        shape=(1, 45, 38, 3),
        large=(1, 90, 121, 3),
    ),
    *(
        Oracle(
            f"mobilenet_segnet{'_relu' * relu}_timm",
            ours=partial(
                MobileNetSegNet,
                K,
                decoder="upsampling_relu" if relu else "upsampling",
                widths=(16, 8, 8, 8),
            ),
            theirs=partial(_mobilenet_segnet, relu),
            names=_mobilenet_names(),
            against="timm",
            shape=(1, 48, 32, 3),
            slow=relu,
            note="epsilon 1e-3; the decoder is 10 lines of PyTorch",
        )
        for relu in (False, True)
    ),
    Oracle(
        "enet_plain",
        ours=lambda: ENet(K, plain=2, sections=1),
        theirs=_enet,
        names=ENET,
        against="80 lines of PyTorch",
        shape=(1, 64, 48, 3),
        large=(2, 128, 96, 3),
        note="stated after the authors' Torch code; fewer equal blocks",
    ),
)
